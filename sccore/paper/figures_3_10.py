"""Figures 3 and 10: the same crop from two models at equal size of file, one of them without a part of the method.

The paper's model sets the rate, the other's lambda is searched for (:mod:`sccore.evaluation.equal_rate`). Where weights of a run are
missing, the pictures stand in for them that short trainings of the same models made and that were kept:

    python -m sccore.paper.figures_3_10 data/runs/parts/sftip-seed1 data/runs/parts/sftip-sft-seed1 ...

Of other crops it is said what trains the weights.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from sccore.codecs.checkpoint import load_model
from sccore.data import datasets
from sccore.data.images import pair, read_image, read_mask
from sccore.evaluation import equal_rate
from sccore.evaluation.equal_rate import Coded
from sccore.evaluation.provenance import provenance
from sccore.evaluation.records import as_recorded, load_record, save_record
from sccore.paper import seeds, short_trainings
from sccore.paper.drawing.style import image_axes, nothing, styled, title
from sccore.paper.tables import number, table, two
from sccore.paper.tables_2_5 import FULL
from sccore.training import suite
from sccore.training.plan import BASE, RUNS
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.files import replacing

COMMAND = "; the command is: "
CROPS, SIZE, RATE = "windows+786+318 imac_g3+520+500 windows95+112+54", "128x96", 0.0035  # of the pictures that are kept
KEPT = "crops"  # data set of their records, which lie beside them

Pictures = dict[str, tuple[np.ndarray, np.ndarray | None]]  # label: crop (H, W, 3) and its text mask (H, W)


def weights(name: str) -> Path:
    """Finished weights of a planned run, among the shipped ones or the local runs; any other name is a file's.

    Raises:
        InputError: they are not here; says what trains them.
    """
    run = next((run for run in RUNS if run.name == name), None)
    if run is None:
        return Path(name)
    found = suite.Suite({}).trained(run)
    if not found or not found["path"]:
        raise InputError(f"the run {name} is not trained here{COMMAND}python -m sccore suite --only {name} --data data/open")
    return found["path"]


def cut(places: str, size: str, dataset: str | Path = "samples") -> Pictures:
    """The crops NAME+LEFT+TOP of a data set, with blanks between; `size` is WIDTHxHEIGHT."""
    files = {stem: (image, mask) for stem, image, mask in pair(*datasets.place(dataset), strict=False)}
    width, height = sides(size)
    pictures = {}
    for name, left, top in equal_rate.parse(places):
        if name not in files:
            raise InputError(f"no image {name} in {dataset}; there are: {', '.join(files)}")
        image = read_image(files[name][0])
        mask = files[name][1] and read_mask(files[name][1], image.shape[:2])
        part = lambda layer: None if layer is None else equal_rate.cut(layer, left, top, width, height)
        pictures[f"{name}+{left}+{top}"] = part(image), part(mask)
    return pictures


def sides(size: str) -> tuple[int, int]:
    """Of WIDTHxHEIGHT, in pixels."""
    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise InputError(f"{size!r}: a size is written WIDTHxHEIGHT, in pixels")
    return int(width), int(height)


def code(pictures: Pictures, codecs: Sequence[str], lmbda: float) -> dict[str, list[Coded]]:
    """Each crop coded by both models: the second at this lambda, the first at the second's rate."""
    ours, paper = (str(weights(name)) for name in two(codecs))
    coded = {}
    for label, (image, mask) in pictures.items():
        second = equal_rate.code(paper, image, mask, lmbda)
        first = equal_rate.code(ours, image, mask, bpp=second.bpp)
        coded[label] = [replace(one, codec=name) for one, name in zip((first, second), codecs)]
    return coded


