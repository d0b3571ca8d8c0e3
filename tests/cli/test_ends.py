"""Folders with what cannot be read, standard input and output, a full disk, a lambda that the weights do not have."""

import io
import resource
import sys

import numpy as np
import pytest
from PIL import Image

from sccore.cli import parser
from sccore.codecs import checkpoint
from sccore.evaluation import records
from sccore.utils.errors import InputError


@pytest.fixture
def folder(tmp_path, screen):
    """One good picture among what is none: an altered file, a folder, a link to nothing, an empty file."""
    images = tmp_path / "images"
    images.mkdir()
    Image.fromarray(screen(40, 50)[0]).save(images / "good.png")
    (images / "bad.png").write_bytes((images / "good.png").read_bytes()[:90])
    (images / "folder.png").mkdir()
    (images / "link.png").symlink_to("nothing.png")
    (images / "empty.webp").touch()
    return images


@pytest.mark.parametrize("command", ["masks", "anchors", "evaluate", "mask-stability", "train"])
def test_a_folder_goes_on_past_what_cannot_be_read(folder, tmp_path, saved, command, capsys):
    out = tmp_path / "out"
    line = {
        "masks": ["masks", folder, "--detector", "heuristic", "--out", out],
        "anchors": ["anchors", "--images", folder, "--codec", "jpeg", "--quality", 50, "--no-ms-ssim", "--out", out],
        "evaluate": ["evaluate", "--images", folder, "--checkpoint", saved("wacnn")[1], "--lmbda", 0.0067, "--out", out / "r.json"],
        "mask-stability": [
            "mask-stability",
            folder,
            "--detector",
            "heuristic",
            "--codec",
            "jpeg",
            "--quality",
            50,
            "--out",
            out / "s.json",
        ],
        "train": "train --model wacnn --initial noise --steps 1 --batch 1 --crop 64 --data".split() + [folder, "--out", out],
    }[command]
    assert parser.main(list(map(str, line))) == 3
    said = capsys.readouterr()
    for name in ("folder.png: ", "link.png: ", "bad", "empty"):
        assert any(name in one for one in (said.err + said.out).splitlines()), said
    assert "Traceback" not in said.err


def test_standard_input_and_output(tmp_path, saved, screen, monkeypatch, capfdbinary):
    def through(line, content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert parser.main([*line.split(), "--checkpoint", str(saved("wacnn")[1])]) == 0
        sys.stdout.flush()
        return capfdbinary.readouterr().out

    picture = io.BytesIO()
    Image.fromarray(screen(40, 50)[0]).save(picture, "PNG")
    coded = through("encode - - --lmbda 0.0067", picture.getvalue())
    decoded = np.array(Image.open(io.BytesIO(through("decode - -", coded))))
    assert coded[:3] == b"SCI" and decoded.shape == (40, 50, 3)


def test_a_full_disk_leaves_weights_and_records(tmp_path, saved):
    model, _ = saved("wacnn")
    for name, save in (
        ("weights.safetensors", lambda path: checkpoint.save_model(model, path)),
        ("record.json", lambda path: records.save_record(path, {"images": [{"name": "x" * 5000}]})),
    ):
        path = tmp_path / name
        path.write_text("old")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            with pytest.raises(InputError, match=f"{name}: .*(too large|cannot be written)"):
                save(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2


def test_weights_of_one_rate_refuse_another(tmp_path, saved, screen, capsys):
    Image.fromarray(screen(40, 50)[0]).save(tmp_path / "x.png")
    line = ["encode", str(tmp_path / "x.png"), str(tmp_path / "x.sci"), "--checkpoint", str(saved("wacnn", "fixed")[1]), "--lmbda"]
    assert parser.main([*line, "0.0067"]) == 1 and not (tmp_path / "x.sci").exists()
    assert "these weights are for lmbda 0.0035, not 0.0067" in capsys.readouterr().err
    assert parser.main([*line, "0.0035"]) == 0
