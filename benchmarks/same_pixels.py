"""Files written in one setting of a machine and decoded in another: whether all decode, and how far their pixels are apart.

    python benchmarks/same_pixels.py [IMAGES] [TIMES]

A process a setting writes a file of each image, and decodes those of all settings, with the synthesis in float32 and in float64. What
either takes is measured on one larger picture, with one thread. The record lies in data/results/limits.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from sccore.codecs.checkpoint_files import DEFAULT
from sccore.evaluation import provenance
from sccore.evaluation.records import save_record
from sccore.utils import paths

SETTINGS = {
    "one thread": {"OMP_NUM_THREADS": "1"},
    "two threads": {"OMP_NUM_THREADS": "2"},
    "sixteen threads": {"OMP_NUM_THREADS": "16"},
    "oneDNN with SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "oneDNN with AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "ATen without vector instructions": {"ATEN_CPU_CAPABILITY": "default"},
}
CODE = """
import json, statistics, sys, time
from pathlib import Path
import numpy as np
from sccore.codecs import sci
from sccore.codecs.checkpoint import load_model
from sccore.codecs.checkpoint_files import DEFAULT
from sccore.data.images import read_image
from sccore.utils.paths import SAMPLES
what, folder, count, name = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
model, picture = load_model(DEFAULT), read_image(SAMPLES / "images" / "codec_wiki.png")
if what == "encode":
    for i in range(count):
        part = np.ascontiguousarray(picture[8 * i : 8 * i + 64, 16 * i : 16 * i + 64])
        (folder / f"{i}.{name}.sci").write_bytes(sci.encode(part, model, 0.0067))
elif what == "decode":
    unrounded, rounded = [], sci.to_image
    sci.to_image = lambda x_hat, *size: unrounded.append(255 * x_hat[0].numpy()) or rounded(x_hat, *size)
    for kind in ("float32", "float64"):
        unrounded.clear()
        pixels = [sci.decode(file.read_bytes(), model, precision=kind) for file in sorted(folder.glob("*.sci"))]
        np.savez(folder / f"{name}.{kind}.npz", pixels=pixels, unrounded=unrounded)
else:
    data, times = sci.encode(np.ascontiguousarray(picture[:768, :768]), model, 0.0067), {}
    for kind in ("float32", "float64") * (count + 1):
        begun = time.process_time()
        sci.decode(data, model, precision=kind)
        times.setdefault(kind, []).append(time.process_time() - begun)
    print(json.dumps({kind: round(statistics.median(seconds[1:]), 2) for kind, seconds in times.items()}))
"""


def main(images: str = "28", times: str = "5"):
    with tempfile.TemporaryDirectory() as folder:
        run = lambda what, name, env, count=images: subprocess.run(
            [sys.executable, "-c", CODE, what, folder, count, name], env=os.environ | env, check=True, stdout=subprocess.PIPE
        )
        for what in ("encode", "decode"):
            for name, env in SETTINGS.items():
                run(what, name, env)
        rows = [row(Path(folder), name, kind) for kind in ("float32", "float64") for name in SETTINGS]
        seconds = json.loads(run("time", "", SETTINGS["one thread"], times).stdout)
    record = {
        "command": provenance.command_line(),
        "date": provenance.now(),
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "image": "crops of codec_wiki, 64x64",
        "weights": DEFAULT,
        "lmbda": 0.0067,
        "settings": rows,
        "decoding 768x768 pixels, processor seconds": seconds,
    }
    save_record(paths.RESULTS / "limits" / "same-pixels.json", record)


def row(folder: Path, name: str, kind: str) -> dict:
    """What one setting decodes, beside what one thread does."""
    first, other = (np.load(folder / f"{setting}.{kind}.npz") for setting in ("one thread", name))
    apart = [np.abs(one.astype(int) - two) for one, two in zip(first["pixels"], other["pixels"])]
    return {
        "decoded in": name,
        "synthesis": kind,
        "files": len(apart),
        "with other pixels": sum(bool(a.any()) for a in apart),
        "largest difference": max(int(a.max()) for a in apart),
        "largest difference before rounding": float(f"{np.abs(first['unrounded'] - other['unrounded']).max():.2g}"),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