def compare(pictures: Pictures, codecs: Sequence[str], lmbda: float) -> tuple[Figure, str]:
    """The figure and a table of its numbers.

    Where weights are missing it shows the pictures that were kept, and says so; of others an empty frame and the command that trains
    the weights.
    """
    said = seeds.loops(list(codecs))
    try:
        coded = code(pictures, codecs, lmbda)
    except InputError as error:
        why, _, command = str(error).partition(COMMAND)
        if not (coded := kept(pictures, codecs, lmbda) if len(codecs) == 2 else {}):
            return nothing(why), f"**Missing:** {why}" + f"{COMMAND}`{command}`" * bool(command) + "."
        said = f"The weights of the long trainings are not here. These pictures are of short ones, all from `{BASE}`. {short_trainings.described(KEPT)}"
    return draw(pictures, coded), f"{said}\n\n{numbers(coded)}"


def kept(pictures: Pictures, codecs: Sequence[str], lmbda: float) -> dict[str, list[Coded]]:
    """As :func:`code`, of the pictures that :func:`keep` made; {} if it made others."""
    found = {label: [] for label in pictures}
    for codec in codecs:
        path = place(codec)
        rows = {row["name"]: row for row in load_record(path)["images"]} if path.exists() else {}
        if not rows.keys() >= pictures.keys() or codec == FULL and rows[next(iter(pictures))]["setting"] != f"λ = {lmbda:.3g}":
            return {}
        for label, (image, _) in pictures.items():
            row, decoded = rows[label], read_image(picture(codec, label))
            if decoded.shape != image.shape:
                return {}
            found[label].append(Coded(codec, row["setting"], row["bytes"], decoded, row["psnr"], row["psnr_text"]))
    return found


def place(codec: str) -> Path:
    """Where the record of the kept pictures of a codec lies."""
    return paths.RESULTS / KEPT / f"{codec}.json"


def picture(codec: str, label: str) -> Path:
    """Where a kept picture lies."""
    return paths.RESULTS / KEPT / f"{codec}-{label}.webp"


def keep(runs: Sequence[Path]):
    """Codes CROPS with the weights of some runs, NAME-seedN, all at the rate of the paper's model; writes pictures, without loss, and records."""
    names = {run.name.rpartition("-seed")[0]: run / "model.safetensors" for run in runs}
    pictures, ours = cut(CROPS, SIZE), str(names[FULL])
    coded = {label: equal_rate.code(ours, *layers, RATE) for label, layers in pictures.items()}
    for codec, path in names.items():
        rows = []
        for label, layers in pictures.items():
            one = coded[label] if codec == FULL else equal_rate.code(str(path), *layers, bpp=coded[label].bpp)
            with replacing(picture(codec, label)) as part:
                Image.fromarray(one.image).save(part, "WEBP", lossless=True, quality=100, method=6)
            measured = {"setting": one.setting, "bytes": one.size, "bpp": one.bpp, "psnr": one.psnr, "psnr_text": one.psnr_text}
            rows.append({"name": label, **{key: as_recorded(value) for key, value in measured.items()}})
        images, masks = datasets.place("samples")
        record = provenance(load_model(path), images, masks_dir=masks)
        save_record(place(codec), record | {"codec": codec, "size": SIZE, "images": rows, "failed": []})


@styled
def draw(pictures: Pictures, coded: dict[str, list[Coded]]) -> Figure:
    """A row a crop: the original and what each model makes of it."""
    size = next(iter(pictures.values()))[0].shape
    figure, axes = image_axes(size, len(pictures), 3)
    for row, (label, (image, _)) in zip(axes, pictures.items()):
        shown = [(label, image), *((f"{title(c.codec)}\n{c.bpp:.3f} bpp, {c.psnr:.2f} dB", c.image) for c in coded[label])]
        for one, (text, picture) in zip(row, shown):
            one.imshow(picture, interpolation="nearest")
            one.set_title(text)
    return figure


def numbers(coded: dict[str, list[Coded]]) -> str:
    """A Markdown table: setting, bytes, rate and quality of each coded crop."""
    rows = [
        [label, title(c.codec), c.setting, c.size, f"{c.bpp:.3f}", number(c.psnr, ".2f"), number(c.psnr_text, ".2f")]
        for label, both in coded.items()
        for c in both
    ]
    return table(["crop", "codec", "setting", "bytes", "bpp", "PSNR (dB)", "text PSNR (dB)"], rows)


if __name__ == "__main__":
    keep([Path(run) for run in sys.argv[1:]])
