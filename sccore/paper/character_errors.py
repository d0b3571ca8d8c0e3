"""What a reader sees: tables and figures of the character error rate, and one line of text as each file leaves it."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sccore.codecs.checkpoint_files import CODEC
from sccore.codecs.classical import CODECS
from sccore.evaluation import lossless, ocr
from sccore.evaluation.records import common, of_codec, settings
from sccore.paper import table_6
from sccore.paper.benchmark import Benchmark
from sccore.paper.drawing import style
from sccore.paper.tables import MISSING, table
from sccore.presets import LAMBDAS, LMBDA
from sccore.utils.errors import InputError


def curve(frame: pd.DataFrame, codec: str) -> pd.DataFrame:
    """Rate and micro-averaged character error rate of a codec at each of its points: sum of edits over sum of characters.

    Columns: the setting (lambda or quality), bpp (mean), cer, characters, images; rate ascending.
    """
    own = of_codec(frame, codec).dropna(subset=["cer"])
    setting = settings(own)[0]
    points = (
        own.assign(edits=own["cer"] * own["cer_weight"])
        .groupby(setting)
        .agg(bpp=("bpp", "mean"), edits=("edits", "sum"), characters=("cer_weight", "sum"), images=("name", "nunique"))
    )
    return points.assign(cer=points["edits"] / points["characters"]).drop(columns="edits").sort_values("bpp").reset_index(names="setting")


def read_codecs(frame: pd.DataFrame) -> list[str]:
    """The codecs whose pictures were read, in the order of the figures."""
    if not {"cer", "cer_weight"} <= set(frame):
        return []
    return sorted(frame.dropna(subset=["cer"])["codec"].unique(), key=style.rank)


def reading_table(found: Benchmark) -> str:
    """Character error rate by codec and rate, a Markdown table."""
    rows = [
        [f"`{codec}`", f"{point.setting:g}", f"{point.bpp:.3f}", f"{100 * point.cer:.1f} %", f"{point.characters:,.0f}", point.images]
        for codec in read_codecs(found.frame)
        for point in curve(found.frame, codec).itertuples()
    ]
    if bar := lossless.bar(found.frame, found.name):
        rows.append(["WebP, lossless", None, f"{bar:.3f}", "0.0 %", None, found.frame["name"].nunique()])
    return table(["codec", "λ or quality", "bpp", "characters read wrongly", "of", "images"], rows)


def at_equal_rate() -> str:
    """Errors of the codec's pictures at the middle rate, and of classical codecs at its rate: between their points, by the logarithm of rate."""
    found = table_6.collect(codecs=f"{CODEC} jpeg webp webp-colours avif")
    codecs = read_codecs(found.frame)
    if CODEC not in codecs:
        return MISSING
    here = curve(found.frame, CODEC).query("setting == @LMBDA").iloc[0]
    rate, said = here["bpp"], [f"this codec {100 * here['cer']:.1f} %"]
    for codec in codecs[1:]:
        other = curve(found.frame, codec)
        errors = 100 * np.interp(np.log(rate), np.log(other["bpp"]), other["cer"])
        said.append(f"{style.title(codec)} {errors:.1f} %{' with fewer bits' * (rate > other['bpp'].max())}")
    return f"The samples, λ = {LMBDA:g}, {rate:.3f} bits per pixel: {', '.join(said)}"


def monotone(frame: pd.DataFrame, codec: str) -> dict:
    """Whether the error rate falls, or stays, with every step in rate: of the micro-averaged curve and of each image.

    Returns:
        mean: of the curve; images: {name: whether}; steps, rises: number of steps of all images, and of those that rise.
    """
    own, images, steps, rises = of_codec(frame, codec).dropna(subset=["cer"]), {}, 0, 0
    for name, rows in own.groupby("name"):
        change = rows.sort_values("bpp")["cer"].diff().dropna()
        images[name] = bool((change <= 0).all())
        steps, rises = steps + len(change), rises + int((change > 0).sum())
    return {"mean": bool((curve(frame, codec)["cer"].diff().dropna() <= 0).all()), "images": images, "steps": steps, "rises": rises}


