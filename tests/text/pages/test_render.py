"""Rendered pages: words lie where their ink is, the same seed gives the same page, and what cannot be used is said."""

import os
import shutil
from random import Random

import numpy as np
import pytest

from sccore.cli.command_line import main
from sccore.data.images import read_image
from sccore.text.pages import appearance, chromium, render
from sccore.text.words import oracle
from sccore.utils.errors import InputError

try:
    chromium.find()
    MISSING = ""
except InputError as error:
    MISSING = str(error)
needs_browser = pytest.mark.skipif(bool(MISSING), reason=MISSING)

PAGE = """<!doctype html><html class="light"><head><meta charset="utf-8"><style>{style}</style></head><body>
<h1>Heading here</h1><p>some plain words and one<b>joined</b> word <span style="visibility:hidden">hidden</span></p>
<pre>let <i>v</i>: <i>Vec</i>&lt;T&gt;;</pre><ol><li>first item</li></ol><div style="position:fixed; top:0">fixed</div>
<p class="before">more text to reach the least number of words of a page {more}</p></body></html>"""
STYLE = ".before::before { content: 'generated' }"
PLAIN = appearance.Look(640, 480, 1.0, 0.0, "light", "", ())


@pytest.fixture(scope="module")
def running():
    with chromium.Browser() as running:
        yield running


@pytest.fixture
def documents(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.html").write_text(PAGE.format(style=STYLE, more=f"in {name}"), encoding="utf-8")
    return folder


def show(running, documents, look=PLAIN):
    shot, words = render.page(running, documents / "a.html", look)
    (documents.parent / "shot.png").write_bytes(shot)
    return read_image(documents.parent / "shot.png"), words


@needs_browser
def test_words_are_those_that_can_be_seen(running, documents):
    _, words = show(running, documents)
    texts = [word["text"] for word in words]
    assert {"Heading", "here", "onejoined", "Vec<T>;", "first", "item", "fixed"} <= set(texts)
    assert not {"hidden", "generated"} & set(texts)


@needs_browser
@pytest.mark.parametrize("zoom", [0.75, 1.0, 1.5])
def test_ink_is_inside_the_boxes_and_every_box_has_some(running, documents, zoom):
    image, words = show(running, documents, appearance.Look(640, 480, zoom, 0.0, "light", "", ()))
    assert abs(image.shape[0] - 480) <= 1 and abs(image.shape[1] - 640) <= 1
    ink = image.min(2) < 128
    assert (ink & ~oracle(words, ink.shape)).sum() <= 0.01 * ink.sum()
    for word in words:
        x0, y0, x1, y1 = np.round(word["box"]).astype(int)
        assert ink[y0:y1, x0:x1].any(), word


@needs_browser
def test_words_below_the_window_and_below_the_fold_of_a_box_are_left_out(running, documents):
    _, words = show(running, documents, appearance.Look(640, 60, 1.0, 0.0, "light", "", ()))
    assert "item" not in [word["text"] for word in words]
    look = appearance.Look(640, 480, 1.0, 0.0, "light", "pre { height: 0; overflow: hidden }", ())
    texts = [word["text"] for word in show(running, documents, look)[1]]
    assert "Vec<T>;" not in texts and "item" in texts


@needs_browser
def test_a_word_broken_over_lines_has_a_box_in_each(running, documents):
    (documents / "a.html").write_text("<p style='width:60px; font:16px monospace; overflow-wrap:anywhere'>" + 12 * "x", encoding="utf-8")
    _, words = show(running, documents)
    assert [word["text"] for word in words] == ["x" * 6, "x" * 6] and words[0]["box"][3] <= words[1]["box"][1] + 4


@needs_browser
def test_render_is_the_same_again_and_goes_on(documents, tmp_path, capsys):
    (documents / "pointer.html").write_text('<meta http-equiv="refresh" content="0; url=a.html">', encoding="utf-8")
    (documents / "empty.html").write_text("<p>few words", encoding="utf-8")
    first = render.render([documents], tmp_path / "one", seed=3, progress=False)
    assert first == {"made": 2, "kept": 0, "passed": 2, "failed": {}}
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(names) == 4 and names == sorted(f"{n}.{s}" for n in {n[:-4] for n in names if n[-3:] == "png"} for s in ("png", "json"))
    (tmp_path / "one" / names[0]).unlink()
    assert main(["render", str(documents), "--out", str(tmp_path / "one"), "--seed", "3"]) == 0
    assert "1 pages made, 1 kept" in capsys.readouterr().out
    render.render([documents], tmp_path / "two", seed=3, progress=False)
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert render.render([documents], tmp_path / "one", count=1, seed=4, progress=False)["made"] == 1


@needs_browser
def test_a_faulty_document_is_named_and_the_others_are_rendered(documents, tmp_path, capsys, monkeypatch):
    page = render.page

    def crashing(running, path, look):
        if path.name == "a.html":
            os.killpg(running.process, 9)
        return page(running, path, look)

    monkeypatch.setattr(render, "page", crashing)
    assert main(["render", str(documents), "--out", str(tmp_path / "out")]) == 3
    out = capsys.readouterr()
    assert "docs/a.html: the browser has ended" in out.err and "1 pages made" in out.out


@needs_browser
def test_scripts_of_a_document_do_not_run(running, documents):
    (documents / "a.html").write_text("<p id=x>before</p><script>x.textContent = 'after'</script>", encoding="utf-8")
    assert [word["text"] for word in show(running, documents)[1]] == ["before"]


def test_without_a_browser_the_error_says_what_to_install(documents, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="install Chromium"):
        render.render([documents], tmp_path / "out")


@pytest.mark.parametrize("source, why", [("nothing", "no such file"), (".", "no HTML documents")])
def test_sources_must_have_documents(tmp_path, monkeypatch, source, why):
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/true")
    with pytest.raises(InputError, match=why):
        render.render([tmp_path / source], tmp_path / "out")


def test_looks_come_from_their_seed_and_vary():
    drawn = [appearance.draw(Random(seed)) for seed in range(40)]
    assert drawn == [appearance.draw(Random(seed)) for seed in range(40)]
    assert len({look.zoom for look in drawn}) > 4 and {look.scheme for look in drawn} == {"light", "dark"}
    assert any(look.figures for look in drawn) and not all(look.figures for look in drawn)


def test_sources_take_turns(tmp_path):
    for name in ("big/1", "big/2", "big/3", "small/1"):
        path = tmp_path / f"{name}.html"
        path.parent.mkdir(exist_ok=True)
        path.write_text("", encoding="utf-8")
    names = [name for name, _ in render.collect([tmp_path / "big", tmp_path / "small"], 0)]
    assert names[1] == "small/1.html" and sorted(names) == ["big/1.html", "big/2.html", "big/3.html", "small/1.html"]


def test_stems_tell_seeds_and_namesakes_apart():
    stems = {render.stem(name, seed) for name in ("a/b.html", "a-b.html") for seed in (0, 1)}
    assert len(stems) == 4 and all(stem.startswith("a-b-") for stem in stems)
