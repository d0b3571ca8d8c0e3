"""The public names: listed once, documented, shown on the API page, and their examples run."""

import doctest
import inspect
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import sccore
from sccore.utils.paths import ROOT

NAMES = sorted(sccore.__all__)
CODE = [name for name in NAMES if callable(getattr(sccore, name))]


def test_they_are_what_the_api_page_shows():
    page = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    shown = {name: home for home, name in re.findall(r"^(?: +~|- `)(sccore[\w.]*)\.(\w+)", page, flags=re.MULTILINE)}
    assert sorted(shown) == NAMES
    assert all(getattr(sys.modules[home], name) is getattr(sccore, name) for name, home in shown.items())


def test_star_dir_and_unknown_names():
    found: dict = {}
    exec("from sccore import *", found)
    assert set(NAMES) <= set(found) and sorted(dir(sccore)) == NAMES
    with pytest.raises(AttributeError, match="nonsense"):
        sccore.nonsense


@pytest.mark.parametrize("name", CODE)
def test_each_says_what_it_is_and_shows_it(name, tmp_path, monkeypatch):
    thing = getattr(sccore, name)
    text = inspect.getdoc(thing)
    takes = inspect.isfunction(thing) and len(inspect.signature(thing).parameters)
    assert text[0].isupper() and (not takes or "Args:" in text) and len(doctest.DocTestParser().get_examples(text)) >= 1, text
    monkeypatch.chdir(tmp_path)  # where the examples find a folder "screens", and leave what they write
    for folder, mode in (("images", "RGB"), ("masks", "L")):
        (tmp_path / "screens" / folder).mkdir(parents=True)
        Image.new(mode, (96, 80), "white").save(tmp_path / "screens" / folder / "one.png")
    test = doctest.DocTestParser().get_doctest(text, {"sccore": sccore, "np": np, "torch": torch}, name, None, None)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL).run(test, out=said.append)
    assert not said, "".join(said)


def test_the_package_alone_is_light():
    """No torch, and under 50 ms; the quickest of some tries, for others may be using the machine."""
    code = "import time; begin = time.perf_counter(); import sccore, sys; print(time.perf_counter() - begin, 'torch' in sys.modules)"
    tries = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() for _ in range(3)]
    assert min(float(seconds) for seconds, _ in tries) < 0.05 and {loaded for _, loaded in tries} == {"False"}