def monotone_table(found: Benchmark) -> str:
    """Does the error rate fall with rate? A Markdown table, a row a codec; what rises is named."""
    rows = []
    for codec in read_codecs(found.frame):
        seen = monotone(found.frame, codec)
        rises = ", ".join(Path(name).stem for name, falls in seen["images"].items() if not falls)
        falling = f"{sum(seen['images'].values())} of {len(seen['images'])}"
        mean = "yes" if seen["mean"] else "**no**"
        rows.append([f"`{codec}`", mean, falling, f"{seen['rises']} of {seen['steps']}", rises or "none"])
    return table(["codec", "all characters together", "images on which it falls", "steps that rise", "images on which it rises"], rows)


@style.styled
def cer_curves(found: Benchmark) -> Figure:
    """Character error rate against rate, one line a codec: all characters together of the images that all codecs have."""
    codecs = read_codecs(found.frame)
    frame = common(found.frame, codecs) if codecs else found.frame.iloc[:0]
    if frame.empty:
        return style.nothing("no character error rate is recorded")
    figure, axes = plt.subplots(figsize=(7.4, 3.9))
    for codec, colour in zip(codecs, style.colours(codecs)):
        points = curve(frame, codec)
        axes.plot(points["bpp"], 100 * points["cer"], "o-", color=colour, label=style.title(codec))
    axes.set(xscale="log", xlabel=style.LABELS["bpp"], ylabel="characters read wrongly [%]", ylim=(0, None))
    style.plain_log(axes.xaxis)
    count = frame["name"].nunique()
    axes.legend(title=f"all text of {count} image{'s' * (count != 1)}", alignment="left", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def line(place: str, width: int, height: int, codec: str, dataset: str = "samples", lmbdas=LAMBDAS) -> Figure:
    """A crop as it is and decoded at each lambda, and what was read in it.

    The crop is coded as an image of its own, with a shipped checkpoint of that name or a checkpoint file. Without the
    reader the pictures stand alone; without the weights or the image there are none, and the reason is given.

    Args:
        place: NAME+LEFT+TOP, NAME the stem of an image of the data set.
    """
    from sccore.evaluation import equal_rate  # needs torch, which what is read from records does without
    from sccore.paper.figures_3_10 import cut

    try:
        (part, where), *further = cut(place, f"{width}x{height}", dataset).values()
        if further:
            return style.nothing(f"one crop is shown here, not {1 + len(further)}: {place}")
    except InputError as error:
        return style.nothing(str(error))
    where = np.zeros(part.shape[:2], bool) if where is None else where
    if codec in CODECS or not (file := table_6.weights(codec) or Path(codec)).exists():
        return style.nothing(f"no weights of {codec} here to decode a crop with")
    heights = [height for _, height in ocr.paragraphs(where)] or [part.shape[0]]
    whole = (ocr.block(part, (0, 0, part.shape[1], part.shape[0]), float(np.median(heights))),)
    pictures = {"original": part}
    for lmbda in lmbdas:
        coded = equal_rate.code(str(file), part, where, lmbda)
        pictures[f"λ = {lmbda:g}, {coded.bpp:.2f} bpp"] = coded.image
    why = ocr.missing()
    said = [f"not read: {why}" if why else f"“{ocr.read(picture, whole)[0]}”" for picture in pictures.values()]
    return _stacked(pictures, said)


@style.styled
def _stacked(pictures: dict[str, np.ndarray], said: list[str]) -> Figure:
    """Pictures of one size with a label above and what was read in them below."""
    size = next(iter(pictures.values())).shape
    columns = 2 if size[1] < 6 * size[0] else 1
    rows = -(-len(pictures) // columns)
    figure, axes = style.image_axes(size, rows, columns, width=9 if columns > 1 else 7)
    figure.set_figheight(figure.get_figheight() + 0.25 * rows)
    for one in axes.flat[len(pictures) :]:
        one.remove()
    for one, (label, picture), text in zip(axes.flat, pictures.items(), said):
        one.imshow(picture)
        one.set_title(label)
        one.set_xlabel(text, wrap=True, family="monospace", fontsize=7)
    return figure
