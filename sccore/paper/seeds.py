"""How much chance moves a result: the same run with another seed, which draws other crops, noise and new weights.

A difference between two models is one only if it is larger than that of a model to its own twin. Logs are the CSV files
of :func:`sccore.training.fit.fit`, which lie beside the checkpoints and stay when the weights do not.

Runs are compared that differ from a baseline in nothing of the recipe but the seed.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from sccore.evaluation.bd_rate import bd_rate, between, bootstrap
from sccore.evaluation.records import complete, load_record, measured, of_codec
from sccore.paper.tables import BASELINE, MISSING, bd_rate_cell, change, number, table
from sccore.paper.tables_2_5 import CONTROL, FULL
from sccore.training.plan import RUNS, Planned
from sccore.utils import paths
from sccore.utils.errors import InputError

# records of benchmarks/short_trainings.py: from the start of all models with several seeds, and from the KLT of the images
CHANCE, SCRATCH = "chance", "scratch"


def runs(folder: Path = paths.CHECKPOINTS, baseline: str = BASELINE) -> list[Planned]:
    """Finished variable-rate runs with start, steps and loss of the baseline, whose held-out losses can be compared."""
    first = next(run for run in RUNS if run.name == baseline)
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


def anchor(run: Planned, baseline: str = BASELINE) -> str:
    """The baseline that was trained with the seed of this run."""
    return baseline + f"-seed{seed(run)}" * bool(seed(run))


def by_run(frame: pd.DataFrame, folder: Path = paths.CHECKPOINTS, baseline: str = BASELINE) -> str:
    """Seed, held-out loss, rate and PSNR of each run, and its BD-rate against the baseline of the same seed.

    Args:
        frame: measurements of a data set; runs that are not among them have no BD-rate.
    """
    known = {run.name for run in runs(folder, baseline)}
    rows = []
    for run in runs(folder, baseline):
        last, own = held_out(run.name, folder), anchor(run, baseline)
        loss = held_out(own, folder)["val_loss"] if own in known else None
        gain = change(last["val_loss"], loss) if loss is not None and run.name != own else None
        rates = [None, None] if run.name == own else [bd_rate_cell(frame, run.name, own, metric) for metric in ("psnr", "psnr_text")]
        rows.append(
            [f"`{run.name}`", seed(run), f"{last['val_loss']:.3f}", gain, f"{last['val_bpp']:.3f}", f"{last['val_psnr']:.2f}", *rates]
        )
    head = [
        "run",
        "seed",
        "held-out loss",
        "against WACNN of the same seed",
        "held-out bpp",
        "held-out PSNR (dB)",
        "BD-rate of the picture",
        "of text regions",
    ]
    return table(head, rows)


def sentence(frame: pd.DataFrame, folder: Path = paths.CHECKPOINTS, baseline: str = BASELINE) -> str:
    """What another seed changes in each model that was trained twice, in loss and in BD-rate of a model against its twin."""
    known = {run.name: run for run in runs(folder, baseline)}
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


def over_seeds(frame: pd.DataFrame, codec: str, baseline: str = BASELINE) -> tuple[pd.DataFrame, int]:
    """Rate and quality of each image as means over the seeds with which both codecs were measured, and how many those are."""
    there = set(frame["codec"])
    suffixes = [f"-seed{seed(run)}" * bool(seed(run)) for run in RUNS if run.name.startswith(codec)]
    both = [suffix for suffix in dict.fromkeys(suffixes) if {codec + suffix, baseline + suffix} <= there]
    twins = {name + suffix: name for name in (codec, baseline) for suffix in both}
    own = frame[frame["codec"].isin(twins)]
    return own.assign(codec=own["codec"].map(twins)).groupby(["codec", "name", "lmbda"], as_index=False)[
        ["bpp", "psnr", "psnr_text"]
    ].mean(), len(both)


def together(frame: pd.DataFrame, folder: Path = paths.CHECKPOINTS, baseline: str = BASELINE) -> str:
    """BD-rate against the baseline of each model that was trained with two seeds, from the means over both."""
    parts = []
    for run in runs(folder, baseline):
        means, seeds = over_seeds(frame, run.name, baseline)
        if run.name != baseline and seeds > 1:
            rates = [bd_rate_cell(means, run.name, baseline, metric) for metric in ("psnr", "psnr_text")]
            parts.append(f"`{run.name}` against `{baseline}`, the picture {rates[0]}, text regions {rates[1]}")
    return f"Both seeds together: {'; '.join(parts) or MISSING}."


def seeds_of(frame: pd.DataFrame, codec: str) -> list[str]:
    """The short runs of a codec that were measured, CODEC-seed1 ..."""
    return sorted(name for name in set(frame["codec"]) if name.rpartition("-seed")[0] == codec)


def pooled(frame: pd.DataFrame, codec: str, anchor: str, metric: str = "psnr", resamples: int = 1000) -> tuple[float, float, float]:
    """BD-rate of a codec against another, and its 95 % interval over images and over seeds of both, each drawn with replacement.

    Args:
        frame: measurements of runs CODEC-seedN on the same images.

    Raises:
        InputError: a codec without runs, or mean curves that cannot be compared.
    """
    found = [seeds_of(frame, name) for name in (anchor, codec)]
    if not all(found):
        raise InputError(f"no runs of {codec} or {anchor}")
    frame = frame.dropna(subset=[metric])  # images without text
    cube = lambda run, what: of_codec(frame, run).pivot(index="name", columns="lmbda", values=what).to_numpy()
    values = [np.stack([[cube(run, what) for what in ("bpp", metric)] for run in runs]) for runs in found]  # (seeds, 2, images, points)

    def over(images, draw=lambda runs: runs):
        means = (draw(runs)[:, :, images].mean((0, 2)) for runs in values)
        return bd_rate(*(dict(zip(("bpp", metric), mean)) for mean in means), metric)

    rng = np.random.default_rng(0)
    again = lambda runs: runs[rng.integers(len(runs), size=len(runs))]
    low, high, _ = bootstrap(lambda draws: [over(images, again) for images in draws], values[0].shape[2], resamples)
    return over(np.arange(values[0].shape[2])), low, high


def pooled_cell(frame: pd.DataFrame, codec: str = FULL, anchor: str = CONTROL, metric: str = "psnr") -> str:
    """:func:`pooled` as a cell, "−0.1 % (−0.4 to +0.2)"; or the reason why there is none."""
    try:
        return "{} % ({} to {})".format(*map(number, pooled(frame, codec, anchor, metric)))
    except InputError:
        return MISSING


def by_seed(frame: pd.DataFrame, codec: str = FULL, anchor: str = CONTROL) -> str:
    """BD-rate of the short runs of a codec against the other's with the same seed, of all together, and what a seed alone moves."""
    metrics = "psnr", "psnr_text"
    rows = []
    for run in seeds_of(frame, codec):
        own = run.replace(codec, anchor)
        if own in seeds_of(frame, anchor):
            rows.append([run.rpartition("seed")[2], *(bd_rate_cell(frame, run, own, metric) for metric in metrics)])
    if rows:
        rows.append(["all, interval over images and seeds", *(pooled_cell(frame, codec, anchor, metric) for metric in metrics)])
    twins = [pair for name in (codec, anchor) for pair in combinations(seeds_of(frame, name), 2)]
    found = [[abs(between(frame, *pair, metric)["bd_rate"]) for pair in twins] for metric in metrics]
    most = [f"{max(values):.1f} %" for values in found if values]
    said = "The same model with another seed differs by up to {} in the picture and {} in text regions.".format(*most) if most else ""
    return "\n\n".join(filter(None, (table(["seed", "picture", "text regions"], rows), said)))


