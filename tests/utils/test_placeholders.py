"""`decode` starts torch without what it does not need, and the commands that code end without taking it apart."""

import os
import subprocess
import sys

import pytest
from PIL import Image

import sccore

START = """
import sys
from sccore.utils.placeholders import NO_META, Placeholders
sys.meta_path.insert(0, Placeholders(NO_META))
import torch
assert not hasattr(sys.modules["torch._meta_registrations"], "meta_addmm"), "imported after all"
assert torch.nn.functional.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3)).item() == 9
"""
DETECTOR = """
import sys
sys.argv = ["sccore", "encode", *sys.argv[1:]]
from sccore.__main__ import main
main()
"""
DECODE = sys.executable, "-m", "sccore", "decode"


def test_torch_starts_without_its_rules_for_empty_tensors():
    result = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


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
