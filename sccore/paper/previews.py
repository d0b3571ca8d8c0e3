"""The codec page's previews: how good and how fast they are, and one beside the reduced original."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from sccore.codecs import preview
from sccore.evaluation.records import load_record
from sccore.paper.drawing import style
from sccore.paper.figures_3_10 import cut
from sccore.paper.tables import MISSING, table
from sccore.presets import LMBDA
from sccore.utils import paths

COLUMNS = ("lmbda", "psnr", "psnr_whole", "megapixels", "seconds", "seconds_whole")


def record_of(dataset: str) -> Path:
    """Where benchmarks/preview.py writes what it measures."""
    return paths.RESULTS / "preview" / f"{dataset}.json"


def gains(dataset: str = "samples") -> str:
    """A row a rate: PSNR of the preview and of the whole picture, both against the reduced original, and their seconds a megapixel."""
    if not record_of(dataset).exists():
        return MISSING
    rows = pd.DataFrame(load_record(record_of(dataset), COLUMNS)["images"])
    seconds = rows[["seconds", "seconds_whole"]].div(rows["megapixels"], axis=0)
    means = rows.assign(**seconds).groupby("lmbda")[list(COLUMNS[1:])].mean()
    cells = [
        [f"{k:g}", *(f"{m[c]:{form}}" for c, form in zip(("psnr", "psnr_whole", *seconds), (".1f", ".1f", ".2f", ".2f")))]
        for k, m in means.iterrows()
    ]
    head = ["λ", "preview: PSNR (dB)", "whole picture, reduced: PSNR (dB)", "preview: s a megapixel", "whole picture: s a megapixel"]
    said = (
        f"Means over {rows['name'].nunique()} of the {dataset}, against the reduced original. Seconds are a processor's, with one thread."
    )
    return f"{table(head, cells)}\n\n{said}"


@style.styled
def beside() -> Figure:
    """A part of a sample, reduced, and the preview of its file."""
    import matplotlib.pyplot as plt

    import sccore

    ((image, mask),) = cut("codec_wiki+0+0", "1024x640").values()
    data = sccore.encode(image, lmbda=LMBDA, mask=mask, fallback=False)
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.3))
    for axis, title, shown in zip(axes, ("original, reduced", "preview"), (preview.reduced(image), sccore.decode(data, preview=True))):
        axis.imshow(shown, interpolation="nearest")
        axis.set(title=title, xticks=[], yticks=[])
    return figure
