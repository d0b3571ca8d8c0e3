"""Short trainings, recorded by benchmarks/short_trainings.py: what chance moves, who learns faster, what other masks change (Table 5).

Those of CHANCE and of MASKS begin with the weights that all models begin with, and differ in their seeds or their detector. Those of
SCRATCH begin with the KLT of the training images, where the model has such a start.
"""

from itertools import combinations

import numpy as np
import pandas as pd

from sccore.evaluation.bd_rate import bd_rate, bd_rates, between, bootstrap
from sccore.evaluation.records import complete, load_record, measured, of_codec
from sccore.paper.tables import BASELINE, MISSING, bd_rate_cell, number, table
from sccore.paper.tables_2_5 import CONTROL, FULL, chosen
from sccore.utils import paths
from sccore.utils.errors import InputError

CHANCE, SCRATCH, MASKS = "chance", "scratch", "masks"  # data sets of their records
ORDINARY = "wacnn-ordinary"  # of SCRATCH: without the KLT, as cheng2020 has to begin


def seeds_of(frame: pd.DataFrame, *codecs: str) -> list[str]:
    """The seeds with which each of the codecs was measured; a run's name is CODEC-seed1 ..."""
    runs = [name.rpartition("-seed") for name in set(frame["codec"])]
    return sorted(set.intersection(*({seed for name, _, seed in runs if name == codec} for codec in codecs)))


def seeds(frame: pd.DataFrame, codec: str, anchor: str) -> str:
    """What intervals cover: the images, and the seeds that two codecs share if there are several."""
    count = len(seeds_of(frame, codec, anchor))
    return f"{count} seeds of each, interval over images and seeds" if count > 1 else "one seed of each, interval over images"


def described(dataset: str) -> str:
    """What the trainings of a data set were, a sentence."""
    recipe = next(load_record(path) for path in (paths.RESULTS / dataset).glob("*.json"))["checkpoint"]["recipe"]
    return f"Each run took {recipe['steps']:,} steps of {recipe['batch']} crops of {recipe['crop']} × {recipe['crop']}."


def held_out(dataset: str, codec: str, seeds: list[str]) -> float:
    """The held-out loss of a codec after its last step, the mean over seeds."""
    return float(np.mean([load_record(paths.RESULTS / dataset / f"{codec}-seed{seed}.json")["held_out_loss"][-1] for seed in seeds]))


def pooled(frame: pd.DataFrame, codec: str, anchor: str, metric: str = "psnr", resamples: int = 1000) -> tuple[float, float, float]:
    """BD-rate of a codec against another, and its 95 % interval over images and over the seeds that both have, each drawn with replacement.

    Args:
        frame: measurements of runs CODEC-seedN on the same images.

    Raises:
        InputError: mean curves that cannot be compared.
    """
    found = [[f"{name}-seed{seed}" for seed in seeds_of(frame, anchor, codec)] for name in (anchor, codec)]
    frame = frame.dropna(subset=[metric])  # images without text
    cube = lambda run, what: of_codec(frame, run).pivot(index="name", columns="lmbda", values=what).to_numpy()
    values = [np.stack([[cube(run, what) for what in ("bpp", metric)] for run in runs]) for runs in found]  # (seeds, 2, images, points)

    rng = np.random.default_rng(0)
    again = lambda runs: runs[rng.integers(len(runs), size=len(runs))]

    def numbers(draws):
        means = [[again(runs)[:, :, images].mean((0, 2)) for runs in values] for images in draws]
        return bd_rates(*map(np.stack, zip(*means)))

    low, high, _ = bootstrap(numbers, values[0].shape[2], resamples)
    return bd_rate(*(dict(zip(("bpp", metric), runs.mean((0, 2)))) for runs in values), metric), low, high


def pooled_cell(frame: pd.DataFrame, codec: str = FULL, anchor: str = CONTROL, metric: str = "psnr") -> str:
    """:func:`pooled` as a cell, "−0.1 % (−0.4 to +0.2)"; or the reason why there is none."""
    if not seeds_of(frame, codec, anchor):
        return MISSING
    try:
        return "{} % ({} to {})".format(*map(number, pooled(frame, codec, anchor, metric)))
    except InputError as error:
        return str(error)


def by_seed(frame: pd.DataFrame) -> str:
    """BD-rate of the runs of SFTIP against its control's with the same seed, of all together, and what a seed alone moves."""
    metrics = "psnr", "psnr_text"
    rows = [
        [seed, *(bd_rate_cell(frame, f"{FULL}-seed{seed}", f"{CONTROL}-seed{seed}", metric) for metric in metrics)]
        for seed in seeds_of(frame, FULL, CONTROL)
    ]
    if rows:
        rows.append(["all, interval over images and seeds", *(pooled_cell(frame, FULL, CONTROL, metric) for metric in metrics)])
    return "\n\n".join(filter(None, (table(["seed", "picture", "text regions"], rows), by_chance(frame, FULL, CONTROL))))


