"""What stands between the marker comments of the README and of the model card, the README's figures, and the findings in short.

`python -m sccore.paper.readme` writes them anew from the records.
"""

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from sccore.codecs.checkpoint_files import CODEC, DEFAULT
from sccore.codecs.classical import CODECS
from sccore.evaluation import equal_rate, lossless, metrics
from sccore.evaluation.records import complete, measured, trained
from sccore.paper import character_errors, effort, seeds, short_answers, short_trainings
from sccore.paper.drawing.curves import rd_curves
from sccore.paper.drawing.style import styled, title
from sccore.paper.figures_3_10 import cut
from sccore.paper.results import COMPARED, OURS, beside_classical, by_lambda, by_measure, comparison, projects, standing, training_effort
from sccore.paper.tables import BASELINE, MISSING, paper_numbers, table
from sccore.paper.tables_2_5 import CONTROL, FULL, verdict
from sccore.presets import LAMBDAS
from sccore.utils import paths
from sccore.utils.files import replacing

FIGURE, CROP = (paths.ROOT / "book" / "_static" / name for name in ("rd.webp", "crop.webp"))
DPI = 110
BESIDE = (BASELINE, "sftip", DEFAULT, CODEC, "jpeg", "webp", "avif", "hevc")  # on the landing page
SETS = {"validation": "{} validation screenshots", "samples": "The {} samples"}


def findings() -> str:
    """The questions that a reader comes with, and what the records answer: a table, and how far it can be trusted."""
    sets = {name: complete(measured(name)) for name in SETS}
    _, model, control = COMPARED
    each = lambda answer: ".<br>".join(f"{SETS[name].format(frame['name'].nunique())}: {answer(frame)}" for name, frame in sets.items())
    both = lambda frame, *pair: ". Text regions: ".join(verdict(frame, *pair, metric) for metric in ("psnr", "psnr_text"))
    claim = f"{paper_numbers()['headline']['saving']:g} %"
    count = seeds.count(sets["samples"], model)
    ours = f"Ours is smaller: {training_effort(trained(model)) or 'not trained yet'} on one GPU, {count} seed{'s' * (count != 1)} of each model"
    rows = table(
        ["Question", "Answer"],
        [
            ["Does the paper's model need fewer bits than its baseline, WACNN?", each(lambda f: both(f, model, BASELINE))],
            ["Is that the prior's doing? Against the same network with a constant prior:", each(lambda f: both(f, model, control))],
            ["Could another seed turn these round?", by_chance()],
            [f"Is the paper's saving of {claim} reproduced?", f"Not tested: the full-size network was not trained.<br>{ours}"],
            ["What does the codec add to the model? A spatial context, for the same pictures:", each(lambda f: verdict(f, DEFAULT, model))],
            ["And a palette, which gives flat areas their colours back:", each(lambda f: both(f, CODEC, DEFAULT))],
            ["And a longer search by its encoder, `--effort`? Without palettes:", effort.verdicts()[0]],
            ["Is it a good codec? At equal PSNR it needs:", each(standing)],
            ["Is a lossy file worth it? Against lossless WebP:", short_answers.lossy_pays()],
            ["Is text legible? Characters read wrongly at equal rate:", character_errors.at_equal_rate()],
        ],
    )
    apart = f"The {sets['validation']['name'].nunique()} validation screenshots come from {len(projects(sets['validation']))} projects."
    return f"{rows}\n\nIntervals cover images, not seeds. Where fewer images are named, one of the two codecs stores the others exactly. {apart}"


def by_chance() -> str:
    """Below which differences one run of each model decides nothing, by the scatter of short trainings."""
    frame = complete(measured(short_trainings.SCRATCH))
    below = [short_trainings.undecided(frame, FULL, anchor) for anchor in (BASELINE, CONTROL)]
    if None in below:
        return f"One run of each was measured. Short trainings with several seeds: {MISSING}"
    count, against = len(short_trainings.seeds_of(frame, FULL, CONTROL)), "against WACNN {:.1f} %, against the control {:.1f} %"
    return f"One run of each was measured. By the scatter of {count} short trainings of each, one run decides nothing below: {against.format(*below)}"


