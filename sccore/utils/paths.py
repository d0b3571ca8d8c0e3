"""Where things lie, from any working directory (terminal, JupyterLab, book build).

What the project brings is read from SHIPPED, what a user makes and fetches goes to DATA. In a checkout both are its folder data/.
An installed package brings the default weights and the samples inside itself, and DATA lies in the user's folder for data.
The environment variable SCCORE_ROOT names another folder that holds data/, in a checkout for both.
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).resolve().parents[1]
INSIDE = PACKAGE / "shipped"  # in an installed package; see [tool.hatch] in pyproject.toml
INSTALLED = INSIDE.is_dir()


TEMPORARY = Path(tempfile.gettempdir()) / "sccore"


def user_folder(kind: str = "data") -> Path:
    """The user's folder for data, or for a "cache"; one for temporary files where there is no home."""
    with suppress(RuntimeError):  # of newer versions; older ones answer ~/...
        if (folder := getattr(platformdirs, f"user_{kind}_path")("sccore", appauthor=False)).is_absolute():
            return folder
    return TEMPORARY


ROOT = Path(os.environ.get("SCCORE_ROOT") or (user_folder() if INSTALLED else PACKAGE.parent)).resolve()
DATA = ROOT / "data"
SHIPPED = INSIDE if INSTALLED else DATA
SAMPLES = SHIPPED / "samples"  # ten CC0 screenshots: images/STEM.png, masks/STEM.png
CHECKPOINTS = SHIPPED / "checkpoints"  # shipped weights
DETECTORS = SHIPPED / "detectors"  # shipped weights of text detectors: east and rrd
ASIQE = SHIPPED / "asiqe" / "asiqe-r.npz"  # shipped weights of the quality index ASIQE-R
RESULTS = DATA / "results"  # recorded measurements: DATASET/CODEC.json
RUNS = DATA / "runs"  # training runs in progress, not in git
