"""Where the time of a .sci file goes, and what other codecs take for the same screen.

    python benchmarks/coding_split.py [--model NAME] [--rounds 5] [--threads N]

A crop of 1280x720 is encoded and decoded by the commands, from start to end, and in a process that has its weights: each part by
the clock and by the processor's time, which on a busy machine is the one to believe. Medians of the rounds are printed; the
record in data/results/speed holds all of them.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from sccore import exact_coding, hyperprior, sftip
from sccore.codecs import checkpoint, checkpoint_files, classical, container, preview, sci
from sccore.codecs.zoo import create_model
from sccore.data.images import read_image
from sccore.evaluation import provenance
from sccore.evaluation.metrics import psnr
from sccore.evaluation.records import save_record
from sccore.fixed_point import Convolution
from sccore.presets import LMBDA
from sccore.utils import paths
from sccore.utils.device import native_bf16

LEFT, TOP, WIDTH, HEIGHT = 400, 300, 1280, 720
TIMED = (  # what is timed, and as what; the rest is what these leave of the whole
    (sftip.SFTIP, "analysis", "analysis"),
    (hyperprior.Hyperprior, "analysis", "analysis"),
    (Convolution, "forward", "exact networks"),
    (exact_coding, "tables_for", "indexes"),
    (exact_coding.BufferedRansEncoder, "encode_with_indexes", "rANS"),
    (exact_coding.RansDecoder, "decode_stream", "rANS"),
    (sftip.SFTIP, "synthesis", "synthesis"),
    (hyperprior.Hyperprior, "synthesis", "synthesis"),
    (sci, "choose", "palette"),
    (sci, "restore", "palette"),
)
SQUARE = 2048  # side of the matrices
OTHERS = {"avif": 24, "webp": 55, "jxl": 50}  # their qualities, in the middle of their sweeps


class Clock:
    """Seconds by the clock and of the processor, summed by name."""

    def __init__(self):
        self.seconds = defaultdict(lambda: [0.0, 0.0])

    def around(self, function, name: str):
        def timed(*args, **kwargs):
            begun = time.perf_counter(), time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                for i, now in enumerate((time.perf_counter(), time.process_time())):
                    self.seconds[name][i] += now - begun[i]

        return timed


def measured(function, *args, **options) -> tuple[object, dict[str, list[float]]]:
    """What a function gives, and [by the clock, of the processor] for "whole" and each of TIMED that it went through."""
    clock = Clock()
    patches = [patch.object(owner, name, clock.around(getattr(owner, name), part)) for owner, name, part in TIMED]
    for p in patches:
        p.start()
    try:
        result = clock.around(function, "whole")(*args, **options)
    finally:
        for p in patches:
            p.stop()
    return result, {part: [round(value, 6) for value in both] for part, both in clock.seconds.items()}


ALONE = """
import json, resource, subprocess, sys, time
begun = time.perf_counter()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
clock, used = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
found = {"clock": clock, "processor": used.ru_utime + used.ru_stime, "peak_MB": used.ru_maxrss / 1024}
print(json.dumps({name: round(value, 6) for name, value in found.items()}))
"""


def operations(model, file: container.File) -> dict[str, int]:
    """Additions and multiplications of decoding a file, by part; by one thread, for the counter sees no others."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    of_shapes = lambda sums, a, b, **rest: 2 * math.prod(a) * b[-1]
    in_place = {torch.ops.aten.addmm_: of_shapes, torch.ops.aten.baddbmm_: of_shapes}  # the counter leaves these out
    strings, shape, level = [file.y, file.z], sci.shape_of_z(file, model), model.level(file.lmbda)
    latents = [latent.float() for latent in model.decode_latents(strings, shape, level)]
    found = {}
    for part, function in (
        ("synthesis", lambda: model.synthesis(*latents)),
        ("exact networks", lambda: model.decode_latents(strings, shape, level)),
    ):
        with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=in_place) as counter:
            function()
        found[part] = counter.get_total_flops()
    torch.set_num_threads(before)
    return found


def product_rates(threads: int) -> dict[str, float]:
    """Additions and multiplications a second of the fastest of some products of two matrices, by part: what arithmetic can be hoped for."""
    before, rates = torch.get_num_threads(), {}
    torch.set_num_threads(threads)
    for part, dtype in (("synthesis", torch.float32), ("exact networks", torch.float64)):
        a, seconds = torch.rand(SQUARE, SQUARE).to(dtype), []
        for _ in range(10):
            begun = time.perf_counter()
            a @ a
            seconds.append(time.perf_counter() - begun)
        rates[part] = 2 * SQUARE**3 / min(seconds)
    torch.set_num_threads(before)
    return rates


