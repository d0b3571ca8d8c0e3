"""Folders with what cannot be read, standard input and output, a full disk, a lambda that the weights do not have."""

import io
import json
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import sccore
from sccore.cli import command_line
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
    assert command_line.main(list(map(str, line))) == 3
    said = capsys.readouterr()
    for name in ("folder.png: ", "link.png: ", "bad", "empty"):
        assert any(name in one for one in (said.err + said.out).splitlines()), said
    assert "Traceback" not in said.err


def test_standard_input_and_output(tmp_path, saved, screen, monkeypatch, capfdbinary):
    def through(line, content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))
        assert command_line.main([*line.split(), "--checkpoint", str(saved("wacnn")[1])]) == 0
        sys.stdout.flush()
        return capfdbinary.readouterr().out

    picture = io.BytesIO()
    Image.fromarray(screen(40, 50)[0]).save(picture, "PNG")
    coded = through("encode - - --lmbda 0.0067", picture.getvalue())
    decoded = np.array(Image.open(io.BytesIO(through("decode - -", coded))))
    assert coded[:3] == b"SCI" and decoded.shape == (40, 50, 3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
@pytest.mark.parametrize("command", ["decode", "info", "encode"])
def test_what_is_no_file_is_one_line_and_no_hang(tmp_path, command, capsys):
    os.mkfifo(tmp_path / "pipe")  # that nobody writes to
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    lines = {
        "pipe": "pipe: not a regular file; `-` reads",
        "/dev/zero": "zero: not a regular file",
        "folder": "folder: ",
        "empty": "empty: ",
    }
    for name, said in lines.items():
        signal.alarm(20)
        target = str(tmp_path / ("out.sci" if command == "encode" else "out.png"))
        assert command_line.main([command, str(tmp_path / name), *[target] * (command != "info")]) == 1
        signal.alarm(0)
        (error,) = capsys.readouterr().err.splitlines()
        assert error.startswith("error: ") and said in error


@pytest.mark.skipif(not os.path.exists("/dev/stdin"), reason="a system without /dev/stdin")
def test_standard_input_by_its_name(tmp_path, screen, monkeypatch, capsys):
    """A file that is redirected is read, a pipe is one line; `-` reads both."""
    data = sccore.encode(screen(40, 50)[0])
    (tmp_path / "x.sci").write_bytes(data)
    info = [sys.executable, "-m", "sccore", "info", "/dev/stdin"]
    with open(tmp_path / "x.sci", "rb") as file:
        assert json.loads(subprocess.run(info, stdin=file, capture_output=True, check=True).stdout)["width"] == 50
    piped = subprocess.run(info, input=data, capture_output=True)
    assert piped.returncode == 1 and piped.stderr.splitlines() == [
        b"error: /dev/stdin: not a regular file; `-` reads standard input, where a command takes it"
    ]
    for content, code, said in ((data, 0, '"width": 50'), (b"", 1, "error: standard input: not a .sci file")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))
        assert command_line.main(["info", "-"]) == code and said in "".join(capsys.readouterr())


def test_a_full_disk_leaves_weights_and_records(tmp_path, saved):
    model, _ = saved("wacnn")
    for name, save in (
        ("weights.safetensors", lambda path: checkpoint.save_model(model, path)),
        ("record.json", lambda path: records.save_record(path, {"images": [{"name": "x" * 5000}]})),
    ):
        path = tmp_path / name
        path.write_text("old", encoding="utf-8")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            with pytest.raises(InputError, match=f"{name}: .*(too large|cannot be written)"):
                save(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_text(encoding="utf-8") == "old"
    assert len(list(tmp_path.iterdir())) == 2


def test_weights_of_one_rate_refuse_another(tmp_path, saved, screen, capsys):
    Image.fromarray(screen(40, 50)[0]).save(tmp_path / "x.png")
    line = ["encode", str(tmp_path / "x.png"), str(tmp_path / "x.sci"), "--checkpoint", str(saved("wacnn", "fixed")[1]), "--lmbda"]
    assert command_line.main([*line, "0.0067"]) == 1 and not (tmp_path / "x.sci").exists()
    assert "these weights are for lmbda 0.0035, not 0.0067" in capsys.readouterr().err
    assert command_line.main([*line, "0.0035"]) == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux's")
def test_a_full_disk_behind_standard_output_is_one_line():
    line = [sys.executable, "-m", "sccore", "info", "--model", "sftip"]
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "error: standard output: No space left on device\n")
