"""`decode` starts torch without what it does not need, and the commands that code end without taking it apart."""

import os
import subprocess
import sys

import pytest
from PIL import Image

import sccore

EMPTY = """
import sys
from sccore.__main__ import NO_META, SELDOM, Late
sys.meta_path.insert(0, Late(*NO_META, *SELDOM))
import torch
from torch.nn.functional import conv2d
assert conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3)).item() == 9
assert all("__getattr__" in vars(sys.modules[name]) for name in (*NO_META, *SELDOM)), "imported after all"
"""
FILLED = """
import sys
from sccore.__main__ import SELDOM, Late
sys.meta_path.insert(0, Late(*SELDOM))
import torch
assert torch.export.export(torch.nn.Linear(1, 1), (torch.ones(1, 1),)) and torch.nested.nested_tensor([torch.ones(1)]).is_nested
assert not torch.compiler.is_compiling() and torch.optim.SGD([torch.ones(1, requires_grad=True)])
"""
PARCEL = """
import sys
import threading
sys.path.insert(0, sys.argv[1])
from sccore.utils.late import Late
log = lambda: open(sys.argv[2], encoding="utf-8").read()
with Late("parcel.inside", "parcel.other", "parcel.nowhere"):
    import parcel.inside
    from parcel import inside, other
    assert inside.__file__.endswith("inside.py") and not hasattr(inside, "__warningregistry__") and log() == "parcel\\n", "ran at once"
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(inside.VALUE)) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert seen == [7] * 8 and inside is sys.modules["parcel.inside"] and log() == "parcel\\nparcel.inside\\n", "once, and no other"
    try:
        inside.missing
    except AttributeError as error:
        assert "'missing'" in str(error)
    try:
        import parcel.nowhere
    except ModuleNotFoundError:
        print("as without it")
assert parcel.inside is inside and not hasattr(parcel, "other") and "parcel.other" not in sys.modules
from parcel.other import *
assert VALUE == 7 and log().endswith("parcel.other\\n")
"""
DETECTOR = """
import sys
sys.argv = ["sccore", "encode", *sys.argv[1:]]
from sccore.__main__ import main
main()
"""
DECODE = sys.executable, "-m", "sccore", "decode"


@pytest.mark.parametrize("code", [EMPTY, FILLED])
def test_torch_starts_without_what_coding_seldom_uses_and_gives_it_when_asked(code):
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_part_runs_once_when_something_in_it_is_asked_for(tmp_path):
    package, log = tmp_path / "parcel", tmp_path / "log"
    package.mkdir()
    log.touch()
    note = f"import time\nprint(__name__, file=open({str(log)!r}, 'a', encoding='utf-8'))\ntime.sleep(0.1)\n"
    for part in ("__init__.py", "inside.py", "other.py"):
        (package / part).write_text(note + "VALUE = 7\n", encoding="utf-8")
    result = subprocess.run([sys.executable, "-c", PARCEL, tmp_path, log], capture_output=True, text=True)
    assert result.stdout == "as without it\n", result.stderr


def test_what_was_said_is_written_before_the_end(tmp_path, screen):
    """Through a pipe, which Python writes to late; also beside an error."""
    data = sccore.encode(screen(64, 64)[0], detector="none", fallback=False)
    for name, content in (("a.sci", data), ("b.sci", b"rubbish")):
        (tmp_path / name).write_bytes(content)
    result = subprocess.run([*DECODE, "a.sci", "b.sci", "out"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 3 and "a.png: 64x64\n" in result.stdout and "b.sci: not a .sci file" in result.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux's")
def test_a_full_disk_behind_standard_output_is_one_line_and_a_closed_pipe_none(tmp_path, screen):
    (tmp_path / "a.sci").write_bytes(sccore.encode(screen(64, 64)[0], detector="none", fallback=False))
    read, write = os.pipe()
    os.close(read)
    with open("/dev/full", "w", encoding="utf-8") as full, open(write, "w", encoding="utf-8") as closed:
        for stream, expected in ((full, (1, "error: standard output: No space left on device\n")), (closed, (0, ""))):
            done = subprocess.run([*DECODE, "a.sci", "a.png", "--preview"], cwd=tmp_path, stdout=stream, stderr=subprocess.PIPE, text=True)
            assert (done.returncode, done.stderr) == expected


def test_a_detector_that_needs_torchvision_runs_in_the_command(tmp_path, screen):
    Image.fromarray(screen(64, 96)[0]).save(tmp_path / "a.png")
    result = subprocess.run(
        [sys.executable, "-c", DETECTOR, "a.png", "a.sci", "--detector", "east"], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0 and "mask: east" in result.stdout, result.stderr
