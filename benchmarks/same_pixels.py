"""Files written in one setting of a machine and decoded in another: whether all decode, and how far their pixels are apart.

    python benchmarks/same_pixels.py [IMAGES]

A process a setting writes a file of each image, and decodes those of all settings. The record lies in data/results/limits.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

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
import sys
from pathlib import Path
import numpy as np
from sccore.codecs import sci
from sccore.codecs.checkpoint import load_model
from sccore.data.images import read_image
from sccore.utils.paths import SAMPLES
what, folder, count, name = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
model, picture = load_model("sftip"), read_image(SAMPLES / "images" / "codec_wiki.png")
if what == "encode":
    for i in range(count):
        part = np.ascontiguousarray(picture[8 * i : 8 * i + 64, 16 * i : 16 * i + 64])
        (folder / f"{i}.{name}.sci").write_bytes(sci.encode(part, model, 0.0067))
else:
    np.savez(folder / f"{name}.npz", **{file.stem: sci.decode(file.read_bytes(), model) for file in sorted(folder.glob("*.sci"))})
"""


def main(images: str = "28"):
    with tempfile.TemporaryDirectory() as folder:
        for what in ("encode", "decode"):
            for name, env in SETTINGS.items():
                subprocess.run([sys.executable, "-c", CODE, what, folder, images, name], env=os.environ | env, check=True)
        decoded = {name: np.load(Path(folder) / f"{name}.npz") for name in SETTINGS}
        first, rows = decoded["one thread"], []
        for name, pictures in decoded.items():
            apart = [np.abs(pictures[file].astype(int) - first[file]) for file in first.files]
            rows.append(
                {
                    "decoded in": name,
                    "files": len(apart),
                    "with other pixels": sum(bool(a.any()) for a in apart),
                    "largest difference": max(int(a.max()) for a in apart),
                }
            )
    record = {
        "command": provenance.command_line(),
        "date": provenance.now(),
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "image": "crops of codec_wiki, 64x64",
        "weights": "sftip",
        "lmbda": 0.0067,
        "settings": rows,
    }
    save_record(paths.RESULTS / "limits" / "same-pixels.json", record)


if __name__ == "__main__":
    main(*sys.argv[1:])
