"""Text integrity by many metrics: Table 6 of the paper (weighted against plain MSE) and the character error rate.

The records of the sample screenshots, data/results/samples, hold further metrics too (:mod:`sccore.evaluation.metrics`).
What is not recorded is named with the command that makes it; a BD-rate that would mean nothing is not given, and the
reason stands in its place.
"""

from html import escape
from pathlib import Path

import pandas as pd

from sccore.codecs import classical
from sccore.evaluation import metrics
from sccore.evaluation.provenance import relative
from sccore.evaluation.records import of_codec, to_numbers
from sccore.paper import table_1
from sccore.paper.benchmark import Benchmark, of_folder
from sccore.paper.drawing import style
from sccore.paper.drawing.html import trace, traced_table
from sccore.paper.tables import BASELINE, MISSING, number, paper_numbers
from sccore.training.plan import RUNS, weights_of
from sccore.utils import paths

FOLDER = paths.RESULTS / "samples"
WEIGHTED, PLAIN = "sftip", "sftip-mse"
CODECS = (WEIGHTED, PLAIN, BASELINE, "jpeg", "webp", "webp-colours", "avif")
ALSO = tuple(name for name in metrics.METRICS if name not in metrics.ALWAYS)
PAPER = "weighted MSE instead of MSE"  # its row in sccore/paper/paper.yml
OURS = {  # metric -> what it says about Table 6
    "psnr": "What plain MSE is trained for.",
    "psnr_text": "What the weighted MSE is trained for.",
    "cer": "What a reader loses. Of the mean over images, each counting the same.",
    "asiqe_r": "A reconstruction of the paper's metric, trained anew: its BD-rate and the paper's cannot be compared in size.",
}


def collect(dataset: str = "samples", codecs: str = "", measure: bool = False) -> Benchmark:
    """Records with all metrics.

    Args:
        dataset: "samples", whose records are shipped, or a folder or data set of your own.
        codecs: names with blanks between; all of CODECS unless given.
        measure: measure what is not recorded, with every metric that can be used here.
    """
    name, wanted = Path(dataset).expanduser().resolve().name, codecs.split() or list(CODECS)
    folder = FOLDER if dataset == "samples" else paths.RUNS / "integrity" / name
    if measure:
        for codec in wanted:
            if not (folder / f"{codec}.json").exists():
                _measure(codec, dataset, folder)
    return read(name, folder, wanted, dataset)


def read(name: str, folder: Path, codecs: list[str], dataset: str = "samples") -> Benchmark:
    """What a folder holds of these codecs, and the commands that make the rest.

    The same files measured by further metrics, in a record of their own, add their columns.
    """
    rows, records, failed = of_folder(folder, lambda codec: codec in codecs)
    frame = to_numbers(pd.DataFrame(rows, columns=None if rows else ["codec", "name", "lmbda", "bpp", *metrics.ALWAYS]))
    files = frame.columns.intersection(["codec", "name", "lmbda", "quality", "bytes"]).tolist()
    frame = frame.groupby(files, dropna=False, as_index=False).first()
    missing = {codec: "not recorded; " + command(codec, dataset, folder) for codec in codecs if codec not in records}
    return Benchmark(name, frame, records, missing, failed)


def weights(codec: str) -> Path | None:
    """The file of a learned codec's weights, shipped or trained here; None if there is none."""
    return next((path for path in weights_of(codec) if path.exists()), None)


def command(codec: str, dataset: str = "samples", folder: Path = FOLDER) -> str:
    """The command, or commands, that make the record of a codec; or that nothing does."""
    if codec not in (known := [*classical.CODECS, *(run.name for run in RUNS)]):
        return f"no such codec; known: {', '.join(known)}"
    also, out = "--also " + " ".join(usable()), relative(folder)
    if codec in classical.CODECS:
        return f"`python -m sccore anchors --codec {codec} --images {dataset} --out {out} {also}`"
    path = weights(codec)
    file = relative(path or weights_of(codec)[1])
    train = "" if path else f"`python -m sccore suite --only {codec} --data data/open` trains it, then "
    return train + f"`python -m sccore evaluate --checkpoint {file} --name {codec} --images {dataset} --out {out}/{codec}.json {also}`"


def usable() -> list[str]:
    """The further metrics that can be used here."""
    return [name for name in ALSO if not metrics.METRICS[name].missing()]


def _measure(codec, dataset, folder):
    from sccore.codecs.checkpoint import load_model
    from sccore.evaluation.evaluate import evaluate, evaluate_classical

    if codec in classical.CODECS:
        if not classical.CODECS[codec].missing():
            evaluate_classical(classical.CODECS[codec], dataset, out=folder / f"{codec}.json", also=usable())
    elif path := weights(codec):
        evaluate(load_model(path), dataset, out=folder / f"{codec}.json", name=codec, also=usable())


def compare(frame: pd.DataFrame, name: str, codec: str = WEIGHTED, against: str = PLAIN) -> dict | str:
    """`bd_rate.compare` of two codecs by one metric, or a sentence that says why there is no BD-rate."""
    if absent := [c for c in (codec, against) if of_codec(frame, c).empty]:
        return f"{' and '.join(absent)}: {MISSING}"
    without = [c for c in (codec, against) if name not in frame or of_codec(frame, c)[name].isna().all()]
    if without:
        why = metrics.METRICS[name].missing()
        return f"{' and '.join(without)}: not measured by this metric" + f"; {why}" * bool(why)
    return table_1.compare(metrics.risen(frame, name), codec, against, name)


def html(found: Benchmark, codec: str = WEIGHTED, against: str = PLAIN) -> str:
    """Table 6: BD-rate of one codec against another by each metric; every number opens the records behind it."""
    head = ["metric", "better", "mean curve", "mean of images", "the paper"]
    theirs = next(row for row in paper_numbers()["ablations"]["rows"] if row["part"].startswith(PAPER))
    claim = trace(number(theirs["bd_rate"]), [], f"The paper's {theirs['where']}: {theirs['part']}, on SIQAD.")
    sources = [record for c in dict.fromkeys([codec, against]) for record in found.records.get(c, [])]
    lines, notes = [], []
    for metric in metrics.METRICS.values():
        value = compare(found.frame, metric.name, codec, against)
        paper = claim if metric.name == "asiqe_r" and (codec, against) == (WEIGHTED, PLAIN) else None
        if isinstance(value, str):
            cells, note = [trace("none", sources), None], f"No BD-rate: {value}."
        else:
            shown = lambda key: trace(table_1.with_interval(value, key), sources, table_1.basis(value, key, f"{value['images']} images"))
            cells, note = [shown(""), shown("per_image_")], ""
        lines.append([f"{escape(metric.label)}<br><small><code>{metric.name}</code></small>", metric.better, *cells, paper])
        notes.append(escape(" ".join(filter(None, [OURS.get(metric.name), note]))))
    return traced_table(
        head,
        lines,
        f"BD-rate in percent of {escape(style.title(codec))} against {escape(style.title(against))} on "
        f"<b>{escape(found.name)}</b>, with 95 % intervals; negative numbers are savings.",
        notes,
    )
