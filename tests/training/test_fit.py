"""Training learns, can be stopped anywhere, and goes on as if nothing had happened."""

import csv
import gc
import json
import os
import signal
import subprocess
import sys
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from programs import Program

import sccore
from sccore.data.crops import Crops
from sccore.data.samples import load
from sccore.loss import rate_distortion
from sccore.training.fit import Recipe, Training, fit, together
from sccore.training.log import COLUMNS, Log
from sccore.training.recipe import COMPANION
from sccore.training.run import Run
from sccore.utils.errors import InputError
from sccore.utils.paths import SAMPLES

pytestmark = pytest.mark.usefixtures("narrow")  # of the models made here; commands train the companion
SMALL = Recipe(steps=8, batch=2, crop=64, lr=1e-3, validate_every=4, schedule="decay")


@pytest.fixture(scope="module")
def samples():
    everything = load(SAMPLES, progress=False)
    return everything.part([i for i, name in enumerate(everything.names) if name in ("graph", "gui", "windows95")])


def fresh(name="wacnn", rate="variable", seed=0):
    torch.manual_seed(seed)
    return sccore.create_model(name, rate=rate)


def losses(folder):
    with open(folder / "log.csv", newline="", encoding="utf-8") as file:
        return {int(r["step"]): r["loss"] for r in csv.DictReader(file) if r["loss"]}


@pytest.mark.parametrize("name, rate", [("wacnn", "variable"), ("sftip", "fixed")])
def test_a_few_steps_lower_the_held_out_loss(samples, tmp_path, name, rate):
    recipe = Recipe(steps=25, batch=2, crop=64, lr=1e-3, validate_every=25, schedule="decay", decay=0.3)
    lmbda = 0.0067 if rate == "fixed" else None
    summary = fit(fresh(name, rate), samples, tmp_path, lmbda=lmbda, recipe=recipe, validation=samples, progress=False)
    assert summary["finished"] and summary["step"] == 25 and summary["skipped"] == 0
    assert summary["last"][0]["loss"] < 0.7 * summary["first"][0]["loss"]
    model = sccore.load_model(tmp_path / "model.safetensors")
    assert model.meta["steps"] == 25 and model.meta["recipe"]["crop"] == 64 and model.meta["lmbda"] == lmbda


def test_resumed_run_equals_an_uninterrupted_one(samples, tmp_path):
    fit(fresh(), samples, tmp_path / "whole", recipe=SMALL, progress=False)
    fit(fresh(), samples, tmp_path / "parts", recipe=SMALL, pause=0, progress=False)  # stops before its first step
    real = Run.train_step

    def stop_after_three(run, spent):
        if run.step == 3:
            raise KeyboardInterrupt
        return real(run, spent)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "train_step", stop_after_three)
        with pytest.raises(KeyboardInterrupt):
            fit(fresh(), samples, tmp_path / "parts", recipe=SMALL, save_every=0, progress=False)
    fit(fresh(seed=9), samples, tmp_path / "parts", recipe=SMALL, progress=False)  # the start's weights do not matter
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole") and len(losses(tmp_path / "whole")) == 8
    a, b = (sccore.load_model(tmp_path / n / "model.safetensors").state_dict() for n in ("whole", "parts"))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_side_by_side_is_each_alone(samples, tmp_path):
    """A step of each in turn; a run with fewer steps ends before the other."""
    recipes = {"wacnn": SMALL, "sftip": replace(SMALL, steps=5)}
    for name, recipe in recipes.items():
        fit(fresh(name), samples, tmp_path / "alone" / name, recipe=recipe, progress=False)
    both = [Training(fresh(name), samples, tmp_path / "both" / name, recipe=r, progress=False) for name, r in recipes.items()]
    assert [summary["step"] for summary in together(both)] == [8, 5]
    for name in recipes:
        assert losses(tmp_path / "both" / name) == losses(tmp_path / "alone" / name)


def train_command(data, out, *more):
    """A small run on the command line."""
    options = "--model wacnn --batch 1 --crop 64 --initial noise".split()
    return [sys.executable, "-m", "sccore", "train", "--data", str(data), "--out", str(out), *options, *more]


