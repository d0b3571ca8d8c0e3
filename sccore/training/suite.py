"""Trains and measures the planned runs under a time budget; can be killed at any moment and goes on.

What is finished lies in data/checkpoints and data/results and travels with the repository; what is begun lies in
data/runs. A run is done when its weights have the steps, recipe and start that the plan asks for and every data set at
hand has a complete record of them. :mod:`sccore.training.workers` does what is ready.
"""

import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from sccore.codecs.checkpoint_files import read_header
from sccore.data.images import image_files
from sccore.evaluation import provenance
from sccore.evaluation.records import load_record
from sccore.presets import LMBDA
from sccore.training.log import read_log
from sccore.training.plan import RUNS, Planned, weights_of
from sccore.utils import paths
from sccore.utils.errors import OtherRun
from sccore.utils.files import file_hash, replacing


@dataclass(frozen=True)
class Suite:
    """What the runs are trained and measured with.

    Args:
        sets: data sets to measure on, name -> folder with images and masks inside.
        device: cpu or cuda.
        bf16: as in :func:`sccore.training.fit.fit`.
        only: runs that were asked for by name; no others are trained, and these even if their records are here, unless their weights are.
    """

    sets: dict[str, Path]
    device: str = "cpu"
    bf16: bool | None = None
    only: tuple[str, ...] = ()

    def trained(self, run: Planned) -> dict | None:
        """Finished weights of a run: "path", "sha256" and meta data; None where there are none.

        Measured weights that do not travel are known by the records, and their path is None then; but not where the run was asked for.
        """
        for path in weights_of(run.name):
            if path.exists() and self.fits(run, meta := read_header(path)["meta"]):
                return {**meta, "path": path, "sha256": file_hash(path)}
        if run.ships or not run.measured or run.name in self.only:
            return None
        return next(({**m, "path": None} for m in self.recorded(run) if self.fits(run, m)), None)

    def recorded(self, run: Planned):
        """Meta data that its records hold of a run's weights."""
        files = (record_path(name, run) for name in self.sets)
        return (load_record(path)["checkpoint"] for path in files if path.exists())

    def fits(self, run: Planned, meta: dict) -> bool:
        """Whether weights are what the plan asks for: recipe, all of its steps, and the start, if that is at hand."""
        if meta.get("recipe") != asdict(run.recipe) or meta.get("steps", 0) < run.recipe.steps:
            return False
        began = [stage["sha256"] for stage in meta.get("history", [])[-1:]]
        if not run.start:
            return not began
        start = self.trained(named(run.start))
        return bool(began) and (not start or began[0] in (start["sha256"], start.get("converted_from")))

    def lacks(self, run: Planned, trained: dict) -> list[str]:
        """Data sets without a complete record of these weights."""
        sets = self.sets if run.measured else {}
        return [name for name, folder in sets.items() if not complete(run, name, trained["sha256"], folder)]

    def state(self, run: Planned) -> tuple[str, str]:
        """One of done, trained, begun, ready and waiting, and what it lacks or waits for."""
        if trained := self.trained(run):
            lacks = ["record of " + name for name in self.lacks(run, trained)]
            if lacks and not trained["path"]:
                return "waiting", "its weights, for a " + ", ".join(lacks)
            lacks += ["copy in data/checkpoints"] * (run.ships and not paths.INSTALLED and trained["path"].parent != paths.CHECKPOINTS)
            return ("trained, lacks", ", ".join(lacks)) if lacks else ("done", "")
        if not run.measured and all(self.trained(other) for other in RUNS if other.start == run.name):
            return "done", "all that begins with it is here"
        if run.start and not (start := self.trained(named(run.start))):
            return "waiting", run.start
        own_detector = paths.DETECTORS / f"{run.detector}.safetensors"
        for wanted, there in (
            (run.device, run.device in (None, self.device)),
            (f"weights of the detector {run.detector}", run.detector == "craft" or own_detector.exists()),
            (f"weights of {run.start}", not run.start or start["path"]),
        ):
            if not there:
                return "waiting", wanted
        return ("begun" if (paths.RUNS / run.name / "last.pt").exists() else "ready"), ""

    def do(self, runs: list[Planned], samples, validation, minutes: float, position: int = 0):
        """Trains runs side by side as far as the time goes; measures them and puts them into the repository once they are finished."""
        from sccore.training.fit import together

        open_ones = [run for run in runs if not self.trained(run)]
        together([self.training(run, samples, validation, position + i) for i, run in enumerate(open_ones)], pause=minutes)
        for run in runs:
            if trained := self.trained(run):
                self.keep(run, trained)
                for name in self.lacks(run, trained):
                    self.measure(run, trained["path"], name, position)

    def keep(self, run: Planned, trained: dict):
        """Copies what travels with the repository out of the run's folder; an installed package is left as it is."""
        _, weights = weights_of(run.name)
        log = weights.with_name("log.csv")
        if trained["path"] == weights and not paths.INSTALLED:
            for source in (log, weights) if run.ships else (log,):
                with replacing(paths.CHECKPOINTS / f"{run.name}{source.suffix}") as part:
                    shutil.copyfile(source, part)

    def training(self, run: Planned, samples, validation, position: int = 0, **options):
        """A run that is ready or begun, as :class:`sccore.training.fit.Training`; `options` are further ones of it."""
        from sccore.text.mask_folder import remask
        from sccore.training.begin import begin
        from sccore.training.fit import Training

        if run.detector != "craft":
            samples = remask(samples, run.detector, paths.RUNS / "masks" / run.detector)
        recipe = options.pop("recipe", run.recipe)
        start = self.trained(named(run.start))["path"] if run.start else None
        out, shared = paths.RUNS / run.name, dict(recipe=recipe, lmbda=run.lmbda, device=self.device)
        begun = partial(begin, run.model, data=samples, warm_start=start, **shared, **{"preset": "companion"} | run.switches)
        options |= dict(validation=validation, bf16=self.bf16, position=position, desc=run.name)
        new = partial(Training, data=samples, out=out, **shared, **options)
        if options.get("resume", True):
            with suppress(OtherRun):  # begun by another plan, or from a start that is no more
                return new(begun(out=out))
        return new(begun(), resume=False)

    def measure(self, run: Planned, weights: Path, name: str, position: int):
        from sccore.codecs.checkpoint import load_model
        from sccore.evaluation.evaluate import evaluate

        folders = (self.sets[name] / part for part in ("images", "masks"))
        options = dict(name=run.codec, position=position, coded_with=run.coded_with)
        evaluate(load_model(weights), *folders, out=record_path(name, run), **options)


