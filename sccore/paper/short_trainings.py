"""Short trainings, recorded by benchmarks/short_trainings.py: what chance moves, who learns faster, what other masks change (Table 5).

Those of CHANCE and of MASKS begin with the weights that all models begin with, and differ in their seeds or their detector. Those of
SCRATCH begin with the KLT of the training images, where the model has such a start. Those of FIXED go on with the finished models. Those of
PARTS leave out a part of SFTIP, from that shared start and in smaller steps (Tables 2 and 4).
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from sccore.evaluation.bd_rate import between
from sccore.evaluation.records import complete, load_record, measured, record_files
from sccore.paper.tables import BASELINE, MISSING, bd_rate_cell, interval, number, table
from sccore.paper.tables_2_5 import CONTROL, FULL, chosen
from sccore.presets import LAMBDAS
from sccore.utils import paths
from sccore.utils.errors import InputError

CHANCE, SCRATCH, MASKS, FIXED, PARTS = "chance", "scratch", "masks", "fixed", "parts"  # data sets of their records
METRICS = "psnr", "psnr_text"
SEVERAL = 3  # seeds from which on an interval covers them, too; of two it would be many times as wide as they differ
ONE = "-tuned"  # of a model in figures: one for each lambda
ORDINARY = "wacnn-ordinary"  # of SCRATCH: without the KLT, as cheng2020 has to begin


def record_of(dataset: str, run: str) -> Path:
    """Where a run's record lies; compressed, for there are many."""
    return paths.RESULTS / dataset / f"{run}.json.gz"


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
    made = [load_record(path)["checkpoint"] for path in record_files(dataset)]
    recipe, kinds = made[0]["recipe"], {run.get("bf16") for run in made}
    precision = {(True,): ", in bfloat16", (False,): ", in single precision"}.get(tuple(kinds), "")
    return f"Each run took {recipe['steps']:,} steps of {recipe['batch']} crops of {recipe['crop']} × {recipe['crop']}{precision}."


def held_out(dataset: str, codec: str, seeds: list[str]) -> tuple[float, float]:
    """The held-out loss of a codec before its first step and after its last, means over seeds."""
    found = [load_record(record_of(dataset, f"{codec}-seed{seed}"))["held_out_loss"] for seed in seeds]
    return tuple(float(np.mean([losses[end] for losses in found])) for end in (0, -1))


def averages(frame: pd.DataFrame, *codecs: str) -> pd.DataFrame:
    """Measurements of some codecs, of each the mean over its runs with the seeds that all of them have."""
    shared, made = seeds_of(frame, *codecs), []
    for codec in codecs:
        own = frame[frame["codec"].isin([f"{codec}-seed{seed}" for seed in shared])]
        made.append(own.groupby(["name", "lmbda"], as_index=False)[["bpp", *METRICS]].mean().assign(codec=codec))
    return pd.concat(made)


def pooled(frame: pd.DataFrame, codec: str, anchor: str, metric: str = "psnr") -> dict:
    """:func:`sccore.evaluation.bd_rate.between` of two codecs, means over the seeds that both have; "seeds": the BD-rate of each.

    Of SEVERAL seeds or more, the 95 % interval is over images and seeds: the variance of the mean over seeds and that over
    images, the bootstrap's, are added, and Student's t is that of the seeds. Of fewer it is over images alone.

    Args:
        frame: measurements of runs CODEC-seedN on the same images. Runs of one seed saw the same crops and noise.

    Raises:
        InputError: mean curves that cannot be compared.
    """
    shared, found = seeds_of(frame, codec, anchor), between(averages(frame, codec, anchor), codec, anchor, metric)
    each = [between(frame, f"{codec}-seed{seed}", f"{anchor}-seed{seed}", metric)["bd_rate"] for seed in shared]
    if len(each) >= SEVERAL:
        over_images = (found["high"] - found["low"]) / (2 * stats.norm.ppf(0.975))
        half = stats.t.ppf(0.975, len(each) - 1) * np.hypot(stats.sem(each), over_images)
        found |= {"low": found["bd_rate"] - half, "high": found["bd_rate"] + half}
    return found | {"seeds": each}


