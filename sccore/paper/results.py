"""Tables for the README and the book, made from records; a measurement that does not exist is said to be missing."""

import pandas as pd
import yaml

from sccore.codecs.classical import CODECS
from sccore.evaluation import bd_rate as rd
from sccore.evaluation import records as results
from sccore.paper.drawing import style
from sccore.utils import paths
from sccore.utils.errors import InputError

BASELINE = "wacnn"
COMPARED = {  # codec -> what it is there for
    BASELINE: "baseline and backbone",
    "sftip": "the paper's model",
    "sftip-uniform": "control: the same network, told nothing",
}
MISSING = "not recorded yet"
EARLIER = "earlier"  # folder in data/results: records of the network before, until the tables are measured anew
OF_EARLIER = (":::{note}\nThese numbers are of an earlier network: a companion with 80 latent channels, trained for hours on a processor. They are shown until the weights "
              "that are shipped now have their own; what they say of the method may not hold for those.\n:::")  # fmt: skip


def paper() -> dict:
    """The paper's own numbers, book/paper.yml."""
    return yaml.safe_load((paths.ROOT / "book" / "paper.yml").read_text(encoding="utf-8"))


def table(head: list[str], rows: list[list]) -> str:
    """A Markdown table; None becomes a dash."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join("–" if cell is None else str(cell) for cell in line) + " |" for line in lines)


def measured(dataset: str = "samples") -> pd.DataFrame:
    """All measurements of a data set, a row an image and lambda; an empty table if nothing is recorded."""
    if any((paths.RESULTS / dataset).glob("*.json")):
        return results.load_dataset(dataset)
    return pd.DataFrame(columns=["codec", "name", "lmbda", "bpp", "psnr"])


def complete(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of codecs that were measured on every image; others cannot be compared and are named in print.

    An image counts when it was measured at every point of its codec's curve.
    """
    counts, most = {codec: len(images) for codec, images in _images(frame).items()}, frame["name"].nunique()
    for codec, count in counts.items():
        if count < most:
            print(f"left out: {codec}, measured on {count} of {most} images so far")
    return frame[frame["codec"].isin([codec for codec, count in counts.items() if count == most])]


def common(frame: pd.DataFrame, codecs: list[str]) -> pd.DataFrame:
    """The rows of these codecs on the images that all of them were measured on: what a partial curve is compared on."""
    images = _images(frame)
    names = set.intersection(*(images.get(codec, set()) for codec in codecs))
    return frame[frame["codec"].isin(codecs) & frame["name"].isin(names)]


def _images(frame):
    """codec -> the names of its images that were measured at every point of its curve."""
    found = {}
    for codec, own in frame.groupby("codec"):
        points = own.groupby("name").size()
        found[codec] = set(points[points == own.groupby(results.settings(own) or "codec", dropna=False).ngroups].index)
    return found


def of(frame: pd.DataFrame, codec: str) -> pd.DataFrame:
    """The rows of one codec."""
    return frame[frame["codec"] == codec]


def bd_rate(frame: pd.DataFrame, codec: str, anchor: str = BASELINE, metric: str = "psnr") -> str:
    """BD-rate of a codec against another with its 95 % interval, "−3.1 % (−4.0 to −2.2)"; or the reason why not."""
    if codec == anchor:
        return "0"
    if of(frame, codec).empty or of(frame, anchor).empty:
        return MISSING
    try:
        found = rd.compare(of(frame, anchor), of(frame, codec), metric)
    except InputError as error:
        return str(error)
    number = lambda key: f"{found[key]:+.1f}".replace("-", "−")
    return f"{number('bd_rate')} % ({number('low')} to {number('high')})"


def recorded(codec: str, dataset: str = "samples") -> dict:
    """The record of a codec; {} if there is none."""
    records = map(results.load_record, sorted((paths.RESULTS / dataset).glob("*.json")))
    return next((record for record in records if record["codec"] == codec), {})


def trained(codec: str, dataset: str = "samples") -> dict:
    """The checkpoint entry of a codec's record: file, sha256, steps, hours ...; {} without a record."""
    return recorded(codec, dataset).get("checkpoint") or {}


def effort(checkpoint: dict) -> str | None:
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
        own = of(frame, codec)
        if own.empty:
            rows.append([f"`{codec}`", role, MISSING, None, None, None])
            continue
        rows.append([f"`{codec}`", role, effort(trained(codec, dataset)), *_spans(own), bd_rate(frame, codec)])
    return table(["codec", "what it is", "training", "bpp", "PSNR (dB)", "BD-rate"], rows)


