"""PSNR and MS-SSIM against definitions and other libraries; further metrics: right direction, right values, columns of a record."""

import json
import math
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from sccore.cli import command_line
from sccore.codecs import classical
from sccore.evaluation import metrics, text_ssim
from sccore.evaluation.evaluate import evaluate
from sccore.evaluation.records import load_record
from sccore.utils.errors import InputError


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (170, 190, 3), dtype=np.uint8)
    return a, np.clip(a + rng.normal(0, 9, a.shape), 0, 255).astype(np.uint8)


def test_psnr_at_its_limits():
    black, white = np.zeros((4, 5, 3), np.uint8), np.full((4, 5, 3), 255, np.uint8)
    assert metrics.psnr(black, black) == math.inf
    assert metrics.psnr(black, white) == metrics.psnr(white, black) == 0  # no wrap-around of uint8


def test_psnr_by_hand():
    a, b = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    b[0, 0, 0] = 6  # MSE = 36 / 12 = 3
    assert metrics.psnr(a, b) == pytest.approx(10 * math.log10(65025 / 3))


def test_psnr_agrees_with_opencv(pair):
    assert metrics.psnr(*pair) == pytest.approx(cv2.PSNR(*pair), abs=1e-9)


def test_metrics_agree_with_another_library(pair, screen):
    """piq on noise, and on a screenshot coded at two qualities."""
    piq = pytest.importorskip("piq", reason="the other library: pip install -e '.[tests]'")
    image, mask = screen(352, 480)
    jpeg = classical.CODECS["jpeg"]
    for a, b in (pair, *((image, jpeg.decode(jpeg.encode(image, quality), image.shape[:2])) for quality in (10, 80))):
        x, y = (torch.from_numpy(picture).permute(2, 0, 1)[None].double() for picture in (a, b))
        assert metrics.psnr(a, b) == pytest.approx(piq.psnr(x, y, data_range=255).item(), abs=2e-3)  # it adds a small constant
        assert metrics.ms_ssim(a, b) == pytest.approx(piq.multi_scale_ssim(x, y, data_range=255).item(), abs=1e-4)
    inside = torch.from_numpy(mask).expand(3, *mask.shape)
    error = torch.nn.functional.mse_loss(x[0][inside], y[0][inside]).item()  # of the masked pixels alone
    assert metrics.psnr_text(a, b, mask) == pytest.approx(10 * math.log10(255**2 / error), abs=1e-9)


def test_psnr_text_sees_the_masked_pixels_alone():
    a, b = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint8)
    mask = np.zeros((4, 4), bool)
    mask[0, :2] = True
    b[0, 0], b[3, 3] = 10, 200  # inside: MSE = 100 / 2; outside: does not count
    assert metrics.psnr_text(a, b, mask) == pytest.approx(10 * math.log10(65025 / 50))
    assert metrics.psnr_text(a, a, mask) == math.inf


def test_psnr_text_of_an_empty_and_of_a_full_mask(pair):
    size = pair[0].shape[:2]
    assert metrics.psnr_text(*pair, np.zeros(size, bool)) is None
    assert metrics.psnr_text(*pair, np.ones(size, bool)) == metrics.psnr(*pair)


def test_the_mask_of_a_metric_is_read_as_that_of_a_file_is(pair):
    grey = pair[0][..., 0]
    for mask in (grey, grey / 255):
        with pytest.warns(UserWarning, match="brighter than half"):
            assert metrics.psnr_text(*pair, mask) == metrics.psnr_text(*pair, grey > 127)
        with pytest.warns(UserWarning, match="brighter than half"):
            assert metrics.METRICS["ms_ssim_text"](*pair, mask) == metrics.METRICS["ms_ssim_text"](*pair, grey > 127)
    with pytest.raises(InputError, match=r"a mask is \(H, W\) .* \(170, 190, 1\)"):
        metrics.psnr_text(*pair, grey[..., None])


def test_ms_ssim_limits_and_order(pair):
    a, noisy = pair
    noisier = np.clip(a + np.random.default_rng(1).normal(0, 60, a.shape), 0, 255).astype(np.uint8)
    assert metrics.ms_ssim(a, a) == pytest.approx(1)
    assert metrics.ms_ssim(a, noisier) < metrics.ms_ssim(a, noisy) < 1


def test_ms_ssim_needs_161_pixels(pair):
    a, b = pair
    assert metrics.ms_ssim(a[:160], b[:160]) is None
    assert metrics.ms_ssim(a[:161], b[:161]) is not None


def test_images_that_cannot_be_compared_are_refused(pair):
    a, b = pair
    with pytest.raises(InputError, match="190x170 and 190x169"):
        metrics.psnr(a, b[:-1])
    with pytest.raises(InputError, match="float"):
        metrics.psnr(a / 255, b / 255)
    with pytest.raises(InputError, match="mask is 190x3"):
        metrics.psnr_text(a, b, np.ones((3, 190), bool))


def test_importing_metrics_leaves_torch_alone():
    code = "import sys, sccore.evaluation.metrics; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


HERE = [name for name, metric in metrics.METRICS.items() if name != "asiqe_r" and not metric.missing()]  # that needs no original


@pytest.fixture(scope="module")
def crop(screen):
    return screen(200, 240)


def noisy(image, sigma):
    noise = np.random.default_rng(0).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("name", HERE)
def test_noise_makes_every_ruler_worse(name, screen):
    image, mask = screen(200, 360)
    metric = metrics.METRICS[name]
    same, little, much = (metric(image, noisy(image, sigma), mask) for sigma in (0, 15, 200))
    sign = {"higher": 1, "lower": -1}[metric.better]
    assert sign * same > sign * much and sign * same >= sign * little >= sign * much


