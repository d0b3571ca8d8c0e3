"""Tables and figures about text masks: detectors beside each other, their stability, and the kinds of prior.

Everything is drawn from records of :mod:`sccore.evaluation.detectors`, or from one image and its mask.
"""

from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from sccore.data.decoding import encoded
from sccore.evaluation.detectors import load_record, total
from sccore.paper.drawing.style import image_axes, nothing, plain_log, styled
from sccore.paper.tables import MISSING, table
from sccore.priors import external_prior
from sccore.text import words
from sccore.utils import paths

DETECTORS = {  # record's name: what it is
    "craft": "CRAFT, the paper's choice",
    "craft-1.5": "CRAFT on images enlarged by half",
    "east": "EAST, trained by us",
    "rrd": "RRD, trained by us",
    "ppocr": "PP-OCRv4, lines of text",
    "ppocr-v6": "PP-OCRv6, lines of text",
    "heuristic": "no text detector",
}
SMOOTH = 8  # pixels, of the Gaussian that makes a soft map of a mask


def records(dataset: str) -> dict[str, dict]:
    """The records of a data set, data/results/DATASET/NAME.json, by name; the known detectors first."""
    found = {path.stem: load_record(path) for path in sorted((paths.RESULTS / dataset).glob("*.json"))}
    return {name: found[name] for name in sorted(found, key=lambda name: ([*DETECTORS, name].index(name), name))}


def detector_table(dataset: str, held_back: bool = True) -> str:
    """All detectors on the pages of a data set, or on the third of them that is kept from training.

    A detector that was not measured on all of these pages gets the share that it was; one without a record says so.
    """
    measured = records(dataset)
    names = {row["name"] for record in measured.values() for row in record["images"]}
    if held_back:
        names = {f"{stem}.png" for stem in words.held_back_of([Path(name).stem for name in names])}
    percent = lambda share: None if share is None else f"{100 * share:.1f}"
    rows = []
    for name in dict.fromkeys([*DETECTORS, *measured]):
        own = [row for row in measured.get(name, {"images": []})["images"] if row["name"] in names]
        head = [f"`{name}`", DETECTORS.get(name, measured.get(name, {}).get("label"))]
        if not own:
            rows.append([*head, MISSING, *[None] * 5])
            continue
        t = total(own)
        shares = (percent(t[key]) for key in ("found", "recall", "precision", "iou"))
        rows.append([*head, f"{t['pages']} of {len(names)}", *shares, f"{t['cpu_s']:.2g}"])
    return table(
        ["record", "detector", "pages", "words found (%)", "recall of pixels (%)", "precision (%)", "IoU (%)", "processor s / megapixel"],
        rows,
    )


def price_of_scale(dataset: str = "textdet") -> str:
    """What CRAFT finds on enlarged images beside native ones, and what that costs; a sentence."""
    measured, name, larger = records(dataset), "craft", "craft-1.5"
    if not {name, larger} <= measured.keys():
        return f"`{name}` beside `{larger}`: {MISSING}."
    native, enlarged = (total(measured[key]["images"]) for key in (name, larger))
    return (
        f"`{name}` finds {native['found']:.1%} of the words at native scale and {enlarged['found']:.1%} on images enlarged "
        f"{measured[larger]['scale']:g} times, for {enlarged['cpu_s'] / native['cpu_s']:.1f} times the work; its masks cover "
        f"{native['recall']:.1%} and {enlarged['recall']:.1%} of the words' boxes."
    )


@styled
def stability(dataset: str = "stability") -> Figure:
    """IoU of masks of decoded images with those of the originals, all pixels of all images as one, by rate."""
    measured = records(dataset)
    if not measured:
        return nothing(f"stability: {MISSING}")
    figure, axes = plt.subplots(figsize=(6, 3.2))
    for name, record in measured.items():
        rows = pd.DataFrame(record["images"])
        for codec, own in rows.groupby("codec"):
            points = own.groupby("quality").agg({"bpp": "mean", "mask": "sum", "truth": "sum", "both": "sum"})
            iou = points["both"] / (points["mask"] + points["truth"] - points["both"])
            axes.plot(points["bpp"], iou, "o-", label=f"{name}, {codec}, {own['name'].nunique()} images")
    axes.set(xlabel="bpp (real file)", ylabel="IoU with the mask of the original", xscale="log", ylim=(None, 1))
    plain_log(axes.xaxis)
    axes.legend()
    return figure


@styled
def kinds_of_prior(images: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """The paper's Figure 9 on screenshots {title: (image, mask)}: (a) a binary mask, (b) a map with values in [0, 1],
    (c) the external prior g', mean over the colour channels; and how much each of them says.

    For (b) the paper shows the map of another task. Ours stands in for it: the share of text around each pixel, under
    a Gaussian. How much a map says is the size of its PNG file, in bits a pixel.
    """
    size = next(iter(images.values()))[0].shape[:2]
    figure, axes = image_axes(size, len(images), 4, width=10)
    for row, (title, (image, mask)) in zip(axes, images.items()):
        x = torch.from_numpy(image).permute(2, 0, 1)[None] / 255  # (1, 3, H, W)
        guided = external_prior(x, torch.from_numpy(mask)[None, None].float())[0].mean(0).numpy()  # (H, W)
        guided = (guided / max(np.quantile(guided, 0.995), 1 / 255)).clip(0, 1)
        soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), SMOOTH)
        row[0].imshow(image)
        row[0].set_title(title)
        for one, label, values in zip(row[1:], ("(a) binary mask", "(b) mask in [0, 1]", "(c) external prior g′"), (mask, soft, guided)):
            one.imshow(values, cmap="gray_r" if one is row[3] else "gray", vmin=0, vmax=1)
            one.set_title(f"{label}: {lossless_bits(values):.2f} bit a pixel")
    return figure


def lossless_bits(values: np.ndarray) -> float:
    """Bits a pixel of a map in [0, 1], in 256 steps, as a PNG file: how much there is in it to say."""
    return 8 * len(encoded(np.round(255 * np.asarray(values, np.float32)).astype(np.uint8), "PNG", optimize=True)) / values.size
