"""The plan is sound; the suite does it in order, survives kills and never does a thing twice."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pandas as pd
import pytest
import torch
from programs import Program

from sccore.codecs import checkpoint, checkpoint_files, starts
from sccore.codecs.models import MODELS
from sccore.codecs.zoo import create_model
from sccore.data.samples import load
from sccore.evaluation.records import load_record
from sccore.training import plan, suite, workers
from sccore.training.recipe import Recipe, check
from sccore.utils import paths
from sccore.utils.files import file_hash, lock

TINY = """
import sys
from dataclasses import replace
from models import NARROW
from sccore import klt, presets
from sccore.cli import command_line
from sccore.training import fit, plan, suite, workers
klt.STEPS = 2
presets.PRESETS["companion"] = NARROW
plan.FROM_KLT = plan.COMPANION = plan.Recipe(steps=12, batch=1, crop=64, lr=1e-3, schedule="decay", validate_every=100)
keep = ("wacnn-base", "wacnn-0.0035", "sftip-0.0035")
suite.RUNS = workers.RUNS = plan.RUNS = tuple(replace(r, start=None, change={}, ships=True) if r.name == plan.BASE else r for r in plan.RUNS if r.name in keep)
fit.FIRST = fit.Training.__init__.__kwdefaults__["save_every"] = 0.0  # after every step
if __name__ == "__main__":
    workers.START, *data = sys.argv[1:]
    sys.exit(command_line.main(["suite", "--budget", "30m", "--jobs", "2", "--device", "cpu", "--data", *data]))
