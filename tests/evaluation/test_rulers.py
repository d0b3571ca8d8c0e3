"""Further rulers: what the libraries say, the right direction, and the command line that asks for them."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from sccore.cli import parser as cli
from sccore.evaluation import metrics, rulers
from sccore.evaluation.evaluate import evaluate
from sccore.evaluation.records import load_record
from sccore.utils.errors import InputError

HERE = [name for name, ruler in rulers.RULERS.items() if name != "asiqe_r" and not ruler.missing()]  # that needs no original


@pytest.fixture(scope="module")
def crop(screen):
    return screen(200, 240)


def noisy(image, sigma):
    noise = np.random.default_rng(0).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("name", HERE)
def test_noise_makes_every_ruler_worse(name, screen):
    image, mask = screen(200, 360)
    ruler = rulers.RULERS[name]
    same, little, much = (ruler(image, noisy(image, sigma), mask) for sigma in (0, 15, 200))
    sign = {"higher": 1, "lower": -1}[ruler.better]
    assert sign * same > sign * much and sign * same >= sign * little >= sign * much


@pytest.mark.parametrize("name", ["gmsd", "vsi", "mdsi"])
def test_they_are_the_library_s(name, crop):
    pytest.importorskip("piq")
    image, mask = crop
    other = noisy(image, 20)
    tensor = lambda x: torch.from_numpy(x.copy()).permute(2, 0, 1)[None] / 255
    import piq

    assert rulers.RULERS[name](image, other, mask) == pytest.approx(float(getattr(piq, name)(tensor(image), tensor(other))), abs=1e-5)


def test_ms_ssim_of_text_is_ms_ssim_when_all_is_text(crop):
    image, mask = crop[0][:197], crop[1][:197]  # odd at every second scale
    other = noisy(image, 30)
    assert rulers.ms_ssim_text(image, other, np.ones_like(mask)) == pytest.approx(metrics.ms_ssim(image, other), abs=1e-5)


def test_ms_ssim_of_text_looks_at_the_text_alone(screen):
    image = screen(400, 400)[0]
    mask = np.zeros(image.shape[:2], bool)
    mask[100:140, 100:140] = True
    other = image.copy()
    other[300:, 300:] = noisy(image[300:, 300:], 60)
    far = rulers.ms_ssim_text(image, other, mask)
    assert far > 0.999 > metrics.ms_ssim(image, other)
    other[100:140, 100:140] = noisy(image[100:140, 100:140], 60)
    assert rulers.ms_ssim_text(image, other, mask) < 0.95
    assert rulers.ms_ssim_text(image, image, np.zeros_like(mask)) is None and rulers.ms_ssim_text(image, image, None) is None
    assert rulers.ms_ssim_text(image[:100], image[:100], mask[:100]) is None


def test_names_are_checked_and_listed(monkeypatch):
    with pytest.raises(InputError, match="unknown ruler beauty; known: psnr, .*cer.*--also list"):
        rulers.choose(["beauty"])
    assert rulers.choose(["ms_ssim_text", "psnr"]) == ["ms_ssim_text"] and rulers.choose(None) == []
    monkeypatch.setattr("pytesseract.pytesseract.tesseract_cmd", "no-such-program")
    pytest.importorskip("rapidfuzz")
    with pytest.raises(InputError, match="^cer: tesseract is not installed: apt install tesseract-ocr"):
        rulers.choose(["cer"])
    assert "cer           character error rate; lower is better; missing: tesseract" in rulers.listing()


def test_images_of_two_sizes_are_refused(crop):
    with pytest.raises(InputError, match="differ in size"):
        rulers.RULERS["ms_ssim_text"](crop[0], crop[0][:-1], crop[1])


def test_columns_of_a_record(tmp_path, saved, screen, capsys):
    """A tiny model on a tiny image, twice: the columns are there, and a record without them is not gone on with."""
    image, mask = screen(176, 192)
    for folder, layer in (("images", image), ("masks", mask)):
        (tmp_path / folder).mkdir()
        Image.fromarray(layer).save(tmp_path / folder / "x.png")
    out = tmp_path / "r.json"
    line = ["evaluate", "--checkpoint", saved("wacnn")[1], "--lmbda", 0.0067, "--images", tmp_path, "--out", out]
    call = lambda *also: cli.main([str(word) for word in [*line, *also]])
    assert call() == 0
    plain = load_record(out)
    assert "also" not in plain and "ms_ssim_text" not in plain["images"][0]
    assert call("--also", "gmsd", "ms_ssim_text", "psnr") == 0
    record = load_record(out)
    (row,) = record["images"]
    assert record["also"] == ["ms_ssim_text", "gmsd"] and record["versions"]["piq"]
    assert 0 < row["ms_ssim_text"] < 1 and 0 < row["gmsd"] < 1 and row["psnr"] == plain["images"][0]["psnr"]
    date = record["date"]
    assert call("--also", "ms_ssim_text", "gmsd") == 0 and json.loads(out.read_text())["date"] == date
    capsys.readouterr()
    assert call("--also", "beauty") == 1 and "unknown ruler beauty" in capsys.readouterr().err
    assert cli.main(["evaluate", "--also", "list"]) == 0 == cli.main(["anchors", "--also", "list"])
    assert capsys.readouterr().out.count("mdsi") == 2
    assert cli.main(["evaluate"]) == 1 and "--images is needed" in capsys.readouterr().err


def test_the_same_from_python(tmp_path, saved, screen):
    (tmp_path / "images").mkdir()
    Image.fromarray(screen(40, 60)[0]).save(tmp_path / "images" / "x.png")
    record = evaluate(saved("wacnn")[0], tmp_path / "images", lmbdas=[0.0067], progress=False, also=["ms_ssim_text"])
    assert record["images"][0]["ms_ssim_text"] is None  # no mask, and too small
