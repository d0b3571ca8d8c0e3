"""The command line as a user meets it, in processes of its own."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from models import lively
from PIL import Image

import sccore
from sccore.cli import command_line
from sccore.codecs import checkpoint, sci
from sccore.evaluation.records import as_recorded

ENV = os.environ | {"OMP_NUM_THREADS": "1"}


def run(*arguments, threads="1"):
    return subprocess.run(
        [sys.executable, "-m", "sccore", *map(str, arguments)], capture_output=True, text=True, env=ENV | {"OMP_NUM_THREADS": threads}
    )


@pytest.fixture
def here(capsys):
    """A command in this process: its exit code, standard output and standard error."""

    def command(*arguments):
        with warnings.catch_warnings():  # main() changes how they are shown
            code = command_line.main(list(map(str, arguments)))
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def refused(here):
    """The one line on stderr of a command that must fail."""

    def command(*arguments):
        code, _, errors = here(*arguments)
        lines = [line for line in errors.splitlines() if not line.startswith("note:")]
        assert code == 1 and len(lines) == 1 and lines[0].startswith("error: ")
        return lines[0]

    return command


def test_a_refusal_is_one_line_of_the_process(tmp_path):
    result = run("encode", tmp_path / "none.png", tmp_path / "x.sci")
    assert result.returncode == 1 and result.stderr == f"error: {tmp_path / 'none.png'}: no such file\n"


@pytest.mark.parametrize("model, total", [("wacnn", 75_235_779), ("sftip", 95_495_043)])
def test_info_prints_json(here, model, total):
    report = json.loads(here("info", "--model", model, "--preset", "paper")[1])
    assert report["parameters"]["total"] == total and report["kmac_per_pixel"] > 500


@pytest.mark.slow
def test_decoding_in_another_process_gives_what_evaluate_scored(tmp_path, saved, screen, here, monkeypatch):
    monkeypatch.setattr("sccore.utils.device.native_bf16", lambda device: False)  # what is scored is analysed in float32
    model, weights = saved("sftip")
    images, masks, files, decoded = (tmp_path / name for name in ("images", "masks", "files", "decoded"))
    for folder in (images, masks, files):
        folder.mkdir()
    options = ("--checkpoint", weights, "--lmbda", "0.0067")
    for height, width in ((1, 1), (33, 17), (480, 640), (400, 336)):
        name = f"{height}.png"
        for folder, pixels in zip((images, masks), screen(height, width)):
            Image.fromarray(pixels).save(folder / name)
        assert here("encode", images / name, files / f"{height}.sci", "--mask", masks / name, "--lossy", "--no-palette", *options)[0] == 0
    result = run("decode", files, decoded, *options[:2], threads="2")
    assert result.returncode == 0, result.stderr
    result = run("evaluate", "--images", images, "--masks", masks, "--out", tmp_path / "r.json", *options)
    assert result.returncode == 0, result.stderr
    rows = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["images"]
    other = run("evaluate", "--palette", "--images", images, "--out", tmp_path / "r.json", *options)
    assert other.returncode == 1 and "holds a record of other codecs" in other.stderr  # with palettes it has another name
    assert len(rows) == 4
    for row in rows:
        image, again = (np.array(Image.open(folder / row["name"])).astype(float) for folder in (images, decoded))
        data = (files / row["name"]).with_suffix(".sci").read_bytes()
        assert row["bytes"] == len(data) and np.array_equal(again, sci.decode(data, model))
        assert row["psnr"] == as_recorded(float(10 * np.log10(255**2 / ((again - image) ** 2).mean())))


def test_paper_sized_model_codes_too(tmp_path, screen):
    """Untrained weights of the full size, 17x33 pixels, encoded here and decoded in another process."""
    torch.manual_seed(0)
    weights = checkpoint.save_model(sccore.create_model("sftip", "paper"), tmp_path / "paper.safetensors", lmbda=0.0035)
    model, image = sccore.load_model(weights), screen(33, 17)[0]
    data = sci.encode(image, model)
    (tmp_path / "x.sci").write_bytes(data)
    assert run("decode", tmp_path / "x.sci", tmp_path / "y.png", "--checkpoint", weights).returncode == 0
    assert np.array_equal(np.array(Image.open(tmp_path / "y.png")), sci.decode(data, model))


def test_bad_images_are_one_line(tmp_path, saved, refused):
    options = ("--checkpoint", saved("wacnn")[1])
    target = tmp_path / "x.sci"
    for name, content, message in (("a.png", b"", "empty file"), ("b.png", b"text", "not an image")):
        (tmp_path / name).write_bytes(content)
        assert f"{name}: {message}" in refused("encode", tmp_path / name, target, *options)
    Image.new("RGB", (8, 8)).save(tmp_path / "ok.png")
    Image.new("L", (9, 8)).save(tmp_path / "mask.png")
    assert "mask is 9x8, its image 8x8" in refused("encode", tmp_path / "ok.png", target, "--mask", tmp_path / "mask.png", *options)
    assert "no such folder" in refused("encode", tmp_path / "ok.png", tmp_path / "no" / "x.sci", *options)
    assert "outside" in refused("encode", tmp_path / "ok.png", target, "--lmbda", 3, *options)
    assert not target.exists() and not list(tmp_path.glob(".*"))


def test_bad_files_and_weights_are_one_line(tmp_path, saved, screen, refused):
    model, weights = saved("wacnn")
    data = sci.encode(screen(20, 20)[0], model, 0.0067)
    out = tmp_path / "y.png"
    for name, content, message in (
        ("cut.sci", data[:-3], "damaged"),
        ("png.sci", b"\x89PNG....", "not a .sci file"),
        ("new.sci", data[:4] + b"\x09" + data[5:], "version 9"),
        ("empty.sci", b"", "not a .sci"),
    ):
        (tmp_path / name).write_bytes(content)
        line = refused("decode", tmp_path / name, out, "--checkpoint", weights)
        assert f"{name}: " in line and message in line
    (tmp_path / "ok.sci").write_bytes(data)
    assert "which are not at hand" in refused("decode", tmp_path / "ok.sci", out)
    assert "needs weights" in refused("decode", tmp_path / "ok.sci", out, "--checkpoint", saved("sftip")[1])
    assert "unknown image format" in refused("decode", tmp_path / "ok.sci", tmp_path / "y.xyz", "--checkpoint", weights)
    (tmp_path / "cut.safetensors").write_bytes(weights.read_bytes()[:1000])
    assert "cut.safetensors: damaged" in refused("decode", tmp_path / "ok.sci", out, "--checkpoint", tmp_path / "cut.safetensors")
    assert not out.exists()


def test_conversions_are_noted(tmp_path, saved):
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    result = run("encode", tmp_path / "clear.png", tmp_path / "x.sci", "--checkpoint", saved("wacnn")[1], "--no-alpha", "--lossy")
    assert result.returncode == 0 and "note: " in result.stderr and "transparency, put on white" in result.stderr
    assert "bytes" in result.stdout and "mask: not used by this model" in result.stdout


def test_encode_finds_the_text_and_says_how(tmp_path, saved, screen, monkeypatch, capsys):
    from sccore.text import craft_weights
    from sccore.utils.errors import InputError

    def missing(*_):
        raise InputError("no CRAFT weights")

    monkeypatch.setattr(craft_weights, "find_weights", missing)
    monkeypatch.delenv(craft_weights.VARIABLE, raising=False)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main() replaces it
    image, target = tmp_path / "x.png", tmp_path / "x.sci"
    Image.fromarray(screen(64, 128)[0]).save(image)
    line = lambda model, *options: ("encode", image, target, "--checkpoint", saved(model)[1], "--lossy", *options)
    encode = lambda *arguments: command_line.main(list(map(str, line(*arguments))))
    assert encode("sftip") == 0
    output, found = capsys.readouterr(), target.read_bytes()
    assert "note: text mask by heuristic, not a text detector" in output.err and craft_weights.COMMAND in output.err
    assert "mask: heuristic" in output.out
    assert encode("sftip", "--detector", "none") == 0
    output = capsys.readouterr()
    assert "mask: text everywhere" in output.out and "note" not in output.err and target.read_bytes() != found
    assert encode("sftip", "--detector", "heuristic") == 0 and target.read_bytes() == found
    assert encode("sftip", "--detector", "craft") == 1 and "no CRAFT weights" in capsys.readouterr().err
    assert encode("sftip", "--detector", "none", "--mask", image) == 1
    monkeypatch.setattr(craft_weights, "find_weights", None)
    assert encode("wacnn") == 0 and "mask: not used by this model" in capsys.readouterr().out


def test_masks_of_a_folder(tmp_path, screen, here, refused):
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(screen(40, 60)[0]).save(tmp_path / "images" / name)
    line = ("masks", tmp_path / "images", "--detector", "heuristic", "--out", tmp_path / "masks")
    result = run(*line)
    assert result.returncode == 0 and "2 masks made, 0 kept" in result.stdout, result.stderr
    (tmp_path / "images" / "bad.png").write_bytes(b"nothing")
    code, said, errors = here(*line)
    assert code == 3 and "0 masks made, 2 kept" in said
    assert "error: " in errors and "bad.png: not an image" in errors
    assert sorted(p.name for p in (tmp_path / "masks").iterdir()) == ["a.json", "a.png", "b.json", "b.png"]
    line = refused("masks", tmp_path / "images", "--out", tmp_path / "m", "--craft-weights", tmp_path / "none.pth")
    assert "none.pth: no such file" in line and not (tmp_path / "m").exists()


def test_evaluate_names_the_corrupt_image_and_measures_the_others(tmp_path, saved, screen):
    (tmp_path / "images").mkdir()
    Image.fromarray(screen(40, 40)[0]).save(tmp_path / "images" / "good.png")
    (tmp_path / "images" / "bad.png").write_bytes(b"nothing")
    result = run(
        "evaluate", "--images", tmp_path / "images", "--checkpoint", saved("wacnn")[1], "--lmbda", 0.0067, "--out", tmp_path / "r.json"
    )
    record = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert result.returncode == 3 and "bad.png: not an image" in result.stderr
    assert [r["name"] for r in record["images"]] == ["good.png"] and record["failed"][0]["name"] == "bad.png"


def test_a_lively_model_differs_from_a_fresh_one():
    """The models of these tests code something: their latents are not all zero."""
    x = torch.rand(1, 3, 64, 64)
    assert lively("wacnn").g_a(x).round().abs().sum() > 0


@pytest.mark.parametrize("more, lr", [((), 3e-4), (("--lr", "0.001"), 1e-3), (("--recipe", "paper"), 1e-4)])
def test_a_processor_trains_on_from_trained_weights_with_smaller_steps(more, lr, tmp_path, monkeypatch):
    from sccore.training import fit

    seen = []
    monkeypatch.setattr(fit, "end_at_signals", lambda: None)
    monkeypatch.setattr(fit, "fit", lambda *_, recipe, **__: seen.append(recipe) or {})
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "a.png")
    words = [
        "train",
        "--model",
        "wacnn",
        "--warm-start",
        "wacnn",
        "--data",
        str(tmp_path),
        "--out",
        str(tmp_path / "run"),
        "--device",
        "cpu",
    ]
    assert command_line.main([*words, *more]) == 0 and seen[0].lr == lr
