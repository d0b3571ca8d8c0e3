"""The first sentence of each finding, decided by the records: an interval that leaves out zero, or what one run decides."""

import pandas as pd

from sccore.codecs.checkpoint_files import CODEC, DEFAULT
from sccore.evaluation.records import complete, measured
from sccore.paper import first_steps, prior_benefit, results, short_trainings, table_6
from sccore.paper.drawing.style import title
from sccore.paper.tables import BASELINE, MISSING, clear, compared, interval, number
from sccore.paper.tables_2_5 import CONTROL, FULL
from sccore.utils.errors import InputError

METRICS = short_trainings.METRICS
LITTLE = 1.0  # percent of the bits


def over_seeds(codec: str, anchor: str) -> str:
    """Of two models that were trained with several seeds: yes or no only where the interval over images and seeds leaves out zero."""
    frame = complete(measured(short_trainings.SCRATCH))
    try:
        found = [short_trainings.pooled(frame, codec, anchor, metric) for metric in METRICS]
    except (InputError, ValueError):
        return f"Seeds: {MISSING}."
    signs = {clear(one) for one in found}
    head = "Yes" if signs <= {-1, 0} and -1 in signs else "No" if 1 in signs else "Not shown"
    picture, text = (f"{number(one['bd_rate'])} % ({interval(one)})" for one in found)
    return f"{head}. From scratch, over images and {len(found[0]['seeds'])} seeds: {picture}, in text regions {text}."


def one_run(*pairs: tuple[str, str]) -> str:
    """Of models with one run each: undecided where no difference is larger than what chance moves the control's."""
    below = [short_trainings.undecided(complete(measured(short_trainings.SCRATCH)), FULL, CONTROL, metric) for metric in METRICS]
    found = [
        [compared(complete(measured(name)), *pair, metric) for name in ("validation", "samples") for pair in pairs] for metric in METRICS
    ]
    if None in below or any(isinstance(one, str) for values in found for one in values):
        return "Undecided."
    largest = [max(abs(one["bd_rate"]) for one in values) for values in found]
    decided = any(value > limit for value, limit in zip(largest, below))
    words = f"the largest is {max(largest):.1f} %, and another seed may move a difference by {max(below):.1f} %"
    return f"{'Decided in part' if decided else 'Undecided'}: one run of each was measured; {words}."


def with_text() -> str:
    """Whether the saving goes with the share of text."""
    found = [prior_benefit.rank_correlation(table, "text") for table in prior_benefit.by_text("psnr_text").values()]
    more = sum(one is not None and one[2] < 0 for one in found)
    return f"{'Yes' if more else 'Not seen'}: {more or 'none'} of {len(found)} correlations of text and saving {'is' if more < 2 else 'are'} clear."


def mask_needed() -> str:
    """Whether text everywhere costs more than LITTLE in the place of a true mask."""
    frame = complete(measured(prior_benefit.PAGES))
    found = [compared(frame, f"{FULL}-told-ones", FULL, metric) for metric in METRICS]
    if any(isinstance(one, str) for one in found):
        return MISSING
    high = max(one["high"] for one in found)
    return f"{'Hardly' if high < LITTLE else 'Yes'}. “Text everywhere” in its place costs {high:.1f} % at most."


def weighted_loss() -> str:
    """Whether the weight on text shows in its PSNR, and in what can be read."""
    frame = complete(measured("validation"))
    text = compared(frame, table_6.WEIGHTED, table_6.PLAIN, "psnr_text")
    read = table_6.compare(table_6.collect(codecs=f"{table_6.WEIGHTED} {table_6.PLAIN}").frame, "cer")
    gained = isinstance(text, dict) and clear(text) == -1
    legible = isinstance(read, dict) and clear(read) == -1
    return f"The PSNR of text {'gains' if gained else 'does not gain clearly'}. That more can be read is {'shown' if legible else 'not shown'}."


def against_classical() -> str:
    """The classical codecs that need clearly more bits on both data sets, and those that need fewer."""
    one, other = (
        {name: clear(found) for name, found in results.beside_each(complete(measured(dataset))).items()}
        for dataset in ("validation", "samples")
    )
    sides = {sign: [title(name) for name in one if one[name] == other.get(name) == sign] for sign in (-1, 1)}
    named = {sign: " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "none" for sign, names in sides.items()}
    return f"On both sets {named[-1]}. On both it loses to {named[1]}."


def additions_save() -> str:
    """Whether context and palette, each, need clearly fewer bits on both data sets."""
    pairs = ((DEFAULT, FULL), (CODEC, DEFAULT))
    found = [compared(complete(measured(name)), *pair) for name in ("validation", "samples") for pair in pairs]
    everywhere = all(isinstance(one, dict) and clear(one) == -1 for one in found)
    return "Fewer bits, each of them, and on both sets." if everywhere else "Not fewer bits on every set."


def lossy_pays() -> str:
    """On how many images the learned file is the smaller one, at the middle rate; and how it stands against few colours without loss."""
    rates, exact = (pd.concat(values) for values in zip(*map(results.rates_beside, ("validation", "samples"))))
    won, of = (rates < exact).sum(), len(rates)
    if not of:
        return MISSING
    head = f"{'Usually' if 2 * won > of else 'Seldom'}: the lossy file is smaller than lossless WebP on {won} of {of} screenshots."
    return f"{head} Against lossless WebP of a picture in few colours it needs, at equal PSNR: {results.beside_few_colours()}."


def start_decides() -> str:
    """Whether the start shows, and whether cheng2020 can be compared."""
    runs, frame = first_steps.by_start(), complete(measured(short_trainings.SCRATCH))
    if not runs:
        return MISSING
    better = runs[0]["val_loss"][-1] < runs[1]["val_loss"][-1]
    alike, _ = short_trainings.pooled_cells(frame, "cheng2020", short_trainings.ORDINARY)
    answered = alike if alike[0] in "+−0123456789" else "cannot be told from so short trainings"
    return f"The start {'does' if better else 'does not'}. How cheng2020 stands against {title(BASELINE)} {answered}."