@pytest.mark.parametrize("name", ["gmsd", "vsi", "mdsi"])
def test_they_are_the_library_s(name, crop):
    pytest.importorskip("piq")
    image, mask = crop
    other = noisy(image, 20)
    tensor = lambda x: torch.from_numpy(x.copy()).permute(2, 0, 1)[None] / 255
    import piq

    assert metrics.METRICS[name](image, other, mask) == pytest.approx(float(getattr(piq, name)(tensor(image), tensor(other))), abs=1e-5)


def test_ms_ssim_of_text_is_ms_ssim_when_all_is_text(crop):
    image, mask = crop[0][:197], crop[1][:197]  # odd at every second scale
    other = noisy(image, 30)
    assert metrics.ms_ssim_text(image, other, np.ones_like(mask)) == pytest.approx(metrics.ms_ssim(image, other), abs=1e-5)


def test_ms_ssim_of_text_looks_at_the_text_alone(screen):
    image = screen(400, 400)[0]
    mask = np.zeros(image.shape[:2], bool)
    mask[100:140, 100:140] = True
    other = image.copy()
    other[300:, 300:] = noisy(image[300:, 300:], 60)
    far = metrics.ms_ssim_text(image, other, mask)
    assert far > 0.999 > metrics.ms_ssim(image, other)
    other[100:140, 100:140] = noisy(image[100:140, 100:140], 60)
    assert metrics.ms_ssim_text(image, other, mask) < 0.95
    assert metrics.ms_ssim_text(image, image, np.zeros_like(mask)) is None and metrics.ms_ssim_text(image, image, None) is None
    assert metrics.ms_ssim_text(image[:100], image[:100], mask[:100]) is None


def test_names_are_checked_and_listed(monkeypatch):
    with pytest.raises(InputError, match="unknown metric beauty; known: psnr, .*cer.*--also list"):
        metrics.further(["beauty"])
    assert metrics.further(["ms_ssim_text", "psnr"]) == metrics.further("ms_ssim_text") == ["ms_ssim_text"] and metrics.further(None) == []
    monkeypatch.setattr("pytesseract.pytesseract.tesseract_cmd", "no-such-program")
    pytest.importorskip("rapidfuzz")
    with pytest.raises(InputError, match="^cer: tesseract is not installed: apt install tesseract-ocr"):
        metrics.further(["cer"])
    assert "cer           character error rate; lower is better; missing: tesseract" in metrics.listing()


def test_images_of_two_sizes_are_refused(crop):
    with pytest.raises(InputError, match="differ in size"):
        metrics.METRICS["ms_ssim_text"](crop[0], crop[0][:-1], crop[1])


def test_columns_of_a_record(tmp_path, saved, screen, capsys):
    """A tiny model on a tiny image, twice: the columns are there, and a record without them is not gone on with."""
    image, mask = screen(176, 192)
    for folder, layer in (("images", image), ("masks", mask)):
        (tmp_path / folder).mkdir()
        Image.fromarray(layer).save(tmp_path / folder / "x.png")
    out = tmp_path / "r.json"
    line = ["evaluate", "--checkpoint", saved("wacnn")[1], "--lmbda", 0.0067, "--images", tmp_path, "--out", out]
    call = lambda *also: command_line.main([str(word) for word in [*line, *also]])
    assert call() == 0
    plain = load_record(out)
    assert "also" not in plain and "ms_ssim_text" not in plain["images"][0]
    assert call("--also", "gmsd", "ms_ssim_text", "psnr") == 0
    record = load_record(out)
    (row,) = record["images"]
    assert record["also"] == ["ms_ssim_text", "gmsd"] and record["versions"]["piq"]
    assert 0 < row["ms_ssim_text"] < 1 and 0 < row["gmsd"] < 1 and row["psnr"] == plain["images"][0]["psnr"]
    date = record["date"]
    assert call("--also", "ms_ssim_text", "gmsd") == 0 and json.loads(out.read_text(encoding="utf-8"))["date"] == date
    capsys.readouterr()
    assert call("--also", "beauty") == 1 and "unknown metric beauty" in capsys.readouterr().err
    assert command_line.main(["evaluate", "--also", "list"]) == 0 == command_line.main(["anchors", "--also", "list"])
    assert capsys.readouterr().out.count("mdsi") == 2
    assert command_line.main(["evaluate"]) == 1 and "--images is needed" in capsys.readouterr().err


def test_the_same_from_python(tmp_path, saved, screen):
    (tmp_path / "images").mkdir()
    Image.fromarray(screen(40, 60)[0]).save(tmp_path / "images" / "x.png")
    record = evaluate(saved("wacnn")[0], tmp_path / "images", lmbdas=[0.0067], progress=False, also=["ms_ssim_text"])
    assert record["images"][0]["ms_ssim_text"] is None  # no mask, and too small


def test_an_odd_map_is_halved_with_a_line_of_zeros_around_it():
    assert text_ssim._halved(np.ones((3, 4))).tolist() == [[0.5, 0.5], [1.0, 1.0]]
    assert text_ssim._halved(np.arange(8.0).reshape(2, 4)).tolist() == [[2.5, 4.5]]


def test_a_better_codec_rises_by_every_metric():
    frame = pd.DataFrame({"gmsd": [0.1], "vsi": [0.9], "own": [3.0]})
    assert [metrics.risen(frame, name)[name].item() for name in frame] == [-0.1, 0.9, 3.0]
