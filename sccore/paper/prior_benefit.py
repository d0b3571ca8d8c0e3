"""What the paper does not ask: when does the prior pay, and what does it hang on?

Pages whose words are known (:mod:`sccore.text.words`) give the true mask, the share of text and the height of its words.
On them a model is compared with the baseline page by page, and with itself told other masks (:mod:`sccore.text.altered_masks`).
"""

import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from sccore.data.download import put
from sccore.data.images import pair, read_image
from sccore.evaluation import detectors
from sccore.evaluation.bd_rate import between, bootstrap
from sccore.evaluation.provenance import relative
from sccore.evaluation.records import measured, of_codec, save_record
from sccore.paper import tables_2_5
from sccore.paper.drawing import style
from sccore.paper.tables import BASELINE, MISSING, number
from sccore.text.words import by_hash, oracle, read_words
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.files import replacing

CODEC, ANCHOR = tables_2_5.FULL, BASELINE
PAGES = "pages"  # the data set's folder of records
X = {"text": "share of text in the picture", "word_height": "median height of its words [pixels]"}
MIN_IMAGES = 5  # for a rank correlation


def measure(
    folder: Path | str,
    other_masks: str = "",
    count: int | None = None,
    records: Path | str | None = None,
    codecs: tuple[str, ...] = (ANCHOR, CODEC),
) -> None:
    """Measures shipped models on rendered pages with the true mask, and the full model told other masks.

    Args:
        folder: pages STEM.png and their words STEM.json, of which the first `count` in the order of their hashes.
        other_masks: names of :mod:`sccore.text.altered_masks`, with blanks between.
        records: folder of the records, data/results/pages unless given; what is in them is not measured again.
    """
    from sccore.codecs.checkpoint import load_model
    from sccore.evaluation.evaluate import evaluate

    out = Path(records) if records else paths.RESULTS / PAGES
    command = f"papermill notebooks/beyond.ipynb -p pages {relative(folder)} -p count {count} -p told {other_masks!r}"
    images, masks, about = prepare(Path(folder).expanduser(), count)
    for codec, name in [(codec, None) for codec in codecs] + [(CODEC, name) for name in other_masks.split()]:
        path = out / (f"{codec}-told-{name}.json" if name else f"{codec}.json")
        model = load_model(paths.CHECKPOINTS / f"{codec}.safetensors")
        record = evaluate(model, images, masks, out=path, name=path.stem, command=command, coded_with=name)
        for row in record["images"]:
            row |= about[Path(row["name"]).stem]
        save_record(path, record)
        if record["failed"]:
            raise InputError(record["failed"][0]["error"])


def prepare(folder: Path, count: int | None = None) -> tuple[Path, Path, dict[str, dict]]:
    """Pages as a data set under data/runs: folders of the pages and of their true masks, and what is on them."""
    if count is not None and count < 1:
        raise InputError(f"count must be at least 1, not {count}")
    stems = by_hash([stem for stem, *_ in pair(folder)])[:count]
    place, about = paths.RUNS / "pages" / folder.name, {}
    for old in place.glob("*/*.png"):
        old.unlink()
    for stem in stems:
        image, words = read_image(folder / f"{stem}.png"), read_words(folder / f"{stem}.json")
        mask = oracle(words, image.shape[:2])
        put(place / "images" / f"{stem}.png", (page := folder / f"{stem}.png").read_bytes(), page)
        with replacing(place / "masks" / f"{stem}.png") as part:
            Image.fromarray(mask).save(part, "PNG")
        about[stem] = {"text": float(mask.mean()), "word_height": float(np.median([word["box"][3] - word["box"][1] for word in words]))}
    return place / "images", place / "masks", about


def by_page(metric: str = "psnr") -> pd.DataFrame:
    """A row a page that has a BD-rate of its own: name, bd_rate, text, word_height; empty without records."""
    frame = measured(PAGES)
    if not {CODEC, ANCHOR} <= set(frame["codec"]):
        return pd.DataFrame(columns=["name", "bd_rate", *X])
    found = between(frame, CODEC, ANCHOR, metric)["per_image"]
    about = of_codec(frame, CODEC).groupby("name")[list(X)].first()
    return about.assign(bd_rate=pd.Series(found)).dropna().reset_index()


