"""Standard streams that are closed or that nobody reads any longer, and processes whose first one has gone."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import sccore
from sccore.utils import paths

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a system without a POSIX shell")


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """A folder of lossless .sci files, for which torch is not loaded."""
    folder = tmp_path_factory.mktemp("flat") / "coded"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.sci").write_bytes(sccore.encode(np.full((30, 40, 3), 200, np.uint8), detector="none"))
    return folder


def shell(line, folder, **options):
    line = line.replace("sccore", f"'{sys.executable}' -m sccore")
    return subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, env=os.environ | {"PYTHONPATH": str(paths.ROOT)}, **options)


def test_nothing_is_mixed_into_a_file_on_standard_output(flat):
    assert shell("sccore decode a.sci - 2>&- > x.png", flat).returncode == 0
    whole = shell("sccore decode a.sci -", flat).stdout
    assert (flat / "x.png").read_bytes() == whole and whole.endswith(b"IEND\xaeB`\x82")
    assert shell("sccore decode a.sci y.png >&-", flat).returncode == 0 and Image.open(flat / "y.png").size == (40, 30)


@pytest.mark.parametrize(
    "line, said", [("sccore info - <&-", "standard input: is closed"), ("sccore decode a.sci - >&-", "standard output: is closed")]
)
def test_a_closed_stream_that_is_needed_is_one_line(flat, line, said):
    result = shell(line, flat)
    assert result.returncode == 1 and result.stderr.decode().splitlines() == [f"error: {said}"]


def test_all_files_are_made_though_nobody_reads_their_names(flat):
    result = shell("{ sccore decode . out; echo $? >&2; } | head -0", flat)
    assert result.stderr.endswith(b"\n0\n") and len(list((flat / "out").iterdir())) == 3


def test_ctrl_c_while_a_command_starts_is_one_word():
    program = """
import sys
from sccore import __main__
from sccore.utils import allocator
class CtrlC:
    def find_spec(self, name, *_):
        if name == "sccore.cli":
            raise KeyboardInterrupt
allocator.start_anew = lambda: None
sys.meta_path.insert(0, CtrlC())
sys.exit(__main__.main())
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(paths.ROOT)}
    )
    assert (result.returncode, result.stderr) == (130, "interrupted\n")


def test_processes_end_with_the_one_that_started_them(tmp_path):
    (tmp_path / "work.py").write_text(
        "import multiprocessing, os, time\n"
        "from sccore.utils.device import work_for_another\n"
        "def work(started):\n"
        "    work_for_another(1); started.set(); time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('spawn')\n"
        "    other = context.Process(target=work, args=(started := context.Event(),))\n"
        "    other.start(); started.wait(); print(other.pid, flush=True); os._exit(0)\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [sys.executable, "work.py"], cwd=tmp_path, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(paths.ROOT)}
    )
    pid, deadline = int(process.stdout.readline()), time.monotonic() + 20
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.05)
