"""What each command of `python -m sccore` does: reads its arguments, calls the module, prints, gives an exit code.

Imports wait until a command runs, so that help and errors are immediate.
"""

import json
import signal
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from sccore.utils.errors import InputError
from sccore.utils.files import replacing


def info(a) -> int:
    from sccore.codecs.checkpoint import load_model
    from sccore.codecs.zoo import count_parameters, create_model, kmac_per_pixel

    model = load_model(a.checkpoint) if a.checkpoint else create_model(
        a.model, a.preset, sem=a.sem, prior=a.prior, laplacian=a.laplacian, rate=a.rate)  # fmt: skip
    report = {"model": model.spec, "parameters": count_parameters(model), "kmac_per_pixel": kmac_per_pixel(model)}
    if a.checkpoint:
        report |= {"meta": model.meta, "sha256": model.checkpoint_hash}
    print(json.dumps(report, indent=2))


def encode(a) -> int:
    from sccore.codecs import checkpoint, coding, sci
    from sccore.data.images import read_image

    image = read_image(a.image)
    model = checkpoint.load_model(a.checkpoint or checkpoint.find(a.model, a.lmbda))
    mask, origin = coding.text_mask(image, model, a.mask, a.detector)
    data = coding.encode(image, model, a.lmbda, mask, adapter_steps=a.adapter_steps)
    write(a.file, lambda path: path.write_bytes(data))
    height, width = image.shape[:2]
    print(f"{a.file}: {len(data)} bytes, {8 * len(data) / (height * width):.3f} bpp, {width}x{height}, mask: {origin}"
          + (f", adapters: {len(sci.open_seal(data)[-1])} bytes" if a.adapter_steps else ""))  # fmt: skip


def decode(a) -> int:
    from PIL import Image

    from sccore.codecs import coding

    if (suffix := a.image.suffix.lower()) not in (formats := Image.registered_extensions()):
        raise InputError(f"{a.image}: unknown image format; name it .png")
    try:
        image = coding.decode(a.file, a.checkpoint, a.max_pixels)
    except InputError as error:
        raise InputError(f"{a.file}: {error}".replace(f"{a.file}: {a.file}: ", f"{a.file}: ")) from None
    options = {"lossless": True} if suffix == ".webp" else {}
    write(a.image, lambda path: Image.fromarray(image).save(path, formats[suffix], **options))
    print(f"{a.image}: {image.shape[1]}x{image.shape[0]}")


def evaluate(a) -> int:
    if list_rulers(a):
        return 0
    if not a.images:
        raise InputError("--images is needed, or `--also list`")
    from sccore.codecs import checkpoint
    from sccore.data import datasets
    from sccore.evaluation.evaluate import evaluate
    from sccore.training.plan import codec_of

    path = a.checkpoint or checkpoint.find(a.model, (a.lmbda or [None])[0], prior=a.prior)
    model = checkpoint.load_model(path)
    folders = datasets.place(a.images, a.masks)
    name = a.name or (None if a.adapter_steps else codec_of(path))
    record = evaluate(model, *folders, lmbdas=a.lmbda, out=a.out, name=name, adapter_steps=a.adapter_steps,
                      coded_with=a.coded_with, also=a.also)  # fmt: skip
    if not a.out:
        print(json.dumps(record, indent=2))
    for failure in record["failed"]:
        print(f"error: {failure['error']}", file=sys.stderr)
    return 1 if record["failed"] else 0


def list_rulers(a) -> bool:
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
    for error in summary["failed"].values():
        print(f"error: {error}", file=sys.stderr)
    return 1 if summary["failed"] else 0


def render(a) -> int:
    from sccore.text.pages.render import render

    summary = render(a.sources, a.out, a.count, a.seed)
    print(f"{a.out}: {summary['made']} pages made, {summary['kept']} kept; {summary['passed']} documents passed over")
    for document, error in summary["failed"].items():
        print(f"error: {document}: {error}", file=sys.stderr)
    return 1 if summary["failed"] else 0


def evaluate_detector(a) -> int:
    from sccore.evaluation import detectors as detection

    return _measured(a, detection.evaluate_detector(a.pages, a.detector, a.weights, a.scale, a.held_back, a.out))


def mask_stability(a) -> int:
    from sccore.evaluation import detectors as detection

    return _measured(a, detection.evaluate_stability(a.images, a.detector, a.weights, a.scale, a.codec, a.quality, a.out))


def _measured(a, record) -> int:
    from sccore.evaluation.detectors import total

    if record["images"]:
        print(json.dumps(total(record["images"]) if a.out else record, indent=2))
    for failure in record["failed"]:
        print(f"error: {failure['error']}", file=sys.stderr)
    return 1 if record["failed"] else 0


def fetch(a) -> int:
    from sccore.data import datasets
    from sccore.data import download as fetching

    if a.list or not a.dataset:
        print(datasets.listing())
        return 0
    dataset = datasets.known(a.dataset)
    out = a.out or dataset.folder
    done = fetching.take(a.copy, out, a.dataset) if a.copy else fetching.fetch(a.dataset, out, a.mirror or fetching.BASE)
    total = done["new"] + done["kept"]
    print(f"{out}/images: {total} images, {done['new']} of them new")
    if done["differ"]:
        print(f"note: {done['differ']} of the right source and size, but with other pixels: another version of the WebP encoder")
    if dataset.images and total + len(done["failed"]) != dataset.images:
        print(f"note: {a.dataset} has {dataset.images} images, here are {total}; every record says how many it used")
    for name, error in done["failed"].items():
        print(f"error: {error if name in error else f'{name}: {error}'}", file=sys.stderr)
    return 1 if done["failed"] else 0


