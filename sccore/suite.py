"""Trains and measures the planned runs under a time budget; can be killed at any moment and goes on.

What is finished lies in data/checkpoints and data/results and travels with the repository; what is begun lies in
data/runs. A run is done when its weights have the steps, recipe and start that the plan asks for and every data set at
hand has a complete record of them. Workers take the next run that is ready and hold a lock on its folder, which the
system releases however they end.
"""

import fcntl
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from sccore import checkpoint, paths, results
from sccore.errors import InputError
from sccore.models import LAMBDAS, MODELS, create_model
from sccore.plan import BASE, RUNS, SCALES, Planned
from sccore.recipe import jsonable

MIDDLE = LAMBDAS[len(LAMBDAS) // 2]
GRACE = 60.0  # seconds after the budget, for the last checkpoint


@dataclass(frozen=True)
class Suite:
    """What the runs are trained and measured with.

    Args:
        scale: of :data:`sccore.plan.SCALES`.
        sets: data sets to measure on, name -> folder with images and masks inside.
        device: cpu or cuda.
    """

    scale: str
    sets: dict[str, Path]
    device: str = "cpu"

    def weights(self, name: str) -> Path | None:
        """Finished weights of a run, those in the repository first; None where there are none of this scale."""
        run = next(r for r in RUNS if r.name == name)
        for path in (paths.CHECKPOINTS / f"{name}.safetensors", paths.RUNS / name / "model.safetensors"):
            if path.exists() and self.fits(run, checkpoint.read_header(path)["meta"]):
                return path
        return None

    def fits(self, run: Planned, meta: dict) -> bool:
        """Whether weights are what the plan asks for: recipe, all of its steps, and the start as it is now."""
        recipe = run.recipe(self.scale)
        if meta["recipe"] != jsonable(recipe) or meta["steps"] < recipe.steps:
            return False
        if run.start is None:
            return True
        start = self.weights(run.start)
        return start is not None and meta["history"][-1]["sha256"] == checkpoint.file_hash(start)

    def unmeasured(self, run: Planned) -> list[str]:
        """Data sets that lack a complete record of a run's finished weights."""
        if not run.measured:
            return []
        digest = checkpoint.file_hash(self.weights(run.name))
        return [name for name, folder in self.sets.items() if not complete(record_path(name, run), digest, folder)]

    def state(self, run: Planned) -> tuple[str, str]:
        """One of done, trained, begun, ready and waiting, and what it lacks or waits for."""
        if weights := self.weights(run.name):
            missing = self.unmeasured(run) + ["a copy in data/checkpoints"] * (weights.parent != paths.CHECKPOINTS)
            return ("trained, lacks", ", ".join(missing)) if missing else ("done", "")
        if run.model not in MODELS:
            return "waiting", f"model {run.model}"
        if run.detector != "craft":
            return "waiting", f"masks by {run.detector}"
        if run.device not in (None, self.device):
            return "waiting", run.device
        if run.start and not self.weights(run.start):
            return "waiting", run.start
        return ("begun" if (paths.RUNS / run.name / "last.pt").exists() else "ready"), ""

    def do(self, run: Planned, samples, validation, minutes: float, position: int = 0):
        """Trains a run as far as the time goes; measures it and puts it into the repository once it is finished."""
        if not self.weights(run.name):
            self.train(run, samples, validation, minutes, position)
        weights = self.weights(run.name)
        if weights is None:
            return
        if weights.parent != paths.CHECKPOINTS:
            paths.CHECKPOINTS.mkdir(parents=True, exist_ok=True)
            for source, suffix in ((weights.parent / "log.csv", ".csv"), (weights, ".safetensors")):
                part = paths.CHECKPOINTS / f".{run.name}{suffix}.part"
                shutil.copyfile(source, part)
                os.replace(part, paths.CHECKPOINTS / f"{run.name}{suffix}")
        for name in self.unmeasured(run):
            self.measure(run, name, position)

    def train(self, run: Planned, samples, validation, minutes: float, position: int):
        import torch

        from sccore.training import fit

        recipe = run.recipe(self.scale)
        torch.manual_seed(recipe.seed)
        model = create_model(**run.spec)
        if run.start:
            checkpoint.warm_start(model, checkpoint.load_model(self.weights(run.start)))
        fit(model, samples, paths.RUNS / run.name, lmbda=run.lmbda, recipe=recipe, validation=validation,
            minutes=minutes, device=self.device, position=position, desc=run.name)  # fmt: skip

    def measure(self, run: Planned, name: str, position: int):
        from sccore.evaluation import evaluate

        model = checkpoint.load_model(self.weights(run.name))
        folder = self.sets[name]
        evaluate(model, folder / "images", folder / "masks", out=record_path(name, run), name=run.codec,
                 position=position)  # fmt: skip


def record_path(dataset: str, run: Planned) -> Path:
    return paths.RESULTS / dataset / f"{run.name}.json"


def complete(path: Path, digest: str, folder: Path) -> bool:
    """Whether a record is of these weights and holds every image of the folder at every rate."""
    if not path.exists():
        return False
    record = results.load_record(path)
    images = sum(1 for file in (folder / "images").iterdir() if not file.name.startswith("."))
    points = len(record["images"]) + len(record["failed"]) * len(record["lmbdas"])
    return record["checkpoint"]["sha256"] == digest and points >= images * len(record["lmbdas"])


def run_suite(suite: Suite, samples, validation, minutes: float, jobs: int = 1, only: list[str] | None = None) -> None:
    """Does what is ready, `jobs` runs side by side, until everything is done or the time is over.

    Images are shared by the workers. Ends by itself when nothing is left that could be done here.
    """
    deadline = time.monotonic() + 60 * minutes
    context = get_context("fork")  # the images are in memory once
    shared = (suite, samples, validation, deadline, jobs, only, os.getpid())
    work = [context.Process(target=worker, args=(i, *shared)) for i in range(jobs)]
    for process in work:
        process.start()
    try:
        for process in work:
            process.join(max(0, deadline + GRACE - time.monotonic()))
    finally:
        for process in work:
            process.terminate()
            process.join()
    if any(process.exitcode not in (0, -15) for process in work):
        raise InputError("a run failed, its error is above; the others are kept")


def worker(index: int, suite: Suite, samples, validation, deadline: float, jobs: int, only: list[str] | None, parent: int):
    """Takes one run after the other; waits while others are at work on what the rest begins with."""
    import torch

    threading.Thread(target=die_with, args=(parent,), daemon=True).start()
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // jobs))
    failed: set[str] = set()
    open_runs = lambda: [r for r in RUNS if r.name not in failed and not (only and r.name not in only)
                         and suite.state(r)[0] not in ("done", "waiting")]  # fmt: skip
    while (left := deadline - time.monotonic()) > 0 and (ready := open_runs()):
        for run in ready:
            with lock(paths.RUNS / run.name) as free:
                if not free or suite.state(run)[0] in ("done", "waiting"):
                    continue
                try:
                    suite.do(run, samples, validation, left / 60, index)
                except InputError as error:
                    failed.add(run.name)
                    print(f"error: {run.name}: {error}", file=sys.stderr)
                break
        else:
            time.sleep(1)
    sys.exit(len(failed) > 0)


def die_with(parent: int):
    """Ends this process when its parent is gone, however that ended."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


@contextmanager
def lock(folder: Path) -> Iterator[bool]:
    """Whether this process alone may work on a run; held until the end of the block or of the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def shipped_scale() -> str:
    """The scale of the weights in the repository; the first one if there are none."""
    path = paths.CHECKPOINTS / f"{BASE}.safetensors"
    recipe = checkpoint.read_header(path)["meta"]["recipe"] if path.exists() else None
    base = next(run for run in RUNS if run.name == BASE)
    return next((scale for scale in SCALES if recipe == jsonable(base.recipe(scale))), next(iter(SCALES)))


def status(suite: Suite) -> pd.DataFrame:
    """One row a planned run: state, steps, hours, and rate and quality on the samples at its middle lambda."""
    return pd.DataFrame([{"run": run.name, "for": run.purpose, **progress(suite, run)} for run in RUNS])


def progress(suite: Suite, run: Planned) -> dict:
    """State of a run and how far it is."""
    state, detail = suite.state(run)
    row, path = {"state": f"{state} {detail}".strip()}, suite.weights(run.name)
    if path is None:
        log = paths.RUNS / run.name / "log.csv"
        last = pd.read_csv(log).iloc[-1:] if state == "begun" and log.exists() else pd.DataFrame()
        return row | {"steps": int(last["step"].iloc[0]), "hours": last["seconds"].iloc[0] / 3600} if len(last) else row
    meta = checkpoint.read_header(path)["meta"]
    row |= {"steps": meta["steps"], "hours": meta["seconds"] / 3600}
    if run.measured and "samples" in suite.sets and "samples" not in suite.unmeasured(run):
        images = pd.DataFrame(results.load_record(record_path("samples", run))["images"])
        middle = images[images["lmbda"] == (run.lmbda or MIDDLE)]
        row |= {"lmbda": run.lmbda or MIDDLE, "bpp": middle["bpp"].mean(), "psnr": middle["psnr"].mean()}
    return row
