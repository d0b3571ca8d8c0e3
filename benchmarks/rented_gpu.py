"""An hour of a rented GPU, well spent: a smoke test first, then planned runs side by side within a budget of seconds.

    python benchmarks/rented_gpu.py --runs sftip-structure sftip-sft --data train/*.tar --seconds 540

The smoke test takes under a minute and stops all if the device computes otherwise than the processor. Training then
takes as many steps as fit the budget, the same for every run, and its learning rate falls to its end in time. With
`--steps` there are that many, over as many calls as it takes. Weights and logs lie in data/runs, where the suite looks for
them; the report is rewritten after every stage, and data/results/speed/gpu-NAME.json is such a report of `--speeds` and
`--runs`. With `--device cpu` the same lines run here.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from sccore.codecs.checkpoint import load_model
from sccore.codecs.starts import warm_start
from sccore.codecs.zoo import create_model
from sccore.data.samples import Samples, load
from sccore.evaluation import provenance
from sccore.training.fit import together
from sccore.training.plan import BASE, RUNS
from sccore.training.recipe import COMPANION
from sccore.training.run import Run
from sccore.training.suite import Suite, named
from sccore.utils import device, paths
from sccore.utils.errors import InputError
from sccore.utils.files import replacing

CLOSE = 1e-3  # relative difference of losses that counts as the same
SAVING = 0.03  # share of the budget that the steps leave for validation and saving


class Report:
    """What was seen, in a file that is whole at every moment."""

    def __init__(self, path: Path):
        self.path, self.rows, self.begun = path, {}, time.monotonic()

    def add(self, **seen):
        self.rows |= seen
        print(f"[{time.monotonic() - self.begun:6.1f} s] {json.dumps(seen, default=str)[:400]}", flush=True)
        with replacing(self.path) as part:
            part.write_text(json.dumps(self.rows, indent=1, default=str), encoding="utf-8")


def new_run(model: str, a, samples: Samples, kind: str, bf16: bool, graph: bool = True, switches: dict = {}) -> Run:
    """A run of the companion's recipe from the shipped weights."""
    torch.manual_seed(0)
    made = create_model(model, rate="variable", **switches)
    if switches.get("preset", "companion") == "companion":
        warm_start(made, load_model(BASE), None)
    recipe = replace(COMPANION, steps=10**6, batch=a.batch, crop=a.crop)
    return Run(made, recipe, None, kind, bf16, samples.batches(a.crop, a.batch, 0, kind, recipe.invert), graph)


def losses(run: Run, steps: int) -> list[float]:
    values = []
    for _ in range(steps):
        loss = run.train_step()["loss"]
        run.replay.finish()
        values.append(float(loss))
    return values


def timed(runs: list[Run], least: float) -> float:
    """Milliseconds of a step of all runs, a step of each in turn, after some that are not counted."""
    for _ in range(6):
        for run in runs:
            run.train_step()
    for run in runs:
        run.replay.finish()
    begun, steps = time.perf_counter(), 0
    while steps < 3 or time.perf_counter() - begun < least:
        for run in runs:
            run.train_step()
        steps += 1
    for run in runs:
        run.replay.finish()
    return 1e3 * (time.perf_counter() - begun) / steps


def close(a: list[float], b: list[float]) -> bool:
    return all(abs(x - y) <= CLOSE * abs(x) for x, y in zip(a, b))


def without_noise(run: Run) -> Run:
    """The quantisation noise differs between devices; without it their losses can be compared."""
    for part in (run.model.entropy_bottleneck, run.model.gaussian_conditional):
        part.quantize = lambda x, mode, means=None, q=part.quantize: x if mode == "noise" else q(x, mode, means)
    return run


def smoke(a, samples: Samples, report: Report) -> bool:
    """Whether the device computes what the processor does, and a graph what single kernels do."""
    checks, on_gpu = {}, torch.device(a.device).type == "cuda"
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    kept, matmul.allow_tf32, cudnn.allow_tf32 = (matmul.allow_tf32, cudnn.allow_tf32), False, False
    first = {kind: losses(without_noise(new_run("sftip", a, samples, kind, False, graph=False)), 1) for kind in {"cpu", a.device}}
    matmul.allow_tf32, cudnn.allow_tf32 = kept
    if on_gpu:
        checks["processor and device"] = close(first["cpu"], first[a.device])
    report.add(losses_in_float32=first)
    bf16 = device.trains_in_bf16(a.device, a.crop)
    ways = {graph: without_noise(new_run("sftip", a, samples, a.device, bf16, graph)) for graph in (False, True)}
    steps = {graph: losses(run, 8) for graph, run in ways.items()}
    checks["graph and single kernels"] = close(steps[False], steps[True])
    report.add(losses_in_steps={"kernels": steps[False], "graph": steps[True]})
    if on_gpu:
        checks["captured"] = ways[True].replay.graph is not None
    run = ways[True]
    before = [p.detach().clone() for p in run.main]
    run.lambdas.fill_(torch.nan)
    losses(run, 1)
    checks["a step that is not finite leaves the weights alone"] = run.skipped == 1 and all(map(torch.equal, before, run.main))
    report.add(checks=checks)
    return all(checks.values())


