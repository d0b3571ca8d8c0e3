"""`python -m sccore`: info, encode, decode, evaluate, anchors, masks, train, suite."""

import argparse
import json
import os
import sys
import warnings
from pathlib import Path

from sccore import __version__
from sccore.errors import InputError
from sccore.files import replacing


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(prog="python -m sccore", description=__doc__.splitlines()[0])
    main.add_argument("--version", action="version", version=__version__)
    commands = main.add_subparsers(required=True, metavar="COMMAND")

    def command(name, run, help):
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(run=run)
        return sub

    def model_options(sub):
        sub.add_argument("--model", default="sftip", help="wacnn or sftip (default)")
        sub.add_argument("--preset", default="companion", help="companion (default) or paper")
        sub.add_argument("--sem", default="nesft", help="nesft (default) or sft")
        sub.add_argument("--prior", default="text+structure", help="text+structure (default), structure or uniform")
        sub.add_argument("--laplacian", default="magnitude", help="magnitude (default) or signed")

    sub = command("info", info, "parameters and kMAC per pixel of a model or checkpoint, as JSON")
    model_options(sub)
    sub.add_argument("--rate", default="fixed", help="fixed (default) or variable")
    sub.add_argument("--checkpoint", type=Path, help="describe this file instead")

    sub = command("encode", encode, "code an image as a .sci file")
    sub.add_argument("image", type=Path)
    sub.add_argument("file", type=Path)
    sub.add_argument("--lmbda", type=float, default=0.0067, help="0.0018 (small) to 0.025 (faithful); default 0.0067")
    sub.add_argument("--mask", type=Path, help="text mask, an image of the same size; without it a detector makes one")
    sub.add_argument("--detector", help="craft, craft-text-detector or heuristic; default: the best that can run here; "
                                        "none: text everywhere")  # fmt: skip
    sub.add_argument("--model", default="sftip", help="wacnn or sftip (default), from the shipped weights")
    sub.add_argument("--checkpoint", type=Path, help="use this file instead")

    sub = command("decode", decode, "decode a .sci file to an image")
    sub.add_argument("file", type=Path)
    sub.add_argument("image", type=Path, help="PNG or another lossless format")
    sub.add_argument("--checkpoint", type=Path, help="weights, if they are not among the shipped ones")

    sub = command("evaluate", evaluate, "code a folder of images for real and measure rate and quality")
    sub.add_argument("--model", default="sftip", help="wacnn or sftip (default), from the shipped weights")
    sub.add_argument("--prior", default="text+structure", help="which of SFTIP's shipped ablations")
    sub.add_argument("--checkpoint", type=Path, help="use this file instead")
    sub.add_argument("--lmbda", type=float, action="append", help="may be repeated; default: all of the model")
    sub.add_argument("--images", type=Path, required=True, help="folder of images")
    sub.add_argument("--masks", type=Path, help="folder of text masks, paired by file stem")
    sub.add_argument("--out", type=Path, help="record to write (JSON); goes on where an earlier run stopped")

    sub = command("anchors", anchors, "measure classical codecs on a folder of images, as evaluate does a model")
    sub.add_argument("--list", action="store_true", help="show which codecs can be used here, and do nothing")
    sub.add_argument("--codec", nargs="+", metavar="NAME", help="default: all that can be used here")
    sub.add_argument("--quality", nargs="+", type=int, help="of a single codec, in its own scale; default: its sweep")
    sub.add_argument("--images", type=Path, help="folder of images")
    sub.add_argument("--masks", type=Path, help="folder of text masks, paired by file stem")
    sub.add_argument("--out", type=Path, help="folder of records, CODEC.json; goes on where an earlier run stopped")
    sub.add_argument("--no-ms-ssim", action="store_true", help="leave out MS-SSIM, slower than most of these codecs")

    sub = command("masks", masks, "text masks of a folder of images; goes on where an earlier run stopped")
    sub.add_argument("images", type=Path, metavar="DIR", help="folder of images")
    sub.add_argument("--detector", default="craft", help="craft (default), craft-text-detector or heuristic")
    sub.add_argument("--out", type=Path, required=True, help="folder of the masks STEM.png and their records STEM.json")
    sub.add_argument("--scale", type=float, default=1.0, help="of the image that the detector sees; default 1, native")
    sub.add_argument("--craft-weights", type=Path, help="the official craft_mlt_25k.pth; without it: looked for")

    sub = command("train", train, "train a model; can be killed and started again with the same line")
    model_options(sub)
    sub.add_argument("--rate", default=None, help="fixed (default with --lmbda) or variable (default without)")
    sub.add_argument("--lmbda", type=float, help="of a fixed-rate model")
    sub.add_argument("--data", type=Path, nargs="+", required=True, help="tar shards or folders with images/ and masks/")
    sub.add_argument("--validation", type=Path, nargs="+", help="held-out images, in the same forms")
    sub.add_argument("--out", type=Path, required=True, help="folder of the run")
    sub.add_argument("--warm-start", type=Path, help="checkpoint to begin with")
    sub.add_argument("--minutes", type=float, help="stop after so many minutes")
    sub.add_argument("--device", default=None, help="cpu or cuda; default: what the machine has")
    for name, kind in (("steps", int), ("batch", int), ("crop", int), ("lr", float), ("seed", int), ("warmup", int),
                       ("schedule", str), ("metric", str), ("masks", str), ("validate-every", int)):  # fmt: skip
        sub.add_argument(f"--{name}", type=kind, help="see sccore.recipe.Recipe")

    sub = command("suite", suite, "train and measure the runs behind every table; can be killed and started again")
    sub.add_argument("--status", action="store_true", help="show where the runs stand and do nothing")
    sub.add_argument("--budget", type=minutes, default=25.0, help="time for all: 90s, 25m (default) or 2h")
    sub.add_argument("--jobs", type=int, default=None, help="runs side by side; default: one a core, 4 on a GPU")
    sub.add_argument("--scale", default=None, help="laptop or gpu; default: what the machine has")
    sub.add_argument("--only", nargs="+", metavar="RUN", help="these runs alone")
    sub.add_argument("--data", type=Path, nargs="+", help="tar shards or folders; default: data/train/*.tar")
    sub.add_argument("--validation", type=Path, help="folder with images and masks; default: data/validation")
    sub.add_argument("--measure", nargs="*", choices=["samples", "validation"], default=["samples", "validation"],
                     help="data sets to measure finished runs on; default: both, as far as they are there")
    sub.add_argument("--device", default=None, help="cpu or cuda; default: what the machine has")
    return main


