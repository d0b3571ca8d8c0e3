"""What tables are made of: Markdown, numbers with their signs, BD-rates; what does not exist is said to be missing."""

from pathlib import Path

import pandas as pd
import yaml

from sccore.evaluation.bd_rate import MIN_IMAGES, between
from sccore.evaluation.records import of_codec
from sccore.utils.errors import InputError

BASELINE = "wacnn"
MISSING = "not recorded yet"


def paper_numbers() -> dict:
    """The paper's own numbers, sccore/paper/paper.yml."""
    return yaml.safe_load(Path(__file__).with_name("paper.yml").read_text(encoding="utf-8"))


def table(head: list[str], rows: list[list]) -> str:
    """A Markdown table; None becomes a dash, and no rows become one that says what is missing."""
    lines = [head, ["---"] * len(head), *(rows or [[MISSING, *[None] * (len(head) - 1)]])]
    return "\n".join("| " + " | ".join("–" if cell is None else str(cell) for cell in line) + " |" for line in lines)


def folded(what: str, body: str) -> str:
    """MyST Markdown that a reader opens with a click; `what` says what is inside."""
    return f"::::{{dropdown}} {what}\n{body}\n::::"


def training_log(path: Path) -> str:
    """What a log of training says where the held-out images were measured: a table, and the run in a sentence."""
    if not path.exists():
        return MISSING
    log = pd.read_csv(path)
    held_out = log.dropna(subset=["val_loss"])
    rows = [[f"{r.step:,}", f"{r.val_loss:.3f}", f"{r.val_bpp:.3f}", f"{r.val_psnr:.2f}"] for r in held_out.itertuples()]
    first, last = held_out.iloc[0], log.iloc[-1]
    took = f"{last['step']:,.0f} steps in {last['seconds'] / 60:.1f} minutes"
    said = f"{took}; held-out loss {first['val_loss']:.3f} at step {first['step']:,.0f}, {held_out.iloc[-1]['val_loss']:.3f} at the end."
    return table(["step", "held-out loss", "bits per pixel", "PSNR (dB)"], rows) + f"\n\n{said}"


def number(value: float | None, form: str = "+.1f") -> str | None:
    """A number as it is printed, with true signs for minus and infinity, none where it rounds to zero; None stays None."""
    if value is None:
        return None
    text = f"{value:{form}}"
    return text.lstrip("+-") if not text.strip("+-0.") else text.replace("-", "−").replace("inf", "∞")


def change(value: float, before: float) -> str:
    """A change in percent with its sign."""
    return f"{number(100 * (value / before - 1))} %"


def compared(frame: pd.DataFrame, codec: str, anchor: str, metric: str = "psnr") -> dict | str:
    """BD-rate of a codec against another with its interval, as :func:`sccore.evaluation.bd_rate.between`; or the reason why not."""
    if of_codec(frame, codec).empty or of_codec(frame, anchor).empty:
        return MISSING
    try:
        return between(frame, codec, anchor, metric)
    except InputError as error:
        return str(error)


def anchor_among(codecs: list[str], asked: str = "") -> str:
    """The codec that BD-rates refer to: the one that is asked for, else the baseline, or the first where that is not recorded.

    Raises:
        InputError: what is asked for is not among the codecs; says which are.
    """
    if asked and codecs and asked not in codecs:
        raise InputError(f"no codec {asked!r} is recorded on all images; there are: {', '.join(codecs)}")
    return asked or (BASELINE if BASELINE in codecs or not codecs else codecs[0])


def two(codecs: list[str]) -> list[str]:
    """The names of two codecs; more or fewer are refused."""
    if len(codecs) != 2:
        raise InputError(f"{' '.join(codecs)!r}: two codecs are compared, named with a blank between")
    return codecs


def interval(found: dict, key: str = "") -> str:
    """The 95 % interval of a dict of :func:`sccore.evaluation.bd_rate.compare`, "−4.0 to −2.2", or why there is none.

    Args:
        key: ``per_image_`` for that of the mean of the images' own BD-rates.
    """
    low, high = found[f"{key}low"], found[f"{key}high"]
    if low == low:
        return f"{number(low)} to {number(high)}"
    images = len(found["per_image"]) if key else found["images"]
    if images < MIN_IMAGES:
        return f"no interval: {images} image{'s' * (images != 1)}"
    return f"no interval: {100 * found['resamples']:.0f} % of the resamples have a BD-rate"


def clear(found: dict) -> int | None:
    """-1 if a BD-rate's interval, as it is printed, lies below zero, 1 if above, 0 if zero is in it; None without an interval."""
    low, high = round(found["low"], 1), round(found["high"], 1)
    return int(low > 0) - int(high < 0) if low <= high else None


def bd_rate_cell(frame: pd.DataFrame, codec: str, anchor: str = BASELINE, metric: str = "psnr") -> str:
    """BD-rate of a codec against another with its 95 % interval, "−3.1 % (−4.0 to −2.2)"; or the reasons why not."""
    if codec == anchor:
        return "0"
    if isinstance(found := compared(frame, codec, anchor, metric), str):
        return found
    return f"{number(found['bd_rate'])} % ({interval(found)}){inexact(found)}"


def inexact(found: dict) -> str:
    """Of how many images a BD-rate is, where others were left out, since one of the codecs stores them exactly: ", 9 images"."""
    return f", {found['images']} images" if found["exact"] else ""
