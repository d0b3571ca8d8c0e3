"""`papermill NOTEBOOK -p NAME VALUE`, typed as it stands: at a terminal, in a script, behind a pipe; and its refusals."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill  # noqa: F401  papermill loads sccore.cli.papermill_engine, not the other way round
import pytest
from PIL import Image

from sccore.cli import notebook_parameters, papermill_engine
from sccore.utils import allocator
from sccore.utils.errors import InputError
from sccore.utils.paths import ROOT, SAMPLES

PAPERMILL = str(Path(sys.executable).with_name("papermill"))
DEFAULTS = {"lmbda": 0.0035, "steps": 3, "fast": False, "model": "sftip"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a small notebook that declares DEFAULTS and prints what it got; runs go there, too."""
    monkeypatch.setenv("SCCORE_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "tiny.ipynb", "import sccore\nprint('got', lmbda, steps, fast, model)")
    return tmp_path


def write(path, source):
    cell = nbformat.v4.new_code_cell
    declared = cell("\n".join(f"{k} = {v!r}  # a comment" for k, v in DEFAULTS.items()), metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=[declared, cell(source)], metadata={"kernelspec": kernel}), path)


def run(*words, stdin=subprocess.DEVNULL, **options):
    return subprocess.run([PAPERMILL, *words], stdin=stdin, capture_output=True, text=True, timeout=600, **options)


def at_a_terminal(*words):
    """Exit code and everything shown."""
    shown = []
    status = pty.spawn([PAPERMILL, *words], lambda fd: shown.append(os.read(fd, 4096)) or shown[-1])
    return os.waitstatus_to_exitcode(status), b"".join(shown).decode()


def printed(path):
    cells = nbformat.read(path, 4).cells
    return "".join(output.get("text", "") for cell in cells if cell.cell_type == "code" for output in cell.outputs)


def test_at_a_terminal(place):
    code, shown = at_a_terminal("tiny.ipynb", "-p", "lmbda", "0.01", "-p", "steps", "2")
    assert code == 0, shown
    assert "got 0.01 2 False sftip" in shown
    assert "got 0.01" in printed(place / "data/runs/notebooks/tiny-lmbda=0.01-steps=2.ipynb")


def test_in_a_script(place):
    done = run("tiny.ipynb", "-p", "lmbda", "0.01")
    assert done.returncode == 0, done.stderr
    assert "got 0.01 3 False sftip" in done.stderr
    assert "got 0.01" in printed(place / "data/runs/notebooks/tiny-lmbda=0.01.ipynb")


def test_behind_a_pipe(place):
    source = (place / "tiny.ipynb").read_bytes()
    done = run("tiny.ipynb", "-p", "lmbda", "0.01", stdin=None, input=source.decode())  # plain papermill would overwrite
    assert done.returncode == 0, done.stderr
    assert "got 0.01" in printed(place / "data/runs/notebooks/tiny-lmbda=0.01.ipynb")
    assert (place / "tiny.ipynb").read_bytes() == source


def test_an_output_path_is_respected(place):
    done = run("tiny.ipynb", "here-{lmbda}.ipynb", "-p", "lmbda", "0.01")
    assert done.returncode == 0, done.stderr
    assert (place / "here-0.01.ipynb").exists() and not (place / "data").exists()


def test_an_integer_will_do_for_a_float(place):
    assert "got 1 3" in run("tiny.ipynb", "-p", "lmbda", "1").stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["-p", "lambda", "0.1"], "unknown parameter 'lambda': did you mean 'lmbda'?"),
        (["-p", "steps", "many"], "parameter 'steps' must be int, not 'many' (str)"),
        (["-p", "fast", "true"], "parameter 'fast' must be bool, not 'true' (str); write True or False"),
        (["-p", "model", "007"], "parameter 'model' must be str, not 7 (int)"),
    ],
)
def test_a_wrong_parameter_is_one_line_and_nothing_runs(place, given, message):
    done = run("tiny.ipynb", *given)
    assert done.returncode != 0
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr and "got" not in done.stderr
    assert not list(place.glob("data/runs/notebooks/*.ipynb"))


def test_other_notebooks_are_left_alone(place):
    write(place / "other.ipynb", "print('got', lmbda)")
    done = run("other.ipynb", "-p", "nothing", "0.1", "-")
    assert done.returncode == 0, done.stderr
    assert papermill_engine.complete(["papermill", "other.ipynb"]) == ["papermill", "other.ipynb"]


@pytest.mark.parametrize("words", (["tiny.ipynb", "out.ipynb"], ["tiny.ipynb", "-"], ["--help-notebook", "tiny.ipynb"], []))
def test_complete_command_lines_stay(place, words):
    assert papermill_engine.complete(["papermill", *words]) == ["papermill", *words]


@pytest.mark.parametrize("words", (["-p", "lmbda", "1", "tiny.ipynb"], ["--log-output", "tiny.ipynb"], ["-k", "python3", "tiny.ipynb"]))
def test_the_output_path_follows_the_notebook(place, words):
    *before, notebook, output = papermill_engine.complete(["papermill", *words])[1:]
    assert [*before, notebook] == words and Path(output).parent == papermill_engine.paths.RUNS / "notebooks"


def test_names_of_outputs_are_file_names():
    output = papermill_engine.default_output("a/train.ipynb", [("images", "../x {y}"), ("lmbda", "0.1")])
    assert output.name == "train-images=.._x__y_-lmbda=0.1.ipynb"
    assert len(os.fsencode(papermill_engine.default_output("a.ipynb", [("image", 200 * "字")]).name)) < 160


@pytest.mark.parametrize("value", (True, "1.0", None))
def test_what_is_not_a_number_is_refused(value):
    notebook_parameters.check({"lmbda": 1}, DEFAULTS)
    with pytest.raises(InputError, match="'lmbda' must be float"):
        notebook_parameters.check({"lmbda": value}, DEFAULTS)


@pytest.mark.slow
def test_the_real_notebook_trains(tmp_path, monkeypatch):
    """The README's command, with two steps, on corners of the samples."""
    monkeypatch.chdir(tmp_path)
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        for path in sorted((SAMPLES / kind).glob("*.png"))[:4]:
            Image.open(path).crop((0, 0, 256, 192)).save(tmp_path / kind / path.name)
    out = tmp_path / "run"
    words = f"-p lmbda 0.0035 -p steps 2 -p batch 1 -p crop 128 -p images {tmp_path} -p out {out}".split()
    done = run(str(ROOT / "notebooks/train.ipynb"), str(tmp_path / "done.ipynb"), *words)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "2/2" in done.stderr  # the progress bar is seen
    assert (out / "model.safetensors").exists() and (out / "log.csv").read_text(encoding="utf-8").count("\n") >= 2


@pytest.mark.skipif(allocator.find() is None, reason="no tcmalloc: apt install libtcmalloc-minimal4, or conda install gperftools")
def test_the_kernel_starts_with_the_allocator_that_trains_faster(place, monkeypatch):
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    write(place / "tiny.ipynb", "from sccore.utils import allocator\nprint('served by', allocator.name())")
    assert run("tiny.ipynb").returncode == 0
    (out,) = (place / "data/runs/notebooks").glob("*.ipynb")
    assert "served by tcmalloc" in printed(out)
