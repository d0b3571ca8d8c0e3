"""The book's figures, each drawn from records, logs or one image and returned as a matplotlib Figure.

A codec has the same name and colour in every figure; the colours (Okabe and Ito's) can be told apart by colour-blind
readers. The figures are closed for pyplot: a notebook shows them once, as the value of a cell or with `display`.
Images are uint8 arrays (H, W, 3), masks bool (H, W).
"""

from functools import wraps
from itertools import cycle
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from sccore import metrics, rd
from sccore.errors import InputError

STYLE = {
    "figure.dpi": 140,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.5",
    "xtick.color": "0.3",
    "ytick.color": "0.3",
    "axes.grid": True,
    "grid.color": "0.92",
    "axes.axisbelow": True,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "legend.frameon": False,
}
CODECS = {  # name in records, without "-variable": name in figures, colour
    "wacnn": ("WACNN", "#0072B2"),
    "sftip": ("SFTIP", "#D55E00"),
    "sftip-uniform": ("SFTIP, uniform prior", "#E69F00"),
    "sftip-structure": ("SFTIP, no text prior", "#CC79A7"),
    "sftip-sft": ("SFTIP with SFT & CB", "#009E73"),
    "sftip-mse": ("SFTIP trained by plain MSE", "#7F3C8D"),
    "cheng2020": ("cheng2020", "#56B4E9"),
    "ms2020": ("ms2020-2-Decoder", "#661100"),
    "Dec-Adapter (reconstruction)": ("Dec-Adapter (reconstruction)", "#6699CC"),
    "jpeg": ("JPEG", "#882255"),  # classical ones: Tol's muted colours, greys for those with a reference encoder
    "webp": ("WebP", "#AA4499"),
    "jxl": ("JPEG XL", "#999933"),
    "avif": ("AVIF", "#117733"),
    "hevc": ("HEVC", "#332288"),
    "bpg": ("BPG", "0.6"),
    "vtm": ("VTM", "0.4"),
    "vtm-scc": ("VTM, screen-content tools", "0.0"),
    "vtm-rgb": ("VTM, RGB", "#88CCEE"),
    "vtm-scc-rgb": ("VTM, screen-content tools, RGB", "#44AA99"),
}
SPARE = ("#56B4E9", "#009E73", "#CC79A7", "#E69F00", "#0072B2", "#D55E00")  # of names not in CODECS, in order
LABELS = {
    "bpp": "bpp (real file)",
    "bpp_estimated": "bpp (estimate)",
    "psnr": "PSNR [dB], 8-bit RGB",
    "psnr_text": "text-region PSNR [dB], 8-bit RGB",
    "ms_ssim": "MS-SSIM",
}


def styled(draw):
    """Draw in our style, and leave no figure open behind."""

    @wraps(draw)
    def styled(*args, **kwargs):
        with plt.rc_context(STYLE):
            figure = draw(*args, **kwargs)
        plt.close(figure)
        return figure

    return styled


def title(codec: str) -> str:
    """A codec's name for readers: "sftip-uniform-variable" is "SFTIP, uniform prior (variable rate)"."""
    base = codec.removesuffix("-variable")
    return CODECS.get(base, (base,))[0] + (" (variable rate)" if base != codec else "")


def rank(codec: str) -> tuple:
    """Order of drawing: as in CODECS, then all others by name."""
    base = codec.removesuffix("-variable")
    return (list(CODECS).index(base) if base in CODECS else len(CODECS), codec)


def colours(names: list[str]) -> list[str]:
    """A colour a codec, the same in every figure; codecs that are not in CODECS take the spare ones in order."""
    known = {name: CODECS[base][1] for name in names if (base := name.removesuffix("-variable")) in CODECS}
    spare = cycle([colour for colour in SPARE if colour not in known.values()])
    return [known[name] if name in known else next(spare) for name in names]


@styled
def nothing(why: str) -> Figure:
    """An empty frame in place of a figure that cannot be drawn, with the reason."""
    figure, axes = image_axes((1, 4), 1, 1, width=5.6)
    axes.item().text(0.5, 0.5, why, ha="center", va="center", color="0.4", wrap=True)
    return figure


