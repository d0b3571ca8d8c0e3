"""Notebooks are pairs of equal content, without outputs, with a parameters cell of plain literals."""

import ast
import io
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from PIL import Image

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


def test_controls_draw_anew():
    """The cell for JupyterLab, which papermill and the book leave out, with its controls moved by hand."""
    place = {}
    for cell in nbformat.read(ROOT / "notebooks/explore.ipynb", 4).cells:
        if cell.cell_type == "code":
            exec(cell.source.replace("window = 384", "window = 128"), place)
    panels = place["panels"]
    shown = lambda: [panel.value for panel in panels]
    ours, overlays, regions, beside = range(4)
    before = shown()
    assert all(before) and "of the bits" in before[regions] and "bytes" in before[ours] and "AVIF" in before[beside]
    for control, value, same in (
        ("rate_slider", place["finer"][0], ()),
        ("mask_box", "text everywhere", ()),
        ("zoom_box", 4, (ours, overlays)),
        ("names_box", "gui", ()),
    ):
        place[control].value = value
        after = shown()
        assert [i for i in (ours, overlays, beside) if after[i] == before[i]] == list(same), control
        before = after
    content = io.BytesIO()
    Image.new("RGB", (200, 160), "white").save(content, "png")
    place["take"]({"new": [{"name": "own.png", "content": memoryview(content.getvalue())}]})
    assert shown()[ours] != before[ours] and place["whole"]["layers"][0].shape == (160, 200, 3)
    for name, height in (("gui", 1132), ("own.png", 160)):  # back, and there again
        place["names_box"].value = name
        assert place["whole"]["layers"][0].shape[0] == height
    place["take"]({"new": [{"name": "notes.txt", "content": memoryview(b"notes")}]})
    assert "notes.txt" in shown()[ours] and place["names_box"].value == "own.png"