"""


@pytest.fixture
def project(tmp_path):
    """A project folder with two small screens as samples and training data."""
    for kind in ("images", "masks"):
        folder = tmp_path / "data" / "samples" / kind
        folder.mkdir(parents=True)
        shutil.copy(paths.SAMPLES / kind / "windows95.png", folder)
    return tmp_path


def start(project, method=workers.START):
    (project / "tiny.py").write_text(TINY, encoding="utf-8")
    return Program(project / "tiny.py", method, str(project / "data" / "samples"), SCCORE_ROOT=str(project))


def test_the_plan_is_sound():
    names = [run.name for run in plan.RUNS]
    assert len(set(names)) == len(names)
    for i, run in enumerate(plan.RUNS):
        assert run.start is None or run.start in names[:i]  # every beginning of the list can be done
        assert isinstance(run.recipe, Recipe)
        if run.model in MODELS and run.device is None:
            model = create_model(**run.spec)
            check(model, run.lmbda, run.recipe)
            twins = [
                other.name
                for other in plan.RUNS
                if (other.spec, other.lmbda, other.change, other.detector, other.start)
                == (run.spec, run.lmbda, run.change, run.detector, run.start)
            ]
            assert twins == [run.name]


def test_weights_of_a_run_are_named_as_in_figures(tmp_path):
    assert plan.codec_of(paths.CHECKPOINTS / "sftip.safetensors") == "sftip"
    assert plan.codec_of(paths.RUNS / "wacnn-0.0035" / "model.safetensors") == "wacnn-tuned"
    assert plan.codec_of(tmp_path / "sftip.safetensors") is None


def test_compared_runs_share_their_recipe():
    """All but what a line says that it changes."""
    runs = [run for run in plan.RUNS if run.start and run.measured]
    assert len({str(run.recipe) for run in runs if not run.change}) == 1
    assert {key for run in runs for key in run.change} <= {"seed", "metric", "masks"}
    for run in runs:  # a start of one's own only where the backbone's does not fit
        assert run.start == (plan.BASE if run.model in ("wacnn", "sftip") else f"{run.model}-base")


def test_a_fresh_clone_has_the_shipped_runs_and_can_begin(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    job = suite.Suite({"samples": paths.SAMPLES})
    states = {run.name: job.state(run) for run in plan.RUNS}
    assert all(states[run.name] == ("done", "") for run in plan.RUNS if run.ships)
    assert states["wacnn-klt"] == ("done", "all that begins with it is here")  # so nobody trains it again
    assert states["sftip-ones"] == ("ready", "") and states["sftip-sft"] == ("done", "")
    assert suite.Suite(job.sets, only=("sftip-sft",)).state(suite.named("sftip-sft")) == ("ready", "")  # its weights are not here


@pytest.mark.slow
def test_killed_ten_times_it_still_does_everything_once(project):
    rng, seen, deadline, steps = random.Random(0), {}, time.monotonic() + 240, set()
    for life in range(10):
        process = start(project)
        while life == 0 and not list(project.glob("data/runs/*/last.pt")) and time.monotonic() < deadline:
            time.sleep(0.05)  # the first is killed when it has begun to train, however slow the machine
        time.sleep(rng.uniform(0.3, 3))
        process.kill()
        process.communicate()
        for path in project.glob("data/checkpoints/*.safetensors"):  # what was finished once stays as it was
            assert seen.setdefault(path.name, file_hash(path)) == file_hash(path)
        steps |= {torch.load(path, weights_only=True)["step"] for path in project.glob("data/runs/*/last.pt")}
    assert steps & set(range(1, 12)), "never killed in the middle of a run"
    assert list(project.glob("data/runs/*/last.pt"))
    process = start(project)
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    assert [line.split()[0] for line in output.splitlines()[1:]] == list(names := ["wacnn-base", "wacnn-0.0035", "sftip-0.0035"])
    assert output.count("done") == 3
    base = file_hash(project / "data/checkpoints/wacnn-base.safetensors")
    assert [path.stem for path in project.glob("data/checkpoints/*.safetensors")] == [plan.BASE]  # it alone ships
    assert seen.get("wacnn-base.safetensors", base) == base
    for name in names:
        meta = checkpoint_files.read_header(project / "data/runs" / name / "model.safetensors")["meta"]
        assert meta["steps"] == 12 and (not meta["history"] or meta["history"][-1]["sha256"] == base)
        assert (project / "data/checkpoints" / f"{name}.csv").exists()
    for name in names[1:]:
        record = load_record(project / "data/results/samples" / f"{name}.json")
        assert [row["lmbda"] for row in record["images"]] == [0.0035] and record["codec"] == name.split("-")[0] + "-tuned"
    assert not list(project.glob("data/**/*.part*"))
    before = time.monotonic()
    process = start(project)  # nothing is left to do
    assert "done" in process.communicate(timeout=120)[0] and time.monotonic() - before < 60


@pytest.mark.slow
def test_two_suites_at_once_share_the_work_and_a_third_makes_a_kill_good(project):
    first = start(project, "spawn")  # as on systems that cannot fork
    holder, deadline = project / "data/runs/wacnn-base/holder", time.monotonic() + 240
    while not holder.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    second = start(project)
    results = [process.communicate(timeout=1200) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), results
    assert all(output.count("done") == 3 for output, _ in results)
    assert re.search(r"note: wacnn-base: process \d+ on \S+ is at work on it", results[1][1])
    for name in ("wacnn-base", "wacnn-0.0035", "sftip-0.0035"):
        log = pd.read_csv(project / "data/runs" / name / "log.csv")
        assert list(log["step"][log["loss"].notna()]) == list(range(1, 11))  # trained once
    for name in ("wacnn-0.0035", "sftip-0.0035"):
        assert len(load_record(project / "data/results/samples" / f"{name}.json")["images"]) == 1
    assert not list(project.glob("data/results/**/.*"))
    path = project / "data/checkpoints/wacnn-base.safetensors"
    path.unlink()  # as after a kill between training and copying; what data/runs holds is finished, and nothing else is left to do
    third = start(project, "spawn")
    assert third.communicate(timeout=600) and third.returncode == 0 and path.exists()


def test_records_of_other_images_have_another_name(parts):
    """A user's validation folder never counts for the shipped records, nor replaces them."""
    assert suite.recorded_as(paths.SAMPLES, "samples") == "samples"
    assert suite.recorded_as(parts).startswith(f"{parts.name}-") and suite.recorded_as(parts, "unknown") == "unknown"


def test_two_workers_cannot_take_one_run(tmp_path):
    with lock(tmp_path / "run") as first, lock(tmp_path / "run") as second:
        assert first and not second
    with lock(tmp_path / "run") as again:
        assert again


