"""The allocator that a process is started with: found, asked for once, and kept quiet where there is none."""

import os
import subprocess
import sys

import pytest

from sccore.utils import allocator

FOUND = allocator.find()
PLAIN = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
here = pytest.mark.skipif(FOUND is None, reason="no tcmalloc: apt install libtcmalloc-minimal4, or conda install gperftools")
linux = pytest.mark.skipif(sys.platform != "linux", reason="allocators are chosen on Linux only")


def python(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], env=PLAIN, capture_output=True, text=True, check=True)


@linux
def test_variables_are_added_once(monkeypatch):
    monkeypatch.setattr(allocator, "find", lambda: "/there/libtcmalloc_minimal.so.4")
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    assert allocator.environment()["LD_PRELOAD"] == "/there/libtcmalloc_minimal.so.4"
    monkeypatch.setenv("LD_PRELOAD", "libother.so")
    assert allocator.environment()["LD_PRELOAD"] == "/there/libtcmalloc_minimal.so.4:libother.so"
    for chosen in (allocator.environment()["LD_PRELOAD"], "libjemalloc.so.2"):
        monkeypatch.setenv("LD_PRELOAD", chosen)
        assert allocator.environment() == {}
    monkeypatch.delenv("LD_PRELOAD")
    monkeypatch.setattr(allocator, "find", lambda: None)
    assert allocator.environment() == {}


def test_the_own_environment_comes_before_the_system(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert allocator.find() == FOUND
    (tmp_path / "lib").mkdir()
    (own := tmp_path / "lib" / "libtcmalloc_minimal.so.4").touch()
    assert allocator.find() == str(own)


@here
def test_a_process_is_started_anew_with_the_same_arguments():
    code = "import os, sys; from sccore.utils import allocator; allocator.start_anew(); print(allocator.name(), sys.argv[1:]); "
    shown = python(code + "sys.stdout.flush(); os.system('echo ${LD_PRELOAD:-nothing} $SCCORE_LD_PRELOAD')", "a", "b c")
    assert shown.stdout == "tcmalloc ['a', 'b c']\nnothing\n" and shown.stderr == ""  # what it starts is not concerned


@linux
def test_a_library_that_does_not_load_stops_nothing(tmp_path):
    (broken := tmp_path / "libtcmalloc_minimal.so.4").write_text("no library", encoding="utf-8")
    code = f"from sccore.utils import allocator; allocator.find = lambda: {str(broken)!r}; allocator.start_anew(); print(allocator.name())"
    assert python(code).stdout == "system\n"


@linux
def test_memory_is_kept_where_there_is_no_other_allocator():
    code = """
import numpy, resource
from sccore.utils import allocator
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    for _ in range(5):
        del [numpy.ones(1 << 20) for _ in range(8)][:]
    return faults()
step(); before = faults(); given_back = step() - before
allocator.keep_memory()
step(); before = faults(); kept = step() - before
print(given_back, kept)
"""
    given_back, kept = map(int, python(code).stdout.split())
    assert kept < given_back / 10
