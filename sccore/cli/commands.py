"""What each command of `python -m sccore` does: reads its arguments, calls the module, prints, gives an exit code.

Imports wait until a command runs, so that help and errors are immediate.
"""

import json
import sys

from sccore.cli.batch import left_out, named
from sccore.utils.errors import InputError, note


def evaluate(a) -> int:
    if list_metrics(a):
        return 0
    if not a.images:
        raise InputError("--images is needed, or `--also list`")
    distinct("--lmbda", a.lmbda)
    from sccore.codecs import checkpoint, checkpoint_files
    from sccore.evaluation.evaluate import evaluate
    from sccore.training.plan import codec_of

    path = a.checkpoint or checkpoint_files.find(a.model, (a.lmbda or [None])[0], prior=a.prior)
    model = checkpoint.load_model(path)
    name = a.name or (None if a.adapter_steps or a.palette else codec_of(path))
    options = dict(lmbdas=a.lmbda, adapter_steps=a.adapter_steps, coded_with=a.coded_with, also=a.also, palette=a.palette)
    record = evaluate(model, a.images, a.masks, out=a.out, name=name, replace=False, **options)
    if not a.out:
        print(json.dumps(record, indent=2))
    return left_out([failure["error"] for failure in record["failed"]], record["images"])


def bd_rate(a) -> int:
    from sccore.evaluation.bd_rate import bd_rate
    from sccore.evaluation.curve_files import read, read_all
    from sccore.evaluation.metrics import risen

    name, anchor = read(a.anchor, a.metric)
    tests = read_all(a.test, a.metric)
    for codec, points in tests.items():
        if anchor.attrs and points.attrs and anchor.attrs != points.attrs:
            raise InputError(f"{codec} and {name} were measured on different images; their mean curves cannot be compared")
    better = lambda points: risen(points, a.metric)
    savings = {codec: round(bd_rate(better(anchor), better(points), a.metric), 2) for codec, points in tests.items()}
    print(json.dumps({"anchor": name, "metric": a.metric, "bd_rate": savings}, indent=2))


def plot(a) -> int:
    from sccore.evaluation.curve_files import read_all
    from sccore.paper.drawing.curves import curves
    from sccore.utils.files import replacing

    read = read_all(a.files, a.metric)
    if len({str(points.attrs) for points in read.values() if points.attrs}) > 1:
        note("these records are of different images; their means are not of the same")
    figure = curves(read, a.metric)
    format = a.out.suffix.lstrip(".").lower()
    if format not in figure.canvas.get_supported_filetypes():
        raise InputError(f"{a.out}: unknown format of a figure; name it .png, .svg or .pdf")
    with replacing(a.out) as part:
        figure.savefig(part, format=format)
    print(f"{a.out}: {len(a.files)} curves")


def export(a) -> int:
    from sccore.cli import ends
    from sccore.evaluation.curve_files import exported

    ends.check_target(a.out, a.record)
    ends.write(a.out, (exported(a.record) + "\n").encode())


def list_metrics(a) -> bool:
    """Whether `--also list` was asked for, and answers it."""
    if a.also == ["list"]:
        from sccore.evaluation.metrics import listing

        print(listing())
    return a.also == ["list"]


def masks(a) -> int:
    from sccore.data import datasets
    from sccore.text.mask_folder import make_masks

    summary = make_masks(datasets.place(a.images)[0], a.out, a.detector, a.weights, a.scale)
    print(f"{a.out}: {summary['made']} masks made, {summary['kept']} kept")
    return left_out(named(summary["failed"]), summary["made"] + summary["kept"])


def render(a) -> int:
    from sccore.text.pages.render import render

    summary = render(a.sources, a.out, a.count, a.seed)
    print(
        f"{a.out}: {summary['made']} pages made, {summary['kept']} kept; {summary['passed']} documents passed over, with hardly a word in them"
    )
    return left_out(named(summary["failed"]), summary["made"] + summary["kept"])


def evaluate_detector(a) -> int:
    from sccore.evaluation import detectors

    return _measured(a, detectors.evaluate_detector(a.pages, a.detector, a.weights, a.scale, a.held_back, a.out, replace=False))


def mask_stability(a) -> int:
    from sccore.codecs import classical
    from sccore.data import datasets
    from sccore.evaluation import detectors

    distinct("--quality", a.quality)
    classical.check_qualities(a.codec, a.quality)
    images = datasets.place(a.images)[0]
    return _measured(a, detectors.evaluate_stability(images, a.detector, a.weights, a.scale, a.codec, a.quality, a.out, replace=False))


def _measured(a, record) -> int:
    from sccore.evaluation.detectors import total

    if record["images"]:
        print(json.dumps(total(record["images"]) if a.out else record, indent=2))
    return left_out([failure["error"] for failure in record["failed"]], record["images"])


def fetch(a) -> int:
    from sccore.data import datasets, download

    if a.list or not a.dataset:
        print(datasets.listing())
        return 0
    dataset = datasets.known(a.dataset)
    out = a.out or dataset.folder
    done = download.take(a.copy, out, a.dataset) if a.copy else download.fetch(a.dataset, out, a.mirror or download.BASE)
    total = done["new"] + done["kept"]
    print(f"{out}/images: {total} images, {done['new']} of them new")
    if done["differ"]:
        print(f"note: {done['differ']} of the right source and size, but with other pixels: another version of the WebP encoder")
    if dataset.images and total + len(done["failed"]) != dataset.images:
        print(f"note: {a.dataset} has {dataset.images} images, here are {total}; every record says how many it used")
    return left_out(named(done["failed"]), total)


def anchors(a) -> int:
    from sccore.codecs.classical import check_qualities, listing, usable

    if a.list:
        print(listing())
        return 0
    if list_metrics(a):
        return 0
    if not (a.images and a.out):
        raise InputError("--images and --out are needed, or --list")
    codecs, skipped = usable(a.codec)
    if a.quality and len(a.codec or ()) != 1:
        raise InputError("--quality is in the scale of one codec; name it with --codec")
    distinct("--quality", a.quality)
    check_qualities(a.codec, a.quality)
    from sccore.evaluation.evaluate import evaluate_classical

    failed, done = [], 0
    for codec in codecs:
        options = dict(qualities=a.quality, ms_ssim=not a.no_ms_ssim, also=a.also, replace=False)
        record = evaluate_classical(codec, a.images, a.masks, out=a.out / f"{codec.name}.json", **options)
        failed += [f"{codec.name}: {failure['error']}" for failure in record["failed"]]
        done += len(record["images"])
    for line in skipped:
        print(f"skipped: {line}", file=sys.stderr)
    return left_out(failed, done) or (1 if a.codec and skipped else 0)


def score(a) -> int:
    from sccore.data import datasets
    from sccore.evaluation.asiqe_scores import measure

    record = measure(datasets.place(a.images)[0], a.codec, a.out, a.limit and tuple(a.limit))
    print(f"{a.out}: {len(record['images'])} decoded images scored")
    return left_out([failure["error"] for failure in record["failed"]], record["images"])


def distinct(option: str, values) -> None:
    """Refuses an option's value that is given twice."""
    if twice := {value for value in values or () if values.count(value) > 1}:
        raise InputError(f"{option} {min(twice)} is given twice")
