"""Table 1 of the paper, ours beside it: BD-rate of every codec against WACNN, and the seconds it takes.

Two averages are given under their names: of the data set's mean curve, as the paper does it, and of the images' own
BD-rates; each with its 95 % interval. A BD-rate that would mean nothing is not given, and the reason stands in its place.
"""

from html import escape

import pandas as pd

from sccore.evaluation import lossless
from sccore.evaluation.bd_rate import between, curve, inexact, overlap
from sccore.evaluation.records import common, of_codec
from sccore.paper.benchmark import Benchmark
from sccore.paper.drawing import style
from sccore.paper.drawing.html import trace, traced_table
from sccore.paper.tables import BASELINE, interval, number, paper_numbers
from sccore.utils.errors import InputError

PAPER = {  # codec here -> its row in the paper's table
    "wacnn": "WACNN",
    "sftip": "Ours",
    "cheng2020": "cheng2020",
    "ms2020": "ms2020-2-Decoder",
    "Dec-Adapter (reconstruction)": "Dec-Adapter",
    "bpg": "BPG",
    "vtm": "VVC",
    "vtm-scc": "VVC",
}
COLUMNS = {"jpegai": "JPEGAI", "siqad": "SIQAD", "scid": "SCID", "mlscid": "MLSCID"}  # the paper's data sets
SMALL = "A small WACNN after a short training is a weaker reference than the paper's, so every classical codec looks better here."
REASONS = {  # row of the paper -> why ours differs
    "Ours": "A smaller network, minutes of a GPU instead of days, other images, and one model for all rates.",
    "WACNN": "The reference in both.",
    "BPG": SMALL,
    "VVC": SMALL + " The paper does not say whether its VVC had the screen-content tools; both ways are listed.",
    "cheng2020": "The paper retrained it at full size.",
    "ms2020-2-Decoder": "The paper took the published weights. Here all is trained anew, with targets of ours for the second task.",
    "Dec-Adapter": "The paper took the numbers over from that method's article. It has no public code: here is a reconstruction, over our WACNN.",
}
HEAD = ["codec", "paper", "PSNR, mean curve", "PSNR, mean of images", "text PSNR, mean curve", "against {other}"]
BEHIND = ["codec", "images", "bits per pixel", "PSNR (dB)", "curves shared", "seconds a megapixel: encode, decode"]


def rows(found: Benchmark, anchor: str = BASELINE, other: str = "avif") -> list[dict]:
    """A row a codec: BD-rates (a dict of `bd_rate.compare`, or the reason why not) and mean seconds a megapixel.

    A codec that was measured on some of the images is compared on these; `images` says on how many.
    """
    made = []
    for codec in sorted(found.records, key=style.rank):
        own, shared = of_codec(found.frame, codec), inexact(common(found.frame, [codec, anchor]))
        bd = lambda metric, to=anchor: compare(found.frame, codec, to, metric)
        row = {"codec": codec, "images": shared["name"].nunique(), "overlap": shares(shared, codec, anchor)}
        row |= {"psnr": bd("psnr"), "psnr_text": bd("psnr_text"), "other": bd("psnr", other)}
        made.append(row | {key: seconds(own, key) for key in ("encode_s", "decode_s")})
    return made


def compare(frame: pd.DataFrame, codec: str, anchor: str, metric: str = "psnr") -> dict | str:
    """`bd_rate.compare` of two codecs on the images that both were measured on, or the reason why there is no BD-rate."""
    if codec == anchor:
        return "the reference"
    both = common(frame, [codec, anchor])
    if both.empty:
        return f"no image with both {codec} and {anchor}"
    try:
        return between(both, codec, anchor, metric)
    except InputError as error:
        return str(error).removeprefix("no BD-rate: ")


def shares(both: pd.DataFrame, codec: str, anchor: str) -> float | None:
    """The part of the narrower mean curve's range of PSNR that two codecs share."""
    if both.empty or codec == anchor:
        return None
    return overlap(*(curve(of_codec(both, name)) for name in (anchor, codec)))


def seconds(own: pd.DataFrame, key: str) -> float | None:
    """Mean seconds a megapixel over all images and points of a codec."""
    if key not in own or not {"width", "height"} <= set(own) or own[key].isna().all():
        return None
    return float((own[key] / (own["width"] * own["height"] / 1e6)).mean())


