"""Scores of decoded images beside their rates: measured with ASIQE-R, or made elsewhere and read from a table.

Both give frames that :mod:`sccore.evaluation.bd_rate` compares as it does PSNR, under the metric's name.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from sccore.evaluation import records
from sccore.evaluation.asiqe.index import asiqe_r
from sccore.evaluation.provenance import surroundings
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.files import file_hash

METRIC = "asiqe_r"
COLUMNS = ("codec", "bpp", METRIC)


def measure(
    images_dir: Path | str, codecs: Sequence[str], out: Path | str, limit: tuple[int, int] | None = None, progress: bool = True
) -> dict:
    """Scores and rates of a folder's images through codecs, in a record; what is in `out` already is kept.

    Args:
        codecs: names of classical codecs or of checkpoints; each is measured over its whole sweep.
        limit: (H, W); of larger images the part of this size with most detail is measured.

    Returns:
        the record: images, a row an image and point {"name", "codec", "lmbda" or "quality", "width", "height", "bpp", "psnr",
        "asiqe_r"}, originals {name: score}, and what could not be read under "failed".
    """
    from sccore.codecs import classical
    from sccore.codecs.checkpoint import load_model
    from sccore.data.images import pair, read_image
    from sccore.evaluation.evaluate import Latents, measure_classical
    from sccore.evaluation.evaluate import measure as measure_learned
    from sccore.presets import LAMBDAS

    record = {"weights": file_hash(paths.ASIQE), "limit": limit and list(limit)} | surroundings(images_dir)
    record = records.resume(record | {"images": [], "originals": {}}, out, ("weights", "limit", "dataset"), COLUMNS, versions=False)
    record["codecs"] = list(codecs)
    chosen = {codec.name: codec for codec in classical.usable([name for name in codecs if name in classical.CODECS])[0]}
    models = {name: load_model(name) for name in codecs if name not in classical.CODECS}
    points = [{"codec": name, "quality": quality} for name, codec in chosen.items() for quality in codec.qualities]
    points += [{"codec": name, "lmbda": lmbda} for name in models for lmbda in LAMBDAS]

    def rows(path, missing):
        image = busiest(read_image(path), limit)
        record["originals"][path.name] = asiqe_r(image)
        latents = {name: Latents(models[name], image, None) for name in models if name in {point["codec"] for point in missing}}
        for point in missing:
            name = point["codec"]
            if name in models:
                row, decoded = measure_learned(models[name], image, None, point["lmbda"], latents[name])
            else:
                row, decoded = measure_classical(chosen[name], image, None, point["quality"], ms_ssim=False)
            yield point | {key: row[key] for key in ("width", "height", "bpp", "psnr")} | {METRIC: asiqe_r(decoded)}

    records.sweep(record, {path.name: path for _, path, _ in pair(images_dir)}, points, rows, out, progress)
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


def load_record(path: Path | str) -> dict:
    """A record of :func:`measure`; InputError if the file is missing, damaged or something else."""
    return records.load_record(path, COLUMNS, ("originals",))


def read_scores(path: Path | str, dataset: str = "samples") -> pd.DataFrame:
    """Scores that another program gave, for instance the authors' own ASIQE, with the rates of our records.

    Args:
        path: CSV table with the columns image, codec, score, and lmbda or quality (or both, empty where they do not apply);
            image is the name of the file, with or without its suffix.
        dataset: whose records in data/results hold the rates; the scored images must be those decoded there.

    Returns:
        measurements as :func:`sccore.evaluation.records.load_dataset` gives them, those with a score alone, in the column "score": for
        `bd_rate.compare(anchor, test, metric="score")`.

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
    frame = records.load_dataset(dataset)
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
