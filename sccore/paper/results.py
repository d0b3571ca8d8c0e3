"""Tables of codecs for the README and the book, made from records."""

import numpy as np
import pandas as pd
from scipy import stats

from sccore.codecs.checkpoint_files import CODEC, DEFAULT, LIGHT
from sccore.codecs.classical import CODECS
from sccore.evaluation import lossless
from sccore.evaluation.bd_rate import curve, rate_at
from sccore.evaluation.records import complete, measured, of_codec, recorded, settings, trained
from sccore.paper.drawing import style
from sccore.paper.tables import BASELINE, MISSING, bd_rate_cell, change, clear, compared, inexact, interval, number, table
from sccore.paper.tables_2_5 import verdict
from sccore.presets import LMBDA
from sccore.utils.errors import InputError

COMPARED = {  # codec -> what it is there for
    BASELINE: "baseline and backbone",
    "sftip": "the paper's model",
    "sftip-uniform": "control: the same network, given a constant prior",
}
FEW = "webp-colours"  # the stronger bar
OURS = {
    DEFAULT: "the same pictures as `sftip`, coded with a spatial context",
    LIGHT: "the same pictures as `wacnn`, coded with such a context: less to compute",
    CODEC: "what the command writes: `sftip-interlaced` and a palette of the main colours",
}


def training_effort(checkpoint: dict) -> str | None:
    """Steps and hours of a checkpoint, those of the checkpoints it was started from included: "9,000 steps, 2.5 h"."""
    if not {"steps", "hours"} <= checkpoint.keys():
        return None
    before = checkpoint.get("history", [])
    steps = checkpoint["steps"] + sum(stage["steps"] for stage in before)
    hours = checkpoint["hours"] + sum(stage["seconds"] for stage in before) / 3600
    return f"{steps:,} steps, {hours:.1f} h"


def comparison(frame: pd.DataFrame, codecs: dict[str, str] = COMPARED, dataset: str = "samples") -> str:
    """Codec, role, training, range of mean rate and PSNR, BD-rate against the baseline."""
    rows = []
    for codec, role in codecs.items():
        own = of_codec(frame, codec)
        if own.empty:
            rows.append([f"`{codec}`", role, MISSING, None, None, None])
            continue
        rows.append([f"`{codec}`", role, training_effort(trained(codec, dataset)), *_spans(own), bd_rate_cell(frame, codec)])
    if bar := lossless.bar(frame, dataset):
        rows.append(["WebP, lossless", "the bar: a lossy file has to be smaller", None, f"{bar:.3f}", "∞", None])
    return table(["codec", "what it is", "training", "bpp", "PSNR (dB)", "BD-rate"], rows)


def classical(frame: pd.DataFrame, anchor: str = "bpg") -> str:
    """The classical codecs of a table of the samples: settings, range of mean rate and PSNR, BD-rate against one of them."""
    rows = [
        [f"`{codec}`", recorded(codec).get("settings"), *_spans(of_codec(frame, codec)), bd_rate_cell(frame, codec, anchor)]
        for codec in CODECS
        if len(of_codec(frame, codec))
    ]
    if bar := lossless.bar(frame):
        rows.append(["WebP, lossless", None, f"{bar:.3f}", "∞", None])
    return table(["codec", "settings", "bpp", "PSNR (dB)", f"BD-rate against `{anchor}`"], rows)


def beside_classical(sets: dict[str, pd.DataFrame]) -> str:
    """BD-rate of our codec against each classical one that is recorded, on each data set; negative: ours needs fewer bits."""
    rows = [
        [style.title(name), *(bd_rate_cell(frame, CODEC, name) for frame in sets.values())]
        for name in CODECS
        if any(len(of_codec(frame, name)) for frame in sets.values())
    ]
    return table([f"`{CODEC}` against", *sets], rows)


def beside_each(frame: pd.DataFrame) -> dict[str, dict]:
    """BD-rate of our codec against each classical one that has one, by its name."""
    found = {name: compared(frame, CODEC, name) for name in CODECS}
    return {name: one for name, one in found.items() if isinstance(one, dict)}


def standing(frame: pd.DataFrame) -> str:
    """Than which classical codecs ours needs fewer bits at equal PSNR, or more, in words; "no clear difference": the interval holds zero."""
    found, said = beside_each(frame), []
    groups = {-1: "Fewer bits than", 0: "No clear difference from", 1: "More bits than", None: "Without an interval:"}
    for sign, words in groups.items():
        named = [f"{style.title(name)} ({number(one['bd_rate'])} %{inexact(one)})" for name, one in found.items() if clear(one) == sign]
        said += [f"{words} {', '.join(named)}"] if named else []
    return ". ".join(said) or MISSING


