"""The codec page's table of `--effort`: what each level saves at equal PSNR, and its time."""

from pathlib import Path

import pandas as pd

from sccore.evaluation.records import load_record, to_numbers
from sccore.paper.tables import MISSING, bd_rate_cell, number, table
from sccore.paper.tables_2_5 import verdict
from sccore.utils import paths

SIDES = (None, 256)  # whole pictures, and the parts of them that more levels were measured on
COLUMNS = ("lmbda", "effort", "bytes", "bpp", "psnr", "psnr_text", "seconds")


def record_of(dataset: str, side: int | None = None) -> Path:
    """Where benchmarks/effort.py writes what it measures, of whole pictures or of parts with so many pixels a side."""
    return paths.RESULTS / "effort" / (f"{dataset}-{side}.json" if side else f"{dataset}.json")


def measured(dataset: str = "samples", side: int | None = None) -> pd.DataFrame:
    """The record's rows, each level a codec of its own; no rows without a record."""
    if not record_of(dataset, side).exists():
        return pd.DataFrame(columns=["codec", "name", *COLUMNS])
    rows = pd.DataFrame(load_record(record_of(dataset, side), COLUMNS)["images"])
    return to_numbers(rows.assign(codec="effort " + rows["effort"].astype(str)))


def verdicts(dataset: str = "samples") -> list[str]:
    """What the levels save at equal PSNR, a line a record."""
    lines = []
    for side in SIDES:
        if not (frame := measured(dataset, side)).empty:
            anchor, *levels = sorted(frame["codec"].unique())
            saved = [f"{verdict(frame, level, anchor)} by {level.replace('effort', 'level')}" for level in levels]
            lines.append(f"{extent(frame, dataset, side)}: {'. '.join(saved)}")
    return lines or [MISSING]


def extent(frame: pd.DataFrame, dataset: str, side: int | None) -> str:
    """Which pictures a record is of, and how much of them."""
    count = f"{frame['name'].nunique()} {dataset}"
    largest = (8 * frame["bytes"] / frame["bpp"]).max() / 1e6
    return f"the {side} × {side} pixels with most detail of {count}" if side else f"{count}, whole, of up to {largest:.1f} megapixels"


def gains(dataset: str = "samples", side: int | None = None) -> str:
    """A row a level: BD-rate against effort 0, in the picture and in its text, what changes at two rates, and seconds."""
    if (frame := measured(dataset, side)).empty:
        return MISSING
    anchor, *levels = sorted(frame["codec"].unique())
    ends = sorted(frame["lmbda"].unique())[:: frame["lmbda"].nunique() - 1]
    means = frame.groupby(["codec", "lmbda"])[["bytes", "psnr"]].mean()
    megapixels = 8 * frame["bytes"] / frame["bpp"] / 1e6
    seconds = (frame["seconds"] / megapixels).groupby(frame["codec"]).median()

    def moved(level: str, lmbda: float) -> str:
        """Mean bytes and PSNR against effort 0."""
        own, plain = means.loc[level, lmbda], means.loc[anchor, lmbda]
        return f"{number(100 * (own['bytes'] / plain['bytes'] - 1))} %, {number(own['psnr'] - plain['psnr'], '+.2f')} dB"

    rows = [[anchor, None, None, None, None, f"{seconds[anchor]:.0f}"]]
    for level in levels:
        cells = [bd_rate_cell(frame, level, anchor, metric) for metric in ("psnr", "psnr_text")]
        rows.append([level, *cells, *(moved(level, lmbda) for lmbda in ends), f"{seconds[level]:.0f}"])
    caption = (
        f"Against effort 0, in real files at {frame['lmbda'].nunique()} λ: {extent(frame, dataset, side)}. "
        "Seconds are a processor's for a megapixel at one rate, without the analysis; medians."
    )
    head = ["", "BD-rate, picture", "BD-rate, text", *(f"bytes and PSNR at λ = {lmbda:g}" for lmbda in ends), "seconds"]
    return f":::{{table}} {caption}\n:name: tbl-effort-{side or 'whole'}\n\n{table(head, rows)}\n:::"
