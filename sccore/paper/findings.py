"""What was found, in ten questions: each answer is made from the records, and says what would change it."""

from dataclasses import dataclass
from textwrap import indent

from sccore.codecs.checkpoint_files import CODEC, DEFAULT, LIGHT
from sccore.evaluation.records import complete, measured
from sccore.paper import character_errors, effort, first_steps, prior_benefit, short_answers, short_trainings, table_6
from sccore.paper.results import FEW, rates_beside, standing
from sccore.paper.tables import BASELINE, MISSING, interval, number, paper_numbers
from sccore.paper.tables_2_5 import CONTROL, FULL, verdict
from sccore.presets import LMBDA

SETS = {"validation": "Validation screenshots", "samples": "Samples", prior_benefit.PAGES: "Rendered pages"}
SEEDS = "More seeds of the long training: one run of each is measured."
ORDERS = "Runs on the same crops in the same order, which these two were not trained on, and more seeds: one run of each is measured."


@dataclass(frozen=True)
class Finding:
    """One question.

    Args:
        short: the answer in a sentence or two, decided by the records.
        answer: what it rests on, lines of Markdown.
        doubt: what would change our mind.
        records: files in data/results, with a star for a codec's name.
        page: of the book, with the details.
    """

    question: str
    short: str
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
    return [f"{name}: {prior_benefit.correlation(table, 'text')}." for name, table in prior_benefit.by_text("psnr_text").items()]


def legible() -> str:
    """What the weighted loss does to the characters that are read wrongly."""
    found = table_6.collect(codecs=f"{table_6.WEIGHTED} {table_6.PLAIN}")
    value = table_6.compare(found.frame, "cer")
    if isinstance(value, str):
        return f"Characters read wrongly: no BD-rate, since {value}."
    return f"Samples, bits for as many characters read wrongly: {number(value['bd_rate'])} % ({interval(value)})."


def beside_classical() -> list[str]:
    """Where the codec stands among the classical ones, a line a data set."""
    return [f"{SETS[name]}. {standing(complete(measured(name)))}." for name in ("validation", "samples")]


def beside_lossless() -> list[str]:
    """The learned files' rate beside that of lossless WebP, and on how many images the lossless file is smaller, a line a data set."""
    said = []
    for dataset in ("validation", "samples"):
        rates, exact = rates_beside(dataset)
        if rates.empty:
            said.append(f"{SETS[dataset]}: {MISSING}.")
            continue
        said.append(
            f"{SETS[dataset]}, λ = {LMBDA:g}: the mean rate is {100 * rates.mean() / exact.mean():.0f} % of lossless WebP's. "
            f"The lossless file is the smaller one on {(rates > exact).sum()} of {len(rates)}; there the command writes that."
        )
    return said


def other_systems() -> list[str]:
    """The smaller cheng2020 and ms2020 against the smaller WACNN after short trainings alike, beside the paper's number."""
    paper = number(paper_numbers()["table1"]["rows"]["cheng2020"][-1])
    frame = complete(measured(short_trainings.SCRATCH))
    with_klt, without = (short_trainings.pooled_cells(frame, "cheng2020", name)[0] for name in (BASELINE, short_trainings.ORDINARY))
    losses = ", ".join(
        f"`{name}` {short_trainings.held_out(short_trainings.SCRATCH, name, short_trainings.seeds_of(frame, name))[1]:.2f}"
        for name in ("cheng2020", short_trainings.ORDINARY)
        if short_trainings.seeds_of(frame, name)
    )
    return [
        f"cheng2020 against WACNN, the paper: {paper} %.",
        f"Here, both small, after equally many steps from scratch: {without}. Held-out loss: {losses}.",
        f"Against WACNN that begins with the KLT, a start that cheng2020 cannot have: {with_klt}.",
        short_trainings.briefly(short_trainings.SCRATCH, "ms2020 against WACNN, both from the KLT", "ms2020", BASELINE),
    ]