def anchors(a) -> int:
    from sccore.codecs.classical import choose, listing

    if a.list:
        print(listing())
        return 0
    if list_rulers(a):
        return 0
    if not (a.images and a.out):
        raise InputError("--images and --out are needed, or --list")
    codecs, skipped = choose(a.codec)
    if a.quality and len(a.codec or ()) != 1:
        raise InputError("--quality is in the scale of one codec; name it with --codec")
    from sccore.data import datasets
    from sccore.evaluation.evaluate import evaluate_classical

    place, failed = datasets.place(a.images, a.masks), []
    for codec in codecs:
        record = evaluate_classical(codec, *place, a.quality, a.out / f"{codec.name}.json",
                                    ms_ssim=not a.no_ms_ssim, also=a.also)  # fmt: skip
        failed += [f"error: {codec.name}: {failure['error']}" for failure in record["failed"]]
    for line in [f"skipped: {line}" for line in skipped] + failed:
        print(line, file=sys.stderr)
    return 1 if failed or (a.codec and skipped) else 0


def train(a) -> int:
    from sccore.data import samples as data
    from sccore.data.streaming import stream
    from sccore.training import fit as training
    from sccore.training.ranks import join
    from sccore.training.recipe import COMPANION, CPU_BATCH, FROM_KLT, Recipe
    from sccore.utils.device import chosen

    ranks, device = join(chosen(a.device))
    usual = Recipe() if a.recipe == "paper" else COMPANION if a.warm_start else replace(FROM_KLT, min_lr=0.0)
    batch = {} if a.recipe == "paper" or device != "cpu" else {"batch": CPU_BATCH}
    given = ("steps", "batch", "crop", "optimizer", "lr", "seed", "warmup", "schedule", "decay", "min_lr", "metric", "masks", "invert", "validate_every")
    recipe = replace(usual, **batch | {k: getattr(a, k) for k in given if getattr(a, k) is not None})
    switches = dict(sem=a.sem, prior=a.prior, laplacian=a.laplacian)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as a shell tells it, and with no half-written file left
    model = training.begin(a.model, a.preset, None, recipe, a.lmbda, a.warm_start, a.out, device, **switches)
    with training.alone(a.out, ranks):  # what cannot be trained, or not here, is refused before anything is read
        pass
    with ranks.one_after_the_other() if a.stream else nullcontext():  # the first makes the index, the others find it
        samples = stream(*a.data, progress=ranks.first) if a.stream else data.load(*a.data, progress=ranks.first)
    validation = data.load(*a.validation, progress=ranks.first) if a.validation and ranks.first else None
    if a.initial == "klt":
        training.from_images(model, samples, recipe, a.lmbda, a.out, device, progress=ranks.first)
    summary = training.fit(model, samples, a.out, lmbda=a.lmbda, recipe=recipe, validation=validation, minutes=a.minutes,
                           device=device, bf16=False if a.float32 else None, ranks=ranks)  # fmt: skip
    if ranks.first:
        print(json.dumps(summary))
    return 1 if samples.failed else 0


def train_detector(a) -> int:
    from sccore.text.training import train
    from sccore.utils.device import chosen

    device = chosen(a.device)
    print(json.dumps(train(a.detector, a.data, a.out, steps=a.steps, minutes=a.minutes, seed=a.seed, licence=a.licence,
                           device=device)))  # fmt: skip


def train_asiqe(a) -> int:
    from sccore.evaluation.asiqe_training import train
    from sccore.utils import paths

    out, record = a.out or paths.DATA / "asiqe" / "asiqe-r.npz", a.record or paths.RESULTS / "asiqe" / "asiqe-r.json"
    made = train(a.sources, out, record, a.work or paths.RUNS / "asiqe" / "rows.jsonl", a.count, a.learned_every, a.seed)
    print(json.dumps(made["evaluation"]["held_out_scenes"]))


def score(a) -> int:
    from sccore.data import datasets
    from sccore.evaluation.asiqe_scores import measure

    record = measure(datasets.place(a.images)[0], a.codec, a.out, a.limit and tuple(a.limit))
    print(f"{a.out}: {len(record['images'])} decoded images scored")


def suite(a) -> int:
    from sccore.data import samples as data
    from sccore.training.plan import RUNS
    from sccore.training.suite import Suite, run_suite, status
    from sccore.utils import paths
    from sccore.utils.device import chosen, jobs

    device = chosen(a.device)
    if unknown := set(a.only or []) - {run.name for run in RUNS}:
        raise InputError(f"no run {', '.join(sorted(unknown))} in the plan; `suite --status` lists them")
    validation = a.validation or paths.DATA / "validation"
    folders = {"samples": paths.SAMPLES, "validation": validation}
    job = Suite({name: folders[name] for name in a.measure if folders[name].is_dir()}, device,
                bf16=False if a.float32 else None)
    if not a.status:
        shards = a.data or sorted((paths.DATA / "train").glob("*.tar"))
        if not shards:
            raise InputError("no training data in data/train; name shards or folders with --data")
        held_out = data.load(validation) if validation.is_dir() else None
        run_suite(job, data.load(*shards), held_out, a.budget, a.jobs or jobs(device), a.only)
    print(status(job).to_string(index=False, na_rep="", float_format=lambda v: f"{v:.4g}"))


def write(path: Path, save) -> None:
    """Writes a file under a temporary name beside it and moves it into place."""
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder")
    try:
        with replacing(path) as part:
            save(part)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
