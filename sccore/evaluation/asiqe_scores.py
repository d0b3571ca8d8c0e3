"""Scores of decoded images beside their rates: measured with ASIQE-R, or made elsewhere and read from a table.

Both give frames that :mod:`sccore.evaluation.bd_rate` compares as it does PSNR, under the metric's name.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from sccore.evaluation import records as results
from sccore.evaluation.asiqe.index import asiqe_r
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.files import file_hash

METRIC = "asiqe_r"


def measure(images_dir: Path | str, codecs: Sequence[str], out: Path | str, limit: tuple[int, int] | None = None,
            progress: bool = True) -> dict:  # fmt: skip
    """Scores and rates of a folder's images through codecs, in a record; what is in `out` already is kept.

    Args:
        codecs: names of classical codecs or of checkpoints; each is measured over its whole sweep.
        limit: (H, W); of larger images the part of this size with most detail is measured.

    Returns:
        the record: images, a row an image and point {"name", "codec", "lmbda" or "quality", "width", "height", "bpp", "psnr",
        "asiqe_r"}, and originals {name: score}.
    """
    from sccore.codecs import classical as anchors
    from sccore.codecs.checkpoint import load_model
    from sccore.data import samples as data
    from sccore.evaluation import evaluate as evaluation
    from sccore.presets import LAMBDAS

    subject = {"weights": file_hash(paths.ASIQE), "limit": limit and list(limit)} | results.surroundings(images_dir)
    record = _begun(out, subject) | {"codecs": list(codecs)}
    classical = {codec.name: codec for codec in anchors.choose([c for c in codecs if c in anchors.CODECS])[0]}
    models = {name: load_model(name) for name in codecs if name not in anchors.CODECS}
    sweeps = {name: codec.qualities for name, codec in classical.items()} | {name: LAMBDAS for name in models}
    pairs = data.pair(images_dir)
    done = {(row["name"], row["codec"], row.get("lmbda", row.get("quality"))) for row in record["images"]}
    with tqdm(total=len(pairs) * sum(map(len, sweeps.values())), initial=len(done), disable=not progress) as bar:
        for _, path, _ in pairs:
            image = busiest(data.read_image(path), limit)
            if path.name not in record["originals"]:
                record["originals"][path.name] = asiqe_r(image)
            for name, sweep in sweeps.items():
                missing = [point for point in sweep if (path.name, name, point) not in done]
                latents = evaluation.Latents(models[name], image, None) if name in models and missing else None
                for point in missing:
                    if latents:
                        row, decoded = evaluation.measure(models[name], image, None, point, latents)
                    else:
                        row, decoded = evaluation.measure_classical(classical[name], image, None, point, ms_ssim=False)
                    kept = ("lmbda", "quality", "width", "height", "bpp", "psnr")
                    own = {key: row[key] for key in kept if key in row}
                    record["images"].append({"name": path.name, "codec": name} | own | {METRIC: asiqe_r(decoded)})
                    bar.update()
                if missing:
                    results.save_record(out, record)
    return record


def busiest(image: np.ndarray, limit: tuple[int, int] | None) -> np.ndarray:
    """The part of an image (H, W, 3), at most `limit` (H, W) large, that :func:`busiest_window` finds."""
    return np.ascontiguousarray(image[busiest_window(image, limit)]) if limit else image


def busiest_window(image: np.ndarray, limit: tuple[int, int], grid: int = 80) -> tuple[slice, slice]:
    """Rows and columns of an image's part, at most `limit` (H, W) large, whose green differs most from column to column.

    Its corner lies on a grid of so many pixels.
    """
    height, width = (min(n, most) for n, most in zip(image.shape, limit))
    green = image[..., 1].astype(int)
    corners = [(y, x) for y in range(0, len(image) - height + 1, grid) for x in range(0, image.shape[1] - width + 1, grid)]
    detail = lambda y, x: np.abs(np.diff(green[y : y + height, x : x + width], axis=1)).sum()
    y, x = max(corners, key=lambda corner: detail(*corner))
    return slice(y, y + height), slice(x, x + width)


def _begun(out, subject):
    record = subject | {"images": [], "originals": {}}
    if not Path(out).exists():
        return record
    before = _read(out)
    same = all(before.get(key) == subject[key] for key in ("weights", "limit", "dataset"))
    return before if same else record


def _read(path):
    import json

    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        if not all({"name", "codec", "bpp", METRIC} <= row.keys() for row in record["images"]) or "originals" not in record:
            raise KeyError("the scores of an image")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a record of scores ({error})") from None
    return record


def load(path: Path | str) -> pd.DataFrame:
    """The rows of a record of :func:`measure`, a row an image, codec and point."""
    return pd.DataFrame(_read(path)["images"])


def read_scores(path: Path | str, dataset: str = "samples") -> pd.DataFrame:
    """Scores that another program gave, for instance the authors' own ASIQE, with the rates of our records.

    Args:
        path: CSV table with the columns image, codec, score, and lmbda or quality (or both, empty where they do not apply);
            image is the name of the file, with or without its suffix.
        dataset: whose records in data/results hold the rates; the scored images must be those decoded there.

    Returns:
        measurements as `results.load_dataset` gives them, those with a score alone, in the column "score": for
        `rd.compare(anchor, test, metric="score")`.

    Raises:
        InputError: a column is missing, a score is no number, or an image, codec or point is not in the records.
    """
    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a CSV table ({str(error).strip()})") from None
    points = [column for column in ("lmbda", "quality") if column in table]
    missing = [column for column in ("image", "codec", "score") if column not in table]
    if missing or not points:
        raise InputError(f"{path}: no column {', '.join(missing + ['lmbda or quality'] * (not points))}")
    for column in ("score", *points):
        table[column] = pd.to_numeric(table[column], errors="coerce")
    if (bad := table["score"].isna()).any():
        raise InputError(f"{path}: line {bad.idxmax() + 2} has no number as its score")
    frame = results.load_dataset(dataset)
    stems = {Path(name).stem: name for name in frame["name"]}
    table["name"] = [stems.get(Path(str(image)).stem) for image in table["image"]]
    for column, known in (("image", table["name"].notna()), ("codec", table["codec"].isin(frame["codec"]))):
        if not known.all():
            unknown = ", ".join(sorted(set(table.loc[~known, column].astype(str))))
            raise InputError(f"{path}: unknown {column} {unknown}; see data/results/{dataset}")
    if table.duplicated(["name", "codec", *points]).any():
        raise InputError(f"{path}: an image is scored twice at one point")
    for column in ("lmbda", "quality"):
        for of in (frame, table):
            if column not in of:
                of[column] = np.nan
    keys = ["name", "codec", "lmbda", "quality"]
    scored = frame.merge(table[[*keys, "score"]], on=keys)
    if len(scored) < len(table):
        found = set(scored[keys].fillna(-1).itertuples(index=False, name=None))
        first = next(row for row in table[keys].fillna(-1).itertuples(index=False, name=None) if row not in found)
        point = " ".join(f"{key} {value:g}" for key, value in zip(keys[2:], first[2:]) if value != -1) or "no lmbda or quality"
        raise InputError(f"{path}: {first[0]} by {first[1]} at {point} is not in data/results/{dataset}")
    return scored