def command(*line) -> dict:
    """Seconds and peak memory of one command, from its start to its end.

    A small process starts it: to the peak of a process Linux counts what the one had that started it.
    """
    run = [sys.executable, "-c", ALONE, sys.executable, "-m", "sccore", *map(str, line)]
    return json.loads(subprocess.run(run, capture_output=True, text=True, check=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="whose shipped weights; the default ones unless given")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    os.environ["OMP_NUM_THREADS"] = str(a.threads)
    image = np.ascontiguousarray(read_image(paths.SAMPLES / "images" / "windows.png")[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH])
    codecs, skipped = classical.usable(list(OTHERS))
    weights = checkpoint_files.find(a.model or checkpoint_files.DEFAULT)
    rounds = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        shot, file, back = (Path(folder) / name for name in ("shot.png", "shot.sci", "back.png"))
        Image.fromarray(image).save(shot)
        checkpoint.save_model(create_model("cheng2020", rate="variable"), Path(folder) / "cheng2020.safetensors")
        light = checkpoint_files.find(checkpoint_files.LIGHT)
        models = {
            weights.stem: checkpoint.load_model(weights),
            light.stem: checkpoint.load_model(light),
            "cheng2020, untrained": checkpoint.load_model(Path(folder) / "cheng2020.safetensors"),
        }
        for _ in range(a.rounds):
            coding = ("encode", shot, file, "--detector", "none", "--checkpoint", weights)
            rounds["command: encode --no-palette"].append(command(*coding, "--no-palette"))
            rounds["command: encode"].append(command(*coding))
            rounds["command: decode"].append(command("decode", file, back, "--checkpoint", weights))
            rounds["command: decode --fast"].append(command("decode", file, back, "--checkpoint", weights, "--fast"))
            other = shot.with_name("light.sci")
            rounds[f"command, {light.stem}: encode"].append(command("encode", shot, other, "--detector", "none", "--checkpoint", light))
            rounds[f"command, {light.stem}: decode"].append(command("decode", other, back, "--checkpoint", light))
            rounds["command: preview"].append(command("decode", file, back, "--checkpoint", weights, "--preview"))
            for name, model in models.items():
                data, seconds = measured(sci.encode, image, model, LMBDA, bf16=native_bf16("cpu"), palette=True)
                rounds[f"{name}: encode"].append({**seconds, "bytes": len(data), "psnr": psnr(sci.decode(data, model), image)})
                rounds[f"{name}: decode"].append(measured(sci.decode, data, model)[1])
            for name, coded in ((weights.stem, file), (light.stem, other)):
                data = coded.read_bytes()
                near, seconds = measured(sci.decode, data, models[name], precision="bfloat16")
                off = np.abs(sci.decode(data, models[name]).astype(int) - near)
                row = {**seconds, "off_at_most": int(off.max()), "off_by_more_than_one": float((off > 1).mean()), "psnr": psnr(near, image)}
                rounds[f"{name}: decode --fast"].append(row)
            data = file.read_bytes()
            small = container.unpack(data)
            rounds[f"{weights.stem}: preview"].append(measured(preview.preview, small, models[weights.stem])[1])
            for what, bf16 in (("no palette", native_bf16("cpu")), ("no palette, analysis in float32", False)):
                data, seconds = measured(sci.encode, image, models[weights.stem], LMBDA, bf16=bf16)
                row = {**seconds, "bytes": len(data), "psnr": psnr(sci.decode(data, models[weights.stem]), image)}
                rounds[f"{weights.stem}, {what}: encode"].append(row)
            for codec in codecs:
                data, seconds = measured(codec.encode, image, OTHERS[codec.name])
                rounds[f"{codec.name}: encode"].append({**seconds, "bytes": len(data)})
                rounds[f"{codec.name}: decode"].append(measured(codec.decode, data, image.shape[:2])[1])
    machine = provenance.machine()
    record = {"machine": machine, "versions": provenance.versions(), "command": provenance.command_line(), "date": provenance.now()}
    record |= {"image": "windows.png", "crop": [LEFT, TOP, WIDTH, HEIGHT], "lmbda": LMBDA, "threads": a.threads, "others": OTHERS}
    record |= {"skipped": skipped, "operations": operations(models[weights.stem], small)}
    record |= {"product_rate": product_rates(a.threads), "product_rate_alone": product_rates(1), "rounds": rounds}
    path = paths.RESULTS / "speed" / f"split-{provenance.file_name(machine)}.json"
    save_record(path, record)
    for what, rows in rounds.items():
        print(what)
        for part, first in rows[0].items():
            middle = np.median([row[part] for row in rows], axis=0)
            print(f"    {part:16}", f"{middle[0]:7.2f} s, processor {middle[1]:.2f} s" if isinstance(first, list) else f"{middle:9.2f}")
    print(path)


if __name__ == "__main__":
    main()
