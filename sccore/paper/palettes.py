"""The codec page's palettes: what they bring, by λ and data set, and a part of a sample without one and with it."""

from dataclasses import replace

from matplotlib.figure import Figure

from sccore.codecs import container, palette
from sccore.codecs.checkpoint_files import CODEC, DEFAULT
from sccore.evaluation.records import complete, measured, of_codec
from sccore.paper.drawing import style
from sccore.paper.figures_3_10 import cut
from sccore.paper.tables import MISSING, bd_rate_cell, number, table
from sccore.presets import LAMBDAS

SETS = ("validation", "samples")


def gains() -> str:
    """A row a rate and data set: how many files have a palette, its bytes, what PSNR gains; below them the BD-rates."""
    rows, said = [], []
    for dataset in SETS:
        frame = complete(measured(dataset))
        own, plain = of_codec(frame, CODEC), of_codec(frame, DEFAULT)
        if own.empty or plain.empty:
            continue
        both = own.merge(plain, on=["name", "lmbda"], suffixes=("", "_without"))
        for lmbda, some in both.groupby("lmbda"):
            sent = some[some["palette_bytes"] > 0]
            gain = [(some[column] - some[f"{column}_without"]).mean() for column in ("psnr", "psnr_text")]
            counts = f"{len(sent)} of {len(some)}"
            rows.append(
                [dataset, f"{lmbda:g}", counts, f"{sent['palette_bytes'].mean():.0f}", *(f"{number(value, '+.2f')} dB" for value in gain)]
            )
        picture, text = (bd_rate_cell(frame, CODEC, DEFAULT, metric) for metric in ("psnr", "psnr_text"))
        said.append(f"- {dataset}: BD-rate of the picture {picture}, of text regions {text}")
    if not rows:
        return MISSING
    head = ["images", "λ", "files with a palette", "bytes of it", "PSNR", "PSNR of text"]
    return f":::{{table}} What a palette brings, means over the pictures.\n:name: tbl-palette\n\n{table(head, rows)}\n:::\n\n" + "\n".join(
        said
    )


@style.styled
def beside() -> Figure:
    """A part of a sample as it is, decoded without its palette and with it."""
    import matplotlib.pyplot as plt

    import sccore

    ((image, mask),) = cut("terminal+60+60", "224x128").values()
    file = container.unpack(sccore.encode(image, lmbda=LAMBDAS[0], mask=mask, fallback=False))
    plain = sccore.decode(container.pack(replace(file, palette=b"")))
    shown = {"original": image, "without": plain, f"with, {len(file.palette)} bytes": palette.restore(plain, file.palette)}
    figure, axes = plt.subplots(1, 3, figsize=(9, 2.1))
    for axis, (title, picture) in zip(axes, shown.items()):
        axis.imshow(picture, interpolation="nearest")
        axis.set(title=title, xticks=[], yticks=[])
    return figure