def classical(frame: pd.DataFrame, anchor: str = "bpg", dataset: str = "samples") -> str:
    """The classical codecs of a table: settings, range of mean rate and PSNR, BD-rate against one of them."""
    rows = [[f"`{codec}`", recorded(codec, dataset).get("settings"), *_spans(of(frame, codec)), bd_rate(frame, codec, anchor)]
            for codec in CODECS if len(of(frame, codec))]  # fmt: skip
    return table(["codec", "settings", "bpp", "PSNR (dB)", f"BD-rate against `{anchor}`"], rows)


def beside_classical(sets: dict[str, pd.DataFrame], codec: str = "sftip") -> str:
    """BD-rate of a codec against each classical one that is recorded, on each data set; negative: ours needs fewer bits."""
    rows = [[style.title(name), *(bd_rate(frame, codec, name) for frame in sets.values())]
            for name in CODECS if any(len(of(frame, name)) for frame in sets.values())]  # fmt: skip
    return table([f"`{codec}` against", *sets], rows or [[MISSING, *[None] * len(sets)]])


def absent(missing: dict[str, str], failed: dict[str, str]) -> str:
    """A list of what is not in a table: codecs with the reason and how to get them, images with what is wrong."""
    lines = [f"- `{codec}` is not in the table: {why}" for codec, why in missing.items()]
    lines += [f"- image `{name}` is left out: {error}" for name, error in failed.items()]
    return "\n".join(lines) or "All codecs and all images are in the table."


def _spans(own):
    """Lowest to highest mean rate and PSNR of one codec's points."""
    means = own.groupby(results.settings(own) or "codec", dropna=False)[["bpp", "psnr"]].mean().agg(["min", "max"])
    return [f"{means[column]['min']:.{digits}f} – {means[column]['max']:.{digits}f}" for column, digits in (("bpp", 3), ("psnr", 2))]


def by_measure(codecs: list[str], anchor: str = BASELINE) -> str:
    """BD-rate against `anchor` by picture and by text-region PSNR, on the samples and on the validation screens."""
    chosen = lambda frame: frame[frame["codec"].isin([*codecs, anchor])]
    sets = {name: complete(chosen(measured(name))) for name in ("samples", "validation")}
    cell = lambda name, codec, metric: bd_rate(sets[name], codec, anchor, metric)
    rows = [[f"`{c}`", *(cell(name, c, metric) for name in sets for metric in ("psnr", "psnr_text"))] for c in codecs]
    return table(["codec", *(f"{name}: {what}" for name in sets for what in ("picture", "text"))], rows)


def one_a_lambda(frame: pd.DataFrame) -> str:
    """The fixed-rate models beside the variable-rate one: rate and quality, and the rate of both at equal quality."""
    rows = []
    for codec in ("wacnn", "sftip"):
        fixed, variable = of(frame, f"{codec}-tuned"), of(frame, codec)
        for lmbda, own in fixed.groupby("lmbda"):
            means, twin = own[["bpp", "psnr"]].mean(), variable[variable["lmbda"] == lmbda][["bpp", "psnr"]].mean()
            try:
                change = f"{100 * (rd.rate_at(rd.curve(variable), means['psnr']) / means['bpp'] - 1):+.1f} %".replace("-", "−")
            except InputError as error:
                change = str(error)
            rows.append([codec, f"{lmbda:g}", *(f"{v:.{d}f}" for of_ in (means, twin) for v, d in zip(of_, (3, 2))), change])
    return table(["model", "λ", "bpp, one rate", "PSNR", "bpp, variable", "PSNR", "variable against one rate, at equal PSNR"],
                 rows or [[MISSING, *[None] * 6]])  # fmt: skip


def by_lambda(sets: dict[str, pd.DataFrame], codecs: list[str]) -> str:
    """Mean rate, PSNR and text-region PSNR of each codec at each lambda, on each data set."""
    columns = (("bpp", 3), ("psnr", 2), ("psnr_text", 2))
    rows = []
    for codec in codecs:
        for lmbda in sorted({value for frame in sets.values() for value in of(frame, codec)["lmbda"]}):
            own = [part[part["lmbda"] == lmbda] for part in (of(frame, codec) for frame in sets.values())]
            means = [part[[column for column, _ in columns]].mean() for part in own]
            rows.append([f"`{codec}`", f"{lmbda:g}", *(f"{mean[column]:.{digits}f}" for mean in means for column, digits in columns)])
    head = ["model", "λ", *(f"{name}: {what}" for name in sets for what in ("bpp", "PSNR (dB)", "PSNR of text"))]
    return table(head, rows or [[MISSING, *[None] * (len(head) - 1)]])
