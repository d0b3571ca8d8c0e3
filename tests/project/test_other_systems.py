"""Without what only Linux has, everything is imported, and the codec and the training work; simulated by taking it away."""

import subprocess
import sys

from PIL import Image

from sccore.data.images import read_image
from sccore.utils.paths import SAMPLES

ELSEWHERE = """
import os, sys
for name in ("sched_getaffinity", "fork", "posix_spawn", "killpg", "geteuid", "mkfifo"):
    delattr(os, name)
for name in ("fcntl", "termios", "pwd", "grp"):
    sys.modules[name] = None
import importlib, pkgutil
import sccore
from sccore.utils import allocator, device
for module in pkgutil.walk_packages(sccore.__path__, "sccore."):
    if not module.name.endswith(("__main__", "papermill_engine")):  # the latter is loaded by papermill
        importlib.import_module(module.name)
from sccore.cli.command_line import main
assert device.cores() >= 1
for line in sys.argv[1:]:
    print(main(line.split()))
"""
LINES = [
    "encode in/shot.png shot.sci --detector none",
    "decode shot.sci back.png",
    "evaluate --images in --lmbda 0.0067 --out record.json",
    "train --data in --out run --steps 2 --batch 1 --crop 64 --device cpu",
    "render page.html --out pages",
]


def test_everything_but_the_browser_works_without_what_linux_alone_has(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(read_image(SAMPLES / "images" / "windows95.png")[:100, :120]).save(tmp_path / "in" / "shot.png")
    (tmp_path / "page.html").write_text("<p>words</p>", encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", ELSEWHERE, *LINES], cwd=tmp_path, capture_output=True, text=True)
    assert [line for line in done.stdout.splitlines() if line.isdigit()] == ["0", "0", "0", "0", "1"], done.stderr
    assert (tmp_path / "run" / "model.safetensors").exists() and read_image(tmp_path / "back.png").shape == (100, 120, 3)
    assert "error: pages are rendered on Linux and macOS alone" in done.stderr
