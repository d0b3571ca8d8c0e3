"""Held-out loss against steps and seconds of finished training runs, as one record.

    python benchmarks/optimizers.py data/runs/A data/runs/B

The runs are folders of `training.fit`, with a validation. The record, data/results/speed/optimizers.json, holds their
recipes and curves.
"""

import argparse
import json
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd

from sccore.codecs import checkpoint
from sccore.evaluation import provenance
from sccore.utils import paths


def curve(run: Path) -> dict:
    """Recipe, data and held-out values of a run."""
    header = checkpoint.read_header(run / "model.safetensors")
    held_out = pd.read_csv(run / "log.csv").dropna(subset=["val_loss"])
    return {
        "optimizer": header["meta"]["recipe"].get("optimizer", "adam"),
        "model": header["spec"],
        "recipe": header["meta"]["recipe"],
        "data": header["meta"]["data"],
        "checkpoint": checkpoint.file_hash(run / "model.safetensors"),
        **{k: held_out[k].tolist() for k in ("step", "seconds", "val_loss", "val_bpp", "val_psnr")},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    a = parser.parse_args()
    record = {
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "command": provenance.command_line(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "runs": [curve(run) for run in a.runs],
    }
    path = paths.RESULTS / "speed" / "optimizers.json"
    path.write_text(json.dumps(record, indent=1), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
