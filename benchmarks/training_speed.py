"""Steps a second of training: this project's loop against a plain one, same model, batch and crop.

    python benchmarks/training_speed.py --data shard.tar [--device cuda] [--presets companion paper]

The plain loop is written in the manner of CompressAI's example: a PIL data set that opens and decodes its files for
every crop, a DataLoader with workers, float32, the default Adam, the system's allocator. Ours is `sccore.training.fit`'s, started
as the command line starts it, and once more without tcmalloc. Each is timed in a process of its own, after steps that are not counted, in turns; the result
is a record in data/results/speed, one a machine, with the operators that take the time.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.profiler import ProfilerActivity, profile

from sccore.codecs.zoo import count_parameters, create_model
from sccore.data.images import pair
from sccore.data.samples import Samples, load
from sccore.evaluation import provenance
from sccore.evaluation.records import save_record
from sccore.loss import rate_distortion
from sccore.presets import LAMBDAS
from sccore.training.recipe import Recipe
from sccore.training.run import Run
from sccore.utils import allocator, device, paths

MODELS = ("wacnn", "sftip")
WAYS = ("plain", "ours", "ours, system allocator", "side by side")


class Files(torch.utils.data.Dataset):
    """Image and mask files, opened when they are asked for; one random crop of both."""

    def __init__(self, folder: Path, crop: int):
        self.pairs, self.crop = pair(folder / "images", folder / "masks"), crop

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, i):
        import sccore.utils.torchvision_ops  # noqa: F401

        # isort: split
        from torchvision.transforms import v2

        _, image, mask = self.pairs[i]
        both = np.dstack([np.asarray(Image.open(image).convert("RGB")), np.asarray(Image.open(mask).convert("L"))])
        cut = v2.RandomCrop(self.crop, pad_if_needed=True)(torch.from_numpy(both).permute(2, 0, 1)).float() / 255
        return cut[:3], (cut[3:] > 0.5).float()


def plain(name: str, preset: str, a, folder: Path):
    """Yields after every step, with the seconds spent waiting for data."""
    model = create_model(name, preset, rate="variable").to(a.device).train()
    loader = torch.utils.data.DataLoader(
        Files(folder, a.crop), a.batch, shuffle=True, num_workers=os.cpu_count(), pin_memory=a.device == "cuda", drop_last=True
    )
    main = torch.optim.Adam([p for n, p in model.named_parameters() if not n.endswith("quantiles")], lr=1e-4)
    aux = torch.optim.Adam([p for n, p in model.named_parameters() if n.endswith("quantiles")], lr=1e-3)
    lmbda = torch.tensor(LAMBDAS).repeat(a.batch)[: a.batch].to(a.device)
    while True:
        batches = iter(loader)
        while True:
            begun = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                break
            x, mask = (t.to(a.device) for t in batch)
            waited = time.perf_counter() - begun
            main.zero_grad()
            aux.zero_grad()
            values = rate_distortion(model(x, mask, lmbda), x, mask, lmbda)
            values["loss"].backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            main.step()
            model.aux_loss().backward()
            aux.step()
            values["loss"].item()  # shown at every step
            yield waited


def ours(name: str, preset: str, a, samples: Samples):
    recipe = Recipe(steps=10**6, batch=a.batch, crop=a.crop)
    crops, waited = samples.batches(a.crop, a.batch, 0, a.device), 0.0

    def watched(step: int, draw=crops.draw):
        nonlocal waited
        begun = time.perf_counter()
        drawn = draw(step)
        waited += time.perf_counter() - begun
        return drawn

    crops.draw = watched
    run = Run(create_model(name, preset, rate="variable"), recipe, None, a.device, device.trains_in_bf16(a.device, a.crop), crops)
    while True:
        before = waited
        run.train_step()
        yield waited - before


def finish(device: str):
    if device == "cuda":
        torch.cuda.synchronize()


def timed(steps, a) -> dict:
    """Steps a second, share of the time spent waiting for data, peak memory."""
    for _ in range(a.warm_up):
        next(steps)
    finish(a.device)
    begun, waited, n = time.perf_counter(), 0.0, 0
    while n < a.least or time.perf_counter() - begun < a.seconds:
        waited += next(steps)
        n += 1
    finish(a.device)
    seconds = time.perf_counter() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "steps_s": n / seconds,
        "images_s": n * a.batch / seconds,
        "waiting": waited / seconds,
        "memory": torch.cuda.max_memory_allocated() if a.device == "cuda" else memory,
    }


def profiled(steps, a) -> list[dict]:
    """The operators that take the most time of one step, with their share of it."""
    for _ in range(3):
        next(steps)
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (a.device == "cuda")
    with profile(activities=kinds) as seen:
        next(steps)
        finish(a.device)
    time_of = lambda event: event.self_device_time_total if a.device == "cuda" else event.self_cpu_time_total
    events = sorted(seen.key_averages(), key=time_of, reverse=True)
    whole = sum(map(time_of, events))
    return [{"operator": e.key, "calls": e.count, "share": time_of(e) / whole} for e in events[:8]]


def measure(a) -> dict:
    """One way of training, in this process. "side by side" runs one model a core, or RUNS_ON_A_GPU, at once."""
    if a.way == "plain":
        return timed(plain(a.model, a.preset, a, a.folder), a)
    allocator.keep_memory()
    samples = load(a.folder, progress=False)
    if a.way.startswith("ours"):
        row = timed(ours(a.model, a.preset, a, samples), a)
        return row | ({"profile": profiled(ours(a.model, a.preset, a, samples), a)} if a.way == "ours" else {})
    jobs = device.jobs(a.device)
    if a.device != "cpu":
        together = zip(*(ours(a.model, a.preset, a, samples) for _ in range(jobs)))
        row = timed((sum(waits) for waits in together), a)
        return {key: value * (jobs if key in ("steps_s", "images_s") else 1) for key, value in row.items()} | {"jobs": jobs}
    with multiprocessing.get_context("fork").Pool(jobs, torch.set_num_threads, (1,)) as pool:
        rows = pool.starmap(one_of_many, [(a, samples)] * jobs, chunksize=1)
    return {key: sum(row[key] for row in rows) for key in ("steps_s", "images_s", "memory")} | {
        "waiting": sum(row["waiting"] for row in rows) / jobs,
        "jobs": jobs,
    }


def one_of_many(a, samples) -> dict:
    return timed(ours(a.model, a.preset, a, samples), a)


def one(way: str, model: str, preset: str, folder: str, kind: str) -> dict:
    """One way of training, timed in a process of its own."""
    command = [sys.executable, __file__, *sys.argv[1:], "--folder", folder, "--device", kind]
    command += ["--way", way, "--model", model, "--preset", preset]
    environment = os.environ | (allocator.environment() if way in ("ours", "side by side") else {})
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return json.loads(output.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a tar shard")
    parser.add_argument("--images", type=int, default=120, help="how many of its images are used")
    parser.add_argument("--device", default=device.best())
    parser.add_argument("--presets", nargs="+", default=["companion"])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3, help="timings of each; the median is kept, for machines are not steady")
    parser.add_argument("--seconds", type=float, default=30, help="of each timing, at least")
    parser.add_argument("--least", type=int, default=5, help="steps of each timing, at least")
    parser.add_argument("--warm-up", type=int, default=2)
    for name in ("way", "model", "preset"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.way:
        return print(json.dumps(measure(a) | {"allocator": allocator.name()}))
    rows = []
    parameters = {
        f"{model} {preset}": count_parameters(create_model(model, preset, rate="variable"))["total"]
        for preset, model in itertools.product(a.presets, MODELS)
    }
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(a.data) as tar:
            images = sorted(name for name in tar.getnames() if name.startswith("images/"))[: a.images]
            masks = [f"masks/{Path(name).stem}.png" for name in images]
            tar.extractall(folder, [tar.getmember(name) for name in images + masks], filter="data")
        for preset, model in itertools.product(a.presets, MODELS):
            rounds = [{way: one(way, model, preset, folder, a.device) for way in WAYS} for _ in range(a.rounds)]
            for way in WAYS:
                runs = sorted((each[way] for each in rounds), key=lambda run: run["steps_s"])
                row = {"model": model, "preset": preset, "way": way, **runs[len(runs) // 2]}
                row["of_all"] = [run["steps_s"] for run in runs]
                rows.append(row)
                print(
                    f"{model:6} {preset:10} {way:22} {row['steps_s']:8.3f} ({runs[0]['steps_s']:.3f} to {runs[-1]['steps_s']:.3f}) steps/s "
                    f"{row['images_s']:8.2f} images/s waiting {row['waiting']:4.0%}  {row['memory'] / 2**30:.2f} GiB",
                    flush=True,
                )
    name = torch.cuda.get_device_name() if a.device == "cuda" else provenance.machine()
    record = {
        "machine": name,
        "device": a.device,
        "threads": torch.get_num_threads(),
        "versions": provenance.versions(),
        "date": provenance.now(),
        "command": provenance.command_line(),
        "batch": a.batch,
        "crop": a.crop,
        "images": a.images,
        "parameters": parameters,
        "rows": rows,
    }
    path = paths.RESULTS / "speed" / f"training-{provenance.file_name(name)}.json"
    save_record(path, record)
    print(path)


if __name__ == "__main__":
    main()
