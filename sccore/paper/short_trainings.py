"""Short trainings, recorded by benchmarks/short_trainings.py: what chance moves, who learns faster, what other masks change (Table 5).

Those of CHANCE and of MASKS begin with the weights that all models begin with, and differ in their seeds or their detector. Those of
SCRATCH begin with the KLT of the training images, where the model has such a start. Those of FIXED go on with the finished models.
"""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from sccore.evaluation.bd_rate import between
from sccore.evaluation.records import complete, load_record, measured
from sccore.paper.tables import BASELINE, MISSING, bd_rate_cell, interval, number, table
from sccore.paper.tables_2_5 import CONTROL, FULL, chosen
from sccore.presets import LAMBDAS
from sccore.utils import paths
from sccore.utils.errors import InputError

CHANCE, SCRATCH, MASKS, FIXED = "chance", "scratch", "masks", "fixed"  # data sets of their records
METRICS = "psnr", "psnr_text"
SEVERAL = 3  # seeds from which on they have an interval of their own; of two it would be many times as wide as they differ
ONE = "-tuned"  # of a model in figures: one for each lambda
ORDINARY = "wacnn-ordinary"  # of SCRATCH: without the KLT, as cheng2020 has to begin


def seeds_of(frame: pd.DataFrame, *codecs: str) -> list[str]:
    """The seeds with which each of the codecs was measured; a run's name is CODEC-seed1 ..."""
    runs = [name.rpartition("-seed") for name in set(frame["codec"])]
    return sorted(set.intersection(*({seed for name, _, seed in runs if name == codec} for codec in codecs)))


def pictures(frame: pd.DataFrame) -> str:
    """What was coded, in words; a picture's name begins with its data set's."""
    names = pd.Series(frame["name"].unique())
    sets = names.str.partition("-")[0].value_counts(sort=False)
    return f"the busiest 256 × 256 pixels of {len(names)} pictures ({', '.join(f'{count} of the {name}' for name, count in sets.items())})"


def described(dataset: str) -> str:
    """What the trainings of a data set were, a sentence."""
    made = [load_record(path)["checkpoint"] for path in (paths.RESULTS / dataset).glob("*.json")]
    recipe, kinds = made[0]["recipe"], {run.get("bf16") for run in made}
    precision = {(True,): ", in bfloat16", (False,): ", in single precision"}.get(tuple(kinds), "")
    return f"Each run took {recipe['steps']:,} steps of {recipe['batch']} crops of {recipe['crop']} × {recipe['crop']}{precision}."


def held_out(dataset: str, codec: str, seeds: list[str]) -> float:
    """The held-out loss of a codec after its last step, the mean over seeds."""
    return float(np.mean([load_record(paths.RESULTS / dataset / f"{codec}-seed{seed}.json")["held_out_loss"][-1] for seed in seeds]))


def averages(frame: pd.DataFrame, *codecs: str) -> pd.DataFrame:
    """Measurements of some codecs, of each the mean over its runs with the seeds that all of them have."""
    shared, made = seeds_of(frame, *codecs), []
    for codec in codecs:
        own = frame[frame["codec"].isin([f"{codec}-seed{seed}" for seed in shared])]
        made.append(own.groupby(["name", "lmbda"], as_index=False)[["bpp", *METRICS]].mean().assign(codec=codec))
    return pd.concat(made)


def pooled(frame: pd.DataFrame, codec: str, anchor: str, metric: str = "psnr") -> dict:
    """:func:`sccore.evaluation.bd_rate.between` of two codecs, means over the seeds that both have; "seeds": the BD-rate of each.

    Args:
        frame: measurements of runs CODEC-seedN on the same images. Runs of one seed saw the same crops and noise.

    Raises:
        InputError: mean curves that cannot be compared.
    """
    shared, found = seeds_of(frame, codec, anchor), between(averages(frame, codec, anchor), codec, anchor, metric)
    return found | {"seeds": [between(frame, f"{codec}-seed{seed}", f"{anchor}-seed{seed}", metric)["bd_rate"] for seed in shared]}


def pooled_cell(frame: pd.DataFrame, codec: str = FULL, anchor: str = CONTROL, metric: str = "psnr") -> str:
    """:func:`pooled` as a cell, "−0.1 % (−0.4 to +0.2; seeds: −0.2, 0.0)"; or the reason why there is none.

    Behind SEVERAL seeds or more stands the 95 % interval of their mean, by Student's t.
    """
    if not seeds_of(frame, codec, anchor):
        return MISSING
    try:
        found = pooled(frame, codec, anchor, metric)
    except InputError as error:
        return str(error)
    seeds = found["seeds"]
    own = f"; seeds: {', '.join(map(number, seeds))}" if len(seeds) > 1 else ""
    if len(seeds) >= SEVERAL:
        low, high = stats.t.interval(0.95, len(seeds) - 1, np.mean(seeds), stats.sem(seeds))
        own += f", over which {number(low)} to {number(high)}"
    return f"{number(found['bd_rate'])} % ({interval(found)}{own})"