def samples_by_text(metric: str = "psnr", anchor: str = ANCHOR) -> pd.DataFrame:
    """The same for the samples, whose share of text is that of their masks; also against the control."""
    frame = measured("samples")
    if not {CODEC, anchor} <= set(frame["codec"]):
        return pd.DataFrame(columns=["name", "bd_rate", "text"])
    found = between(frame, CODEC, anchor, metric)["per_image"]
    share = lambda name: float((read_image(paths.SAMPLES / "masks" / f"{Path(name).stem}.png")[..., 0] > 127).mean())
    return pd.DataFrame([{"name": name, "bd_rate": value, "text": share(name)} for name, value in found.items()])


def by_text(metric: str = "psnr") -> dict[str, pd.DataFrame]:
    """BD-rate and share of text, image by image: against the control, where all that differs is the prior, and against WACNN."""
    return {
        "Samples, against the control": samples_by_text(metric, tables_2_5.CONTROL),
        "Samples, against WACNN": samples_by_text(metric),
        "Rendered pages, against WACNN": by_page(metric),
    }


def rank_correlation(table: pd.DataFrame, x: str) -> tuple[float, float, float] | None:
    """Spearman's rank correlation of the BD-rate with x, and its 95 % interval (bootstrap over images); None of too few images."""
    from scipy.stats import pearsonr, rankdata

    if len(table) < MIN_IMAGES or table[x].nunique() < 2:
        return None
    values = table[[x, "bd_rate"]].to_numpy()

    def spearman(draws):
        with warnings.catch_warnings(action="ignore"):  # a draw of equal values has none
            return pearsonr(*np.moveaxis(rankdata(values[draws], axis=1), 2, 0), axis=1).statistic

    return spearman(np.arange(len(values))[None])[0], *bootstrap(spearman, len(values), 2000)[:2]


def correlation(table: pd.DataFrame, x: str) -> str:
    """:func:`rank_correlation` in words."""
    if not (found := rank_correlation(table, x)):
        return f"no correlation of {len(table)} images"
    low, (whole, *ends) = found[1], (number(value, "+.2f") for value in found)
    return f"rank correlation {whole} ({' to '.join(ends) if low == low else 'no interval'}), {len(table)} images"


@style.styled
def scatter(tables: dict[str, pd.DataFrame], x: str) -> Figure:
    """BD-rate of each image against x, a colour a data set, with the rank correlation in the legend."""
    tables = {name: table for name, table in tables.items() if len(table) and x in table}
    if not tables:
        return style.nothing(MISSING)
    figure, axes = plt.subplots(figsize=(6.4, 3.4))
    for (name, table), colour in zip(tables.items(), style.SPARE[4:] + style.SPARE):
        axes.plot(table[x], table["bd_rate"], "o", color=colour, alpha=0.8, label=f"{name}: {correlation(table, x)}")
    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.set(xlabel=X[x], ylabel="BD-rate of the image [%]")
    figure.legend(loc="outside lower center")
    return figure


def other_mask_rows() -> list[tuple[str, str, str]]:
    """The masks that were measured, as `tables_2_5.intervals` takes them: (label, codec, the model told the truth)."""
    there = set(measured(PAGES)["codec"])
    return [(what, f"{CODEC}-told-{name}", CODEC) for name, what in tables_2_5.OTHER_MASKS.items() if f"{CODEC}-told-{name}" in there]


def seconds() -> pd.DataFrame:
    """Seconds a megapixel on one core, of each detector on the rendered pages and of the encoder itself on the samples."""
    rows = []
    for path in sorted((paths.RESULTS / "rendered").glob("*.json")):
        rows.append({"what": f"mask by {path.stem}", "seconds": detectors.total(detectors.load_record(path)["images"])["cpu_s"]})
    for codec in (ANCHOR, CODEC):
        own = of_codec(measured("samples"), codec)
        if len(own):
            rows.append(
                {"what": f"encoding with {style.title(codec)}", "seconds": (1e6 * own["encode_s"] / own["width"] / own["height"]).mean()}
            )
    return pd.DataFrame(rows, columns=["what", "seconds"]).sort_values("seconds")


@style.styled
def cost() -> Figure:
    """What a mask costs beside the encoding that it is for, seconds a megapixel."""
    table = seconds()
    if table.empty:
        return style.nothing(MISSING)
    figure, axes = plt.subplots(figsize=(6.4, 0.8 + 0.3 * len(table)))
    colours = ["#D55E00" if what.startswith("encoding") else "#0072B2" for what in table["what"]]
    bars = axes.barh(table["what"], table["seconds"], color=colours)
    axes.bar_label(bars, fmt="%.2g", padding=3)
    axes.set(xscale="log", xlabel="seconds a megapixel, one core")
    axes.grid(axis="y", visible=False)
    return figure