@styled
def rd_curves(frame: pd.DataFrame, metric: str = "psnr", rate: str = "bpp", log_rate: bool = False) -> Figure:
    """Rate-distortion curves, means over a data set's images, one line a codec (Fig. 5-7).

    Args:
        frame: measurements as `results.load_dataset` returns them. All codecs must have been measured on the same
            images; otherwise InputError, as their means could not be compared. Those without the metric are named.
        metric: "psnr", "psnr_text" (the text regions alone) or "ms_ssim".
        log_rate: logarithmic rate axis, on which equal savings are equal distances.
    """
    if metric not in frame or frame[metric].isna().all():
        raise InputError(f"no {metric} to draw: {len(frame)} measurements, none has it")
    without = sorted(set(frame["codec"]) - set(frame.dropna(subset=[metric])["codec"]), key=rank)
    frame = frame.dropna(subset=[metric])
    images = frame.groupby("codec")["name"].agg(frozenset)
    if images.nunique() != 1:
        raise InputError(f"not measured on the same images: {', '.join(images.index)}; choose common ones first (report.common)")
    codecs = sorted(images.index, key=rank)
    figure, axes = plt.subplots(figsize=(5.6, 3.9))
    for codec, colour in zip(codecs, colours(codecs)):
        points = rd.curve(frame[frame["codec"] == codec], metric, rate)
        line = "s--" if f"{codec}-variable" in codecs else "o-"  # fixed beside variable rate: same colour, dashed
        axes.plot(points[rate], points[metric], line if len(points) > 1 else line[0], color=colour, label=title(codec))
    axes.set(xlabel=LABELS[rate], ylabel=LABELS[metric])
    if log_rate:
        axes.set_xscale("log")
        plain_log(axes.xaxis)
    count = len(images.iloc[0])
    note = f"mean of {count} images" if count > 1 else "1 image"
    note += "".join(f"\nnot measured: {title(codec)}" for codec in without)
    outside = {"loc": "center left", "bbox_to_anchor": (1, 0.5)} if len(codecs) > 5 else {}  # no corner is left free
    axes.legend(title=note, alignment="left", **outside)
    return figure


def drawn(frame: pd.DataFrame, metric: str = "psnr", rate: str = "bpp", log_rate: bool = False) -> Figure:
    """`rd_curves`, or `nothing` with the reason where there is nothing to draw."""
    try:
        return rd_curves(frame, metric, rate, log_rate)
    except InputError as error:
        return nothing(str(error))


