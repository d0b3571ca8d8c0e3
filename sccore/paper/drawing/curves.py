"""The book's figures, each drawn from records, logs or one image and returned as a matplotlib Figure.

Images are uint8 arrays (H, W, 3), masks bool (H, W).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from sccore.evaluation import bd_rate, metrics
from sccore.paper.drawing.style import LABELS, base, colours, image_axes, nothing, plain_log, rank, styled, title
from sccore.utils.errors import InputError


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
        raise InputError(f"not measured on the same images: {', '.join(images.index)}; choose common ones first (records.common)")
    codecs = sorted(images.index, key=rank)
    figure, axes = plt.subplots(figsize=(5.6, 3.9))
    for codec, colour in zip(codecs, colours(codecs)):
        _line(axes, bd_rate.curve(frame[frame["codec"] == codec], metric, rate), codec, colour, metric, rate)
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


@styled
def curves(points: dict[str, pd.DataFrame], metric: str = "psnr") -> Figure:
    """Curves that are means already, as :func:`sccore.evaluation.curve_files.read_all` gives them; nobody knows whether of the same images."""
    figure, axes = plt.subplots(figsize=(5.6, 3.9))
    for (codec, own), colour in zip(points.items(), colours(list(points))):
        _line(axes, own, codec, colour, metric, "bpp")
    axes.set(xlabel="bpp", ylabel=LABELS.get(metric, metric))
    axes.legend()
    return figure


def _line(axes, points, codec, colour, metric, rate):
    line = "o-" if base(codec) == codec else "s--"  # one model a lambda: the colour of the one for all, dashed
    axes.plot(points[rate], points[metric], line if len(points) > 1 else line[0], color=colour, label=title(codec))


def drawn(frame: pd.DataFrame, metric: str = "psnr", rate: str = "bpp", log_rate: bool = False) -> Figure:
    """`rd_curves`, or `nothing` with the reason where there is nothing to draw."""
    try:
        return rd_curves(frame, metric, rate, log_rate)
    except InputError as error:
        return nothing(str(error))


@styled
def training_curves(logs: dict[str, Path] | list[Path]) -> Figure:
    """Loss and PSNR over the steps of training runs: pale lines in training, dots on the held-out images.

    Args:
        logs: {name: log.csv of `training.fit`}; a list of such files takes the names of their folders.
    """
    if not isinstance(logs, dict):
        logs = {Path(log).parent.name: log for log in logs}
    figure, panels = plt.subplots(1, 2, figsize=(9, 4))
    for (name, log), colour in zip(logs.items(), colours(list(logs))):
        table = pd.read_csv(log)
        for axes, column in zip(panels, ("loss", "psnr")):
            training, validation = table.dropna(subset=[column]), table.dropna(subset=[f"val_{column}"])
            smooth = training[column].rolling(max(1, len(training) // 20), min_periods=1, center=True).median()
            axes.plot(training["step"], smooth, color=colour, alpha=0.3)
            axes.plot(validation["step"], validation[f"val_{column}"], "o-", color=colour, label=title(name))
    for axes, label in zip(panels, ("loss", "PSNR [dB]")):
        axes.set(title=label, xlabel="step")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    panels[0].set_yscale("log")
    plain_log(panels[0].yaxis)
    panels[0].plot([], [], color="0.5", alpha=0.4, label="training batches")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@styled
def held_out(runs: list[dict], by: str = "optimizer") -> Figure:
    """Held-out loss over steps and over minutes, a line for each optimiser or start of benchmarks/first_steps.py."""
    names = {"klt": "KLT start", "noise": "ordinary start", "adam": "Adam", "muon": "Muon"}
    figure, panels = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True)
    for axes, key, unit in ((panels[0], "step", 1), (panels[1], "seconds", 60)):
        for run in runs:
            axes.plot(np.array(run[key][1:]) / unit, run["val_loss"][1:], "o-", label=names[run[by]])
        axes.set(yscale="log", xlabel="minutes" if unit > 1 else "step")
        plain_log(axes.yaxis)
    panels[0].set_ylabel("held-out loss")
    if runs:
        panels[0].legend()
    return figure


@styled
def linear_bound(record: dict, widths: dict[str, int], reached: dict[str, float] | None = None) -> Figure:
    """PSNR that so many linear coefficients keep of each 16x16 block, a line for each data set of benchmarks/linear_bound.py.

    Args:
        widths: {preset: M}, drawn as vertical lines.
        reached: {data set: the PSNR of a model at its largest lambda}, drawn at the width of "companion".
    """
    figure, axes = plt.subplots(figsize=(5.6, 3.4))
    for one in record["sets"]:
        name = one["dataset"]["name"]
        psnr = np.mean([row["psnr"] for row in one["images"]], axis=0)
        (line,) = axes.plot(record["counts"], psnr, "o-", label=f"linear, {name}")
        if reached and name in reached:
            axes.plot(widths["companion"], reached[name], "D", color=line.get_color(), label=f"the network, {name}")
    for width in sorted(set(widths.values())):
        names = " and ".join(preset for preset, own in widths.items() if own == width)
        axes.axvline(width, color="0.6", linestyle=":", zorder=0)
        axes.annotate(
            f" {names}, M = {width}", (width, 1), xycoords=("data", "axes fraction"), va="top", color="0.4", rotation=90, ha="right"
        )
    axes.set(xscale="log", xlabel="coefficients for 16×16 pixels of three colours", ylabel="PSNR [dB]")
    plain_log(axes.xaxis)
    axes.legend()
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
def comparison(original: np.ndarray, coded: dict[str, tuple[np.ndarray, float]], box: tuple[int, int, int, int] | None = None) -> Figure:
    """Crops side by side: the original and each codec's decoded image, with the whole image's bpp and PSNR.

    Args:
        coded: {codec: (decoded image, bpp)}.
        box: the crop (left, top, width, height) in pixels; the middle of the image unless given.
    """
    left, top, width, height = box or _middle(original)
    crops = {"original": original} | {
        f"{title(codec)}\n{bpp:.3f} bpp, {metrics.psnr(original, decoded):.2f} dB": decoded for codec, (decoded, bpp) in coded.items()
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


@styled
def decoded(pictures: dict[str, tuple[np.ndarray, np.ndarray, int]], size: tuple[int, int] = (192, 320)) -> Figure:
    """Originals and what was decoded, side by side: the part of `size` (H, W) with most detail, a row an image.

    Args:
        pictures: {name: (original, decoded, bytes of the file)}.
    """
    from sccore.evaluation.asiqe_scores import busiest_window

    figure, axes = image_axes(size, len(pictures), 2)
    for pair, (name, (original, back, count)) in zip(axes, pictures.items()):
        part = busiest_window(original, size, grid=16)
        for one, picture, label in (
            (pair[0], original, f"{name}, original"),
            (pair[1], back, f"{count:,} bytes, {metrics.psnr(original, back):.2f} dB"),
        ):
            one.imshow(picture[part])
            one.set_title(label)
    return figure


def _middle(image, width=320, height=200):
    """A box of that size in the middle of the image, or all of a smaller one."""
    width, height = min(width, image.shape[1]), min(height, image.shape[0])
    return (image.shape[1] - width) // 2, (image.shape[0] - height) // 2, width, height