def rates_beside(dataset: str) -> tuple[pd.Series, pd.Series]:
    """Bits per pixel of the codec's learned files at the middle rate, and of lossless WebP, by image; empty if one is not recorded."""
    own, exact = of_codec(measured(dataset), CODEC), lossless.sizes(dataset)
    rates = own[own["lmbda"] == LMBDA].set_index("name")["bpp"]
    rates = rates[rates.index.isin(exact.index)]
    return rates, exact["WEBP"].reindex(rates.index)


def beside_lossless(dataset: str = "samples") -> str:
    """What the codec's files take of lossless WebP's at each lambda: each image, or each project if there are several images of one."""
    own, exact = of_codec(measured(dataset), CODEC), lossless.sizes(dataset)
    if own.empty or exact.empty:
        return MISSING
    rates = own.pivot(index="name", columns="lmbda", values="bpp")
    project = rates.index.str.partition("__").get_level_values(0)
    bar, own = exact["WEBP"].reindex(rates.index).groupby(project).mean(), rates.groupby(project)
    row = lambda name, values: [name, *(f"{100 * value:.0f} %" for value in values)]
    counts = {name: f", {count} images" * (count > 1) for name, count in own.size().items()}
    rows = [row(f"{name}{counts[name]}, {bar[name]:.2f} bpp", values) for name, values in own.mean().div(bar, axis=0).iterrows()]
    rows.append(row("**mean rates**", (rates.mean() / exact["WEBP"].mean())))
    means = ", ".join(f"{name} {value:.2f}" for name, value in zip(("PNG", "WebP", "JPEG XL"), exact.mean()))
    return table(["lossless WebP", *(f"λ = {lmbda:g}" for lmbda in rates)], rows) + f"\n\nLossless formats, mean bits per pixel: {means}."


def beside_few_colours() -> str:
    """The codec against lossless WebP of few colours at equal PSNR, on both data sets, in words."""
    return "; ".join(f"{name} {verdict(complete(measured(name)), CODEC, FEW)}" for name in ("validation", "samples"))


def few_colours(sets: dict[str, pd.DataFrame]) -> str:
    """BD-rate of lossless WebP of few colours against other codecs, on each data set, by picture and by text regions."""
    others = [name for name in (CODEC, *COMPARED, *CODECS) if name != FEW and all(len(of_codec(frame, name)) for frame in sets.values())]
    rows = [
        [style.title(name), *(bd_rate_cell(frame, FEW, name, metric) for frame in sets.values() for metric in ("psnr", "psnr_text"))]
        for name in others
    ]
    return table(["against", *(f"{name}: {what}" for name in sets for what in ("picture", "text"))], rows)


def absent(missing: dict[str, str], failed: dict[str, str]) -> str:
    """A list of what is not in a table: codecs with the reason and how to get them, images with what is wrong."""
    lines = [f"- `{codec}` is not in the table: {why}" for codec, why in missing.items()]
    lines += [f"- image `{name}` is left out: {error}" for name, error in failed.items()]
    return "\n".join(lines) or "All codecs and all images are in the table."


def _spans(own):
    """Lowest to highest mean rate and PSNR of one codec's points."""
    means = own.groupby(settings(own) or "codec", dropna=False)[["bpp", "psnr"]].mean().agg(["min", "max"])
    return [f"{means[column]['min']:.{digits}f} – {means[column]['max']:.{digits}f}" for column, digits in (("bpp", 3), ("psnr", 2))]


def by_measure(codecs: list[str]) -> str:
    """BD-rate against the baseline by picture and by text-region PSNR, on the samples and on the validation screenshots."""
    chosen = lambda frame: frame[frame["codec"].isin([*codecs, BASELINE])]
    sets = {name: complete(chosen(measured(name))) for name in ("samples", "validation")}
    rows = [
        [f"`{codec}`", *(bd_rate_cell(own, codec, BASELINE, metric) for own in sets.values() for metric in ("psnr", "psnr_text"))]
        for codec in codecs
    ]
    return table(["codec", *(f"{name}: {what}" for name in sets for what in ("picture", "text"))], rows)


def one_a_lambda(frame: pd.DataFrame) -> str:
    """The fixed-rate models beside the variable-rate one: rate and quality, and the rate of both at equal quality."""
    rows = []
    for codec in ("wacnn", "sftip"):
        fixed, variable = of_codec(frame, f"{codec}-tuned"), of_codec(frame, codec)
        for lmbda, own in fixed.groupby("lmbda"):
            means, twin = own[["bpp", "psnr"]].mean(), variable[variable["lmbda"] == lmbda][["bpp", "psnr"]].mean()
            try:
                more = change(rate_at(curve(variable), means["psnr"]), means["bpp"])
            except InputError as error:
                more = str(error)
            rows.append([codec, f"{lmbda:g}", *(f"{v:.{d}f}" for both in (means, twin) for v, d in zip(both, (3, 2))), more])
    return table(["model", "λ", "bpp, one rate", "PSNR", "bpp, variable", "PSNR", "variable against one rate, at equal PSNR"], rows)


