"""Folders and several files: past what cannot be read, side by side, gone on with; and what a file says it is."""

import json

import numpy as np
import pytest
from PIL import Image

import sccore
from sccore.cli import batch, command_line
from sccore.codecs.checkpoint_files import DEFAULT


@pytest.fixture
def folder(tmp_path, screen):
    (tmp_path / "in").mkdir()
    for name, width in (("a.png", 40), ("b.webp", 50), ("c.bmp", 60)):
        Image.fromarray(screen(30, width)[0]).save(tmp_path / "in" / name)
    (tmp_path / "in" / "bad.png").write_bytes(b"nothing")
    (tmp_path / "in" / "notes.txt").write_text("not meant", encoding="utf-8")
    return tmp_path


def run(*words):
    return command_line.main(list(map(str, words)))


@pytest.mark.parametrize("jobs", [1, 2])
def test_folders_there_and_back(folder, jobs, capsys, saved):
    options = ("--checkpoint", saved("wacnn")[1], "--jobs", jobs)
    assert run("encode", folder / "in", folder / "out", "--lossy", *options) == 3
    said = capsys.readouterr()
    assert "bad.png: not an image" in said.err and "4/4" in said.err and said.out.count("learned at lambda 0.0067") == 3
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.sci", "b.sci", "c.sci"]
    assert run("decode", folder / "out", folder / "back", "--format", "../x") == 1
    assert "--format ./x: unknown image format" in capsys.readouterr().err and not (folder / "back").exists()
    assert run("decode", folder / "out", folder / "back", "--format", "webp", *options) == 0
    for name, width in (("a", 40), ("b", 50), ("c", 60)):
        decoded = sccore.decode(folder / "out" / f"{name}.sci", saved("wacnn")[0])
        assert np.array_equal(np.array(Image.open(folder / "back" / f"{name}.webp")), decoded) and decoded.shape == (30, width, 3)


def test_it_goes_on_and_takes_names_and_patterns(folder, capsys, saved):
    options = ("--checkpoint", saved("wacnn")[1])
    assert run("encode", folder / "in" / "a.png", folder / "in" / "*.bmp", folder / "out", *options) == 0
    before = (folder / "out" / "a.sci").stat().st_mtime_ns
    assert run("encode", folder / "in" / "a.png", folder / "in" / "b.webp", folder / "out", "--skip-existing", *options) == 0
    assert (folder / "out" / "a.sci").stat().st_mtime_ns == before and (folder / "out" / "b.sci").exists()
    assert run("encode", folder / "in" / "*.bmp", folder / "one", *options) == 0 and (folder / "one" / "c.sci").exists()
    assert run("encode", folder / "in", folder / "out", "--mask", folder / "in" / "a.png", *options) == 1
    assert "--mask is of one picture" in capsys.readouterr().err
    before = (folder / "one" / "c.sci").stat().st_mtime_ns
    assert run("encode", folder / "in" / "c.bmp", folder / "one" / "c.sci", "--skip-existing", *options) == 0
    assert (folder / "one" / "c.sci").stat().st_mtime_ns == before
    assert run("encode", folder / "in" / "a.png", folder / "in" / "c.bmp", *options) == 1  # the name of the file forgotten
    assert "c.bmp: is the name of a picture; name the file .sci" in capsys.readouterr().err and Image.open(
        folder / "in" / "c.bmp"
    ).size == (60, 30)
    (folder / "empty").mkdir()
    assert run("encode", folder / "empty", folder / "out", *options) == 1 and "empty: no pictures in it" in capsys.readouterr().err
    assert batch.pairs([folder / "in" / "a.png"], folder / "x.sci", ".sci", "", bool) == [(folder / "in" / "a.png", folder / "x.sci")]


def test_info_says_what_a_file_holds(folder, capsys, saved):
    file = folder / "x.sci"
    picture = np.dstack([np.array(Image.open(folder / "in" / "a.png")), np.full((30, 40), 100, np.uint8)])
    file.write_bytes(sccore.encode(picture, fallback=False, detector="none"))
    assert run("info", file) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == 3 and found["bytes"] == file.stat().st_size and (found["width"], found["height"]) == (40, 30)
    assert found["picture"] == "learned" and found["alpha"] and set(found["parts"]) == {"y", "z", "alpha", "palette"}
    assert found["bpp"] == pytest.approx(8 * found["bytes"] / 1200) and found["lambda"] == pytest.approx(0.0067)
    assert found["weights"]["file"].endswith(f"{DEFAULT}.safetensors")
    file.write_bytes(sccore.encode(picture, saved("wacnn")[0], fallback=False))
    assert run("info", file) == 0 and json.loads(capsys.readouterr().out)["weights"]["file"] is None
    file.write_bytes(sccore.encode(picture, detector="none"))
    assert run("info", file) == 0 and json.loads(capsys.readouterr().out)["picture"] == "lossless"
    assert run("info", folder / "in" / "a.png") == 1 and "a.png: not a .sci file" in capsys.readouterr().err
    assert run("info", saved("wacnn")[1]) == 0 and json.loads(capsys.readouterr().out)["model"]["name"] == "wacnn"
    assert run("info", folder / "none.safetensors") == 1 and "none.safetensors: no such checkpoint" in capsys.readouterr().err
