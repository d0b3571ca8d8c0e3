"""How long coding takes on cores that other work shares: medians for each number of threads, alone and beside a busy loop.

    python benchmarks/shared_cores.py [SIDE] [TIMES]

The record lies in data/results/limits.
"""

import json
import multiprocessing
import os
import subprocess
import sys

from sccore.evaluation import provenance
from sccore.evaluation.records import save_record
from sccore.utils import paths

CODE = """
import json, resource, sys, time
import numpy as np
from sccore.codecs import sci
from sccore.codecs.checkpoint import load_model
from sccore.data.images import read_image
from sccore.utils.paths import SAMPLES
side, times = int(sys.argv[1]), int(sys.argv[2])
image = np.ascontiguousarray(read_image(SAMPLES / "images" / "codec_wiki.png")[:side, :side])
model, rows = load_model("sftip"), []
for _ in range(times + 1):
    start, user = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
    data = sci.encode(image, model, 0.0067)
    middle = time.perf_counter()
    sci.decode(data, model)
    rows.append((middle - start, time.perf_counter() - middle, resource.getrusage(resource.RUSAGE_SELF).ru_utime - user))
print(json.dumps([sorted(column)[times // 2] for column in zip(*rows[1:])]))
"""


def busy():
    while True:
        pass


def measured(side: str, times: str, threads: int) -> dict:
    env = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run([sys.executable, "-c", CODE, side, times], env=env, capture_output=True, text=True, check=True)
    return dict(zip(("encode", "decode", "user"), (round(v, 3) for v in json.loads(done.stdout))))


def main(side: str = "768", times: str = "3"):
    rows = []
    for beside in (0, 1):
        others = [multiprocessing.Process(target=busy, daemon=True) for _ in range(beside)]
        for other in others:
            other.start()
        for threads in (1, 2, 16):
            rows.append({"busy loops": beside, "threads": threads, **measured(side, times, threads)})
            print(json.dumps(rows[-1]), flush=True)
        for other in others:
            other.kill()
    record = {"command": provenance.command_line(), "date": provenance.now(), "machine": provenance.machine()}
    record |= {"versions": provenance.versions(), "image": f"codec_wiki, {side}x{side}", "rows": rows}
    save_record(paths.RESULTS / "limits" / "shared-cores.json", record)


if __name__ == "__main__":
    main(*sys.argv[1:])
