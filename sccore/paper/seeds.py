"""How much chance moves a result: the same run with another seed, which draws other crops, noise and new weights.

A difference between two models is one only if it is larger than that of a model to its own twin. Logs are the CSV files
of :func:`sccore.training.fit.fit`, which lie beside the checkpoints and stay when the weights do not.

Runs are compared that differ from a baseline in nothing of the recipe but the seed.
"""

from pathlib import Path

import pandas as pd

from sccore.evaluation.records import complete, measured, trained
from sccore.paper.tables import BASELINE, MISSING, bd_rate_cell, change, table
from sccore.training.plan import RUNS, Planned
from sccore.utils import paths


def runs(folder: Path = paths.CHECKPOINTS) -> list[Planned]:
    """Finished variable-rate runs with start, steps and loss of the baseline, whose held-out losses can be compared."""
    first = next(run for run in RUNS if run.name == BASELINE)
    return [
        run
        for run in RUNS
        if run.start == first.start
        and run.lmbda is None
        and run.change.items() - {("seed", seed(run))} == first.change.items()
        and (folder / f"{run.name}.csv").exists()
    ]


def measured_runs(dataset: str) -> pd.DataFrame:
    """Measurements of the planned runs on a data set, of complete records alone."""
    frame = measured(dataset)
    return complete(frame[frame["codec"].isin([run.name for run in RUNS])])


def held_out(name: str, folder: Path = paths.CHECKPOINTS) -> pd.Series:
    """The last row of a run's log that measures the held-out screens: step, val_loss, val_bpp, val_psnr."""
    log = pd.read_csv(folder / f"{name}.csv")
    return log.dropna(subset=["val_loss"]).iloc[-1]


def seed(run: Planned) -> int:
    """The seed of a run."""
    return run.change.get("seed", 0)


def anchor(run: Planned) -> str:
    """The baseline that was trained with the seed of this run."""
    return BASELINE + f"-seed{seed(run)}" * bool(seed(run))


def by_run(frame: pd.DataFrame, folder: Path = paths.CHECKPOINTS) -> str:
    """Seed, held-out loss, rate and PSNR of each run, and its BD-rate against the baseline of the same seed.

    Args:
        frame: measurements of a data set; runs that are not among them have no BD-rate.
    """
    known = {run.name for run in runs(folder)}
    rows = []
    for run in runs(folder):
        last, own = held_out(run.name, folder), anchor(run)
        loss = held_out(own, folder)["val_loss"] if own in known else None
        gain = change(last["val_loss"], loss) if loss is not None and run.name != own else None
        rates = [None, None] if run.name == own else [bd_rate_cell(frame, run.name, own, metric) for metric in ("psnr", "psnr_text")]
        rows.append(
            [f"`{run.name}`", seed(run), f"{last['val_loss']:.3f}", gain, f"{last['val_bpp']:.3f}", f"{last['val_psnr']:.2f}", *rates]
        )
    losses = ["held-out loss", "against WACNN of the same seed", "held-out bpp", "held-out PSNR (dB)"]
    return table(["run", "seed", *losses, "BD-rate of the picture", "of text regions"], rows)


def loops(names: list[str], dataset: str = "samples") -> str:
    """That some of these runs saw their crops in another order than the others, a sentence; empty if all are of one kind."""
    recorded = {name: trained(name, dataset) for name in names}
    prototype = [f"`{name}`" for name, checkpoint in recorded.items() if checkpoint.get("engine") == "prototype"]
    if len(prototype) in (0, sum(map(bool, recorded.values()))):
        return ""
    return (
        f"A prototype of the training loop, which drew its crops in another order, trained {', '.join(prototype)}. The package's own loop "
        "trained the others. A comparison of one kind with the other also holds what another seed moves."
    )


def sentence(frame: pd.DataFrame, folder: Path = paths.CHECKPOINTS) -> str:
    """What another seed changes in each model that was trained twice, in loss and in BD-rate of a model against its twin."""
    known = {run.name: run for run in runs(folder)}
    parts = []
    for name, run in known.items():
        twin = name.removesuffix(f"-seed{seed(run)}")
        if twin != name and twin in known:
            loss = change(held_out(name, folder)["val_loss"], held_out(twin, folder)["val_loss"])
            parts.append(
                f"`{twin}`: held-out loss {loss}, BD-rate of the picture {bd_rate_cell(frame, name, twin)}, "
                f"of text regions {bd_rate_cell(frame, name, twin, 'psnr_text')}"
            )
    return "Another seed alone changes " + "; ".join(parts) + "." if parts else f"Runs with another seed: {MISSING}."


def count(frame: pd.DataFrame, codec: str) -> int:
    """With how many seeds a codec and the baseline were measured."""
    there = set(frame["codec"])
    suffixes = {f"-seed{seed(run)}" * bool(seed(run)) for run in RUNS if run.name.startswith(codec)}
    return sum({codec + suffix, BASELINE + suffix} <= there for suffix in suffixes)
