"""Every codec on one data set: from its records, or measured now with all that is installed.

What a table of codecs is drawn from: measurements, the records that they stand in, which codec is missing and why, and
which image could not be read. A record is a file of :mod:`sccore.evaluation.records`; a run that was killed goes on where it stopped.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from sccore.codecs import checkpoint_files
from sccore.codecs.classical import CODECS, usable
from sccore.data import datasets
from sccore.evaluation.provenance import dataset_name, relative
from sccore.evaluation.records import load_dataset, load_record
from sccore.training.plan import RUNS, codec_of
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.files import file_hash

if TYPE_CHECKING:  # records are read without torch
    from sccore.data.samples import Samples


@dataclass
class Benchmark:
    """What is known of a data set.

    Args:
        frame: measurements, as `load_dataset` returns them.
        records: codec -> its records, without the rows that `frame` has.
        missing: codec -> why it is not there, and how to get it.
        failed: image -> what is wrong with it.
    """

    name: str
    frame: pd.DataFrame
    records: dict[str, list[dict]]
    missing: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def collect(dataset: str, masks: str = "", codecs: str = "", records: str = "", measure: bool = False, detector: str = "") -> Benchmark:
    """The benchmark of a data set: of its records if there are any, else measured.

    Args:
        dataset: a name in data/results or data/, or any folder of images; a folder is measured.
        masks: folder of text masks; those beside the images unless given, or made with `detector` if there are none.
        codecs: names of classical codecs, shipped checkpoints or checkpoint files, with blanks between; all but the variants
            of one model (:mod:`sccore.training.plan`) unless given.
        records: folder of the records, data/results/DATASET for what is recorded and data/runs/records/DATASET for what
            is measured unless given; behind the name of a folder there stands a hash of its path.
        measure: measure a recorded data set anew, too.
        detector: of :mod:`sccore.text.masks`; the best that can run here unless given.
    """
    name, chosen = Path(dataset).expanduser().resolve().name, codecs.split()
    folder = Path(records).expanduser() if records else paths.RESULTS / name
    if dataset == name and not measure and any(folder.glob("*.json")):
        return read(name, folder, chosen)
    models, classical, missing = codecs_of(chosen)
    images, mask_folder = datasets.place(dataset, masks or None)
    folder = Path(records).expanduser() if records else paths.RUNS / "records" / own_name(dataset, images)
    _measure(models, classical, images, mask_folder, folder, detector)
    found = read(name, folder, [*models, *(codec.name for codec in classical)])
    found.missing = missing
    return found


def own_name(dataset: str, images: Path) -> str:
    """Of a data set that was asked for: its name; of any other folder its own, with a hash of where it lies."""
    name = dataset_name(images)
    return dataset if dataset == Path(dataset).name else f"{name}-{hashlib.sha256(os.fsencode(images.resolve())).hexdigest()[:6]}"


def beside(rows: list[dict], samples: "Samples", codecs: str = "jpeg webp avif") -> pd.DataFrame:
    """Measurements of a model, and of classical codecs on the same images: from the records of the samples, or made now.

    Args:
        rows: of the model, as `evaluation.measure` gives them, with "codec" and "name" of an image in `samples`.
        codecs: those of :mod:`sccore.codecs.classical` that can be used here, with blanks between.
    """
    from sccore.evaluation.evaluate import measure_classical

    recorded = load_dataset("samples")
    recorded = recorded.assign(name=recorded["name"].map(lambda name: Path(name).stem))
    recorded = recorded[recorded["codec"].isin(codecs.split()) & recorded["name"].isin(samples.names)]
    if not set(samples.names) <= set(recorded["name"]):
        here, _ = usable(codecs.split())
        recorded = pd.DataFrame(
            {"codec": codec.name, "name": name} | measure_classical(codec, image, mask, quality, ms_ssim=False)[0]
            for codec in here
            for name, (image, mask) in zip(samples.names, samples)
            for quality in codec.qualities
        )
    return pd.concat([pd.DataFrame(rows), recorded], ignore_index=True)


def codecs_of(names: list[str]) -> tuple[dict[str, Path], list, dict[str, str]]:
    """Learned codecs {name: checkpoint}, classical codecs, and {name: why} of those that cannot be used here."""
    compared = [run.name for run in RUNS if run.measured and run.lmbda is None and not run.variant]
    shipped = {path.stem: path for path in checkpoint_files.shipped()}
    files = [name for name in names if name not in CODECS]
    models = {}
    for name in files if names else [name for name in compared if name in shipped]:
        if name in shipped:
            models[name] = shipped[name]
        else:
            path = Path(name).expanduser()
            models[called(path)] = path
    if not names or len(files) < len(names):
        classical, skipped = usable([name for name in names if name in CODECS] or None)
    else:
        classical, skipped = [], []
    return models, classical, dict(line.split(": ", 1) for line in skipped)


def called(path: Path) -> str:
    """Weights in figures and records: the codec of a planned run, else the name of their file or its run, and the begin of their hash."""
    checkpoint_files.read_header(path)  # says what is wrong with it
    return codec_of(path) or f"{path.resolve().parent.name if path.stem == 'model' else path.stem}-{file_hash(path)[:6]}"


def add(weights: str, images: str = "", dataset: str = "samples") -> str:
    """Measures one more codec, into data/results/DATASET; gives DATASET, which is :func:`own_name` where other images would come among the samples.

    Args:
        weights: file of a checkpoint, or the name of a shipped one.
        images: a data set or any folder of images; the samples unless given.
    """
    from sccore.codecs.checkpoint import load_model
    from sccore.evaluation.evaluate import evaluate

    path, (folder, masks) = checkpoint_files.file_of(weights), datasets.place(images or "samples")
    if images and dataset == "samples":
        dataset = own_name(images, folder)
    name = called(path)
    evaluate(load_model(path), folder, masks, out=paths.RESULTS / dataset / f"{name}.json", name=name, replace=False)
    return dataset


def _measure(models, classical, images, masks, folder, detector):
    from sccore.codecs.checkpoint import load_model
    from sccore.evaluation.evaluate import evaluate, evaluate_classical
    from sccore.text.mask_folder import make_masks
    from sccore.text.masks import best_available

    if masks is None:
        masks = folder / "masks"
        make_masks(images, masks, detector or best_available())
    for codec in classical:
        evaluate_classical(codec, images, masks, out=folder / f"{codec.name}.json")
    for name, path in models.items():
        evaluate(load_model(path), images, masks, out=folder / f"{name}.json", name=name)


def of_folder(folder: Path, wanted: Callable[[str], bool]) -> tuple[list[dict], dict[str, list[dict]], dict[str, str]]:
    """Of the wanted codecs' records in a folder: all rows, the records without them, and what is wrong with which image."""
    rows, records, failed = [], {}, {}
    for path in sorted(folder.glob("*.json")):
        if wanted(codec := (record := load_record(path))["codec"]):
            rows += [{"codec": codec} | row for row in record.pop("images")]
            records.setdefault(codec, []).append(record)
            failed |= {fault["name"]: fault["error"] for fault in record.get("failed", [])}
    return rows, records, failed


def read(name: str, folder: Path, codecs: list[str] = ()) -> Benchmark:
    """What a folder of records holds, without the variants of one model; or the codecs that are named."""
    folder = folder.resolve()
    frame, variants = load_dataset(folder), {run.codec for run in RUNS if run.variant}
    _, records, failed = of_folder(folder, lambda codec: codec in codecs if codecs else codec not in variants)
    frame = frame[frame["codec"].isin(records)]
    if not records:
        raise InputError(f"no records of {', '.join(codecs) or 'codecs'} in {relative(folder)}")
    made_by = lambda codec: CODECS[codec].missing() or f"python -m sccore anchors --codec {codec} measures it"
    missing = {
        codec: "not recorded; " + (made_by(codec) if codec in CODECS else f"{relative(folder)} has no record of that name")
        for codec in codecs or CODECS
        if codec not in records
    }
    return Benchmark(name, frame, records, missing, failed)
