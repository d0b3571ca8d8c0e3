"""Seconds to encode and to decode a screenshot on the command line, with the system's allocator and with the chosen one.

    python benchmarks/coding_speed.py [IMAGE] [--rounds 5]

Each is a process of its own, from its start to its end, in turns. The files and pictures must be equal; the result is a
record in data/results/speed, one a machine.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from sccore.evaluation import provenance
from sccore.evaluation.records import save_record
from sccore.utils import paths

BARE = [
    sys.executable,
    "-c",
    "import sys; from sccore.cli.command_line import main; sys.exit(main())",
]  # as it would start without a choice
WAYS = {"system": BARE, "chosen": [sys.executable, "-m", "sccore"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", nargs="?", type=Path, default=paths.SAMPLES / "images" / "windows.png")
    parser.add_argument("--rounds", type=int, default=5)
    a = parser.parse_args()
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    seconds = {way: {"encode": [], "decode": []} for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(a.rounds):
            made = set()
            for way, program in WAYS.items():
                file, back = Path(folder) / f"{way}.sci", Path(folder) / f"{way}.png"
                for command in (["encode", a.image, file, "--detector", "none", "--lossy"], ["decode", file, back]):
                    begun = time.perf_counter()
                    subprocess.run([*program, *command], check=True, env=environment, stdout=subprocess.DEVNULL)
                    seconds[way][command[0]].append(time.perf_counter() - begun)
                made.add((file.read_bytes(), back.read_bytes()))
            if len(made) > 1:
                sys.exit("error: files or pictures differ")
    chosen = subprocess.run(
        [sys.executable, "-c", "from sccore.utils import allocator as a; a.start_anew(); print(a.name())"],
        check=True,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()
    width, height = Image.open(a.image).size
    record = {
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "command": provenance.command_line(),
        "date": provenance.now(),
        "image": a.image.name,
        "width": width,
        "height": height,
        "allocator": chosen,
        "seconds": seconds,
    }
    path = paths.RESULTS / "speed" / f"coding-{provenance.file_name(record['machine'])}.json"
    save_record(path, record)
    for action in ("encode", "decode"):
        print(action, *(f"{way} {statistics.median(seconds[way][action]):.1f} s" for way in WAYS))
    print(path)


if __name__ == "__main__":
    main()
