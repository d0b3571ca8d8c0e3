"""Short trainings of SFTIP, its control and WACNN, recorded by benchmarks/short_trainings.py: what chance moves, and who learns faster.

Those of CHANCE begin with the weights that all models begin with, and differ in their seeds. Those of SCRATCH begin with the KLT of
the training images.
"""

from itertools import combinations

import numpy as np
import pandas as pd

from sccore.evaluation.bd_rate import bd_rate, between, bootstrap
from sccore.evaluation.records import complete, load_record, measured, of_codec
from sccore.paper.tables import BASELINE, MISSING, bd_rate_cell, number, table
from sccore.paper.tables_2_5 import CONTROL, FULL
from sccore.utils import paths
from sccore.utils.errors import InputError

CHANCE, SCRATCH, MASKS = "chance", "scratch", "masks"  # data sets of their records
ORDINARY = "wacnn-ordinary"  # of SCRATCH: without the KLT, as cheng2020 has to begin


def seeds_of(frame: pd.DataFrame, codec: str) -> list[str]:
    """The runs of a codec that were measured, CODEC-seed1 ..."""
    return sorted(name for name in set(frame["codec"]) if name.rpartition("-seed")[0] == codec)


def seeds(frame: pd.DataFrame) -> str:
    """What intervals cover: the images, and the seeds of SFTIP if there are several."""
    count = len(seeds_of(frame, FULL))
    return f"{count} seeds of each, interval over images and seeds" if count > 1 else "one seed of each, interval over images"


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
    """BD-rate of the runs of a codec against the other's with the same seed, of all together, and what a seed alone moves."""
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


def chance(dataset: str = CHANCE) -> str:
    """Those with several seeds: what they were, and :func:`by_seed`."""
    frame = complete(measured(dataset))
    if frame.empty:
        return MISSING
    runs = [load_record(path) for path in (paths.RESULTS / dataset).glob("*.json")]
    recipe, (first, *_), last = runs[0]["checkpoint"]["recipe"], runs[0]["held_out_loss"], [run["held_out_loss"][-1] for run in runs]
    what = f"Each run took {recipe['steps']:,} steps of {recipe['batch']} crops from the weights that all models began with."
    what += f" The held-out loss was {first:.3f} before, and {min(last):.3f} to {max(last):.3f} after."
    return f"{what} BD-rate of SFTIP against the control, on the busiest 256 × 256 pixels of {frame['name'].nunique()} pictures:\n\n{by_seed(frame)}"


def over_chance(dataset: str = CHANCE) -> str:
    """:func:`pooled` of those with several seeds, in a sentence."""
    frame = complete(measured(dataset))
    if not seeds_of(frame, FULL):
        return f"Short trainings with several seeds: {MISSING}."
    picture, text = (pooled_cell(frame, metric=metric) for metric in ("psnr", "psnr_text"))
    return f"Short trainings, {seeds(frame)}: picture {picture}, text regions {text}."


def scratch(dataset: str = SCRATCH) -> str:
    """Those from the KLT start: what they were, the held-out loss of each model, and BD-rates between them."""
    frame = complete(measured(dataset))
    if frame.empty:
        return MISSING
    runs = [load_record(path) for path in sorted((paths.RESULTS / dataset).glob("*.json"))]
    recipe = runs[0]["checkpoint"]["recipe"]
    ends = ", ".join(f"`{run['codec'].rpartition('-seed')[0]}` {run['held_out_loss'][-1]:.2f}" for run in runs)
    what = f"Each run took {recipe['steps']:,} steps of {recipe['batch']} crops of {recipe['crop']} × {recipe['crop']}. Held-out loss at the end: {ends}."
    what += f" BD-rate on the busiest 256 × 256 pixels of {frame['name'].nunique()} pictures, {seeds(frame)}:"
    pairs = (FULL, CONTROL), (FULL, BASELINE), (CONTROL, BASELINE)
    rows = [
        [f"`{codec}` against `{anchor}`", *(pooled_cell(frame, codec, anchor, metric) for metric in ("psnr", "psnr_text"))]
        for codec, anchor in pairs
    ]
    return f"{what}\n\n{table(['', 'picture', 'text regions'], rows)}"


def from_scratch(dataset: str = SCRATCH) -> str:
    """:func:`scratch` in a sentence."""
    frame = complete(measured(dataset))
    picture, text = (pooled_cell(frame, metric=metric) for metric in ("psnr", "psnr_text"))
    return f"Trained from scratch, briefly, {seeds(frame)}: picture {picture}, text regions {text}."
