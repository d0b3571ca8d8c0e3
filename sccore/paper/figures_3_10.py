"""Figures 3 and 10: the same crop from two models at equal size of file, one of them without a part of the method.

The paper's model sets the rate, the other's lambda is searched for (:mod:`sccore.evaluation.equal_rate`). Where weights of a run are
missing, what trains them is said.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sccore.data import datasets
from sccore.data.images import pair, read_image, read_mask
from sccore.evaluation import equal_rate
from sccore.evaluation.equal_rate import Coded
from sccore.paper.drawing.style import image_axes, nothing, styled, title
from sccore.paper.tables import number, table, two
from sccore.training import suite
from sccore.training.plan import RUNS
from sccore.utils.errors import InputError

COMMAND = "; the command is: "

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
    """The figure and a table of its numbers; an empty frame and the command that is missing where weights are."""
    try:
        coded = code(pictures, codecs, lmbda)
    except InputError as error:
        why, _, command = str(error).partition(COMMAND)
        return nothing(why), f"**Missing:** {why}" + f"{COMMAND}`{command}`" * bool(command) + "."
    return draw(pictures, coded), numbers(coded)


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