def by_seed(frame: pd.DataFrame) -> str:
    """BD-rate of the runs of SFTIP against its control's with the same seed, of their means, and what a seed alone moves."""
    rows = [
        [seed, *(bd_rate_cell(frame, f"{FULL}-seed{seed}", f"{CONTROL}-seed{seed}", metric) for metric in METRICS)]
        for seed in seeds_of(frame, FULL, CONTROL)
    ]
    if rows:
        mean = averages(frame, FULL, CONTROL)
        rows.append(["mean of the seeds", *(bd_rate_cell(mean, FULL, CONTROL, metric) for metric in METRICS)])
    return "\n\n".join(filter(None, (table(["seed", "picture", "text regions"], rows), by_chance(frame, FULL, CONTROL))))


def moved(frame: pd.DataFrame, *codecs: str) -> dict[str, float]:
    """How far apart in BD-rate, percent, runs of one model are at most that differ in their seed, by metric; empty if no model has two."""
    several = [[f"{name}-seed{seed}" for seed in seeds_of(frame, name)] for name in codecs]
    twins = [pair for runs in several for pair in combinations(runs, 2)]
    return {metric: max(abs(between(frame, *pair, metric)["bd_rate"]) for pair in twins) for metric in METRICS} if twins else {}


def by_chance(frame: pd.DataFrame, *codecs: str) -> str:
    """:func:`moved` in a sentence; nothing if no model has two seeds."""
    if not (most := moved(frame, *codecs)):
        return ""
    same = ", ".join(f"`{name}`" for name in codecs if len(seeds_of(frame, name)) > 1)
    picture, text = most.values()
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
    return f"{what} BD-rate of SFTIP against the control, on {pictures(frame)}, intervals over images:\n\n{by_seed(frame)}"


def briefly(dataset: str, what: str, codec: str = FULL, anchor: str = CONTROL) -> str:
    """:func:`pooled` in a sentence; `what` says which trainings these are."""
    frame = complete(measured(dataset))
    if not seeds_of(frame, codec, anchor):
        return f"{what}: {MISSING}."
    picture, text = (pooled_cell(frame, codec, anchor, metric) for metric in METRICS)
    count = len(seeds_of(frame, codec, anchor))
    return f"{what}, {f'{count} seeds' if count > 1 else 'one seed'} of each: picture {picture}. Text regions: {text}."


def trained_alike(dataset: str, pairs: tuple[tuple[str, str], ...]) -> str:
    """What trainings were, the held-out loss of each model at the end, and BD-rates between them."""
    frame = complete(measured(dataset))
    codecs = [name for name in dict.fromkeys(name for pair in pairs for name in pair) if seeds_of(frame, name)]
    if not codecs:
        return MISSING
    shared = seeds_of(frame, *codecs)
    losses = ", ".join(f"`{codec}` {held_out(dataset, codec, shared):.2f}" for codec in codecs)
    what = f"{described(dataset)} Held-out loss at the end{' (mean of the seeds that all have)' * (len(shared) > 1)}: {losses}."
    what += f" BD-rate on {pictures(frame)}. Of several seeds it is that of their mean curves. Intervals are over images; behind {SEVERAL} seeds or more stands one over them, by Student's t:"
    rows = []
    for codec, anchor in pairs:
        cells = (pooled_cell(frame, codec, anchor, metric) for metric in METRICS)
        rows.append([f"`{codec}` against `{anchor}`", len(seeds_of(frame, codec, anchor)), *cells])
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


def fixed() -> str:
    """Models trained on for one lambda each, against the same trained on for all of them: what these trainings were, and BD-rates."""
    frame = measured(FIXED)
    one = frame["codec"].str.replace(r"-0\.\d+(?=-seed)", ONE, regex=True)
    frame = complete(frame.assign(codec=one))
    models = [name for name in (BASELINE, FULL) if seeds_of(frame, name, name + ONE)]
    if not models:
        return MISSING
    losses = ", ".join(
        "`{}` {:.4f} to {:.4f}".format(name, *load_record(paths.RESULTS / FIXED / f"{name}-seed{seed}.json")["held_out_loss"])
        for name in models
        for seed in seeds_of(frame, name, name + ONE)
    )
    what = f"{described(FIXED)} All begin with the finished weights of their model. A run for one λ spends all its steps on it, a run for all shares "
    what += f"them among {len(LAMBDAS)}. Held-out loss of those for all λ: {losses}."
    what += f" BD-rates on {pictures(frame)}, intervals over images:"
    pairs = [(f"`{name}`: one for each λ against one for all", name + ONE, name) for name in models]
    if len(models) > 1:
        pairs += [
            (f"`{FULL}` against `{BASELINE}`: one for {which}", FULL + end, BASELINE + end) for which, end in (("each λ", ONE), ("all", ""))
        ]
    rows = [[words, len(seeds_of(frame, *pair)), *(pooled_cell(frame, *pair, metric) for metric in METRICS)] for words, *pair in pairs]
    return f"{what}\n\n{table(['', 'seeds', 'picture', 'text regions'], rows)}"