@styled
def crop() -> Figure:
    """A crop of text, and what three codecs make of it with files of equal size; JPEG as small as it comes. Each pixel is drawn as 2 x 2."""
    ((image, mask),) = cut("windows+700+300", "512x384").values()
    coded = [equal_rate.code(CODEC, image, mask, LAMBDAS[0])]
    coded += [equal_rate.code(other, image, mask, bpp=coded[0].bpp) for other in ("avif", "jpeg")]
    labels = {"original": image} | {f"{title(c.codec)}: {c.size:,} bytes, {c.psnr:.1f} dB": c.image for c in coded}
    (height, width), gap, above = (200, 640), 20, 40  # in pixels of the figure
    whole = 2 * width + gap, 2 * (height + above)
    figure = Figure([side / DPI for side in whole], dpi=DPI)
    for i, (label, picture) in enumerate(labels.items()):
        left, bottom = i % 2 * (width + gap), (1 - i // 2) * (height + above)
        figure.figimage(picture[120:220, 100:420].repeat(2, 0).repeat(2, 1), left, bottom)
        figure.text((left + width / 2) / whole[0], (bottom + height + above / 2) / whole[1], label, ha="center", va="center", size=13)
    return figure


def coded_crop() -> Callable:
    """A function (codec, setting) -> a crop of a sample, coded as an image of its own, and its bytes and PSNR in words.

    It gives None for a codec that is not installed here.
    """
    ((image, mask),) = cut("windows+800+400", "320x128").values()

    def picture(codec: str, setting: float) -> tuple[np.ndarray, str] | None:
        if classical := CODECS.get(codec):
            if classical.missing():
                return None
            data = classical.encode(image, int(setting))
            decoded, count = classical.decode(data, image.shape[:2]), len(data)
        elif codec == CODEC or (paths.CHECKPOINTS / f"{codec}.safetensors").exists():
            coded = equal_rate.code(codec, image, mask, float(setting))
            decoded, count = coded.image, coded.size
        else:
            return None
        return decoded, f"The crop below: {count:,} bytes, {metrics.psnr(image, decoded):.1f} dB."

    return picture


def between_marks(text: str, what: str, parts: list[str]) -> str:
    """A text with the part between the two marker comments of that name made anew."""
    begin, end = f"<!-- {what}:begin -->", f"<!-- {what}:end -->"
    return re.sub(f"{begin}.*{end}", lambda _: "\n\n".join([begin, *parts, end]), text, flags=re.DOTALL)


def with_card(card: str) -> str:
    """The model card's text with its numbers made anew."""
    sets = {name: complete(measured(name)) for name in ("samples", "validation")}
    what = "Files of real size, PSNR of 8-bit RGB; means over the ten samples and over the 30 validation screenshots. "
    what += f"Lossless WebP takes {' and '.join(f'{lossless.bar(frame, name):.3f}' for name, frame in sets.items())} bits per pixel there."
    against = ["BD-rate of the command's files, with a palette, against classical codecs; negative is better:", beside_classical(sets)]
    return between_marks(card, "results", [what, by_lambda(sets, [DEFAULT, "sftip", BASELINE]), *against])


def hours() -> str:
    """Whose hours the table has, in words."""
    contexts = [trained(name) for name in OURS if name != CODEC]
    took = " and ".join(f"{context['hours']:.1f}" for context in contexts)
    return (
        f"Hours are of one {trained('sftip').get('machine', 'processor').split(',')[0]}, but for the {contexts[0]['steps']:,} steps of each context: "
        f"{took} hours of one core of a processor. The last stage of the models trained three side by side; its time counts for each."
    )


def with_results(readme: str) -> str:
    """The README's text with the parts between the marker comments made anew."""
    frame = complete(measured())
    count = frame["name"].nunique()
    said = [
        f"Means over {count} images, files of real size, 8-bit RGB PSNR. BD-rate with its 95 % interval; negative means fewer bits. "
        + hours(),
        "BD-rate against WACNN, by the whole picture and by its text regions. "
        "The validation screenshots are not shipped. They were collected like the training images:",
        by_measure([codec for codec in COMPARED | OURS if codec != BASELINE]),
    ]
    readme = between_marks(readme, "findings", [findings()])
    return between_marks(readme, "results", [comparison(frame, COMPARED | OURS), *(said if count else [])])


def main():
    for path, fill in ((paths.ROOT / "README.md", with_results), (paths.CHECKPOINTS / "README.md", with_card)):
        with replacing(path) as part:
            part.write_text(fill(path.read_text(encoding="utf-8")), encoding="utf-8")
    draw(crop(), CROP, dpi=DPI)
    frame = complete(measured())
    if len(frame := frame[frame["codec"].isin(COMPARED | OURS)]):
        draw(rd_curves(frame, "psnr"), FIGURE, dpi=150, bbox_inches="tight")


def draw(figure: Figure, path: Path, **options):
    """A lossless WebP file, half the size of PNG, without an alpha channel, which shows nothing."""
    figure.savefig(made := BytesIO(), **options)
    Image.open(made).convert("RGB").save(path, lossless=True, quality=100, method=6)


if __name__ == "__main__":
    main()