def minutes(text: str) -> float:
    """90s, 25m or 2h in minutes; a bare number is minutes."""
    unit = {"s": 1 / 60, "m": 1, "h": 60}.get(text[-1:], None)
    return float(text[:-1]) * unit if unit else float(text)


def main(argv: list[str] | None = None) -> int:
    """Runs one command; bad input is one line on stderr and exit code 1."""
    arguments = parser().parse_args(argv)
    warnings.showwarning = lambda message, category, *_: print(f"note: {message}", file=sys.stderr)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    try:
        return arguments.run(arguments) or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader has seen enough: `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 1


def info(a) -> int:
    from sccore.checkpoint import load_model
    from sccore.models import count_parameters, create_model, kmac_per_pixel

    model = load_model(a.checkpoint) if a.checkpoint else create_model(
        a.model, a.preset, sem=a.sem, prior=a.prior, laplacian=a.laplacian, rate=a.rate)  # fmt: skip
    report = {"model": model.spec, "parameters": count_parameters(model), "kmac_per_pixel": kmac_per_pixel(model)}
    if a.checkpoint:
        report |= {"meta": model.meta, "sha256": model.checkpoint_hash}
    print(json.dumps(report, indent=2))


def encode(a) -> int:
    from sccore import checkpoint, codec
    from sccore.data import read_image

    image = read_image(a.image)
    model = checkpoint.load_model(a.checkpoint or checkpoint.find(a.model, a.lmbda))
    mask, origin = text_mask(a, image, model)
    lmbda = a.lmbda if model.lambdas else None
    data = codec.encode(image, model, lmbda, mask)
    write(a.file, lambda path: path.write_bytes(data))
    height, width = image.shape[:2]
    print(f"{a.file}: {len(data)} bytes, {8 * len(data) / (height * width):.3f} bpp, {width}x{height}, mask: {origin}")


def text_mask(a, image, model):
    """The mask to encode with, and where it comes from; no detector runs for a model that does not look at the mask."""
    from sccore.data import read_mask

    if a.mask and a.detector:
        raise InputError("--mask and --detector exclude each other")
    if a.mask:
        return read_mask(a.mask, image.shape[:2]), a.mask.name
    if a.detector == "none":
        return None, "text everywhere"
    if model.spec.get("prior") != "text+structure":
        return None, "not used by this model"
    from sccore import text
    from sccore.craft import COMMAND

    detector = text.load(a.detector or text.best_available())
    print(f"note: text mask by {detector.label} (native scale)", file=sys.stderr)
    if not a.detector and detector.weights is None:
        print(f"note: weights of a text detector come with: {COMMAND}", file=sys.stderr)
    return text.mask(image, detector), detector.label


def decode(a) -> int:
    from PIL import Image

    from sccore import checkpoint, codec

    if a.image.suffix.lower() not in Image.registered_extensions():
        raise InputError(f"{a.image}: unknown image format; name it .png")
    try:
        image = codec.decode(codec.read_file(a.file), checkpoint.load_model(a.checkpoint) if a.checkpoint else None)
    except InputError as error:
        raise InputError(f"{a.file}: {error}".replace(f"{a.file}: {a.file}: ", f"{a.file}: ")) from None
    options = {"lossless": True} if a.image.suffix.lower() == ".webp" else {}
    write(a.image, lambda path: Image.fromarray(image).save(path, **options))
    print(f"{a.image}: {image.shape[1]}x{image.shape[0]}")


def evaluate(a) -> int:
    from sccore import checkpoint
    from sccore.evaluation import evaluate

    model = checkpoint.load_model(a.checkpoint or checkpoint.find(a.model, (a.lmbda or [None])[0], prior=a.prior))
    record = evaluate(model, a.images, a.masks, lmbdas=a.lmbda, out=a.out)
    if not a.out:
        print(json.dumps(record, indent=2))
    for failure in record["failed"]:
        print(f"error: {failure['error']}", file=sys.stderr)
    return 1 if record["failed"] else 0


def anchors(a) -> int:
    from sccore.anchors import choose, listing

    if a.list:
        print(listing())
        return 0
    if not (a.images and a.out):
        raise InputError("--images and --out are needed, or --list")
    codecs, skipped = choose(a.codec)
    if a.quality and len(a.codec or ()) != 1:
        raise InputError("--quality is in the scale of one codec; name it with --codec")
    from sccore.evaluation import evaluate_classical

    failed = []
    for codec in codecs:
        record = evaluate_classical(codec, a.images, a.masks, a.quality, a.out / f"{codec.name}.json",
                                    ms_ssim=not a.no_ms_ssim)  # fmt: skip
        failed += [f"error: {codec.name}: {failure['error']}" for failure in record["failed"]]
    for line in [f"skipped: {line}" for line in skipped] + failed:
        print(line, file=sys.stderr)
    return 1 if failed or (a.codec and skipped) else 0


def masks(a) -> int:
    from sccore.maskcache import make_masks

    summary = make_masks(a.images, a.out, a.detector, a.craft_weights, a.scale)
    print(f"{a.out}: {summary['made']} masks made, {summary['kept']} kept")
    for error in summary["failed"].values():
        print(f"error: {error}", file=sys.stderr)
    return 1 if summary["failed"] else 0


def train(a) -> int:
    import torch

    from sccore import checkpoint, data, training
    from sccore.models import create_model

    rate = a.rate or ("variable" if a.lmbda is None else "fixed")
    given = ("steps", "batch", "crop", "lr", "seed", "warmup", "schedule", "metric", "masks", "validate_every")
    recipe = training.Recipe(**{k: getattr(a, k) for k in given if getattr(a, k) is not None})
    torch.manual_seed(recipe.seed)
    model = create_model(a.model, a.preset, sem=a.sem, prior=a.prior, laplacian=a.laplacian, rate=rate)
    if a.warm_start:
        checkpoint.warm_start(model, checkpoint.load_model(a.warm_start))
    samples = data.load(*a.data)
    validation = data.load(*a.validation) if a.validation else None
    device = a.device or ("cuda" if torch.cuda.is_available() else "cpu")
    summary = training.fit(model, samples, a.out, lmbda=a.lmbda, recipe=recipe, validation=validation,
                           minutes=a.minutes, device=device)  # fmt: skip
    print(json.dumps(summary))
    return 1 if samples.failed else 0


def suite(a) -> int:
    import torch

    from sccore import data, paths
    from sccore.plan import RUNS, SCALES
    from sccore.suite import Suite, run_suite, status

    device = a.device or ("cuda" if torch.cuda.is_available() else "cpu")
    scale = a.scale or ("laptop" if device == "cpu" else "gpu")
    if scale not in SCALES:
        raise InputError(f"unknown scale {scale!r}; known: {', '.join(SCALES)}")
    if unknown := set(a.only or []) - {run.name for run in RUNS}:
        raise InputError(f"no run {', '.join(sorted(unknown))} in the plan; `suite --status` lists them")
    validation = a.validation or paths.DATA / "validation"
    folders = {"samples": paths.SAMPLES, "validation": validation}
    job = Suite(scale, {name: folders[name] for name in a.measure if folders[name].is_dir()}, device)
    if not a.status:
        shards = a.data or sorted((paths.DATA / "train").glob("*.tar"))
        if not shards:
            raise InputError("no training data in data/train; name shards or folders with --data")
        held_out = data.load(validation) if validation.is_dir() else None
        jobs = a.jobs or (len(os.sched_getaffinity(0)) if device == "cpu" else 4)
        run_suite(job, data.load(*shards), held_out, a.budget, jobs, a.only)
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
