"""The page of the spatial context: the order of its passes, and what it saves in files of equal pictures."""

import numpy as np
import torch
from matplotlib.figure import Figure

from sccore.context import LATTICE, NEAREST, passes
from sccore.evaluation.records import complete, measured, of_codec
from sccore.paper.drawing.style import image_axes, styled
from sccore.paper.tables import table

WITH, WITHOUT = "sftip-interlaced", "sftip"


@styled
def order(side: int = LATTICE + 1) -> Figure:
    """The pass of each position of a map, and beside it what a centre and a side see."""
    number = np.zeros((side, side), int)
    found = passes(side, side, torch.device("cpu"))
    for i, (_, (rows, columns), _, _) in enumerate(found):
        number[rows, columns] = i + 1
    figure, axes = image_axes((side, side), 1, 3, width=9)
    axes[0, 0].imshow(len(found) - number, cmap="Blues", vmin=-2, vmax=len(found) + 3)
    axes[0, 0].set_title("pass of each position")
    for (row, column), value in np.ndenumerate(number):
        axes[0, 0].text(column, row, value, ha="center", va="center", fontsize=6)
    for axis, (_, (rows, columns), (above, beside), inside), what in zip(axes[0, 1:], found[5:7], ("a centre", "a side")):
        k = int(
            (inside.sum(0) - 0.01 * ((rows - side // 2).abs() + (columns - side // 2).abs())).argmax()
        )  # where most of the figure lies in the map
        seen = np.full((side, side), 0.0)
        seen[above[:, k][inside[:, k]], beside[:, k][inside[:, k]]] = 0.4
        seen[above[: len(NEAREST), k], beside[: len(NEAREST), k]] = 0.8
        axis.imshow(seen, cmap="Oranges", vmin=0, vmax=1)
        axis.plot(columns[k], rows[k], "x", color="0.2")
        axis.set_title(f"what {what} (×) sees")
    return figure


def saved(dataset: str = "samples") -> str:
    """Of each image the bytes of its file without the context and what the context saves, at the lowest, middle and highest rate."""
    frame = complete(measured(dataset))
    before, after = (of_codec(frame, codec).set_index(["name", "lmbda"])["bytes"] for codec in (WITHOUT, WITH))
    lambdas = sorted({lmbda for _, lmbda in after.index})
    lambdas = lambdas[:: max(1, len(lambdas) // 2)]
    names = sorted({name for name, _ in after.index})
    change = lambda a, b: f"−{1 - b / a:.1%}" if b <= a else f"+{b / a - 1:.1%}"
    cell = lambda key: f"{before[key]:,} → {after[key]:,} ({change(before[key], after[key])})"
    rows = [[name, *(cell((name, lmbda)) for lmbda in lambdas)] for name in names]
    share = [np.mean([after[n, l] / before[n, l] for n in names]) for l in lambdas]
    rows.append(["**mean**", *(f"**{change(1, value)}**" for value in share)])
    return table(["image", *(f"λ = {lmbda:g}" for lmbda in lambdas)], rows)
