"""A book built in a checkout that is public on GitHub leads from each notebook's page to Binder and Colab; any other says nothing of them."""

import importlib.util
import os
import subprocess
import sys

import pytest

from sccore.utils.paths import ROOT

EXTENSIONS = ROOT / "book" / "_extensions"


def built(folder, origin) -> dict[str, str]:
    """The pages of a small book, one of them of a notebook, in a repository with this origin."""
    pytest.importorskip("sphinx")
    book = folder / "book"
    (book / "experiments").mkdir(parents=True)
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "explore.ipynb").touch()
    (book / "index.rst").write_text("Start\n=====\n\n.. toctree::\n\n   experiments/explore\n", encoding="utf-8")
    (book / "experiments" / "explore.rst").write_text("Explore\n=======\n\nText.\n", encoding="utf-8")
    for command in (["init", "-q", "-b", "main"], ["remote", "add", "origin", origin]):
        subprocess.run(["git", "-C", folder, *command], check=True)
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-W", "-C", "-D", "extensions=launch", book, book / "_build"]
    subprocess.run(sphinx, check=True, env=os.environ | {"PYTHONPATH": str(EXTENSIONS)})
    return {name: (book / "_build" / f"{name}.html").read_text(encoding="utf-8") for name in ("index", "experiments/explore")}


def test_pages_of_notebooks_lead_to_binder_and_colab(tmp_path):
    pages = built(tmp_path, "git@github.com:someone/screens.git")
    page = pages["experiments/explore"]
    assert 'href="https://mybinder.org/v2/gh/someone/screens/HEAD?labpath=notebooks/explore.ipynb"' in page
    assert 'href="https://colab.research.google.com/github/someone/screens/blob/main/notebooks/explore.ipynb"' in page
    assert "!git clone --depth 1 https://github.com/someone/screens project" in page
    assert "colab" not in pages["index"]


def test_without_a_public_address_nothing_is_promised(tmp_path):
    assert "colab" not in built(tmp_path, "/srv/git/screens")["experiments/explore"]


@pytest.mark.parametrize(
    "address, place",
    [
        ("https://github.com/someone/my.screens.git", "someone/my.screens"),
        ("https://name:word@github.com/someone/screens/", "someone/screens"),
        ("ssh://git@github.com/someone/screens.git", "someone/screens"),
        ("https://example.org/someone/screens", None),
        ("https://github.com/someone", None),
        ("", None),
    ],
)
def test_addresses_of_github_in_all_their_forms(address, place):
    pytest.importorskip("docutils")
    spec = importlib.util.spec_from_file_location("launch", EXTENSIONS / "launch.py")
    spec.loader.exec_module(launch := importlib.util.module_from_spec(spec))
    assert launch.place(address) == place
