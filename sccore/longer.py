"""What more steps bring: the compared models trained on for as long as the tables say, and four times as long.

Both lengths begin with the same weights and share everything but the number of steps, so that a row is compared with
the baseline of its own length and seed alone.
"""

from itertools import product
from pathlib import Path

import pandas as pd

from sccore import chance, paths, report
from sccore.models import LAMBDAS
from sccore.plan import RUNS

MODELS = ("wacnn", "sftip", "sftip-uniform")
MIDDLE = LAMBDAS[len(LAMBDAS) // 2]
LONG = "wacnn-long-variable"  # the baseline of the longer training


def lengths(folder: Path = paths.CHECKPOINTS) -> list[tuple[str, str]]:
    """(run, baseline of its length and seed), shorter runs first; only runs that have a log."""
    planned = {run.name for run in RUNS}
    ends = ("-variable", "-variable-seed1", "-long-variable", "-long-variable-seed1")
    pairs = [(model + end, "wacnn" + end) for end in ends for model in MODELS]
    return [(name, anchor) for name, anchor in pairs if name in planned and (folder / f"{name}.csv").exists()]


def table(sets: dict[str, pd.DataFrame], folder: Path = paths.CHECKPOINTS) -> str:
    """Steps, held-out loss, and BD-rate against the baseline that had as many steps and the same seed.

    Args:
        sets: {data set: measurements, as :func:`chance.measured` gives them}.
    """
    rows, found = [], dict(lengths(folder))
    for name, anchor in found.items():
        last = chance.held_out(name, folder)
        loss = chance.percent(last["val_loss"], chance.held_out(anchor, folder)["val_loss"]) if name != anchor in found else None
        rates = [report.bd_rate(frame, name, anchor, metric) if name != anchor else None
                 for frame in sets.values() for metric in ("psnr", "psnr_text")]  # fmt: skip
        rows.append([f"`{name}`", f"{last['step']:,.0f}", f"{last['val_loss']:.3f}", loss, *rates])
    head = ["run", "steps", "held-out loss", "against WACNN", *(f"{name}: {what}" for name in sets for what in ("picture", "text"))]
    return report.table(head, rows or [[report.MISSING, *[None] * (len(head) - 1)]])


def quality(frame: pd.DataFrame, folder: Path = paths.CHECKPOINTS) -> str:
    """Rate and quality of each run at the middle lambda, means over the images of a data set."""
    rows = []
    for name, _ in lengths(folder):
        own = report.of(frame, name)
        means = own[own["lmbda"] == MIDDLE][["bpp", "psnr", "psnr_text", "ms_ssim"]].mean()
        shown = [None] * 4 if own.empty else [f"{value:.{digits}f}" for value, digits in zip(means, (3, 2, 2, 3))]
        rows.append([f"`{name}`", f"{chance.held_out(name, folder)['step']:,.0f}", *shown])
    head = ["run", "steps", "bpp", "PSNR (dB)", "text-region PSNR (dB)", "MS-SSIM"]
    return report.table(head, rows or [[report.MISSING, *[None] * 5]])


def over_seeds(sets: dict[str, pd.DataFrame], folder: Path = paths.CHECKPOINTS) -> str:
    """What model and control bring, and the model beyond the control, at each length: means over the seeds that both have."""
    logged, rows = {name for name, _ in lengths(folder)}, []
    for end, (model, other) in product(("-variable", "-long-variable"), (("sftip", "wacnn"), ("sftip-uniform", "wacnn"), ("sftip", "sftip-uniform"))):
        codec, anchor = model + end, other + end
        seeds = [seed for seed in ("", "-seed1") if {codec + seed, anchor + seed} <= logged]
        if not seeds:
            continue
        loss = lambda name: sum(chance.held_out(name + seed, folder)["val_loss"] for seed in seeds)
        rates = []
        for frame in sets.values():
            means, measured = chance.over_seeds(frame, codec, anchor)
            note = f", {measured} of {len(seeds)} seeds" * (0 < measured < len(seeds))
            rates += [report.bd_rate(means, codec, anchor, metric) + note for metric in ("psnr", "psnr_text")]
        rows.append([f"`{codec}`", f"`{anchor}`", len(seeds), chance.percent(loss(codec), loss(anchor)), *rates])
    head = ["run", "against", "seeds", "held-out loss", *(f"{name}: {what}" for name in sets for what in ("picture", "text"))]
    return report.table(head, rows or [[report.MISSING, *[None] * (len(head) - 1)]])
