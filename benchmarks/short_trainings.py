"""Short trainings of models that differ in one thing, coded for real.

    python benchmarks/short_trainings.py chance --data train-00.tar train-01.tar --validation DIR [--seeds 1 2 3] [--only sftip-seed1]
    python benchmarks/short_trainings.py scratch --data ...
    python benchmarks/short_trainings.py masks --data train-00.tar ...
    python benchmarks/short_trainings.py fixed --data ...
    python benchmarks/short_trainings.py parts --data ...

Runs of "chance" and "masks" begin with the shipped start of all models. "chance" shows how much a seed moves, "masks" what the
detector of the training's masks changes (Table 5). Those of "scratch" begin with the KLT of their images, the steering sites in
from the first step; cheng2020 has no KLT start, so WACNN is trained without it, too. Those of "fixed" go on
with the finished models, for one lambda or for all. Those of "parts" leave out or replace a part
of SFTIP, from the shipped start and in small steps (Tables 2 and 4, Figures 3 and 10). What is measured are the busiest 256x256
pixels of every sample and validation image. Runs and records go on where an earlier call stopped.
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
from sccore.paper.short_trainings import CHANCE, FIXED, MASKS, ORDINARY, PARTS, SCRATCH, record_of
from sccore.presets import LAMBDAS
from sccore.text.mask_folder import remask
from sccore.training.begin import begin
from sccore.training.fit import end_at_signals, fit
from sccore.training.plan import BASE
from sccore.training.recipe import COMPANION, FROM_KLT, GENTLE, short
from sccore.training.suite import named
from sccore.utils import paths

OWN = "own"  # the finished weights of its model
STUDIES = {  # what runs begin with, their recipe, and the planned runs that they are short ones of
    CHANCE: (BASE, replace(COMPANION, steps=600, batch=8), ("sftip", "sftip-uniform")),
    SCRATCH: (
        None,
        replace(FROM_KLT, steps=2000, batch=4, crop=192, min_lr=0.0),
        ("wacnn", "sftip", "sftip-uniform", "cheng2020", "ms2020", ORDINARY),
    ),
    MASKS: (BASE, replace(COMPANION, steps=600, batch=4), ("sftip", "sftip-ones", "sftip-east", "sftip-rrd")),
    FIXED: (
        OWN,
        short(True, GENTLE, steps=300, batch=4, crop=192),
        [name for model in ("wacnn", "sftip") for name in (model, *(f"{model}-{lmbda}" for lmbda in LAMBDAS))],
    ),
    PARTS: (BASE, short(True, GENTLE, steps=500, batch=4), ("sftip", "sftip-sft", "sftip-structure")),
}
SIDE = 256
KEPT = "name", "lmbda", "bytes", "bpp", "psnr", "psnr_text"  # of a row: what is compared, for such records are many


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


def kept(record: dict) -> dict:
    """The record with KEPT alone in its rows."""
    return record | {"images": [{key: row[key] for key in KEPT} for row in record["images"]]}


def held_out_loss(log: Path) -> dict[str, list[float]]:
    """What the record keeps of a run's log: the held-out loss before the first step and after the last."""
    losses = pd.read_csv(log)["val_loss"].dropna()
    return {"held_out_loss": [float(losses.iloc[0]), float(losses.iloc[-1])]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, help="other than the study's")
    parser.add_argument("--out", type=Path, default=paths.RUNS)
    parser.add_argument("--only", nargs="+", help="these runs alone")
    parser.add_argument("--float32", action="store_true", help="where bfloat16 is native, too: to compare with runs of other machines")
    a = parser.parse_args()
    end_at_signals()
    start, usual, models = STUDIES[a.study]
    out, steps = a.out / a.study, a.steps or usual.steps
    runs = {f"{name}-seed{seed}": (seed, named("wacnn" if name == ORDINARY else name)) for seed in a.seeds for name in models}
    chosen = {name: run for name, run in runs.items() if not a.only or name in a.only}
    data, validation = stream(*a.data), load(a.validation)
    for name, (seed, run) in chosen.items():
        recipe = replace(usual, steps=steps, seed=seed, validate_every=steps, **run.change)
        images = data if run.detector == "craft" else remask(load(*a.data), run.detector, out / "masks" / run.detector)
        klt = not name.startswith(ORDINARY)
        begun = run.model if start == OWN else start
        model = begin(run.model, "companion", images, recipe, run.lmbda, begun, out / name, from_klt=klt, **run.switches)
        fit(model, images, out / name, lmbda=run.lmbda, recipe=recipe, validation=validation, bf16=False if a.float32 else None)
    images, masks = crops([paths.SAMPLES, a.validation], out / "crops")
    for name, (_, run) in chosen.items():
        path = record_of(a.study, name)
        record = evaluate(load_model(out / name / "model.safetensors"), images, masks, out=path, name=name, coded_with=run.coded_with)
        save_record(path, kept(record) | held_out_loss(out / name / "log.csv"))


if __name__ == "__main__":
    main()