def html(found: Benchmark, anchor: str = BASELINE, other: str = "avif") -> str:
    """The table, and below it, folded, rates and seconds; every number of ours opens the records behind it."""
    paper, lines, behind, notes = paper_numbers()["table1"], [], [], []
    column = COLUMNS.get(found.name, "Average")
    span = lambda own, column, digits: "–".join(f"{v:.{digits}f}" for v in curve(inexact(own))[column].agg(["min", "max"]).unique())
    sources = lambda *codecs: [record for codec in dict.fromkeys(codecs) for record in found.records.get(codec, [])]
    for row in rows(found, anchor, other):
        codec = row["codec"]
        name = PAPER.get(codec)
        images = f"{row['images']} image{'s' * (row['images'] != 1)}"
        own = of_codec(found.frame, codec)

        def cell(value, key="", to=anchor):
            if codec == to:
                return escape(value)
            if isinstance(value, str):
                return trace("none", sources(codec, to), f"No BD-rate: {value}.")
            return trace(with_interval(value, key), sources(codec, to), basis(value, key, images))

        times = [row[key] for key in ("encode_s", "decode_s")]
        bd_rates = [cell(row["psnr"]), cell(row["psnr"], "per_image_"), cell(row["psnr_text"]), cell(row["other"], to=other)]
        lines.append([escape(style.title(codec)), paper_cell(paper, name, column), *bd_rates])
        head = f"{escape(style.title(codec))}<br><small><code>{escape(codec)}</code></small>"
        shared = None if row["overlap"] is None else trace(f"{row['overlap']:.0%}", sources(codec, anchor))
        took = None if None in times else trace(", ".join(f"{t:.3g}" for t in times), sources(codec))
        behind.append([head, str(row["images"]), span(own, "bpp", 3), span(own, "psnr", 1), shared, took])
        notes.append(escape(REASONS.get(name, "Not in the paper.") + why(row["psnr"], codec, anchor)))
    present = {PAPER.get(codec) for codec in found.records}
    for name in (name for name in paper["rows"] if name not in present):
        lines.append([escape(name), paper_cell(paper, name, column), "<small>not measured</small>", *[None] * 3])
        notes.append(escape(REASONS.get(name, "")))
    head = [text.format(other=style.title(other)) for text in HEAD]
    head[1] = f"paper, {column}"
    caption = (
        f"BD-rate in percent against {escape(style.title(anchor))} on <b>{escape(found.name)}</b>, with "
        "95 % intervals; negative numbers are savings. Click a number for the records behind it."
    )
    if bar := lossless.bar(found.frame, found.name):
        caption += f" Lossless WebP, the bar for all of them, takes {bar:.3f} bits per pixel."
    if absent := [name for name in (anchor, other) if name not in found.records]:
        caption += f" Of {escape(' and '.join(absent))} there is no record here, so nothing can be compared with it."
    return (
        traced_table(head, lines, caption, notes)
        + f"<details><summary>Rates, qualities and seconds of these codecs</summary>{traced_table(BEHIND, behind)}</details>"
    )


def why(value: dict | str, codec: str, anchor: str) -> str:
    """Why there is no BD-rate, as a sentence; empty if there is one."""
    return f" No BD-rate: {value}." if isinstance(value, str) and codec != anchor else ""


def with_interval(value: dict, key: str = "") -> str:
    """A BD-rate and, on a second line, its interval; with a key, the mean of the images' own BD-rates."""
    whole = value[key + "mean" if key else "bd_rate"]
    if whole != whole:
        return "none: no image has a BD-rate of its own"
    brief = interval(value, key).replace(" the resamples have a BD-rate", " resamples").replace(": ", ":\n")  # cells are narrow
    some = f"\n{len(value['per_image'])} of {value['images']} images" if key and value["refused"] else ""
    return f"{number(whole)}\n{brief}{some}"


def basis(value: dict, key: str, images: str) -> str:
    """What a BD-rate was computed from, in a sentence."""
    if key:
        left = f"; {len(value['refused'])} have none" if value["refused"] else ""
        return f"Mean of the BD-rates of {len(value['per_image'])} of {images}{left}; the interval is a bootstrap over them."
    return (
        f"BD-rate of the mean curves over {images}, which share {value['overlap']:.0%} of the narrower one's range; the interval is a "
        f"bootstrap over images, {value['resamples']:.0%} of whose mixtures have a BD-rate."
    )


def paper_cell(paper: dict, name: str | None, column: str) -> str | None:
    """The paper's number for a data set, or its average; all of its row on a click."""
    if name is None:
        return None
    values = dict(zip(paper["columns"], paper["rows"][name]))
    shown = lambda value: "–" if value is None else number(value) if value else "0"
    others = ", ".join(f"{key} {shown(value)}" for key, value in values.items())
    return trace(shown(values[column]), [], f"The paper's {paper['where']}, row {name}: {others}. Against {paper['anchor']}.")
