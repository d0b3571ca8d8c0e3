"""What the paper does not ask: when does the prior pay, and what does it hang on?

Pages whose words are known (:mod:`sccore.text.words`) give the true mask, the share of text and the height of its words.
On them a model is compared with the baseline page by page, and with itself told other masks (:mod:`sccore.text.altered_masks`).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from sccore.data import samples as data
from sccore.evaluation import bd_rate as rd
from sccore.evaluation import detectors as detection
from sccore.evaluation import evaluate as evaluation
from sccore.evaluation import records as results
from sccore.paper import results as report
from sccore.paper import tables_2_5 as ablations
from sccore.paper.drawing import style
from sccore.text.words import by_hash, oracle, read_words
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.files import replacing

CODEC, ANCHOR = ablations.FULL, report.BASELINE
PAGES = f"{report.EARLIER}/pages"  # the data set's folder of records
X = {"text": "share of text in the picture", "word_height": "median height of its words [pixels]"}
MIN_IMAGES = 5  # for a rank correlation


def measure(folder: Path | str, told: str = "", count: int | None = None, records: Path | str | None = None,
            codecs: tuple[str, ...] = (ANCHOR, CODEC)) -> None:
    """Measures shipped models on rendered pages with the true mask, and the full model told other masks.

    Args:
        folder: pages STEM.png and their words STEM.json, of which the first `count` in the order of their hashes.
        told: names of :mod:`sccore.text.altered_masks`, with blanks between.
        records: folder of the records, data/results/earlier/pages unless given; what is in them is not measured again.
    """
    from sccore.codecs import checkpoint

    out = Path(records) if records else paths.RESULTS / PAGES
    images, masks, about = prepare(Path(folder).expanduser(), count)
    for codec, name in [(codec, None) for codec in codecs] + [(CODEC, name) for name in told.split()]:
        path = out / (f"{codec}-told-{name}.json" if name else f"{codec}.json")
        model = checkpoint.load_model(paths.CHECKPOINTS / f"{codec}.safetensors")
        record = evaluation.evaluate(model, images, masks, out=path, name=path.stem, coded_with=name)
        for row in record["images"]:
            row |= about[Path(row["name"]).stem]
        results.save_record(path, record)
        if record["failed"]:
            raise InputError(record["failed"][0]["error"])


def prepare(folder: Path, count: int | None = None) -> tuple[Path, Path, dict[str, dict]]:
    """Pages as a data set under data/runs: folders of links to the pages and of their true masks, and what is on them."""
    stems = by_hash([stem for stem, *_ in data.pair(folder)])[:count]
    place, about = paths.RUNS / "pages" / folder.name, {}
    for kind in ("images", "masks"):
        (place / kind).mkdir(parents=True, exist_ok=True)
        for old in (place / kind).glob("*.png"):
            old.unlink()
    for stem in stems:
        image, words = data.read_image(folder / f"{stem}.png"), read_words(folder / f"{stem}.json")
        mask = oracle(words, image.shape[:2])
        (place / "images" / f"{stem}.png").symlink_to((folder / f"{stem}.png").resolve())
        with replacing(place / "masks" / f"{stem}.png") as part:
            Image.fromarray(mask).save(part, "PNG")
        about[stem] = {"text": float(mask.mean()),
                       "word_height": float(np.median([word["box"][3] - word["box"][1] for word in words]))}  # fmt: skip
    return place / "images", place / "masks", about


def by_page(metric: str = "psnr", dataset: str = PAGES, codec: str = CODEC, anchor: str = ANCHOR) -> pd.DataFrame:
    """A row a page that has a BD-rate of its own: name, bd_rate, text, word_height; empty without records."""
    frame = report.measured(dataset)
    if report.of(frame, codec).empty or report.of(frame, anchor).empty:
        return pd.DataFrame(columns=["name", "bd_rate", *X])
    found = rd.compare(report.of(frame, anchor), report.of(frame, codec), metric)["per_image"]
    about = report.of(frame, codec).groupby("name")[list(X)].first()
    return about.assign(bd_rate=pd.Series(found)).dropna().reset_index()


def samples_by_text(metric: str = "psnr", codec: str = CODEC, anchor: str = ANCHOR) -> pd.DataFrame:
    """The same for the samples, whose share of text is that of their masks."""
    frame = report.measured(f"{report.EARLIER}/samples")
    if report.of(frame, codec).empty or report.of(frame, anchor).empty:
        return pd.DataFrame(columns=["name", "bd_rate", "text"])
    found = rd.compare(report.of(frame, anchor), report.of(frame, codec), metric)["per_image"]
    share = lambda name: float((data.read_image(paths.SAMPLES / "masks" / f"{Path(name).stem}.png")[..., 0] > 127).mean())
    return pd.DataFrame([{"name": name, "bd_rate": value, "text": share(name)} for name, value in found.items()])


def correlation(table: pd.DataFrame, x: str, resamples: int = 2000, seed: int = 0) -> str:
    """Spearman's rank correlation of the BD-rate with x and its 95 % interval (bootstrap over images), in words."""
    from scipy.stats import spearmanr

    if len(table) < MIN_IMAGES or table[x].nunique() < 2:
        return f"no correlation of {len(table)} images"
    values, rng = table[[x, "bd_rate"]].to_numpy(), np.random.default_rng(seed)
    draws = [values[rng.integers(len(values), size=len(values))] for _ in range(resamples)]
    sample = [spearmanr(*draw.T).statistic for draw in draws if (draw != draw[0]).any(0).all()]
    low, high = np.percentile(sample, [2.5, 97.5])
    return (f"rank correlation {spearmanr(*values.T).statistic:+.2f} ({low:+.2f} to {high:+.2f}), "
            f"{len(table)} images").replace("-", "−")  # fmt: skip