def pooled_cells(frame: pd.DataFrame, codec: str = FULL, anchor: str = CONTROL, metric: str = "psnr") -> tuple[str, str | None]:
    """:func:`pooled` as two cells, "−10.0 % (−12.1 to −7.9)" and of each seed "−9.1, −10.9"; or the reason why there is none."""
    if not seeds_of(frame, codec, anchor):
        return MISSING, None
    try:
        found = pooled(frame, codec, anchor, metric)
    except InputError as error:
        return str(error), None
    return f"{number(found['bd_rate'])} % ({interval(found)})", ", ".join(map(number, found["seeds"]))


def scatter(frame: pd.DataFrame, codec: str, anchor: str, metric: str = "psnr") -> tuple[float, int] | None:
    """What chance moves: the standard deviation, over seeds, of the BD-rate of two runs of one seed, and the number of seeds.

    None of fewer than SEVERAL seeds.
    """
    count = len(seeds_of(frame, codec, anchor))
    return (float(np.std(pooled(frame, codec, anchor, metric)["seeds"], ddof=1)), count) if count >= SEVERAL else None


def undecided(frame: pd.DataFrame, codec: str, anchor: str, metric: str = "psnr") -> float | None:
    """Below which BD-rate, in percent, one run of each of two models decides nothing: 95 % of such chance, as :func:`scatter` has it."""
    found = scatter(frame, codec, anchor, metric)
    return found and found[0] * float(stats.t.ppf(0.975, found[1] - 1))


def by_seed(frame: pd.DataFrame) -> str:
    """BD-rate of the runs of SFTIP against its control's with the same seed, and of their means."""
    rows = [
        [seed, *(bd_rate_cell(frame, f"{FULL}-seed{seed}", f"{CONTROL}-seed{seed}", metric) for metric in METRICS)]
        for seed in seeds_of(frame, FULL, CONTROL)
    ]
    if rows:
        mean = averages(frame, FULL, CONTROL)
        rows.append(["mean of the seeds", *(bd_rate_cell(mean, FULL, CONTROL, metric) for metric in METRICS)])
    return table(["seed", "picture", "text regions"], rows)


def what_one_run_decides() -> str:
    """:func:`scatter` and :func:`undecided` of the trainings from scratch: a table, a row a comparison."""
    frame, rows = complete(measured(SCRATCH)), []
    for codec, anchor in ((FULL, CONTROL), (FULL, BASELINE), (CONTROL, BASELINE)):
        cells = []
        for metric in METRICS:
            found = scatter(frame, codec, anchor, metric)
            cells += [f"{found[0]:.1f} %", f"{undecided(frame, codec, anchor, metric):.1f} %"] if found else [None, None]
        rows.append([f"`{codec}` against `{anchor}`", len(seeds_of(frame, codec, anchor)), *cells])
    head = [f"{what}: {kind}" for what in ("picture", "text regions") for kind in ("scatter", "nothing below")]
    caption = "What seeds move. Scatter: standard deviation over seeds of the BD-rate of two runs of one seed. One run of each decides nothing below the limit beside it, 95 % of such chance by Student's t."
    return f":::{{table}} {caption}\n:name: tbl-one-run\n\n{table(['', 'seeds', *head], rows)}\n:::"


def chance() -> str:
    """Those with several seeds: what they were, and :func:`by_seed`."""
    frame = complete(measured(CHANCE))
    if frame.empty:
        return MISSING
    losses = [load_record(path)["held_out_loss"] for path in record_files(CHANCE)]
    (first, *_), last = losses[0], [loss[-1] for loss in losses]
    what = f"{described(CHANCE)} All begin with the weights that the long trainings began with."
    what += f" The held-out loss was {first:.3f} before, and {min(last):.3f} to {max(last):.3f} after."
    return f"{what} BD-rate of SFTIP against the control, on {pictures(frame)}, intervals over images:\n\n{by_seed(frame)}"


def briefly(dataset: str, what: str, codec: str = FULL, anchor: str = CONTROL) -> str:
    """:func:`pooled` in a sentence; `what` says which trainings these are."""
    frame = complete(measured(dataset))
    if not seeds_of(frame, codec, anchor):
        return f"{what}: {MISSING}."
    (picture, _), (text, _) = (pooled_cells(frame, codec, anchor, metric) for metric in METRICS)
    count = len(seeds_of(frame, codec, anchor))
    seeds = f"{count} seeds{', intervals over these, too' * (count >= SEVERAL)}" if count > 1 else "one seed"
    return f"{what} ({seeds}): picture {picture}. Text regions: {text}."


