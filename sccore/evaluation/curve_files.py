"""Rate-distortion curves from files: our records, and the results of CompressAI's tools and of those that write like them.

CompressAI's `eval_model` and `bench` write ``{"name", "description", "results": {"bpp": [...], "psnr-rgb": [...], "ms-ssim-rgb":
[...]}}``, a number for each point of the curve, means over the images. `compressai.utils.plot` reads it, and what :func:`exported` makes.
"""

import json
import math
from pathlib import Path

import pandas as pd

from sccore.evaluation.bd_rate import curve, inexact
from sccore.evaluation.records import to_numbers
from sccore.utils.errors import InputError
from sccore.utils.json_files import load_json

NO_QUALITY = "name codec bpp bpp_estimated bytes adapter_bytes width height lmbda quality encode_s decode_s".split()  # columns of records
# our column: their names, the first is written
THEIRS = {"bpp": ("bpp",), "psnr": ("psnr-rgb", "psnr"), "ms_ssim": ("ms-ssim-rgb", "ms-ssim")}


def read(path: Path | str, metric: str = "psnr") -> tuple[str, pd.DataFrame]:
    """The codec's name and its curve, a table (points, [bpp, metric]), rate ascending; of a record its `attrs` have the images,
    without those that the codec stores without loss at some point.

    Args:
        path: a record, which gives means over its images, or a file of CompressAI's form.
        metric: "psnr" or "ms_ssim"; of records any column that measures quality.

    Raises:
        InputError: no measure of quality; a file that is neither of the two, or it does not have the metric; names the file.
    """
    if metric in NO_QUALITY or metric.endswith("_weight"):
        raise InputError(f"{metric} is no measure of quality; psnr and ms_ssim are, and what `sccore evaluate --also list` shows")
    content = load_json(path)
    try:
        if "images" in content:
            frame = to_numbers(pd.DataFrame([{"codec": content["codec"], **row} for row in content["images"]]))
            if metric not in frame:
                raise InputError(f"has no {metric}")
            frame = inexact(frame) if "psnr" in frame else frame
            points = curve(frame, metric)
            points.attrs["images"] = sorted(set(frame.dropna(subset=[metric])["name"]))
            return str(content["codec"]), points
        results = content.get("results", content)
        columns = {ours: next(results[name] for name in THEIRS.get(ours, (ours,)) if name in results) for ours in ("bpp", metric)}
        table = pd.DataFrame({name: [float(value) for value in values] for name, values in columns.items()})
        if table.empty or not table.map(math.isfinite).all(axis=None):
            raise ValueError("no points, or some that are not finite")
        return str(content.get("name", Path(path).stem)), table.sort_values("bpp", ignore_index=True)
    except StopIteration:
        raise InputError(f"{path}: has no bpp or no {metric}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise InputError(f"{path}: neither a record nor results of CompressAI's form ({error})") from None


def read_all(paths: list[Path], metric: str = "psnr") -> dict[str, pd.DataFrame]:
    """:func:`read` of several; two of one name are told apart by their files."""
    found: dict[str, pd.DataFrame] = {}
    for path in paths:
        name, points = read(path, metric)
        found[name if name not in found else f"{name} ({path})"] = points
    return found


def exported(path: Path | str) -> str:
    """A record in CompressAI's form: JSON with bpp, PSNR and, if all images have it, MS-SSIM, means over the images.

    Raises:
        InputError: not a record.
    """
    record = load_json(path)
    if not isinstance(record, dict) or "images" not in record:
        raise InputError(f"{path}: not a record; perhaps it is in CompressAI's form already")
    name, points = read(path)
    results = {THEIRS[column][0]: points[column].tolist() for column in ("bpp", "psnr")}
    if all(row.get("ms_ssim") is not None for row in record["images"]):  # small images have none
        results[THEIRS["ms_ssim"][0]] = read(path, "ms_ssim")[1]["ms_ssim"].tolist()
    images, dataset = len({row["name"] for row in record["images"]}), (record.get("dataset") or {}).get("name", "a folder")
    return json.dumps({"name": name, "description": f"means over {images} images of {dataset}, by sccore", "results": results}, indent=2)
