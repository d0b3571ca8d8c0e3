"""The page of the spatial context: the order of its passes, what it saves in files of equal pictures, and what its other forms would."""

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from sccore.codecs.checkpoint import load_model
from sccore.codecs.checkpoint_files import DEFAULT, LIGHT
from sccore.codecs.zoo import count_parameters, kmac_per_pixel
from sccore.context import LATTICE, NEAREST, passes
from sccore.evaluation.records import complete, load_record, measured
from sccore.paper.drawing.style import image_axes, styled
from sccore.paper.tables import MISSING, change, number, table
from sccore.paper.tables_2_5 import verdict
from sccore.utils import paths
from sccore.utils.json_files import load_json

WITH, WITHOUT = DEFAULT, "sftip"
FLAT = ("#ffffff", "#000000", "#808080", "#1e1e1e", "#f6f8fa", "#0078d4")  # colours of pages that are nothing else
RECORD = paths.RESULTS / "context" / f"{WITH}.json"  # of benchmarks/context.py
VARIANTS = RECORD.with_name("variants.json")  # of benchmarks/context_variants.py


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
        off = (rows - side // 2).abs() + (columns - side // 2).abs()
        k = int((inside.sum(0) - 0.01 * off).argmax())  # where most of the figure lies in the map
        seen = np.full((side, side), 0.0)
        seen[above[:, k][inside[:, k]], beside[:, k][inside[:, k]]] = 0.4
        seen[above[: len(NEAREST), k], beside[: len(NEAREST), k]] = 0.8
        axis.imshow(seen, cmap="Oranges", vmin=0, vmax=1)
        axis.plot(columns[k], rows[k], "x", color="0.2")
        axis.set_title(f"what {what} (×) sees")
    return figure


def saved() -> str:
    """Of each picture the bytes of its file without the context and what the context saves, at the lowest, middle and highest rate."""
    if not RECORD.exists():
        return MISSING
    record = load_record(RECORD, ("lmbda", "before", "bytes"))
    frame = pd.DataFrame(record["images"])
    lambdas = sorted(frame["lmbda"].unique())
    frame = frame[frame["lmbda"].isin(lambdas[:: len(lambdas) // 2])]
    frame["cell"] = [f"{r.before:,} → {r.bytes:,} ({change(r.bytes, r.before)})" for r in frame.itertuples()]
    cells = frame.pivot(index="name", columns="lmbda", values="cell").loc[frame["name"].unique()]
    samples = frame[~frame["name"].isin([f"flat {colour}" for colour in FLAT])]
    shares = (samples["bytes"] / samples["before"]).groupby(samples["lmbda"]).mean()
    totals = samples.groupby("lmbda")[["bytes", "before"]].sum()
    rows = [[name, *row] for name, row in zip(cells.index, cells.to_numpy())]
    means = {"mean of the samples' own savings": shares, "all bytes of the samples together": totals["bytes"] / totals["before"]}
    at = samples["name"].nunique()
    rows[at:at] = [[f"**{name}**", *(f"**{change(value, 1)}**" for value in values)] for name, values in means.items()]
    return table(["picture", *(f"λ = {lmbda:g}" for lmbda in cells.columns)], rows)


def forms() -> str:
    """Of each form of the context what it saves, of the bits of its slices and of all bits, and how long decoding takes."""
    if not VARIANTS.exists():
        return MISSING
    record = load_json(VARIANTS)
    before, samples = record["bytes"], record["bytes"].keys() - {"validation", *FLAT}
    rows = []
    for name, form in record["forms"].items():
        own = np.sum(record["slices"]["validation"][: max(1, form["slices"])], 0)
        saved = form["saved"]["validation"]
        of_samples = np.mean([np.divide(form["saved"][sample], before[sample]) for sample in samples], 0)
        cells = [np.divide(saved, own), np.divide(saved, before["validation"]), of_samples]
        rows.append([name, form["passes"], *map(_percents, cells), number(form.get("decoding"), ".2f")])
    lambdas = " / ".join(f"{lmbda:g}" for lmbda in record["lambdas"])
    how = record["settings"]
    return (
        table(["form", "passes", "its slices, validation", "all, validation", "all, mean of the samples' own", "time of decoding"], rows)
        + f"\n\nChange of the bits at λ = {lambdas}. Each form: {how['steps']:,} steps of {how['batch']} out of {how['crops']} crops, one seed. "
        f"Record of {record['date'][:10]}, by `python benchmarks/{record['command']}`."
    )


def flat_forms() -> str:
    """Of each form of the context the bytes of y and z of pages of one colour, at the lowest rate and the highest."""
    if not VARIANTS.exists():
        return MISSING
    record = load_json(VARIANTS)
    left = {"none": {"saved": dict.fromkeys(FLAT, [0, 0, 0])}} | record["forms"]
    cell = lambda colour, saved: " / ".join(f"{record['bytes'][colour][k] - saved[colour][k]:,.0f}" for k in (0, -1))
    return table(["form", *FLAT], [[name, *(cell(colour, form["saved"]) for colour in FLAT)] for name, form in left.items()])


def behind_both() -> str:
    """The model with a context and the baseline with one: size, arithmetic, and BD-rate of the second against the first."""
    rows = []
    for name in (DEFAULT, LIGHT):
        model = load_model(name)
        own = [verdict(complete(measured(dataset)), name, DEFAULT) if name != DEFAULT else None for dataset in ("validation", "samples")]
        rows.append([f"`{name}`", f"{count_parameters(model)['total']:,}", f"{kmac_per_pixel(model):.0f}", *own])
    return table(["weights", "parameters", "thousand multiply-adds a pixel", "validation, against the first", "samples"], rows)


def _percents(shares) -> str:
    return " / ".join(f"{number(-100 * share)}" for share in shares) + " %"
