"""How much chance moves the comparison of SFTIP and its control: short trainings with several seeds, coded for real.

    python benchmarks/chance.py --data train-00.tar train-01.tar --validation DIR [--seeds 1 2 3] [--steps 600] [--only sftip-seed1]

Each run begins with the shipped start of all models and differs from the others in its prior or its seed alone. What is measured
are the busiest 256x256 pixels of every sample and validation image. Runs and records go on where an earlier call stopped.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd
from PIL import Image

from sccore.codecs.checkpoint import load_model
from sccore.data.images import pair, read_image, read_mask
from sccore.data.samples import load
from sccore.data.streaming import stream
from sccore.evaluation.asiqe_scores import busiest_window
from sccore.evaluation.evaluate import evaluate
from sccore.evaluation.records import save_record
from sccore.paper.seeds import CHANCE
from sccore.training.begin import begin
from sccore.training.fit import end_at_signals, fit
from sccore.training.plan import BASE
from sccore.training.recipe import COMPANION
from sccore.utils import paths

PRIORS = {"sftip": "text+structure", "sftip-uniform": "uniform"}
SIDE, BATCH = 256, 8


def crops(folders: list[Path], out: Path) -> tuple[Path, Path]:
    """Folders of images and of masks: the part of each picture with most detail."""
    for kind in ("images", "masks"):
        (out / kind).mkdir(parents=True, exist_ok=True)
    for folder in folders:
        for stem, image, mask in pair(folder / "images", folder / "masks"):
            pixels = read_image(image)
            window = busiest_window(pixels, (SIDE, SIDE))
            for kind, content in (("images", pixels[window]), ("masks", read_mask(mask, pixels.shape[:2])[window])):
                Image.fromarray(content).save(out / kind / f"{folder.name}-{stem}.png")
    return out / "images", out / "masks"


def held_out_loss(log: Path) -> dict[str, list[float]]:
    """What the record keeps of a run's log: the held-out loss before the first step and after the last."""
    losses = pd.read_csv(log)["val_loss"].dropna()
    return {"held_out_loss": [float(losses.iloc[0]), float(losses.iloc[-1])]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--out", type=Path, default=paths.RUNS / CHANCE)
    parser.add_argument("--only", nargs="+", help="these runs alone")
    a = parser.parse_args()
    end_at_signals()
    runs = {f"{name}-seed{seed}": (seed, prior) for seed in a.seeds for name, prior in PRIORS.items()}
    chosen = {name: run for name, run in runs.items() if not a.only or name in a.only}
    data, validation = stream(*a.data), load(a.validation)
    for name, (seed, prior) in chosen.items():
        recipe = replace(COMPANION, steps=a.steps, batch=BATCH, seed=seed, validate_every=a.steps)
        model = begin("sftip", "companion", data, recipe, None, BASE, a.out / name, prior=prior)
        fit(model, data, a.out / name, recipe=recipe, validation=validation)
    images, masks = crops([paths.SAMPLES, a.validation], a.out / "crops")
    for name in chosen:
        path = paths.RESULTS / CHANCE / f"{name}.json"
        record = evaluate(load_model(a.out / name / "model.safetensors"), images, masks, out=path, name=name)
        save_record(path, record | held_out_loss(a.out / name / "log.csv"))


if __name__ == "__main__":
    main()