def test_other_recipes_and_other_starts_do_not_count(narrow, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "checkpoints")
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    job = suite.Suite({})
    first, base, ablation = (next(r for r in plan.RUNS if r.name == name) for name in ("wacnn-klt", plan.BASE, "sftip-signed"))

    def put(planned, source, **meta):
        model = create_model(**planned.spec)
        if source:
            starts.warm_start(model, source)
        meta = {"recipe": asdict(planned.recipe), "steps": planned.recipe.steps} | meta
        path = paths.CHECKPOINTS / f"{planned.name}.safetensors" if planned.ships else paths.RUNS / planned.name / "model.safetensors"
        return checkpoint.load_model(checkpoint.save_model(model, path, **meta))

    assert job.state(first) == ("ready", "") and job.state(base) == ("waiting", first.name) and job.state(ablation)[0] == "waiting"
    put(first, None, steps=3)
    assert job.state(first)[0] == "ready"  # cut short
    trained = put(first, None)
    assert job.state(first)[0] == "done" and job.state(base)[0] == "ready"
    put(base, trained)
    assert job.state(base)[0] == "done" and job.state(ablation)[0] == "ready"
    put(first, None)  # trained anew: other weights
    assert job.state(base)[0] == "ready"
    put(first, None, converted_from=trained.checkpoint_hash)  # the same weights in another file
    assert job.state(base)[0] == "done"


@pytest.mark.parametrize("options", [{}, {"resume": False}])
def test_a_run_that_is_begun_anew_has_its_klt(narrow, tmp_path, monkeypatch, options):
    """Though the folder holds a run of another recipe."""
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    starts_made = []
    monkeypatch.setattr("sccore.klt.start", lambda *a: starts_made.append(a))
    samples, job, first = load(paths.SAMPLES, progress=False).part([2]), suite.Suite({}), suite.named("wacnn-klt")
    recipe = Recipe(steps=9, batch=1, crop=64, seed=1)
    job.training(first, samples, None, recipe=recipe, progress=False).save()
    assert len(starts_made) == 1
    job.training(first, samples, None, recipe=recipe, progress=False)  # goes on
    assert len(starts_made) == 1
    job.training(first, samples, None, recipe=replace(recipe, seed=2), progress=False, **options)
    assert len(starts_made) == 2


def test_on_a_gpu_runs_of_one_start_go_side_by_side(tmp_path, monkeypatch):
    """One process takes those that are compared together, and never what another process holds."""
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    done, asked = set(), []
    job = suite.Suite({}, only=("wacnn-seed1", "sftip-seed1", "sftip-sft", "sftip-mse", "cheng2020-base"))
    monkeypatch.setattr(suite.Suite, "state", lambda self, run: ("done" if run.name in done else "ready", ""))
    monkeypatch.setattr(suite.Suite, "do", lambda self, runs, *a: (asked.append([r.name for r in runs]), done.update(asked[-1])))
    with lock(tmp_path / "sftip-sft"):
        workers.work(job, None, None, time.monotonic() + 0.5, together=3)
    assert asked == [["wacnn-seed1", "sftip-seed1", "sftip-mse"], ["cheng2020-base"]]


@pytest.mark.slow
def test_the_script_for_a_rented_gpu_rehearses_on_a_processor(parts, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/checkpoints").symlink_to(paths.CHECKPOINTS)
    line = [
        "--device",
        "cpu",
        "--data",
        str(parts),
        "--batch",
        "1",
        "--crop",
        "64",
        "--steps",
        "2",
        "--seconds",
        "60",
        "--runs",
        "sftip-sft",
    ]
    env = os.environ | {"SCCORE_ROOT": str(tmp_path), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(paths.ROOT)}
    script = [sys.executable, str(paths.ROOT / "benchmarks/rented_gpu.py"), *line]
    result = subprocess.run(script, env=env, capture_output=True, text=True, timeout=300)
    report = json.loads((tmp_path / "data/runs/report.json").read_text(encoding="utf-8"))
    assert result.returncode == 0 and report["checks"] == {
        "graph and single kernels": True,
        "a step that is not finite leaves the weights alone": True,
    }, result.stderr
    assert report["trained"]["sftip-sft"]["step"] == 2 and (tmp_path / "data/runs/sftip-sft/model.safetensors").exists()
