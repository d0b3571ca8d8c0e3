"""What stands between the marker comments of the README and of the model card, and the README's figure.

`python -m sccore.paper.readme` writes them anew from the records.
"""

import re

from sccore.evaluation.records import complete, measured
from sccore.paper.drawing.curves import rd_curves
from sccore.paper.results import COMPARED, beside_classical, by_lambda, by_measure, comparison
from sccore.paper.tables import BASELINE
from sccore.paper.tables_2_5 import verdict
from sccore.utils import paths

MARKS = "<!-- results:begin -->", "<!-- results:end -->"
FIGURE = paths.ROOT / "book" / "_static" / "rd.png"


def between_marks(text: str, parts: list[str]) -> str:
    """A text with the part between the marker comments made anew."""
    begin, end = MARKS
    return re.sub(f"{begin}.*{end}", lambda _: "\n\n".join([begin, *parts, end]), text, flags=re.DOTALL)


def with_card(card: str) -> str:
    """The model card's text with its numbers made anew."""
    sets = {name: complete(measured(name)) for name in ("samples", "validation")}
    what = "Files of real size, PSNR of 8-bit RGB; means over the ten samples and over the 30 validation screens."
    return between_marks(card, [what, by_lambda(sets, ["sftip", BASELINE]), "BD-rate against classical codecs, negative is better:", beside_classical(sets)])


def with_results(readme: str, dataset: str = "samples") -> str:
    """The README's text with the part between the marker comments made anew."""
    frame = complete(measured(dataset))
    count = frame["name"].nunique()
    others = complete(measured("validation"))
    _, model, control = COMPARED
    said = [
        f"Means over {count} images, files of real size, 8-bit RGB PSNR; BD-rate with its 95 % interval.",
        "Against WACNN by the picture and by its text regions, here and on 30 validation screens, which were collected like those of the training and are not shipped:",
        by_measure([codec for codec in COMPARED if codec != BASELINE]),
        "What the control has too is not the prior's. The paper's model against its control, by PSNR of the whole picture: on the samples it "
        f"{verdict(frame, model, control)}; on the validation screens it {verdict(others, model, control)}.",
        "Against classical codecs; a negative number means that ours needs fewer bits for the same PSNR:",
        beside_classical({"samples": frame, "validation": others}),
    ]
    return between_marks(readme, [comparison(frame, dataset=dataset), *(said if count else [])])


def main():
    for path, fill in ((paths.ROOT / "README.md", with_results), (paths.CHECKPOINTS / "README.md", with_card)):
        path.write_text(fill(path.read_text(encoding="utf-8")), encoding="utf-8")
    frame = complete(measured())
    if len(frame := frame[frame["codec"].isin(COMPARED)]):
        rd_curves(frame, "psnr").savefig(FIGURE, dpi=150, bbox_inches="tight")


if __name__ == "__main__":
    main()
