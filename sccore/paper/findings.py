"""What was found, in ten questions: each answer is made from the records, and says what would change it."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

from sccore.codecs.checkpoint_files import DEFAULT
from sccore.codecs.classical import CODECS
from sccore.evaluation import lossless
from sccore.evaluation.records import complete, measured, of_codec
from sccore.paper import effort, first_steps, prior_benefit, short_trainings, table_6
from sccore.paper.drawing.style import title
from sccore.paper.tables import BASELINE, MISSING, bd_rate_cell, number, paper_numbers
from sccore.paper.tables_2_5 import CONTROL, FULL, verdict
from sccore.presets import LAMBDAS

SETS = {"validation": "Validation screenshots", "samples": "Samples", prior_benefit.PAGES: "Rendered pages"}
SEEDS = "More seeds: one run of each is measured."


@dataclass(frozen=True)
class Finding:
    """One question.

    Args:
        answer: from the records, lines of Markdown.
        doubt: what would change our mind.
        records: files in data/results, with a star for a codec's name.
        page: of the book, with the details.
    """

    question: str
    answer: tuple[str, ...]
    doubt: str
    records: tuple[str, ...]
    page: str


def compared(codec: str, anchor: str, datasets: tuple[str, ...] = ("validation", "samples"), what: str = "") -> list[str]:
    """The first codec against the second, a line a data set, by the whole picture and by text regions, in words."""
    said = []
    for name in datasets:
        frame = complete(measured(name))
        picture, text = (verdict(frame, codec, anchor, metric) for metric in ("psnr", "psnr_text"))
        said.append(f"{what or SETS[name]}: {picture}. Text regions: {text}.")
    return said


def by_text() -> list[str]:
    """How the saving of the full model goes with the share of text."""
    tables = {"Samples": prior_benefit.samples_by_text("psnr_text"), "Rendered pages": prior_benefit.by_page("psnr_text")}
    return [f"{name}: {prior_benefit.correlation(table, 'text')}." for name, table in tables.items()]


def legible() -> str:
    """What the weighted loss does to the characters that are read wrongly."""
    found = table_6.collect(codecs=f"{table_6.WEIGHTED} {table_6.PLAIN}")
    value = table_6.compare(found.frame, "cer")
    if isinstance(value, str):
        return f"Characters read wrongly: no BD-rate, since {value}."
    low, middle, high = (number(value[key]) for key in ("low", "bd_rate", "high"))
    return f"Bits for as many characters read wrongly: {middle} % ({low} to {high})."


def beside_classical() -> list[str]:
    """BD-rate of the codec against each classical one that was measured on both sets."""
    said = []
    for name in ("validation", "samples"):
        frame = complete(measured(name))
        rates = [f"{title(codec)} {bd_rate_cell(frame, DEFAULT, codec).split(' (')[0]}" for codec in CODECS if len(of_codec(frame, codec))]
        said.append(f"{SETS[name]}: {', '.join(rates)}.")
    return said


def beside_lossless() -> list[str]:
    """On how many samples the learned file is larger than lossless WebP, and which these are."""
    own, exact, lmbda = of_codec(measured(), DEFAULT), lossless.sizes(), LAMBDAS[2]
    if own.empty or exact.empty:
        return [MISSING]
    rates = own[own["lmbda"] == lmbda].set_index("name")["bpp"]
    larger = rates.index[rates > exact["WEBP"].reindex(rates.index)]
    names = f" ({', '.join(f'`{Path(name).stem}`' for name in larger)})" if len(larger) else ""
    share = rates.mean() / exact["WEBP"].mean()
    return [
        f"At λ = {lmbda:g} the learned files of the samples take {100 * share:.0f} % of its bytes.",
        f"On {len(larger)} of {len(rates)} samples{names} the lossless file is the smaller one. There the command writes that.",
    ]


def other_systems() -> list[str]:
    """The smaller cheng2020 and ms2020 against the smaller WACNN after short trainings alike, beside the paper's number."""
    paper = number(paper_numbers()["table1"]["rows"]["cheng2020"][-1])
    frame = complete(measured(short_trainings.SCRATCH))
    with_klt, without = (short_trainings.pooled_cell(frame, "cheng2020", name) for name in (BASELINE, short_trainings.ORDINARY))
    return [
        f"cheng2020 against WACNN, the paper: {paper} %.",
        f"Here, both small, after equally many steps from scratch: {without}.",
        f"Against WACNN that begins with the KLT, a start that cheng2020 cannot have: {with_klt}.",
        short_trainings.briefly(short_trainings.SCRATCH, "ms2020 against WACNN, both from the KLT", "ms2020", BASELINE),
    ]