def test_killed_run_goes_on(parts, tmp_path):
    """SIGKILL in mid-training, then the same command again."""
    command = train_command(parts, tmp_path, "--steps", "40", "--optimizer", "adam")
    (script := tmp_path / "often.py").write_text(
        "import sys; from sccore.cli import command_line; from sccore.training import fit; train = fit.fit;"
        "fit.fit = lambda *a, **k: train(*a, **k, save_every=0.5); sys.exit(command_line.main(sys.argv[1:]))",
        encoding="utf-8",
    )
    process = Program(script, *command[3:])
    deadline = time.monotonic() + 240
    while not (tmp_path / "last.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    reached = torch.load(tmp_path / "last.pt", weights_only=True)["step"]
    assert 0 < reached < 40
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["step"] == 40
    assert sorted(losses(tmp_path))[-1] == 40 and len(losses(tmp_path)) == 13  # no row twice


def test_not_finite_steps_are_left_out_and_counted(samples, tmp_path):
    real = rate_distortion

    def poisoned(*args):
        values = real(*args)
        poisoned.calls += 1
        return values | {"loss": values["loss"] * float("nan")} if poisoned.calls == 2 else values

    poisoned.calls = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sccore.training.run.rate_distortion", poisoned)
        summary = fit(fresh(), samples, tmp_path, recipe=SMALL, progress=False)
    assert summary["skipped"] == 1 and summary["step"] == 8
    assert all(torch.isfinite(p).all() for p in sccore.load_model(tmp_path / "model.safetensors").parameters())


def test_a_pause_stops_and_leaves_a_usable_model(samples, tmp_path):
    summary = fit(fresh(), samples, tmp_path, recipe=Recipe(batch=1, crop=64), pause=0.03, progress=False)
    assert not summary["finished"] and 0 < summary["step"] < 1000
    assert sccore.load_model(tmp_path / "model.safetensors").meta["steps"] == summary["step"]


def test_no_time_is_no_training(samples, tmp_path):
    for minutes in (0, -1, float("nan")):
        with pytest.raises(sccore.InputError, match="minutes must be more than 0"):
            fit(fresh(), samples, tmp_path / "run", minutes=minutes)
    assert not (tmp_path / "run").exists()


def test_a_time_budget_is_the_whole_run_s_and_ends_the_schedule(samples, tmp_path):
    recipe = Recipe(batch=1, crop=64, schedule="decay", decay=1.0, min_lr=0.0)
    summary = fit(fresh(), samples, tmp_path, recipe=recipe, minutes=0.12, progress=False)
    rates = [float(row["lr"]) for row in csv.DictReader(open(tmp_path / "log.csv", encoding="utf-8")) if row["lr"]]
    assert (
        summary["finished"] and rates[0] == pytest.approx(recipe.lr, rel=0.01) and rates[-1] < 0.7 * recipe.lr
    )  # a slow machine ends between two rows
    again = fit(fresh(), samples, tmp_path, recipe=recipe, minutes=0.12, progress=False)
    assert again["step"] == summary["step"] and again["finished"]


def run_of(model, recipe, samples):
    return Run(model, recipe, None, "cpu", False, samples.batches(recipe.crop, recipe.batch, recipe.seed))


def test_plateau_lowers_three_times_and_stops(samples):
    run = run_of(fresh(), Recipe(crop=64), samples)
    rates = []
    while not run.stopped:
        rates.append(run.lr)
        run.plateau(1.0)
    assert sorted(set(rates), reverse=True) == pytest.approx([1e-4, 3e-5, 9e-6, 2.7e-6]) and len(rates) == 21


def test_pauses_do_not_lower_the_rate_of_the_plateau(samples, tmp_path):
    recipe = Recipe(steps=100, batch=1, crop=64, lr=1e-9, validate_every=10**6)
    for _ in range(6):
        run = Training(fresh(), samples, tmp_path, recipe=recipe, validation=samples, progress=False)
        run.advance()
        run.finish()
    assert len(run.run.validations) == 7 and run.run.lr == 1e-9 and run.run.waited == 0


def test_time_is_that_of_the_clock(samples, tmp_path, monkeypatch):
    """Of validations and of saving, too."""
    monkeypatch.setattr(Training, "validate", lambda self, scheduled=False: time.sleep(0.4))
    begun = time.monotonic()
    summary = fit(
        fresh(), samples, tmp_path, recipe=replace(SMALL, steps=10**6, validate_every=1), minutes=0.05, validation=samples, progress=False
    )
    assert summary["finished"] and 3 <= summary["seconds"] <= time.monotonic() - begun and summary["step"] <= 8


def test_a_finished_run_leaves_its_memory(samples, tmp_path):
    """Without waiting for the collector of cycles: on a GPU the next run needs the room."""
    training = Training(fresh(), samples, tmp_path, recipe=SMALL, progress=False)
    training.advance()
    run = weakref.ref(training.run)
    gc.disable()
    try:
        del training
        assert run() is None
    finally:
        gc.enable()


def test_a_log_keeps_small_numbers(tmp_path):
    log = Log(tmp_path / "log.csv", 0)
    log.add(step=1, loss=torch.tensor(1.0), mse=torch.tensor(1.234567e-5), lr=2.7e-6)
    log.flush()
    (row,) = csv.DictReader(open(tmp_path / "log.csv", encoding="utf-8"))
    assert (row["lr"], row["mse"]) == ("2.7e-06", "1.234567e-05")


def test_rate_rises_is_held_and_falls_to_its_end(samples):
    recipe = Recipe(steps=100, lr=1.0, schedule="decay", decay=0.5, min_lr=0.2, warmup=10)
    run = run_of(fresh(), replace(recipe, crop=64), samples)
    lr = []
    for run.step in range(100):
        lr.append(run.scheduled_lr())
    assert lr[0] == pytest.approx(0.1) and lr[9] == lr[50] == 1 and lr[75] == pytest.approx(0.6)
    assert lr[99] == pytest.approx(0.216)
    run.step = 20
    assert run.scheduled_lr(spent=0.75) == pytest.approx(0.6) and run.scheduled_lr(spent=2.0) == pytest.approx(0.2)


def test_kernels_go_by_muon_and_what_is_small_goes_slower(samples):
    run = run_of(fresh("sftip"), replace(COMPANION, lr=1.0), samples)
    run.lr = 0.5
    entropy, small = run.optimizers["adam"].param_groups
    assert entropy["lr"] == run.optimizers["muon"].param_groups[0]["lr"] == 0.5 and small["lr"] == pytest.approx(0.15)
    names = {id(p): n for n, p in run.model.named_parameters()}
    slow = {names[id(p)] for p in small["params"]}
    assert {"g_a.0.bias", "g_a.1.gamma", "g_s.0.conv_b.0.attn.relative_position_bias_table", "fem.w.0.bias"} <= slow
    assert "h_a.0.weight" in {names[id(p)] for p in entropy["params"]}
    every = [p for group in (entropy, small, *run.optimizers["muon"].param_groups) for p in group["params"]]
    assert len(every) == len({id(p) for p in every}) == len(run.main)


def test_some_crops_are_inverted(samples):
    batches = [Crops(samples, 64, 8, 0, invert=share)(3) for share in (0.0, 0.5, 1.0)]
    plain, some, all_ = ((x * 255).round() for x, _ in batches)
    assert torch.equal(all_, 255 - plain) and torch.equal(batches[0][1], batches[2][1])
    kinds = [(torch.equal(a, b), torch.equal(a, 255 - b)) for a, b in zip(some, plain)]
    assert {(True, False), (False, True)} == set(kinds)


def test_first_stage_sees_masks_of_ones(samples, tmp_path):
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        real = rate_distortion
        patch.setattr("sccore.training.run.rate_distortion", lambda o, x, mask, *a: seen.append(mask.min()) or real(o, x, mask, *a))
        for masks in ("ones", "text"):
            recipe = Recipe(steps=2, batch=4, crop=64, masks=masks)
            fit(fresh(), samples, tmp_path / masks, recipe=recipe, progress=False)
    assert [m.item() for m in seen] == [1, 1, 0, 0]


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(lmbda=0.01), "leave lmbda out"),
        (dict(recipe=Recipe(crop=100)), "crop 100 is not a multiple of 64"),
        (dict(recipe=Recipe(metric="ssim")), "unknown metric 'ssim'"),
        (dict(recipe=Recipe(invert=2)), "invert is a share"),
        (dict(recipe=Recipe(lr=float("nan"))), "lr must be positive"),
        (dict(recipe=Recipe(steps=0)), "at least 1"),
        (dict(recipe=Recipe(validate_every=0)), "validate_every must be at least 1, not 0"),
        (dict(recipe=Recipe(min_lr=float("nan"))), "min_lr must be at least 0, not nan"),
        (dict(recipe=Recipe(seed=-1)), "seed must be at least 0, not -1"),
        (dict(recipe={"steps": 1}), "recipe is a sccore.Recipe, not dict"),
        (dict(model="sftip"), "a model of create_model or load_model is trained, .* not 'sftip'"),
        (dict(data=[torch.zeros(3)]), "data is a path, or a list of paths, or what Samples.of makes of arrays, not list of Tensor"),
        (dict(validation=3), "validation is a path, .* not int"),
        (dict(device="gpu"), "unknown device 'gpu'"),
        (dict(lmbda="small"), "lmbda is a number, not 'small'"),
    ],
)
def test_impossible_training_is_refused_at_once(samples, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        fit(**{"model": fresh(), "data": samples, "out": tmp_path, **change})


def test_numbers_of_numpy_and_paths_make_a_run_that_goes_on(parts, tmp_path):
    recipe = Recipe(steps=np.int64(2), batch=np.int32(1), crop=64, lr="1e-4", clip=np.float32(1))
    assert (recipe.steps, recipe.lr, type(recipe.batch), type(recipe.clip)) == (2, 1e-4, int, float)
    recipe.seed = np.int64(3)
    options = dict(lmbda=np.float32(0.0067), recipe=recipe, validation=str(parts), progress=False)
    for pause in (0, None):
        summary = fit(fresh(rate="fixed"), [parts, str(parts)], tmp_path, pause=pause, **options)
    assert summary["finished"] and len(summary["first"]) == 1
    assert sccore.load_model(tmp_path / "model.safetensors").meta["images"] == 4


def test_a_folder_belongs_to_one_run(samples, tmp_path):
    fit(fresh(), samples, tmp_path, recipe=SMALL, progress=False)
    with pytest.raises(InputError, match="holds a run with recipe"):
        fit(fresh(), samples, tmp_path, recipe=Recipe(crop=64), progress=False)
    (tmp_path / "last.pt").write_bytes(b"x")
    with pytest.raises(InputError, match="damaged"):
        fit(fresh(), samples, tmp_path, recipe=SMALL, progress=False)


def test_two_runs_in_one_folder(samples, tmp_path):
    code = "import sys, pathlib; from sccore.utils import files\nwith files.lock(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"process {process.pid} on .* trains there"):
            fit(fresh(), samples, tmp_path, recipe=SMALL, progress=False)
    finally:
        process.kill()
        process.communicate()
    assert fit(fresh(), samples, tmp_path, recipe=replace(SMALL, steps=1), progress=False)["finished"]  # what it left stops nobody


def test_rubbish_in_a_log_is_read_past_and_said(samples, tmp_path):
    fit(fresh(), samples, tmp_path, recipe=SMALL, pause=0, progress=False)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    torch.save(state | {"step": 4}, tmp_path / "last.pt")
    row = lambda i: f"{i},1.5,0.1,0.01,20,3,0.001,{i}.0,,,\n"
    rubbish = "\0\0\0\n3,1.5\n" + "x,y\n" + '"\n' + "2,one,,,,,,,,,\n" + "\udcff\n"
    text = ",".join(COLUMNS) + "\n" + row(1) + rubbish + row(4) + row(9) + "5,0."
    (tmp_path / "log.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.warns(UserWarning, match="log.csv: 7 rows cannot be read"):
        summary = fit(fresh(), samples, tmp_path, recipe=SMALL, progress=False)
    assert summary["step"] == 8 and sorted(losses(tmp_path)) == [1, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("damage", [lambda s: s | {"model": {}}, lambda s: {}, lambda s: [1], lambda s: s | {"optimizers": {}}])
def test_a_damaged_state_is_one_line(samples, tmp_path, damage):
    fit(fresh(), samples, tmp_path, recipe=SMALL, pause=0, progress=False)
    torch.save(damage(torch.load(tmp_path / "last.pt", weights_only=True)), tmp_path / "last.pt")
    with pytest.raises(InputError, match="last.pt: damaged"):
        fit(fresh(), samples, tmp_path, recipe=SMALL, progress=False)


FULL = """
import resource, sys, torch, sccore
from pathlib import Path
from sccore.data.samples import load
from sccore.training.fit import fit
from sccore.training.recipe import Recipe
from sccore.utils.errors import InputError
screens, out = map(Path, sys.argv[1:])
images = load(screens, progress=False)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
states = lambda: {path: path.read_bytes() for path in out.glob("*") if path.suffix in (".pt", ".safetensors")}
for limit in (hard, 100, 100_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    before = states()
    torch.manual_seed(0)
    try:
        fit(sccore.create_model("wacnn", rate="variable"), images, out, recipe=Recipe(steps=9, batch=1, crop=64), pause=0.02, progress=False)
    except InputError as error:
        print(error, "and all is as it was" if before and states() == before else "", flush=True)
"""


def test_a_full_disk_is_one_line_and_leaves_the_old_files(parts, tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, parts, tmp_path], capture_output=True, text=True, timeout=300)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 2, done.stderr
    for line, file in zip(lines, ("log.csv", "model.safetensors")):
        assert f"{file}: cannot be written" in line and line.endswith("and all is as it was")


@pytest.mark.parametrize("sent, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_command_says_no_more_than_that(parts, tmp_path, sent, code):
    command = train_command(parts, tmp_path / "run", "--validate-every", "1000000")
    process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "log.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(sent)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == code and "Traceback" not in errors


def test_a_run_that_diverges_is_one_line_and_keeps_its_last_state(samples, tmp_path):
    recipe = Recipe(steps=4, batch=1, crop=64, lr=1e-3)
    fit(fresh(), samples, tmp_path, recipe=recipe, pause=0, progress=False)
    before, real = (tmp_path / "last.pt").read_bytes(), Run.train_step

    def blown(run, spent):
        values = real(run, spent)
        with torch.no_grad():
            run.model.h_mean_s[0].weight.fill_(1e9)
        return values

    with pytest.MonkeyPatch.context() as patch, pytest.raises(InputError, match="the weights have diverged by step 4 .*smaller lr"):
        patch.setattr(Run, "train_step", blown)
        fit(fresh(), samples, tmp_path, recipe=recipe, progress=False)
    assert (tmp_path / "last.pt").read_bytes() == before


def test_a_short_run_has_something_to_go_on_from(samples, tmp_path, monkeypatch):
    monkeypatch.setattr("sccore.training.fit.FIRST", 0.0)
    real = Run.train_step

    def killed(run, spent):
        if run.step == 3:
            raise KeyboardInterrupt
        return real(run, spent)

    monkeypatch.setattr(Run, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(fresh(), samples, tmp_path, recipe=Recipe(steps=9, batch=1, crop=64), progress=False)
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 1


def test_another_run_s_recipe_is_told_by_what_differs(samples, tmp_path):
    fit(fresh(), samples, tmp_path, recipe=Recipe(steps=1, batch=1, crop=64), progress=False)
    with pytest.raises(InputError, match=r"holds a run with recipe {'steps': 1}, not {'steps': 2}"):
        fit(fresh(), samples, tmp_path, recipe=Recipe(steps=2, batch=1, crop=64), progress=False)