def by_chance(frame: pd.DataFrame, *codecs: str) -> str:
    """How far apart runs of one model are that differ in their seed, a sentence; nothing if no model has two."""
    several = [name for name in codecs if len(seeds_of(frame, name)) > 1]
    twins = [pair for name in several for pair in combinations([f"{name}-seed{seed}" for seed in seeds_of(frame, name)], 2)]
    if not twins:
        return ""
    picture, text = (max(abs(between(frame, *pair, metric)["bd_rate"]) for pair in twins) for metric in ("psnr", "psnr_text"))
    same = ", ".join(f"`{name}`" for name in several)
    return f"The same model ({same}) with another seed differs by up to {picture:.1f} % in the picture and {text:.1f} % in text regions."


def chance() -> str:
    """Those with several seeds: what they were, and :func:`by_seed`."""
    frame = complete(measured(CHANCE))
    if frame.empty:
        return MISSING
    losses = [load_record(path)["held_out_loss"] for path in (paths.RESULTS / CHANCE).glob("*.json")]
    (first, *_), last = losses[0], [loss[-1] for loss in losses]
    what = f"{described(CHANCE)} All begin with the weights that the long trainings began with."
    what += f" The held-out loss was {first:.3f} before, and {min(last):.3f} to {max(last):.3f} after."
    return f"{what} BD-rate of SFTIP against the control, on the busiest 256 × 256 pixels of {frame['name'].nunique()} pictures:\n\n{by_seed(frame)}"


def briefly(dataset: str, what: str, codec: str = FULL, anchor: str = CONTROL) -> str:
    """:func:`pooled` in a sentence; `what` says which trainings these are."""
    frame = complete(measured(dataset))
    if not seeds_of(frame, codec, anchor):
        return f"{what}: {MISSING}."
    picture, text = (pooled_cell(frame, codec, anchor, metric) for metric in ("psnr", "psnr_text"))
    return f"{what}, {seeds(frame, codec, anchor)}: picture {picture}, text regions {text}."


def trained_alike(dataset: str, pairs: tuple[tuple[str, str], ...]) -> str:
    """What trainings were, the held-out loss of each model at the end, and BD-rates between them."""
    frame = complete(measured(dataset))
    codecs = [name for name in dict.fromkeys(name for pair in pairs for name in pair) if seeds_of(frame, name)]
    if not codecs:
        return MISSING
    shared = seeds_of(frame, *codecs)
    losses = ", ".join(f"`{codec}` {held_out(dataset, codec, shared):.2f}" for codec in codecs)
    what = f"{described(dataset)} Held-out loss at the end{' (mean of the seeds that all have)' * (len(shared) > 1)}: {losses}."
    what += f" BD-rate on the busiest 256 × 256 pixels of {frame['name'].nunique()} pictures, interval over images and seeds:"
    rows = [
        [
            f"`{codec}` against `{anchor}`",
            len(seeds_of(frame, codec, anchor)),
            *(pooled_cell(frame, codec, anchor, metric) for metric in ("psnr", "psnr_text")),
        ]
        for codec, anchor in pairs
    ]
    said = by_chance(frame, *codecs)
    runs = [f"{codec}-seed{seed}" for codec in codecs if len(seeds_of(frame, codec)) > 1 for seed in seeds_of(frame, codec)]
    if len({load_record(paths.RESULTS / dataset / f"{run}.json")["checkpoint"].get("bf16") for run in runs}) > 1:
        said += " This includes that some of these runs computed in bfloat16 and others in single precision."
    return "\n\n".join(filter(None, (what, table(["", "seeds", "picture", "text regions"], rows), said)))


def scratch() -> str:
    """SFTIP, its control and WACNN from the KLT start, as :func:`trained_alike`."""
    return trained_alike(SCRATCH, ((FULL, CONTROL), (FULL, BASELINE), (CONTROL, BASELINE)))


def systems() -> str:
    """cheng2020 and ms2020 beside WACNN, as :func:`trained_alike`; the first has no KLT start, so WACNN is there without it, too."""
    return trained_alike(SCRATCH, (("cheng2020", ORDINARY), ("cheng2020", BASELINE), ("ms2020", BASELINE), (ORDINARY, BASELINE)))


def masks() -> str:
    """Table 5: SFTIP with masks by other detectors, in training and in coding, as :func:`trained_alike`."""
    return trained_alike(MASKS, tuple((row.codec, row.anchor) for row in chosen("5")))
