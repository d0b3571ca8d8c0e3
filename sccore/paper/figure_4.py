"""Figure 4: where two models spend the bits of their loudest latent channel, and tables of bits by region.

Maps are drawn from one image, tables from records of :mod:`sccore.evaluation.bit_allocation`.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from sccore.evaluation import bit_allocation
from sccore.evaluation.bd_rate import bootstrap
from sccore.evaluation.bit_allocation import REGIONS, STEP
from sccore.evaluation.provenance import relative
from sccore.paper.drawing.style import image_axes, styled, title
from sccore.paper.tables import MISSING, number, table
from sccore.utils.errors import InputError

COLOURS = {"text": "#D55E00", "structure": "#0072B2", "flat": "#F0F0F0", "padding": "#FFFFFF"}
PARTS = {"all": "all channels of y", "loudest": "the channel of highest entropy"}


@styled
def maps(image: np.ndarray, mask: np.ndarray | None, spent: dict[str, np.ndarray]) -> Figure:
    """Image, regions, and for each model the bits of its channel of highest entropy at each position, on one scale.

    Args:
        spent: {codec: bits (M, h, w) of :func:`sccore.evaluation.bit_allocation.bits`}.
    """
    height, width = image.shape[:2]
    figure, axes = image_axes(image.shape, 2, max(2, len(spent)), width=9)
    chosen = {codec: bit_allocation.loudest(values) for codec, values in spent.items()}
    top = max(float(np.quantile(spent[codec][channel], 0.995)) for codec, channel in chosen.items()) or 1.0
    axes[0, 0].imshow(image)
    axes[0, 0].set_title("image")
    kinds = bit_allocation.regions(image, mask)
    shown = REGIONS[:3]
    extent = (0, STEP * kinds.shape[1], STEP * kinds.shape[0], 0)
    axes[0, 1].imshow(255 - (255 - image.mean(2)) * 0.5, cmap="gray", vmin=0, vmax=255)
    tones = ListedColormap([COLOURS[name] for name in REGIONS])
    blocks = {"extent": extent, "interpolation": "nearest"}
    axes[0, 1].imshow(kinds, cmap=tones, vmin=0, vmax=len(REGIONS) - 1, alpha=0.55, **blocks)
    areas = ", ".join(f"{name} {(kinds == i).mean():.0%}" for i, name in enumerate(shown))
    axes[0, 1].set_title(f"regions: {areas}")
    patches = [plt.Rectangle((0, 0), 1, 1, fc=COLOURS[name], ec="0.6", alpha=0.7) for name in shown]
    figure.legend(patches, shown, loc="outside lower center", ncols=len(shown))
    for one in axes[0, 2:]:
        one.remove()
    for one, (codec, channel) in zip(axes[1], chosen.items()):
        values = spent[codec][channel]
        drawn = one.imshow(values, cmap="YlOrRd", vmin=0, vmax=top, **blocks)
        one.set_title(f"{title(codec)}: channel {channel}, {values.sum() / spent[codec].sum():.1%} of the bits of y")
    for one in figure.axes:
        one.set(xlim=(0, width), ylim=(height, 0))
    figure.colorbar(drawn, ax=axes[1].tolist(), shrink=0.8, label="bits a position, of this channel", extend="max")
    return figure


def shares(record: dict, part: str) -> pd.DataFrame:
    """Percent of a record's bits by image and region; part is a key of PARTS, or "positions" for percent of area."""
    table = pd.DataFrame({row["name"]: row[part] for row in record["images"]}).T[list(REGIONS)]
    return 100 * table.div(table.sum(axis=1), axis=0)


def by_region(codecs: tuple[str, str], part: str = "all") -> str:
    """Shares of area and of bits by region and their difference, means over images with their 95 % intervals.

    A record that is missing is named, with the command that makes it.
    """
    if missing := [codec for codec in codecs if not bit_allocation.record_path(codec).exists()]:
        command = f"python -m sccore.evaluation.bit_allocation {' '.join(missing)}"
        return f"{MISSING.capitalize()}: {', '.join(missing)}. The command is `{command}`."
    first, second = records = [bit_allocation.load_record(bit_allocation.record_path(codec)) for codec in codecs]
    area = shares(first, "positions")
    if not area.equals(shares(second, "positions")) or first["lmbda"] != second["lmbda"]:
        raise InputError(f"{' and '.join(codecs)} were not measured on the same images at the same λ")
    before, after = (shares(record, part) for record in records)
    rows = []
    for region in REGIONS:
        first, second = before[region], after[region]
        rows.append([region, f"{area[region].mean():.1f}", _mean(first), _mean(second), _mean(second - first, "+")])
    head = ["region", "area (%)", *(f"{title(codec)}, bits (%)" for codec in codecs), "difference (points)"]
    return table(head, rows)


def on_flat_areas(codecs: tuple[str, str]) -> str:
    """Whether the second model spends a smaller share of its bits on flat areas, as the paper says of its own; a sentence."""
    kept = [bit_allocation.record_path(codec) for codec in codecs]
    if not all(path.exists() for path in kept):
        return f"Bits on flat areas: {MISSING}."
    before, after = (shares(bit_allocation.load_record(path), "all")["flat"] for path in kept)
    low, high = _interval((after - before).to_numpy())
    seen = "is lower" if round(high, 1) < 0 else "is higher" if round(low, 1) > 0 else "is not clearly another"
    return f"The share of `{codecs[1]}` on flat areas {seen} than that of `{codecs[0]}`: {_mean(after - before, '+')} points."


def _interval(values):
    return bootstrap(lambda draws: values[draws].mean(1), len(values), resamples=10_000)[:2]


def _mean(values, sign=""):
    values = np.asarray(values)
    low, high = _interval(values)
    mean, *ends = (number(round(value, 1) + 0.0, f"{sign}.1f") for value in (values.mean(), low, high))  # never -0.0
    return f"{mean} ({' to '.join(ends) if low == low else 'no interval'})"


def described(codecs: tuple[str, str]) -> str:
    """One line on what the tables are of."""
    found = [bit_allocation.load_record(path) for codec in codecs if (path := bit_allocation.record_path(codec)).exists()]
    if not found:
        return ""
    record = found[0]
    kept = [relative(bit_allocation.record_path(codec)) for codec in codecs]
    return (
        f"{len(record['images'])} images, λ = {record['lmbda']:g}; means of the images' own shares, in brackets "
        f"95 % intervals by bootstrap over images. From `{'` and `'.join(kept)}`."
    )
