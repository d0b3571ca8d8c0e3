"""Held-out loss over WACNN's first steps: from the KLT start and from the ordinary one, with Muon and with Adam, on the same crops.

    python benchmarks/first_steps.py --data data/train/train-00.tar --validation data/validation --steps 400

Runs lie in data/runs/first-steps and go on where they were stopped; the record is data/results/speed/first-steps.json.
"""

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from sccore.codecs import checkpoint_files
from sccore.data.samples import Samples, load
from sccore.evaluation import provenance
from sccore.evaluation.records import save_record
from sccore.training import fit
from sccore.training.begin import begin
from sccore.training.recipe import FROM_KLT, Recipe
from sccore.utils import paths
from sccore.utils.device import best

RATES = {"muon": (1e-3, FROM_KLT.lr), "adam": (1e-4, 3e-4, 1e-3)}
RUNS = ("noise", "muon", FROM_KLT.lr), *(("klt", name, lr) for name, rates in RATES.items() for lr in rates)


def curve(start: str, samples: Samples, validation: Samples, recipe: Recipe, device: str) -> dict:
    """Trains WACNN from "klt" or "noise" and returns recipe, data and held-out values."""
    name = f"{start}-{recipe.optimizer}-{recipe.lr:g}"
    out = paths.RUNS / "first-steps" / name
    model = begin("wacnn", "companion", samples, recipe, None, None, out, device, from_klt=start == "klt")
    fit.fit(model, samples, out, recipe=recipe, validation=validation, device=device, desc=name)
    held_out = pd.read_csv(out / "log.csv").dropna(subset=["val_loss"])
    meta = checkpoint_files.read_header(out / "model.safetensors")["meta"]
    return {
        "start": start,
        "optimizer": recipe.optimizer,
        "model": model.spec,
        "recipe": asdict(recipe),
        "data": meta["data"],
        "images": meta["images"],
        **{k: held_out[k].tolist() for k in ("step", "seconds", "val_loss", "val_bpp", "val_psnr")},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="tar shards or folders")
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--crop", type=int, default=128)
    a = parser.parse_args()
    recipe = replace(FROM_KLT, steps=a.steps, batch=a.batch, crop=a.crop, warmup=20, min_lr=0.0, validate_every=max(1, a.steps // 8))
    samples, validation = load(*a.data), load(a.validation)
    runs = [curve(start, samples, validation, replace(recipe, optimizer=name, lr=lr), best()) for start, name, lr in RUNS]
    record = {
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "command": provenance.command_line(),
        "date": provenance.now(),
    }
    path = paths.RESULTS / "speed" / "first-steps.json"
    save_record(path, record | {"runs": runs})
    print(path)


if __name__ == "__main__":
    main()