@styled
def training_curves(logs: dict[str, Path] | list[Path]) -> Figure:
    """Loss, rate and PSNR over the steps of training runs: lines in training, dots on the held-out images.

    Args:
        logs: {name: log.csv of `training.fit`}; a list of such files takes the names of their folders.
    """
    if not isinstance(logs, dict):
        logs = {Path(log).parent.name: log for log in logs}
    figure, panels = plt.subplots(1, 3, figsize=(9, 2.9))
    for (name, log), colour in zip(logs.items(), colours(list(logs))):
        table = pd.read_csv(log)
        for axes, column in zip(panels, ("loss", "bpp", "psnr")):
            training = table.dropna(subset=[column])
            smooth = training[column].rolling(max(1, len(training) // 20), min_periods=1, center=True).median()
            axes.plot(training["step"], smooth, color=colour, alpha=0.6, label=title(name))
            axes.plot(table["step"], table[f"val_{column}"], "o", color=colour)
    for axes, label in zip(panels, ("loss", "bpp (estimate)", "PSNR [dB]")):
        axes.set(title=label, xlabel="step")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    panels[0].set_yscale("log")
    plain_log(panels[0].yaxis)
    panels[0].plot([], [], "o", color="0.5", label="held-out images")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@styled
def held_out(runs: list[dict]) -> Figure:
    """Held-out loss over steps and over minutes, a line for each optimiser of benchmarks/optimizers.py."""
    figure, panels = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True)
    for axes, key, unit in ((panels[0], "step", 1), (panels[1], "seconds", 60)):
        for run in runs:
            axes.plot(np.array(run[key][1:]) / unit, run["val_loss"][1:], "o-", label=run["optimizer"].capitalize())
        axes.set(yscale="log", xlabel="minutes" if unit > 1 else "step")
        plain_log(axes.yaxis)
    panels[0].set_ylabel("held-out loss")
    panels[0].legend()
    return figure


@styled
def priors(image: np.ndarray, mask: np.ndarray, kind: str = "magnitude") -> Figure:
    """What the encoder is told (Eq. 5-6): the image, its text mask M, the Laplacian g and the external prior g'.

    g and g' are means over the colour channels, on one scale; `kind` is that of `priors.laplacian`.
    """
    import torch

    from sccore.priors import external_prior, laplacian

    x = torch.from_numpy(image).permute(2, 0, 1)[None] / 255  # (1, 3, H, W)
    M = torch.from_numpy(mask)[None, None].float()  # (1, 1, H, W)
    g, guided = laplacian(x, kind)[0].mean(0), external_prior(x, M, kind=kind)[0].mean(0)  # (H, W)
    top = max(float(np.quantile(g.abs(), 0.995)), 1 / 255)  # at least a step of 8 bits
    if kind == "magnitude":
        tone, scale = f"white 0, black {top:.2g}", {"cmap": "gray_r", "vmin": 0, "vmax": top}
    else:
        tone, scale = f"red −{top:.2g}, blue {top:.2g}", {"cmap": "RdBu", "vmin": -top, "vmax": top}
    panels = {
        "image x": (image, {}),
        "text mask M": (mask, {"cmap": "gray", "vmin": 0, "vmax": 1}),
        f"structural prior g, {kind} (Eq. 5)\n{tone}": (g, scale),
        "external prior g′ (Eq. 6)\nsame scale": (guided, scale),
    }
    wide = image.shape[1] >= image.shape[0]
    figure, axes = image_axes(image.shape, *((2, 2) if wide else (1, 4)))
    for one, (label, (picture, options)) in zip(axes.flat, panels.items()):
        one.imshow(picture, **options)
        one.set_title(label)
    return figure


@styled
def bits(image: np.ndarray, bits_map: np.ndarray) -> Figure:
    """Where the bits go: the estimated bits of y at each latent position, over the image in grey.

    Args:
        bits_map: (h, w), one value for 16x16 pixels, as `codec.estimate` returns it; may reach over the border.
    """
    height, width = image.shape[:2]
    figure, axes = image_axes(image.shape, 1, 1, width=7)
    axes = axes.item()
    axes.imshow(255 - (255 - image.mean(2)) * 0.3, cmap="gray", vmin=0, vmax=255)
    top = float(np.quantile(bits_map, 0.995)) or 1.0
    extent = (0, 16 * bits_map.shape[1], 16 * bits_map.shape[0], 0)
    opacity = 0.8 * np.sqrt(np.clip(bits_map / top, 0, 1))
    axes.imshow(bits_map, cmap="YlOrRd", vmin=0, vmax=top, alpha=opacity, extent=extent, interpolation="nearest")
    axes.set(xlim=(0, width), ylim=(height, 0), title=f"{bits_map.sum() / (height * width):.3f} bpp for y")
    scale = plt.cm.ScalarMappable(plt.Normalize(0, top), "YlOrRd")
    figure.colorbar(scale, ax=axes, shrink=0.8, label="bits for 16×16 pixels", extend="max")
    return figure


@styled
def comparison(original: np.ndarray, coded: dict[str, tuple[np.ndarray, float]],
               box: tuple[int, int, int, int] | None = None) -> Figure:
    """Crops side by side: the original and each codec's decoded image, with the whole image's bpp and PSNR.

    Args:
        coded: {codec: (decoded image, bpp)}.
        box: the crop (left, top, width, height) in pixels; the middle of the image unless given.
    """
    left, top, width, height = box or _middle(original)
    crops = {"original": original} | {
        f"{title(codec)}\n{bpp:.3f} bpp, {metrics.psnr(original, decoded):.2f} dB": decoded
        for codec, (decoded, bpp) in coded.items()
    }
    columns = min(len(crops), 3)
    rows = -(-len(crops) // columns)
    figure, axes = image_axes((height, width), rows, columns)
    for one in axes.flat[len(crops) :]:
        one.remove()
    for one, (label, picture) in zip(axes.flat, crops.items()):
        one.imshow(picture[top : top + height, left : left + width])
        one.set_title(label)
    return figure


def image_axes(size, rows, columns, width=9):
    """Framed axes for pictures of `size` (H, W), in a figure `width` inches wide: (figure, axes (rows, columns))."""
    height = width / columns * size[0] / size[1] * rows
    figure, axes = plt.subplots(rows, columns, figsize=(width, height + 0.5 * rows), squeeze=False, layout="compressed")
    for one in axes.flat:
        one.set(xticks=[], yticks=[])
        one.spines[:].set(visible=True, color="0.85")
    return figure, axes


def plain_log(axis) -> None:
    """Ticks of a logarithmic axis at 1, 2 and 5, written out."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def _middle(image, width=320, height=200):
    """A box of that size in the middle of the image, or all of a smaller one."""
    width, height = min(width, image.shape[1]), min(height, image.shape[0])
    return (image.shape[1] - width) // 2, (image.shape[0] - height) // 2, width, height
