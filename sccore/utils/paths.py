"""Where things lie, from any working directory (terminal, JupyterLab, book build).

The root is the folder that holds the package; the environment variable SCCORE_ROOT names another one.
"""

import os
from pathlib import Path

ROOT = Path(os.environ.get("SCCORE_ROOT", Path(__file__).resolve().parents[2]))
DATA = ROOT / "data"
SAMPLES = DATA / "samples"  # ten CC0 screenshots: images/STEM.png, masks/STEM.png
CHECKPOINTS = DATA / "checkpoints"  # shipped weights
DETECTORS = DATA / "detectors"  # shipped weights of text detectors: east and rrd
ASIQE = DATA / "asiqe" / "asiqe-r.npz"  # shipped weights of the quality index ASIQE-R
RESULTS = DATA / "results"  # recorded measurements: DATASET/CODEC.json
RUNS = DATA / "runs"  # training runs in progress, not in git