@style.styled
def scatter(tables: dict[str, pd.DataFrame], x: str) -> Figure:
    """BD-rate of each image against x, a colour a data set, with the rank correlation in the legend."""
    tables = {name: table for name, table in tables.items() if len(table) and x in table}
    if not tables:
        return style.nothing(report.MISSING)
    figure, axes = plt.subplots(figsize=(6.4, 3.4))
    for (name, table), colour in zip(tables.items(), style.SPARE[4:] + style.SPARE):
        axes.plot(table[x], table["bd_rate"], "o", color=colour, alpha=0.8, label=f"{name}: {correlation(table, x)}")
    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.set(xlabel=X[x], ylabel="BD-rate of the image [%]")
    figure.legend(loc="outside lower center")
    return figure


def told_rows(dataset: str = PAGES) -> list[tuple[str, str, str]]:
    """The masks that were measured, as `ablations.intervals` takes them: (label, codec, the model told the truth)."""
    there = set(report.measured(dataset)["codec"])
    return [(what, f"{CODEC}-told-{name}", CODEC) for name, what in ablations.TOLD.items() if f"{CODEC}-told-{name}" in there]


def seconds() -> pd.DataFrame:
    """Processor seconds a megapixel of each detector (data/results/textdet), and of the encoder itself on the samples."""
    rows = []
    for path in sorted((paths.RESULTS / "textdet").glob("*.json")):
        rows.append({"what": f"mask by {path.stem}", "seconds": detection.total(detection.load_record(path)["images"])["cpu_s"]})
    for codec in (ANCHOR, CODEC):
        own = report.of(report.measured("samples"), codec)
        if len(own):
            rows.append({"what": f"encoding with {style.title(codec)}",
                         "seconds": (1e6 * own["encode_s"] / own["width"] / own["height"]).mean()})  # fmt: skip
    return pd.DataFrame(rows, columns=["what", "seconds"]).sort_values("seconds")


@style.styled
def cost() -> Figure:
    """What a mask costs beside the encoding that it is for, seconds a megapixel."""
    table = seconds()
    if table.empty:
        return style.nothing(report.MISSING)
    figure, axes = plt.subplots(figsize=(6.4, 0.8 + 0.3 * len(table)))
    colours = ["#D55E00" if what.startswith("encoding") else "#0072B2" for what in table["what"]]
    bars = axes.barh(table["what"], table["seconds"], color=colours)
    axes.bar_label(bars, fmt="%.2g", padding=3)
    axes.set(xscale="log", xlabel="seconds a megapixel, one core")
    axes.grid(axis="y", visible=False)
    return figure
