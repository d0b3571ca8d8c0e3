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
def rd_curves(frame: pd.DataFrame, metric: str = "psnr", log_rate: bool = False) -> Figure:
    """Rate-distortion curves, means over a data set's images, one line a codec (Fig. 5-7).

    Args:
        frame: measurements as `results.load_dataset` returns them. All codecs must have been measured on the same
            images; otherwise InputError, as their means could not be compared. Those without the metric are named, and those that store
            an image without loss, whose PSNR is infinite.
        metric: "psnr", "psnr_text" (the text regions alone) or "ms_ssim".
        log_rate: logarithmic rate axis, on which equal savings are equal distances.
    """
    if metric not in frame or frame[metric].isna().all():
        raise InputError(f"no {metric} to draw: {len(frame)} measurements, none has it")
    without = sorted(set(frame["codec"]) - set(frame.dropna(subset=[metric])["codec"]), key=rank)
    exact = [codec for codec, own in frame.groupby("codec") if codec not in without and bd_rate.exact_images(own)]
    frame = frame[~frame["codec"].isin(exact)].dropna(subset=[metric])
    if frame.empty:
        raise InputError(f"no {metric} to draw: {', '.join(map(title, exact))} stores an image without loss")
    images = frame.groupby("codec")["name"].agg(frozenset)
    if images.nunique() != 1:
        raise InputError(f"not measured on the same images: {', '.join(images.index)}; choose common ones first (records.common)")
    codecs = sorted(images.index, key=rank)
    figure, axes = plt.subplots(figsize=(5.6, 3.9))
    for codec, colour in zip(codecs, colours(codecs)):
        _line(axes, bd_rate.curve(frame[frame["codec"] == codec], metric), codec, colour, metric)
    axes.set(xlabel=LABELS["bpp"], ylabel=LABELS[metric])
    if log_rate:
        axes.set_xscale("log")
        plain_log(axes.xaxis)
    count = len(images.iloc[0])
    note = f"mean of {count} images" if count > 1 else "1 image"
    note += "".join(f"\nnot measured: {title(codec)}" for codec in without)
    note += "".join(f"\nexact on some images: {title(codec)}" for codec in exact)
    outside = {"loc": "center left", "bbox_to_anchor": (1, 0.5)} if len(codecs) > 5 else {}  # no corner is left free
    axes.legend(title=note, alignment="left", **outside)
    return figure


@styled
def curves(points: dict[str, pd.DataFrame], metric: str = "psnr") -> Figure:
    """Curves that are means already, as :func:`sccore.evaluation.curve_files.read_all` gives them; nobody knows whether of the same images."""
    figure, axes = plt.subplots(figsize=(5.6, 3.9))
    for (codec, own), colour in zip(points.items(), colours(list(points))):
        _line(axes, own, codec, colour, metric)
    axes.set(xlabel="bpp", ylabel=LABELS.get(metric, metric))
    axes.legend()
    return figure


def _line(axes, points, codec, colour, metric):
    line = "o-" if base(codec) == codec else "s--"  # one model a lambda: the colour of the one for all, dashed
    axes.plot(points["bpp"], points[metric], line if len(points) > 1 else line[0], color=colour, label=title(codec))


def drawn(frame: pd.DataFrame, metric: str = "psnr", log_rate: bool = False) -> Figure:
    """`rd_curves`, or `nothing` with the reason where there is nothing to draw."""
    try:
        return rd_curves(frame, metric, log_rate)
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
def priors(image: np.ndarray, mask: np.ndarray) -> Figure:
    """What the encoder is told (Eq. 5-6): the image, its text mask M, the Laplacian g and the external prior g'.

    g and g' are means over the colour channels, on one scale.
    """
    import torch

    from sccore.priors import external_prior, laplacian

    x = torch.from_numpy(image).permute(2, 0, 1)[None] / 255  # (1, 3, H, W)
    M = torch.from_numpy(mask)[None, None].float()  # (1, 1, H, W)
    g, guided = laplacian(x)[0].mean(0), external_prior(x, M)[0].mean(0)  # (H, W)
    top = max(float(np.quantile(g.abs(), 0.995)), 1 / 255)  # at least a step of 8 bits
    scale = {"cmap": "gray_r", "vmin": 0, "vmax": top}
    panels = {
        "image x": (image, {}),
        "text mask M": (mask, {"cmap": "gray", "vmin": 0, "vmax": 1}),
        f"structural prior g (Eq. 5)\nwhite 0, black {top:.2g}": (g, scale),
        "external prior g′ (Eq. 6)\nsame scale": (guided, scale),
    }
    wide = image.shape[1] >= image.shape[0]
    figure, axes = image_axes(image.shape, *((2, 2) if wide else (1, 4)))
    for one, (label, (picture, options)) in zip(axes.flat, panels.items()):
        one.imshow(picture, **options)
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