def short(dataset: str = CHANCE) -> str:
    """The short trainings with several seeds: what they were, and :func:`by_seed`."""
    frame = complete(measured(dataset))
    if frame.empty:
        return MISSING
    runs = [load_record(path) for path in (paths.RESULTS / dataset).glob("*.json")]
    recipe, (first, *_), last = runs[0]["checkpoint"]["recipe"], runs[0]["held_out_loss"], [run["held_out_loss"][-1] for run in runs]
    what = f"Each run took {recipe['steps']:,} steps of {recipe['batch']} crops from the weights that all models began with."
    what += f" The held-out loss was {first:.3f} before, and {min(last):.3f} to {max(last):.3f} after."
    return f"{what} BD-rate of SFTIP against the control, on the busiest 256 × 256 pixels of {frame['name'].nunique()} pictures:\n\n{by_seed(frame)}"


def over_chance(dataset: str = CHANCE) -> str:
    """:func:`pooled` of the short trainings in a sentence."""
    frame = complete(measured(dataset))
    count = len(seeds_of(frame, FULL))
    if not count:
        return f"Short trainings with several seeds: {MISSING}."
    picture, text = (pooled_cell(frame, metric=metric) for metric in ("psnr", "psnr_text"))
    return f"Short trainings, {count} seeds of each, interval over images and seeds: picture {picture}, text regions {text}."
