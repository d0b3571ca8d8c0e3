"""Lossless formats: the size that a lossy codec has to stay below, or its loss is for nothing.

Every picture is coded, decoded and compared; a format that changes one pixel is an error.
"""

import io
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from sccore.codecs import webp
from sccore.data.decoding import encoded
from sccore.data.images import pair, read_image
from sccore.evaluation.provenance import surroundings
from sccore.evaluation.records import load_record, sweep
from sccore.utils import paths
from sccore.utils.errors import InputError

FORMATS = {  # format of Pillow -> what its encoder is told
    "PNG": {"optimize": True},
    "WEBP": {"lossless": True, "quality": 100, "method": 6},
    "JXL": {"lossless": True, "effort": 7, "num_threads": 1},
}
FOLDER = paths.RESULTS / "lossless"  # a record a data set


def measure(images_dir: Path | str, out: Path | str | None = None, command: str | None = None, progress: bool = True) -> dict:
    """Bytes of each image of a folder in each format: a record with a row an image and format.

    A row of WebP has beside them the bytes of the quick search, by which the codec decides whether it makes the full one.

    Args:
        out: JSON file, written after every image.
        command: what to note as the command, the running one unless given.

    Raises:
        InputError: no images there, or the plugin of JPEG XL is not installed.
    """
    try:
        import_module("pillow_jxl")
    except ImportError:
        raise InputError("pillow_jxl is not installed; pip install -e '.[codecs]'") from None
    record = {"label": "lossless", "settings": FORMATS} | surroundings(images_dir, command) | {"images": []}

    def rows(path: Path, missing: list[dict]) -> Iterable[dict]:
        image = read_image(path)
        for point in missing:
            count = coded(image, point["format"])
            row = point | {"bytes": count, "bpp": 8 * count / (image.shape[0] * image.shape[1])}
            yield row | {"quick": len(webp.encode(image, quick=True))} if point["format"] == "WEBP" else row

    images = {found[1].name: found[1] for found in pair(images_dir)}
    return sweep(record, images, [{"format": name} for name in FORMATS], rows, out, progress)


def coded(image: np.ndarray, form: str) -> int:
    """Bytes of an image, uint8 (H, W, 3), in a file of this format, which is decoded and compared."""
    file = encoded(image, form, **FORMATS[form])
    if not np.array_equal(np.array(Image.open(io.BytesIO(file)).convert("RGB")), image):
        raise InputError(f"{form} did not keep every pixel")
    return len(file)


def sizes(dataset: str = "samples") -> pd.DataFrame:
    """Bits per pixel by image (rows) and format (columns), as recorded; an empty table if nothing is."""
    path = FOLDER / f"{dataset}.json"
    if not path.exists():
        return pd.DataFrame(columns=list(FORMATS))
    rows = pd.DataFrame(load_record(path, ("format", "bpp"), ())["images"])
    return rows.pivot(index="name", columns="format", values="bpp")[list(FORMATS)]


def bar(frame: pd.DataFrame, dataset: str = "samples") -> float | None:
    """Mean bits per pixel of lossless WebP on the images of a table of measurements; None unless all of them are recorded."""
    found = sizes(dataset)["WEBP"].reindex(frame["name"].unique())
    return None if found.empty or found.isna().any() else float(found.mean())


def quick_shares(datasets: tuple[str, ...] = ("samples", "validation")) -> pd.Series:
    """The full search's bytes by those of the quick one, by image, as recorded: what :data:`sccore.codecs.webp.FULL` stays below."""
    found = [FOLDER / f"{name}.json" for name in datasets]
    rows = [row for path in found if path.exists() for row in load_record(path, ("format", "bpp"), ())["images"]]
    return pd.Series({row["name"]: row["bytes"] / row["quick"] for row in rows if "quick" in row}, dtype=float)
