"""The paper's Tables 2 to 5: what each part of the method brings, from the records of the runs with and without it.

A comparison is a BD-rate of the model with the part against the model without it, by picture and by text region, with
its interval. Table 3 is that against the control, which has all layers and is told nothing. What is not recorded is
named, with the command that makes it.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from sccore.evaluation.records import measured
from sccore.paper.drawing import style
from sccore.paper.tables import bd_rate_cell, clear, compared, inexact, interval, number, paper_numbers, table
from sccore.utils import paths
from sccore.utils.errors import InputError

FULL, CONTROL = "sftip", "sftip-uniform"


@dataclass(frozen=True)
class Comparison:
    """One row: the codec with a part against the codec without it; `part` is that of sccore/paper/paper.yml where it has one."""

    table: str
    part: str
    codec: str
    anchor: str


COMPARISONS = (
    Comparison("2", "SEM instead of SFT and condition block", FULL, "sftip-sft"),
    Comparison("3", "structural prior", FULL, CONTROL),
    Comparison("4", "text position prior", FULL, "sftip-structure"),
    Comparison("5", "RDD instead of EAST", "sftip-rrd", "sftip-east"),
    Comparison("5", "CRAFT instead of EAST", FULL, "sftip-east"),
    Comparison("5", "CRAFT instead of a mask of 1 everywhere", FULL, "sftip-ones"),
)
OTHER_MASKS = {  # masks of sccore.text.altered_masks, in the order of the table
    "craft": "by CRAFT",
    "rrd": "by RRD",
    "east": "by EAST",
    "dilated": "grown by half a line of text",
    "eroded": "shrunk",
    "shifted": "moved by a line of text",
    "ones": "text everywhere",
    "empty": "no text anywhere",
    "inverted": "text where there is none",
}


def chosen(tables: str) -> list[Comparison]:
    """The comparisons of tables, "2 5", or of "all"."""
    wanted = tables.split()
    if unknown := set(wanted) - {"all"} - {row.table for row in COMPARISONS}:
        raise InputError(f"no table {', '.join(sorted(unknown))} here; there are 2, 3, 4, 5 and all")
    return [row for row in COMPARISONS if row.table in wanted or "all" in wanted]


def runs(tables: str = "all") -> list[str]:
    """The runs that tables need, in the order of the plan."""
    from sccore.training.plan import RUNS

    needed = {name for row in chosen(tables) for name in (row.codec, row.anchor)}
    return [run.name for run in RUNS if run.name in needed]


def lacking(tables: str = "all", dataset: str = "samples") -> list[str]:
    """The runs of tables that are not recorded, or not on every image."""
    frame = measured(dataset)
    points = frame.groupby("codec").size()
    return [name for name in runs(tables) if points.get(name, 0) < points.get(FULL, 1)]


def missing(tables: str = "all", dataset: str = "samples") -> str:
    """Which runs have no record, with the command that makes them; a sentence."""
    if not (absent := lacking(tables, dataset)):
        return "All runs of these tables are recorded."
    return f"Not recorded on `{dataset}`: {', '.join(f'`{name}`' for name in absent)}. `python -m sccore suite --only {' '.join(absent)} --data data/open` makes them."


def train(tables: str, data: str, validation: str = "", minutes: float = 60.0) -> None:
    """Trains and measures what tables lack, as the suite does, for at most `minutes`; goes on where it was stopped.

    Args:
        data: tar shards or folders, with blanks between.
        validation: folder with images/ and masks/ of held-out screens, or nothing.
    """
    from sccore.data.samples import load
    from sccore.training.suite import Suite
    from sccore.training.workers import run_suite
    from sccore.utils import device

    if names := lacking(tables):
        best = device.best()
        job = Suite({"samples": paths.SAMPLES}, best, only=tuple(names))
        run_suite(job, load(*data.split()), load(validation) if validation else None, minutes, device.jobs(best))


def comparisons(tables: str = "all", dataset: str = "samples") -> str:
    """The tables as one, in Markdown: the paper's number, and ours by picture and text."""
    frame, claims = measured(dataset), {row["part"]: row["bd_rate"] for row in paper_numbers()["ablations"]["rows"]}
    rows = []
    for row in chosen(tables):
        claim = claims.get(row.part)
        ours = (bd_rate_cell(frame, row.codec, row.anchor, metric) for metric in ("psnr", "psnr_text"))
        rows.append([row.table, row.part, f"`{row.anchor}`", claim and f"{number(claim)} %", *ours])
    where = paper_numbers()["ablations"]["dataset"]
    return table(["table", "part", "against", f"paper, {where}", f"{dataset}: picture", f"{dataset}: text"], rows)


def other_masks() -> str:
    """The full model told other masks than the true one, on rendered pages, against itself told the truth: BD-rate by picture and text."""
    frame = measured("pages")
    rows = [
        [f"`{name}`", what, *(bd_rate_cell(frame, f"{FULL}-told-{name}", FULL, metric) for metric in ("psnr", "psnr_text"))]
        for name, what in OTHER_MASKS.items()
    ]
    return table(["mask", "what the model is told", "picture", "text"], rows)


def verdict(frame: pd.DataFrame, codec: str, anchor: str, metric: str = "psnr") -> str:
    """A BD-rate in words: "3.1 % fewer bits (2.2 to 4.0)", "... more bits ...", or that there is no clear difference: zero is in the interval."""
    if isinstance(found := compared(frame, codec, anchor, metric), str):
        return found
    if not (sign := clear(found)):
        return f"{'no clear difference: ' * (sign == 0)}{number(found['bd_rate'])} % ({interval(found)}){inexact(found)}"
    low, value, high = (found[key] for key in ("low", "bd_rate", "high"))
    words, numbers = ("fewer", (-value, -high, -low)) if sign < 0 else ("more", (value, low, high))
    return "{:.1f} % {} bits ({:.1f} to {:.1f}){}".format(numbers[0], words, *numbers[1:], inexact(found))


@style.styled
def intervals(frame: pd.DataFrame, rows: list[tuple[str, str, str]], claims: dict[str, float] | None = None) -> Figure:
    """BD-rates with their intervals, picture and text, a line a comparison.

    Args:
        rows: (label, codec, anchor).
        claims: label -> the paper's number, drawn as a hollow diamond.
    """
    claims = claims or {}
    figure, axes = plt.subplots(figsize=(7, 0.9 + 0.42 * len(rows)))
    for metric, colour, shift in (("psnr", "#D55E00", -0.13), ("psnr_text", "#0072B2", 0.13)):
        label = {"psnr": "picture", "psnr_text": "text regions"}[metric]
        for i, (_, codec, anchor) in enumerate(rows):
            if isinstance(found := compared(frame, codec, anchor, metric), str):
                continue  # not recorded, or no BD-rate: the line stays empty and the table says why
            axes.plot([found["low"], found["high"]], [i + shift] * 2, color=colour)
            axes.plot(found["bd_rate"], i + shift, "o", color=colour, label=label)
            label = None
    known = {i: claims[label] for i, (label, *_) in enumerate(rows) if label in claims}
    if known:
        axes.plot(list(known.values()), list(known), "D", color="0.4", fillstyle="none", label="paper, on its data")
    axes.axvline(0, color="0.6", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [label for label, *_ in rows])
    axes.set(xlabel="BD-rate [%], negative is a saving", ylim=(len(rows) - 0.5, -0.5))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