def by_lambda(sets: dict[str, pd.DataFrame], codecs: list[str]) -> str:
    """Mean rate, PSNR and text-region PSNR of each codec at each lambda, on each data set."""
    columns = (("bpp", 3), ("psnr", 2), ("psnr_text", 2))
    rows = []
    for codec in codecs:
        for lmbda in sorted({value for frame in sets.values() for value in of_codec(frame, codec)["lmbda"]}):
            own = [part[part["lmbda"] == lmbda] for part in (of_codec(frame, codec) for frame in sets.values())]
            means = [part[[column for column, _ in columns]].mean() for part in own]
            rows.append([f"`{codec}`", f"{lmbda:g}", *(f"{mean[column]:.{digits}f}" for mean in means for column, digits in columns)])
    head = ["model", "λ", *(f"{name}: {what}" for name in sets for what in ("bpp", "PSNR (dB)", "PSNR of text"))]
    return table(head, rows)


def projects(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Measurements by the project that a screenshot is of, which begins its name; screens of one project are alike."""
    return dict(list(frame.groupby(frame["name"].str.partition("__")[0])))


def by_project(frame: pd.DataFrame) -> str:
    """BD-rates of the comparisons that decide, a column a project, and the 95 % interval of their mean by Student's t."""
    baseline, model, control = COMPARED
    apart, rows = projects(frame), []
    for codec, anchor in ((model, baseline), (model, control), (DEFAULT, model), (CODEC, DEFAULT)):
        for metric, what in (("psnr", "picture"), ("psnr_text", "text regions")):
            found = [compared(own, codec, anchor, metric) for own in apart.values()]
            cells = [one if isinstance(one, str) else f"{number(one['bd_rate'])} %" for one in found]
            rows.append([f"`{codec}` against `{anchor}`, {what}", *cells, over_projects(found)])
    return table(["", *(f"{name}, {own['name'].nunique()} images" for name, own in apart.items()), "mean of the projects"], rows)


def without_a_curve(frame: pd.DataFrame, codec: str = "sftip", anchor: str = BASELINE) -> str:
    """Which images have no BD-rate of their own, and the mean of the others, in words; nothing if all have one."""
    if isinstance(found := compared(frame, codec, anchor), str) or not found["refused"]:
        return ""
    named = ", ".join(f"`{name.rpartition('.')[0]}`" for name in found["refused"])
    return (
        f"{len(found['refused'])} of the {found['images']} samples have no BD-rate of `{codec}` against `{anchor}` of their own ({named}): "
        "on such flat pages PSNR does not rise with every step in rate. The curve of all images includes them, so it leans on how their few colours "
        f"happen to be rounded. The mean of the others' own BD-rates is {number(found['per_image_mean'])} % ({interval(found, 'per_image_')})."
    )


def over_projects(found: list[dict | str]) -> str | None:
    """Mean of the projects' BD-rates with its interval; None where one has none."""
    if len(found) < 3 or any(isinstance(one, str) for one in found):
        return None
    values = [one["bd_rate"] for one in found]
    ends = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    return f"{number(float(np.mean(values)))} % ({' to '.join(map(number, ends))})"


def psnr_gain(frame: pd.DataFrame, codec: str, anchor: str = BASELINE) -> str:
    """How much higher the mean curve of a codec lies than another's, in dB (BD-PSNR), which is what the eye sees in Fig. 5-7."""
    import bjontegaard

    if of_codec(frame, codec).empty or of_codec(frame, anchor).empty:
        return MISSING
    columns = (curve(of_codec(frame, name))[column] for name in (anchor, codec) for column in ("bpp", "psnr"))
    return f"{number(float(bjontegaard.bd_psnr(*columns, method='pchip', require_matching_points=False, min_overlap=0)), '+.2f')} dB"


def verdicts(sets: dict[str, pd.DataFrame]) -> str:
    """The comparisons that decide: model and control against the baseline, and model against control, in words on each data set."""
    baseline, model, control = COMPARED
    pairs = {
        "**the paper's model** against WACNN": (model, baseline),
        "**the control** against WACNN": (control, baseline),
        "**the paper's model** against the control": (model, control),
    }
    rows = [
        [what, *(verdict(frame, *pair, metric) for frame in sets.values() for metric in ("psnr", "psnr_text"))]
        for what, pair in pairs.items()
    ]
    return table(["", *(f"{name}: {what}" for name in sets for what in ("picture", "text"))], rows)
