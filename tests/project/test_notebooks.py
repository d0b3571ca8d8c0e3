"""Notebooks are pairs of equal content, without outputs, with a parameters cell of plain literals."""

import ast
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

from sccore.cli import notebook_parameters
from sccore.utils.paths import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TEXTS = ROOT / "book" / "experiments"


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.stem)


def cells(notebook):
    return [(cell.cell_type, cell.source.strip(), cell.metadata.get("tags", [])) for cell in notebook.cells]


def test_every_notebook_has_its_text():
    assert (
        {path.stem for path in NOTEBOOKS}
        == {path.stem for path in TEXTS.glob("*.md")}
        == {
            "train",
            "evaluate",
            "explore",
            "detectors",
            "table-1",
            "table-6",
            "figure-4",
            "figure-8",
            "figures-3-10",
            "ablations",
            "beyond",
        }
    )


@named(NOTEBOOKS)
def test_notebook_and_text_say_the_same(path):
    text = jupytext.read(TEXTS / f"{path.stem}.md")
    assert cells(nbformat.read(path, 4)) == cells(text)


@named(NOTEBOOKS)
def test_notebook_has_no_outputs_and_a_kernel(path):
    notebook = nbformat.read(path, 4)
    assert notebook.metadata.kernelspec.name == "python3" and notebook.metadata.kernelspec.language == "python"
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@named(NOTEBOOKS)
def test_parameters_are_plain_literals_with_a_comment(path):
    notebook = nbformat.read(path, 4)
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    for line, node in zip(cell.source.splitlines(), ast.parse(cell.source).body, strict=True):
        ast.literal_eval(node.value)
        assert "  # " in line
    assert None not in notebook_parameters.declared(notebook).values()  # the type of None says nothing


@named(NOTEBOOKS)
def test_papermill_lists_the_parameters(path):
    papermill = Path(sys.executable).with_name("papermill")
    shown = subprocess.run([papermill, "--help-notebook", path], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert shown.returncode == 0
    for name in notebook_parameters.declared(nbformat.read(path, 4)):
        assert f"  {name}: " in shown.stdout


@named(NOTEBOOKS)
def test_code_names_no_place_on_disk(path):
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code":
            assert "../" not in cell.source and 'Path("' not in cell.source


def test_sliders_draw_anew():
    """The cell for JupyterLab, which papermill and the book leave out, with its controls moved by hand."""
    place = {}
    for cell in nbformat.read(ROOT / "notebooks/explore.ipynb", 4).cells:
        if cell.cell_type == "code":
            exec(cell.source.replace("window = 512", "window = 128"), place)
    panels, seen = place["panels"], []
    for control, value in (("names_box", "windows95"), ("names_box", "gui"), ("rate_slider", 0.0018)):
        place[control].value = value
        seen.append([bytes(panel.value) for panel in panels])
        assert all(value.startswith(b"\x89PNG") for value in seen[-1])
    prior, bits, picture = range(3)
    assert len({values[prior] for values in seen}) == 2  # the image changed once; the prior knows no rate
    assert len({values[bits] for values in seen}) == len({values[picture] for values in seen}) == 3
