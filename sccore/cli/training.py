"""The commands that train, and their options: a model, a text detector, ASIQE-R, and all planned runs.

Imports wait until a command runs, as in :mod:`sccore.cli.commands`.
"""

import json
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields, replace

from sccore.cli.batch import left_out
from sccore.cli.values import count, minutes, natural, new_file, new_folder, not_negative, path, positive, seed, share
from sccore.utils.errors import InputError

FLOAT32 = "no bfloat16 in the transforms, where the machine computes it: slower, as on machines that do not"


def train(a) -> int:
    from sccore.data.samples import load
    from sccore.data.streaming import stream
    from sccore.training import fit
    from sccore.training.begin import begin, from_images
    from sccore.training.ranks import join
    from sccore.training.recipe import COMPANION, CPU_BATCH, FROM_KLT, GENTLE, Recipe
    from sccore.utils.device import chosen

    ranks, device = join(chosen(a.device))
    usual = Recipe() if a.recipe == "paper" else COMPANION if a.warm_start else replace(FROM_KLT, min_lr=0.0)
    small = {"batch": CPU_BATCH} | ({"lr": GENTLE} if a.warm_start else {})
    given = {k: v for k, v in vars(a).items() if k in {field.name for field in fields(Recipe)} and v is not None}
    recipe = replace(usual, **({} if a.recipe == "paper" or device != "cpu" else small) | given)
    switches = dict(sem=a.sem, prior=a.prior, laplacian=a.laplacian)
    if threading.current_thread() is threading.main_thread():
        fit.end_at_signals()
    model = begin(a.model, a.preset, None, recipe, a.lmbda, a.warm_start, a.out, device, **switches)
    with fit.alone(a.out, ranks):  # what cannot be trained, or not here, is refused before anything is read
        pass
    validation = load(*a.validation, progress=ranks.first) if a.validation and ranks.first else None
    with ranks.one_after_the_other() if a.stream else nullcontext():  # the first makes the index, the others find it
        samples = stream(*a.data, progress=ranks.first) if a.stream else load(*a.data, progress=ranks.first)
    if a.initial == "klt":
        from_images(model, samples, recipe, a.lmbda, a.out, device, progress=ranks.first)
    options = dict(lmbda=a.lmbda, recipe=recipe, validation=validation, minutes=a.minutes, device=device, ranks=ranks)
    summary = fit.fit(model, samples, a.out, bf16=False if a.float32 else None, **options)
    if ranks.first:
        print(json.dumps(summary))
        return left_out([*samples.failed.values(), *(validation.failed.values() if validation else ())], True)


def train_detector(a) -> int:
    from sccore.evaluation.records import alone
    from sccore.text.training import train
    from sccore.utils.device import chosen

    options = dict(steps=a.steps, minutes=a.minutes, seed=a.seed, licence=a.licence, device=chosen(a.device))
    with alone(a.out, "trains it"):
        print(json.dumps(train(a.detector, a.data, a.out, **options)))


def train_asiqe(a) -> int:
    from sccore.evaluation.asiqe_training import train
    from sccore.utils import paths

    out, record = a.out or paths.DATA / "asiqe" / "asiqe-r.npz", a.record or paths.RESULTS / "asiqe" / "asiqe-r.json"
    made = train(a.sources, out, record, a.work or paths.RUNS / "asiqe" / "rows.jsonl", a.count, a.learned_every, a.seed)
    print(json.dumps(made["evaluation"]["held_out_scenes"]))


def suite(a) -> int:
    from sccore.data.samples import load
    from sccore.training.plan import RUNS
    from sccore.training.suite import Suite, recorded_as, status
    from sccore.training.workers import run_suite
    from sccore.utils import paths
    from sccore.utils.device import chosen, jobs
    from sccore.utils.files import writable_folder

    device = chosen(a.device)
    if unknown := set(a.only or []) - {run.name for run in RUNS}:
        raise InputError(f"no run {', '.join(sorted(unknown))} in the plan; `suite --status` lists them")
    validation = a.validation or paths.DATA / "validation"
    if a.validation and not validation.is_dir():
        raise InputError(f"{validation}: no such folder")
    folders = {"samples": paths.SAMPLES, "validation": validation}
    sets = {name if name == "samples" else recorded_as(folders[name]): folders[name] for name in a.measure if folders[name].is_dir()}
    job = Suite(sets, device, bf16=False if a.float32 else None, only=tuple(a.only or ()))
    if not a.status:
        try:
            writable_folder(paths.RUNS), writable_folder(paths.RESULTS)
        except InputError as error:
            raise InputError(f"{error}; SCCORE_ROOT names another folder that holds data/") from None
        shards = a.data or sorted((paths.DATA / "train").glob("*.tar"))
        if not shards:
            raise InputError("no training data in data/train; name shards or folders with --data")
        held_out = load(validation) if validation.is_dir() else None
        run_suite(job, load(*shards), held_out, a.budget, a.jobs or jobs(device))
    print(status(job).to_string(index=False, na_rep="", float_format=lambda v: f"{v:.4g}"))


