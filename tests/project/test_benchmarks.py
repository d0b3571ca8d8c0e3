"""The scripts in benchmarks/ start, and what they time is where they look for it."""

import runpy

import pytest

from sccore.utils.paths import ROOT

SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_can_be_read(path, monkeypatch):
    monkeypatch.syspath_prepend(path.parent)
    names = runpy.run_path(str(path))
    assert names["__doc__"] and all(hasattr(owner, name) for owner, name, _ in names.get("TIMED", ()))
