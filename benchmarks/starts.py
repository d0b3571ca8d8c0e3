"""Held-out loss from the KLT start and from the ordinary one: same network, same steps, same crops, one record.

    python benchmarks/starts.py --data data/train/train-00.tar --validation data/validation --steps 200

Runs lie in data/runs/starts and go on where they were stopped; the record is data/results/speed/starts.json.
"""

import argparse
import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd

from sccore.codecs import checkpoint
from sccore.data.samples import Samples, load
from sccore.evaluation import provenance
from sccore.training import fit
from sccore.training.begin import begin
from sccore.training.recipe import FROM_KLT, jsonable
from sccore.utils import paths
from sccore.utils.device import best
from sccore.utils.files import replacing


def curve(start: str, samples: Samples, validation: Samples, recipe, device: str) -> dict:
    """Trains WACNN from "klt" or "noise" and returns recipe, data and held-out values."""
    out = paths.RUNS / "starts" / start
    model = begin("wacnn", "companion", samples, recipe, None, None, out, device, from_klt=start == "klt")
    fit.fit(model, samples, out, recipe=recipe, validation=validation, device=device, desc=start)
    held_out = pd.read_csv(out / "log.csv").dropna(subset=["val_loss"])
    meta = checkpoint.read_header(out / "model.safetensors")["meta"]
    return {
        "start": start,
        "model": model.spec,
        "recipe": jsonable(recipe),
        "data": meta["data"],
        "images": meta["images"],
        **{k: held_out[k].tolist() for k in ("step", "seconds", "val_loss", "val_bpp", "val_psnr")},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="tar shards or folders")
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--crop", type=int, default=128)
    a = parser.parse_args()
    recipe = replace(FROM_KLT, steps=a.steps, batch=a.batch, crop=a.crop, warmup=20, min_lr=0.0, validate_every=max(1, a.steps // 10))
    samples, validation = load(*a.data), load(a.validation)
    record = {
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "command": provenance.command_line(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "runs": [curve(start, samples, validation, recipe, best()) for start in ("klt", "noise")],
    }
    with replacing(paths.RESULTS / "speed" / "starts.json") as part:
        part.write_text(json.dumps(record, indent=1), encoding="utf-8")
    print(paths.RESULTS / "speed" / "starts.json")


if __name__ == "__main__":
    main()