def options(command: Callable, model_options: Callable) -> None:
    """Adds the commands to the parser; `command` makes one of a name and its help, `model_options` gives it those of a model."""
    sub = command("train", "train a model; can be killed and started again with the same line")
    model_options(sub)
    sub.add_argument("--lmbda", type=positive, help="of a model of one rate; without it one model serves all rates")
    sub.add_argument("--data", type=path, nargs="+", required=True, help="tar shards or folders with images/ and masks/")
    sub.add_argument("--validation", type=path, nargs="+", help="held-out images, in the same forms")
    sub.add_argument("--out", type=new_folder, required=True, help="folder of the run")
    sub.add_argument("--warm-start", type=path, help="checkpoint to begin with: a file, or the name of a shipped one")
    sub.add_argument(
        "--initial", choices=("klt", "noise"), default="klt", help="without one: the KLT of the images (default) or random weights"
    )
    sub.add_argument(
        "--recipe",
        choices=("companion", "paper"),
        default="companion",
        help="which recipe the options below change; on a processor the companion's has batches of 4, and from trained weights a smaller learning rate",
    )
    sub.add_argument("--stream", action="store_true", help="read images from their files as they are needed: for sets larger than memory")
    sub.add_argument("--minutes", type=not_negative, help="of the whole run, earlier calls included; its schedule ends with them")
    sub.add_argument("--device", default=None, help="cpu or cuda; default: what the machine has")
    sub.add_argument("--float32", action="store_true", help=FLOAT32)
    for name, kind in (
        ("steps", count),
        ("batch", count),
        ("crop", count),
        ("optimizer", str),
        ("lr", positive),
        ("seed", seed),
        ("warmup", natural),
        ("schedule", str),
        ("decay", share),
        ("min-lr", not_negative),
        ("metric", str),
        ("masks", str),
        ("invert", share),
        ("validate-every", count),
    ):
        sub.add_argument(f"--{name}", type=kind, help="see sccore.training.recipe.Recipe")

    sub = command("train-detector", "train a text detector; can be killed and started again with the same line")
    sub.add_argument("detector", help="east or rrd")
    sub.add_argument("--data", type=path, nargs="+", required=True, help="folders of pages STEM.png and their words STEM.json")
    sub.add_argument("--out", type=new_file, required=True, help="file of the weights, .safetensors")
    sub.add_argument("--steps", type=count, default=1000, help="of the whole training; default 1000")
    sub.add_argument("--minutes", type=not_negative, help="stop after so many minutes")
    sub.add_argument("--seed", type=seed, default=0)
    sub.add_argument("--licence", default="", help="of the pages; kept in the file")
    sub.add_argument("--device", default=None, help="cpu or cuda; default: what the machine has")

    sub = command("train-asiqe", "train and evaluate the quality index ASIQE-R; can be killed and started again")
    sub.add_argument("sources", type=path, nargs="+", metavar="SOURCE", help="folders of pristine screens and tar shards")
    sub.add_argument("--count", type=count, default=60, help="of scenes; default 60")
    sub.add_argument("--learned-every", type=natural, default=4, metavar="N", help="one scene in N goes through our codecs too; 0: none")
    sub.add_argument("--seed", type=seed, default=0)
    sub.add_argument("--work", type=new_file, help="file of what is made on the way; default: data/runs/asiqe/rows.jsonl")
    sub.add_argument("--out", type=new_file, help="file of the weights; default: the shipped one, data/asiqe/asiqe-r.npz")
    sub.add_argument("--record", type=new_file, help="record to write (JSON); default: data/results/asiqe/asiqe-r.json")

    sub = command("suite", "train and measure the runs behind every table; can be killed and started again")
    sub.add_argument("--status", action="store_true", help="show where the runs stand and do nothing")
    sub.add_argument("--budget", type=minutes, default=25.0, help="time for all: 90s, 25m (default) or 2h")
    sub.add_argument("--jobs", type=count, default=None, help="runs side by side; default: one a core, 6 on a GPU")
    sub.add_argument("--only", nargs="+", metavar="RUN", help="these runs alone, even if their records are here, unless their weights are")
    sub.add_argument("--data", type=path, nargs="+", help="tar shards or folders; default: data/train/*.tar")
    sub.add_argument("--validation", type=path, help="folder with images and masks; default: data/validation")
    sub.add_argument(
        "--measure",
        nargs="*",
        choices=["samples", "validation"],
        default=["samples", "validation"],
        help="data sets to measure finished runs on; default: both, as far as they are there",
    )
    sub.add_argument("--device", default=None, help="cpu or cuda; default: what the machine has")
    sub.add_argument("--float32", action="store_true", help=FLOAT32)
