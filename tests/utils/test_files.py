"""Files are whole whoever writes them; a folder belongs to one process at a time, which the others are told about."""

import os
import platform
import subprocess
import sys
import time

import pytest

from sccore.utils import files
from sccore.utils.errors import InputError

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


WRITE = """
import sys
from sccore.utils import files
with files.replacing(sys.argv[1]) as part:
    part.write_text(sys.argv[2] * 1000)
    print(part, flush=True)
    sys.stdin.read()
"""


def writer(path, letter):
    command = [sys.executable, "-c", WRITE, path, letter]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith(str(path.parent))
    return process


def test_two_that_write_one_file_at_once_both_end_well(tmp_path):
    path = tmp_path / "index.npz"
    one, two = writer(path, "a"), writer(path, "b")
    for process, letter in ((two, "b"), (one, "a")):
        _, errors = process.communicate("")
        assert process.returncode == 0 and not errors
        assert path.read_text() == letter * 1000
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_kill_leaves_is_removed_by_the_next_process_that_writes_there(tmp_path):
    killed, at_work = writer(tmp_path / "a", "a"), writer(tmp_path / "b", "b")
    killed.kill()
    killed.communicate()
    assert len(list(tmp_path.glob(".*.part"))) == 2
    (tmp_path / f".d.{files.HOST}.{10**30}.1.part").touch()
    (tmp_path / ".mine.part").touch()  # somebody's own
    writer(tmp_path / "c", "c").communicate("")
    assert sorted(part.name[:3] for part in tmp_path.glob(".*.part")) == [".b.", ".mi"]  # the first is still at work
    at_work.communicate("")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine.part", "b", "c"]


@pytest.mark.parametrize("letter", ["x", "\u00e4", "\u5716"])
def test_the_longest_names_can_be_written(tmp_path, letter):
    path = tmp_path / (letter * (255 // len(letter.encode())))
    with files.replacing(path) as part:
        part.write_text("whole")
    assert path.read_text() == "whole" and list(tmp_path.iterdir()) == [path]


def test_an_error_that_says_nothing_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be written .RuntimeError."), files.replacing(tmp_path / "x"):
        raise RuntimeError


def test_what_colours_a_terminal_stays_out_of_a_message(tmp_path):
    with pytest.raises(InputError, match="last.pt: damaged .two ways, do these. only"), files.restoring(tmp_path / "last.pt"):
        raise RuntimeError("two ways, \x1b[1mdo these\x1b[0m. only\nmore")


def test_a_link_to_a_file_that_may_only_be_read_can_be_put_in_place(tmp_path, monkeypatch):
    def refusing(path, mode="r", **options):  # as for who is not root
        if "r" != mode.strip("b") and not os.stat(path).st_mode & 0o200:
            raise PermissionError(13, "Permission denied", str(path))
        return open(path, mode, **options)

    monkeypatch.setattr(files, "open", refusing, raising=False)
    (theirs := tmp_path / "theirs").write_bytes(b"x")
    theirs.chmod(0o444)
    with files.replacing(tmp_path / "ours") as part:
        os.link(theirs, part)
    assert (tmp_path / "ours").read_bytes() == b"x" and theirs.stat().st_mode & 0o777 == 0o444


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux lists processes that have ended")
def test_a_process_that_has_ended_is_not_at_work_though_nobody_asked_how():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert files._runs(process.pid)
    process.stdin.close()
    deadline = time.monotonic() + 30
    while files._runs(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not files._runs(process.pid) and process.returncode is None
    process.wait()
