"""A book's pages are read by several processes, those with cells first."""

import os
import subprocess
import sys

import pytest

from sccore.utils.device import cores
from sccore.utils.paths import ROOT

NOTE = """
import os

def note(app, name, source):
    with open(os.environ["NOTED"], "a") as file:
        file.write(f"{name} {os.getpid()} {os.environ.get('OMP_NUM_THREADS')}\\n")

def setup(app):
    app.connect("source-read", note)
    return {"parallel_read_safe": True}
"""


@pytest.mark.parametrize("pages", [8, 4])
def test_processes_share_the_pages_unless_they_are_few(tmp_path, pages):
    parallel = pytest.importorskip("sphinx.util.parallel")
    if not parallel.parallel_available or cores() < 2:
        pytest.skip("one process here")
    names = [f"page{i}" for i in range(pages)]
    lines = ["Start", "=====", "", ".. toctree::", "", *(f"   {name}" for name in names)]
    (tmp_path / "index.rst").write_text("\n".join(lines), encoding="utf-8")
    for name in names:
        text = ".. {code-cell}" if name == names[-1] else "Text."  # to reStructuredText a comment
        (tmp_path / f"{name}.rst").write_text(f"Page\n====\n\n{text}\n", encoding="utf-8")
    (tmp_path / "note.py").write_text(NOTE, encoding="utf-8")
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-W", "-C", "-D", "extensions=side_by_side,note", tmp_path, tmp_path / "_build"]
    folders = os.pathsep.join([str(ROOT / "book" / "_extensions"), str(tmp_path)])
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    subprocess.run(sphinx, check=True, env=environment | {"PYTHONPATH": folders, "NOTED": str(tmp_path / "noted")})
    noted = [line.split() for line in (tmp_path / "noted").read_text().splitlines()]
    assert sorted(name for name, _, _ in noted) == sorted(["index", *names])
    assert (len({process for _, process, _ in noted}) > 1) == (pages > 5)
    assert {threads for _, _, threads in noted} == {"1" if pages > 5 else "None"}
    firsts = {process: name for name, process, _ in reversed(noted)}
    assert names[-1] in firsts.values()
    assert (tmp_path / "_build" / f"{names[0]}.html").exists()
