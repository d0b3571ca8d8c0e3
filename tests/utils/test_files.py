"""A folder belongs to one process at a time, which the others are told about and which need not end well."""

import os
import platform
import subprocess
import sys

import pytest

from sccore.utils import files

HOLD = "import sys, pathlib; from sccore.utils import files\nwith files.lock(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"


def test_the_second_is_told_who_holds_a_folder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        for _ in range(2):  # asking disturbs nothing
            with files.lock(tmp_path / "run") as mine:
                assert not mine and files.holder(tmp_path / "run") == f"process {process.pid} on {platform.node()}"
    finally:
        process.kill()
        process.communicate()
    with files.lock(tmp_path / "run") as mine:  # what it left behind stops nobody
        assert mine and files.holder(tmp_path / "run") == f"process {os.getpid()} on {platform.node()}"


def test_a_holder_that_does_not_say_who_it_is(tmp_path):
    assert files.holder(tmp_path) == "another process"


@pytest.mark.parametrize("absent", ["fcntl", "msvcrt"])
def test_locks_without_the_system_s_modules(tmp_path, absent):
    code = f"import sys; sys.modules[{absent!r}] = None\n" + HOLD.replace("print(", "print(*files.lock(pathlib.Path(sys.argv[1])).gen, ")
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "run"], input="", capture_output=True, text=True)
    assert done.stdout == "False held\n", done.stderr
