"""Tables and a figure about ASIQE-R, drawn from its records: data/results/asiqe/asiqe-r.json and scores.json."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from sccore.evaluation import asiqe_scores, asiqe_training_set
from sccore.paper.drawing.style import CODECS, nothing, rank, styled, title
from sccore.paper.tables import MISSING, number, table
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.json_files import load_json

GOALS = {"held_out_scenes": 0.9, "held_out_types": 0.8}  # of SRCC, set before training


def record() -> dict:
    """The record of the training; InputError if there is none."""
    return load_json(paths.RESULTS / "asiqe" / "asiqe-r.json")


def data_table() -> str:
    """Which scenes and distortions the weights come from."""
    data = record()["data"]
    return table(
        ["what", "how many"],
        [[f"scenes from `{name}`", n] for name, n in data["sources"].items()]
        + [[f"images, {kind}", n] for kind, n in data["types"].items()],
    )


def summary() -> str:
    """Correlations on scenes that the weights had not seen, all and by source; labels of both kinds."""
    e = record()["evaluation"]
    rows = [["all images of held-out scenes", *_cells(e["held_out_scenes"])]]
    rows += [[f"those of `{name}` alone", *_cells(value)] for name, value in e["by_source"].items()]
    rows += [["within a scene, mean over scenes", number(e["within_scene"]["mean"], ".3f"), None, e["within_scene"]["scenes"]]]
    rows += [[f"labels: {name}", *_cells(value)] for name, value in e["labels"].items()]
    return table(["scores against labels", "SRCC", "PLCC", "images or scenes"], rows)


def goals() -> str:
    """What was aimed at, and what of it was reached; two sentences."""
    e, scenes, kinds = record()["evaluation"], GOALS["held_out_scenes"], GOALS["held_out_types"]
    reached = [value["srcc"] >= kinds for kind, value in e["held_out_types"].items() if kind in e["by_type"]]
    aims = f"a rank correlation of {scenes:g} on held-out scenes, and of {kinds:g} on each type of distortion that the weights had not seen"
    found = f"It is {e['held_out_scenes']['srcc']:.3f} on held-out scenes, and {sum(reached)} of {len(reached)} types reach {kinds:g}"
    return f"The goals were set before training: {aims}. {found}:"


def types_table() -> str:
    """Correlations by type of distortion: seen in training on other scenes, unseen, and within a scene."""
    e = record()["evaluation"]
    within = lambda kind: number(e["within_scene_by_type"].get(kind, {}).get("mean"), ".3f")
    unseen = lambda kind: e["held_out_types"].get(kind, {}).get("srcc")
    mark = lambda value: "" if value is None else "yes" if value >= GOALS["held_out_types"] else "no"
    kinds = [kind for kind in [*asiqe_training_set.DISTORTIONS, *asiqe_training_set.LEARNED] if kind in e["by_type"]]
    rows = [
        [kind, value["images"], number(value["srcc"], ".3f"), within(kind), number(unseen(kind), ".3f"), mark(unseen(kind))]
        for kind in kinds
        for value in [e["by_type"][kind]]
    ]
    if both := e["held_out_types"].get("both learned codecs"):
        rows.append(["both learned codecs, neither seen", both["images"], None, None, number(both["srcc"], ".3f"), mark(both["srcc"])])
    return table(
        ["type", "images", "SRCC, type seen", "SRCC within a scene", "SRCC, type unseen", f"goal {GOALS['held_out_types']:g} met"], rows
    )


def ablation_table() -> str:
    """SRCC and PLCC without a family of features, and with one alone."""
    e = record()["evaluation"]
    return table(
        ["features", "SRCC", "PLCC", "images"],
        [["all", *_cells(e["held_out_scenes"])]] + [[name, *_cells(value)] for name, value in e["ablation"].items()],
    )


def order_table() -> str:
    """How the score follows the rate on the samples: images on which every step up in rate is one up in score, steps, SRCC."""
    rows = []
    for codec, own in sorted(pd.DataFrame(_scores()["images"]).groupby("codec"), key=lambda item: rank(item[0])):
        images = [image for _, image in own.groupby("name")]
        steps = [np.diff(image.sort_values("bpp")[asiqe_scores.METRIC]) for image in images]
        ranked = [np.mean([spearmanr(image[other], image[asiqe_scores.METRIC])[0] for image in images]) for other in ("bpp", "psnr")]
        rising, up = sum((step > 0).all() for step in steps), sum((step > 0).sum() for step in steps)
        counts = f"{rising} of {len(steps)}", f"{up} of {sum(map(len, steps))}"
        rows.append([title(codec), *counts, *(f"{srcc:.3f}" for srcc in ranked)])
    return table(["codec", "images that rise at every step", "steps that rise", "SRCC with rate", "SRCC with PSNR"], rows)


@styled
def score_curves() -> Figure:
    """ASIQE-R against rate for every sample; the dotted line is the score of the original."""
    try:
        scores = _scores()
    except InputError:
        return nothing(f"ASIQE-R against rate: {MISSING}")
    frame = pd.DataFrame(scores["images"])
    names, codecs = sorted(frame["name"].unique()), sorted(frame["codec"].unique(), key=rank)
    figure, axes = plt.subplots(
        (len(names) + 4) // 5, min(len(names), 5), figsize=(10, 2.2 * ((len(names) + 4) // 5)), sharex=True, sharey=True, squeeze=False
    )
    for name, ax in zip(names, axes.flat):
        for codec in codecs:
            own = frame[(frame["name"] == name) & (frame["codec"] == codec)].sort_values("bpp")
            ax.plot(own["bpp"], own[asiqe_scores.METRIC], "o-", color=CODECS[codec][1], label=title(codec), markersize=3)
        ax.axhline(scores["originals"][name], color="0.5", linestyle=":", linewidth=1)
        ax.set(title=name.removesuffix(".png"), xscale="log")
    figure.supxlabel("bpp (real file)", fontsize=9)
    figure.supylabel("ASIQE-R", fontsize=9)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(codecs))
    return figure


def _scores() -> dict:
    return asiqe_scores.load_record(paths.RESULTS / "asiqe" / "scores.json")


def _cells(value):
    return [number(value["srcc"], ".3f"), number(value["plcc"], ".3f"), value["images"]]