def findings() -> list[Finding]:
    """All ten, the most important first."""
    pages = (prior_benefit.PAGES,)
    return [
        Finding(
            "Does the prior bring more than its layers do?",
            (
                "The paper's model against the same network with a constant prior:",
                *compared(FULL, CONTROL),
                short_trainings.briefly(short_trainings.CHANCE, "Short trainings"),
                short_trainings.briefly(short_trainings.SCRATCH, "Trained from scratch, briefly"),
            ),
            "More seeds of the long training: one run of each is measured. Longer training and the paper's full size may differ, too.",
            ("*/sftip.json", "*/sftip-uniform.json", f"{short_trainings.CHANCE}/*.json", f"{short_trainings.SCRATCH}/*.json"),
            "results",
        ),
        Finding(
            "Does the paper's model need fewer bits than WACNN?",
            ("Prior and layers together, against the baseline:", *compared(FULL, BASELINE)),
            SEEDS,
            ("*/sftip.json", "*/wacnn.json"),
            "results",
        ),
        Finding(
            "Does it help more where there is more text?",
            ("BD-rate of text regions against the share of text, image by image. A negative correlation means yes.", *by_text()),
            "An interval that leaves out zero, from more images.",
            ("samples/*.json", "pages/*.json"),
            "experiments/beyond",
        ),
        Finding(
            "Does the encoder need a true mask?",
            (
                "The same weights on rendered pages, told something else than the true mask:",
                *compared(f"{FULL}-told-ones", FULL, pages, "Text everywhere"),
                *compared(f"{FULL}-told-empty", FULL, pages, "No text anywhere"),
                *compared(f"{FULL}-told-shifted", FULL, pages, "Moved by a line"),
                short_trainings.briefly(
                    short_trainings.MASKS, "Trained for text everywhere, briefly, against masks by CRAFT", f"{FULL}-ones", FULL
                ),
                short_trainings.briefly(
                    short_trainings.MASKS, "Trained with masks by EAST, briefly, against CRAFT's", f"{FULL}-east", FULL
                ),
            ),
            "Long trainings with other masks: these were short.",
            ("pages/sftip*.json", f"{short_trainings.MASKS}/*.json"),
            "experiments/beyond",
        ),
        Finding(
            "What do the text mask and SEM bring, each alone?",
            (
                "The full model against one without the text mask (Table 4), then against SFT and condition block in SEM's place (Table 2):",
                *(f"Mask. {line}" for line in compared(FULL, "sftip-structure")),
                *(f"SEM. {line}" for line in compared(FULL, "sftip-sft")),
            ),
            SEEDS,
            ("*/sftip-structure.json", "*/sftip-sft.json"),
            "experiments/ablations",
        ),
        Finding(
            "Does the weighted loss keep text legible?",
            ("Trained by the weighted loss, against plain MSE:", *compared("sftip", "sftip-mse"), legible()),
            "Another reader than the program Tesseract, or people.",
            ("*/sftip.json", "*/sftip-mse.json"),
            "experiments/table-6",
        ),
        Finding(
            "What do the codec's own additions bring?",
            (
                "The spatial context makes the same pictures of fewer bytes; the encoder's search, `--effort`, finds better latents:",
                *(f"Context. {line}" for line in compared(DEFAULT, FULL)),
                *(f"Search, {line}." for line in effort.verdicts()),
            ),
            "A model that needs neither, since it was trained for longer or is larger.",
            (f"*/{DEFAULT}.json", "effort/*.json"),
            "context",
        ),
        Finding(
            "Which classical codecs does it beat?",
            ("Bits at equal PSNR; negative means fewer than theirs:", *beside_classical()),
            "Another measure than PSNR.",
            ("samples/*.json", "validation/*.json"),
            "results",
        ),
        Finding(
            "Is a lossy file worth it at all?",
            ("Lossless WebP is the bar:", *beside_lossless()),
            "Other screenshots. Photographs favour the learned file, few colours the lossless one.",
            (f"samples/{DEFAULT}.json", "lossless/*.json"),
            "results",
        ),
        Finding(
            "Do the start and the length of the training decide a comparison?",
            (first_steps.verdict(), *other_systems()),
            "Long trainings. After these, models without the KLT have hardly learned: loss and BD-rate disagree on them.",
            ("speed/first-steps.json", f"{short_trainings.SCRATCH}/*.json"),
            "klt",
        ),
    ]


def page() -> str:
    """The findings as a numbered list in Markdown."""
    said = []
    for k, found in enumerate(findings(), 1):
        mark, (lead, *lines) = f"{k}. ", found.answer
        below = [f"*What would change our mind:* {found.doubt}"]
        below += [f"*Details:* []({found.page}.md). *Records:* {', '.join(f'`{name}`' for name in found.records)}."]
        parts = ["\n".join(f"- {line}" for line in lines), *below]
        said += [f"{mark}**{found.question}** {lead}", *(indent(part, " " * len(mark)) for part in parts)]
    return "\n\n".join(said)
