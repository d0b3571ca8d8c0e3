"""Metrics at their limits, against numbers worked out by hand and against other libraries."""

import math
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from sccore.codecs import classical as anchors
from sccore.evaluation import metrics
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
    jpeg = anchors.CODECS["jpeg"]
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