def findings() -> list[Finding]:
    """All ten, the most important first."""
    pages = (prior_benefit.PAGES,)
    return [
        Finding(
            "Does the prior bring more than its layers do?",
            short_answers.over_seeds(FULL, CONTROL),
            (
                "The paper's model against the same network with a constant prior:",
                *compared(FULL, CONTROL),
                short_trainings.briefly(short_trainings.CHANCE, "Short trainings"),
                short_trainings.briefly(short_trainings.SCRATCH, "Trained from scratch, briefly"),
            ),
            "More seeds of the long training: one run of each is measured. Longer training and the paper's full size may differ, too.",
            ("*/sftip.json", "*/sftip-uniform.json", f"{short_trainings.CHANCE}/*.json.gz", f"{short_trainings.SCRATCH}/*.json.gz"),
            "results",
        ),
        Finding(
            "Does the paper's model need fewer bits than WACNN?",
            short_answers.over_seeds(FULL, BASELINE),
            (
                "Prior and layers together, against the baseline:",
                *compared(FULL, BASELINE, ("validation", "samples", *pages)),
                short_trainings.briefly(short_trainings.SCRATCH, "Trained from scratch, briefly", FULL, BASELINE),
            ),
            SEEDS,
            ("*/sftip.json", "*/wacnn.json", f"{short_trainings.SCRATCH}/*.json.gz"),
            "results",
        ),
        Finding(
            "Does it help more where there is more text?",
            short_answers.with_text(),
            (
                "BD-rate of text regions and share of text, image by image. A negative correlation means that more text saves more. "
                "Only the comparison with the control isolates the prior.",
                *by_text(),
            ),
            "An interval that leaves out zero, from more images and against the control.",
            ("samples/*.json", "pages/*.json"),
            "experiments/beyond",
        ),
        Finding(
            "Does the encoder need a true mask?",
            short_answers.mask_needed(),
            (
                "The same weights on rendered pages, given another mask than the true one:",
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
            "Long trainings with other masks: these were short, and undid a part of what their start had learned.",
            ("pages/sftip*.json", f"{short_trainings.MASKS}/*.json.gz"),
            "experiments/beyond",
        ),
        Finding(
            "What do the text mask and SEM bring, each alone?",
            short_answers.one_run((FULL, "sftip-structure"), (FULL, "sftip-sft")),
            (
                "The full model against one without the text mask (Table 4), then against SFT and condition block in SEM's place (Table 2):",
                *(f"Mask. {line}" for line in compared(FULL, "sftip-structure")),
                *(f"SEM. {line}" for line in compared(FULL, "sftip-sft")),
                short_trainings.briefly(short_trainings.PARTS, "Mask, trained briefly", FULL, "sftip-structure"),
                short_trainings.briefly(short_trainings.PARTS, "SEM, trained briefly", FULL, "sftip-sft"),
            ),
            ORDERS,
            ("*/sftip-structure.json", "*/sftip-sft.json", f"{short_trainings.PARTS}/*.json.gz"),
            "experiments/ablations",
        ),
        Finding(
            "Does the weighted loss keep text legible?",
            short_answers.weighted_loss(),
            (
                "Trained by the weighted loss, against plain MSE:",
                *compared("sftip", "sftip-mse"),
                legible(),
                f"Characters read wrongly at equal rate. {character_errors.at_equal_rate()}.",
            ),
            f"Another reader than the program Tesseract, or people. {ORDERS}",
            ("*/sftip.json", "*/sftip-mse.json"),
            "experiments/table-6",
        ),
        Finding(
            "What do the codec's own additions bring?",
            short_answers.additions_save(),
            (
                "The spatial context makes the same pictures of fewer bytes. The palette gives flat areas their colours back. The encoder's search, `--effort`, finds better latents:",
                *(f"Context. {line}" for line in compared(DEFAULT, FULL)),
                *(f"Palette. {line}" for line in compared(CODEC, DEFAULT)),
                *(f"The context behind WACNN. {line}" for line in compared(LIGHT, BASELINE)),
                *(f"Behind SFTIP against behind WACNN. {line}" for line in compared(DEFAULT, LIGHT)),
                *(f"Search, without palettes, {line}." for line in effort.verdicts()),
            ),
            "A model that needs neither, since it was trained for longer or is larger.",
            (f"*/{CODEC}.json", f"*/{DEFAULT}.json", f"*/{LIGHT}.json", "effort/*.json"),
            "context",
        ),
        Finding(
            "Which classical codecs does it beat?",
            short_answers.against_classical(),
            ("The codec, with its context and its palette, needs at equal PSNR:", *beside_classical()),
            "Another measure than PSNR, such as [characters read wrongly](experiments/table-6.md).",
            ("samples/*.json", "validation/*.json"),
            "results",
        ),
        Finding(
            "Is a lossy file worth it at all?",
            short_answers.lossy_pays(),
            ("Lossless WebP is the bar:", *beside_lossless(), *(f"Few colours. {line}" for line in compared(CODEC, FEW))),
            "Other screenshots. Photographs favour the learned file, few colours the lossless one.",
            (f"*/{CODEC}.json", f"*/{FEW}.json", "lossless/*.json"),
            "results",
        ),
        Finding(
            "Do the start and the length of the training decide a comparison?",
            short_answers.start_decides(),
            (first_steps.verdict(), *other_systems()),
            "Trainings so long that all curves share their range of quality. After these, models without the KLT have hardly learned.",
            ("speed/first-steps.json", f"{short_trainings.SCRATCH}/*.json.gz"),
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
        parts = [lead, "\n".join(f"- {line}" for line in lines), *below]
        said += [f"{mark}**{found.question}** {found.short}", *(indent(part, " " * len(mark)) for part in parts)]
    return "\n\n".join(said)