def speeds(a, samples: Samples, report: Report):
    """Milliseconds a step, alone and side by side, and the kernels that take the time."""
    bf16, cuda = device.trains_in_bf16(a.device, a.crop), torch.device(a.device).type == "cuda"
    kernels = new_run("wacnn", a, samples, a.device, bf16, graph=False)
    seen = {"kernels wacnn": timed([kernels], a.least)}
    report.add(ms=seen)
    del kernels
    runs = {name: new_run(name, a, samples, a.device, bf16) for name in ("wacnn", "sftip")}
    seen |= {name: timed([run], a.least) for name, run in runs.items()}
    report.add(ms=seen)
    more = [new_run("sftip", a, samples, a.device, bf16, switches={"prior": prior}) for prior in ("uniform", "structure")]
    seen["wacnn and two sftip"] = timed([*runs.values(), more[0]], a.least)
    seen["wacnn and three sftip"] = timed([*runs.values(), *more], a.least)
    report.add(ms=seen, memory_gb=torch.cuda.max_memory_allocated() / 1e9 if cuda else None)
    if cuda:
        from torch.profiler import ProfilerActivity, profile

        for name, run in runs.items():
            with profile(activities=[ProfilerActivity.CUDA]) as trace:
                losses(run, 2)
            rows = sorted(trace.key_averages(), key=lambda e: -e.self_device_time_total)
            whole = sum(e.self_device_time_total for e in rows)
            report.add(
                **{
                    f"profile {name}": {
                        "kernels": sum(e.count for e in rows if e.self_device_time_total) // 2,
                        "busy_ms": whole / 2e3,
                        "most": [(e.key[:90], e.count // 2, round(e.self_device_time_total / 2e3, 3)) for e in rows[:12]],
                    }
                }
            )


def train(a, samples: Samples, validation: Samples | None, report: Report):
    """The planned runs, a step of each in turn; begun ones go on."""
    job, begun = Suite({}, a.device), time.monotonic()
    runs = [named(name) for name in a.runs]
    small = {"batch": a.batch, "crop": a.crop} if a.small else {}
    left = lambda: a.seconds - (time.monotonic() - begun)
    make = lambda steps, **options: [
        job.training(run, samples, validation, i, recipe=replace(run.recipe, steps=steps, **small), **options) for i, run in enumerate(runs)
    ]
    steps, minutes = a.steps, None
    if not a.steps:
        ms = timed([training.run for training in make(COMPANION.steps, resume=False, progress=False)], 3.0)
        steps, minutes = min(COMPANION.steps, int((1 - SAVING) * left() / (ms / 1e3))), left() / 60
        report.add(ms_together=ms)
    trainings = make(steps, resume=bool(a.steps), minutes=minutes, save_every=300)
    training = {"runs": a.runs, "steps": steps, "images": len(samples), "data": samples.sha256, "preparing_s": time.monotonic() - begun}
    report.add(training=training)
    summaries = together(trainings, pause=left() / 60)
    report.add(training=training | {"seconds": summaries[0]["seconds"]}, trained=dict(zip(a.runs, summaries)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--runs", nargs="*", default=[], choices=[run.name for run in RUNS], metavar="RUN", help="of the plan; none: the smoke test alone"
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="tar shards or folders with images/ and masks/")
    parser.add_argument("--validation", type=Path, help="held-out images, in the same forms")
    parser.add_argument("--seconds", type=float, default=500, help="of training, its preparation included")
    parser.add_argument(
        "--steps", type=int, help=f"of a run, {COMPANION.steps} in the plan; the same line goes on where time was over. Default: what fits"
    )
    parser.add_argument("--device", default=device.best())
    parser.add_argument("--out", type=Path, help="of the report; default: data/runs, where the weights are too")
    parser.add_argument("--no-smoke", action="store_true", help="train at once: this device was tested before")
    parser.add_argument("--speeds", action="store_true", help="time the ways of training, and which kernels take the time")
    parser.add_argument("--batch", type=int, default=None, help="of tests and training; default: the plan's, 2 on a processor")
    parser.add_argument("--crop", type=int, default=None, help="default: the plan's, 128 on a processor")
    a = parser.parse_args()
    a.device = device.chosen(a.device)
    a.small = a.device == "cpu" or a.batch or a.crop
    a.least = 0.0 if a.device == "cpu" else 1.5
    a.batch, a.crop = a.batch or (2 if a.device == "cpu" else COMPANION.batch), a.crop or (128 if a.device == "cpu" else COMPANION.crop)
    report = Report((a.out or paths.RUNS) / "report.json")
    name = torch.cuda.get_device_name() if a.device != "cpu" else provenance.machine()
    report.add(
        machine=name,
        torch=torch.__version__,
        cuda=torch.version.cuda,
        date=provenance.now(),
        command=provenance.command_line(),
        batch=a.batch,
        crop=a.crop,
    )
    samples = load(*a.data)
    validation = load(a.validation) if a.validation else None
    report.add(images=len(samples))
    if not a.no_smoke and not smoke(a, samples, report):
        return "the smoke test failed; its report says where"
    if a.speeds:
        speeds(a, samples, report)
    if a.runs:
        train(a, samples, validation, report)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"error: {error}")