def trained_alike(dataset: str, pairs: tuple[tuple[str, str], ...]) -> str:
    """What trainings were, the held-out loss of each model before and after, and BD-rates between them."""
    frame = complete(measured(dataset))
    codecs = [name for name in dict.fromkeys(name for pair in pairs for name in pair) if seeds_of(frame, name)]
    if not codecs:
        return MISSING
    shared = seeds_of(frame, *codecs)
    losses = {codec: held_out(dataset, codec, shared) for codec in codecs}
    said = ", ".join(f"`{codec}` {before:.3f} to {after:.3f}" for codec, (before, after) in losses.items())
    what = f"{described(dataset)} Held-out loss from before the first step to the end{', the mean of the seeds that all have' * (len(shared) > 1)}: {said}."
    if all(after > before for before, after in losses.values()):
        what += " It rose in all: so few steps at this rate undo a part of what the start had learned. These trainings compare models, and show nothing else."
    what += f" BD-rate on {pictures(frame)}, of the mean curves of all seeds. Intervals are over images, of {SEVERAL} seeds or more over images and seeds:"
    rows = []
    for codec, anchor in pairs:
        (picture, of_picture), (text, of_text) = (pooled_cells(frame, codec, anchor, metric) for metric in METRICS)
        rows.append([f"`{codec}` against `{anchor}`", picture, of_picture, text, of_text])
    shown = table(["", "picture", "each seed", "text regions", "each seed"], rows)
    kinds: dict[str, set] = {}
    for codec, seed in ((codec, seed) for codec in codecs for seed in seeds_of(frame, codec)):
        kinds.setdefault(seed, set()).add(load_record(record_of(dataset, f"{codec}-seed{seed}"))["checkpoint"].get("bf16"))
    mixed = f"Some runs computed in bfloat16 and others in single precision{', all of a seed alike' * all(len(k) == 1 for k in kinds.values())}."
    return what + f"\n\n{shown}" + f"\n\n{mixed}" * (len(set.union(*kinds.values())) > 1)


def scratch() -> str:
    """SFTIP, its control and WACNN from the KLT start, as :func:`trained_alike`."""
    return trained_alike(SCRATCH, ((FULL, CONTROL), (FULL, BASELINE), (CONTROL, BASELINE)))


def systems() -> str:
    """cheng2020 and ms2020 beside WACNN, as :func:`trained_alike`; the first has no KLT start, so WACNN is there without it, too."""
    return trained_alike(SCRATCH, (("cheng2020", ORDINARY), ("cheng2020", BASELINE), ("ms2020", BASELINE), (ORDINARY, BASELINE)))


def masks() -> str:
    """Table 5: SFTIP with masks by other detectors, in training and in coding, as :func:`trained_alike`."""
    return trained_alike(MASKS, tuple((row.codec, row.anchor) for row in chosen("5")))


def parts() -> str:
    """Tables 2 and 4: SFTIP against itself without a part, as :func:`trained_alike`."""
    return trained_alike(PARTS, tuple((row.codec, row.anchor) for row in chosen("2 4")))


def fixed() -> str:
    """Models trained on for one lambda each, against the same trained on for all of them: what these trainings were, and BD-rates."""
    frame = measured(FIXED)
    one = frame["codec"].str.replace(r"-0\.\d+(?=-seed)", ONE, regex=True)
    frame = complete(frame.assign(codec=one))
    models = [name for name in (BASELINE, FULL) if seeds_of(frame, name, name + ONE)]
    if not models:
        return MISSING
    losses = ", ".join(
        "`{}` {:.4f} to {:.4f}".format(name, *load_record(record_of(FIXED, f"{name}-seed{seed}"))["held_out_loss"])
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
    rows = [[words, len(seeds_of(frame, *pair)), *(pooled_cells(frame, *pair, metric)[0] for metric in METRICS)] for words, *pair in pairs]
    return f"{what}\n\n{table(['', 'seeds', 'picture', 'text regions'], rows)}"
