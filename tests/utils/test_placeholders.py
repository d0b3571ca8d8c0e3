"""`decode` starts torch without what it does not need, and the commands that code end without taking it apart."""

import subprocess
import sys
from unittest.mock import Mock

import pytest
from PIL import Image

from sccore.__main__ import leave

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
LEAVE = "import sys, threading; from sccore.__main__ import leave; print('said'); print('so', file=sys.stderr); leave({code})"


def run(code: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], text=True, **options)


def test_torch_starts_without_its_rules_for_empty_tensors():
    result = run(START, capture_output=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("code", [0, 3])
def test_what_was_said_is_written_before_the_end(code):
    result = run(LEAVE.format(code=code), capture_output=True)
    assert (result.returncode, result.stdout, result.stderr) == (code, "said\n", "so\n")


@pytest.mark.parametrize("error, code", [(BrokenPipeError(), 0), (OSError(28, "No space left on device"), 1)])
def test_a_full_disk_behind_standard_output_is_said_and_a_closed_pipe_is_not(error, code, monkeypatch, capsys):
    ends = []
    monkeypatch.setattr("os._exit", ends.append)
    monkeypatch.setattr("sys.stdout", Mock(flush=Mock(side_effect=error)))
    leave(0)
    assert ends == [code] and capsys.readouterr().err == ("error: standard output: No space left on device\n" if code else "")


def test_a_detector_that_needs_torchvision_runs_in_the_command(tmp_path, screen):
    Image.fromarray(screen(64, 96)[0]).save(tmp_path / "a.png")
    result = subprocess.run(
        [sys.executable, "-c", DETECTOR, "a.png", "a.sci", "--detector", "east"], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0 and "mask: east" in result.stdout, result.stderr