def named(name: str) -> Planned:
    return next(run for run in RUNS if run.name == name)


def record_path(dataset: str, run: Planned) -> Path:
    return paths.RESULTS / dataset / f"{run.name}.json"


def recorded_as(folder: Path, name: str = "validation") -> str:
    """Under which name a folder of held-out images is recorded: its own, with a hash, where the records of `name` are of other images."""
    known = {load_record(path)["dataset"]["sha256"] for path in (paths.RESULTS / name).glob("*.json")}
    own = provenance.dataset(folder / "images")["sha256"]
    return name if not known or own in known else f"{folder.resolve().name}-{own[:6]}"


def complete(run: Planned, name: str, digest: str, folder: Path) -> bool:
    """Whether a record of a data set is of these weights and masks, and holds every image of the folder at every rate."""
    if not (path := record_path(name, run)).exists():
        return False
    record = load_record(path)
    points = len(record["images"]) + len(record["failed"]) * len(record["lmbdas"])
    same = record["checkpoint"]["sha256"] == digest and record.get("coded_with", {}).get("mask") == run.coded_with
    return same and points >= len(image_files(folder / "images")) * len(record["lmbdas"])


def status(suite: Suite) -> pd.DataFrame:
    """One row a planned run: state, steps, hours, and rate and quality on the samples at its middle lambda."""
    return pd.DataFrame([{"run": run.name, "for": run.purpose, **progress(suite, run)} for run in RUNS])


def progress(suite: Suite, run: Planned) -> dict:
    """State of a run and how far it is."""
    state, detail = suite.state(run)
    row, trained = {"state": f"{state} {detail}".strip()}, suite.trained(run) if state != "waiting" else None
    if not trained:
        log = paths.RUNS / run.name / "log.csv"
        rows = read_log(log) if state == "begun" and log.exists() else []
        return row | {"steps": int(rows[-1]["step"]), "hours": float(rows[-1]["seconds"]) / 3600} if rows else row
    row |= {"steps": trained["steps"], "hours": trained["seconds"] / 3600}
    if run.measured and "samples" in suite.sets and "samples" not in suite.lacks(run, trained):
        images, lmbda = pd.DataFrame(load_record(record_path("samples", run))["images"]), run.lmbda or LMBDA
        row |= {"lmbda": lmbda, **images[images["lmbda"] == lmbda][["bpp", "psnr"]].mean()}
    return row
