"""Screen statistics: structure terms against loops, limits, borders of blocks, sharpness and brightness by order."""

import math

import cv2
import numpy as np
import pytest

from sccore.evaluation.asiqe import statistics


def kernel(size):
    weights = np.array(
        [
            [math.exp(-(y * y + x * x) / (2 * 1.5**2)) for x in range(-(size // 2), size // 2 + 1)]
            for y in range(-(size // 2), size // 2 + 1)
        ]
    )
    return weights / weights.sum()


def under(function, *maps, size):
    """`function` of the windows of some maps, wherever one fits."""
    height, width = maps[0].shape
    return np.array(
        [[function(*(m[y : y + size, x : x + size] for m in maps)) for x in range(width - size + 1)] for y in range(height - size + 1)]
    )


def by_loops(grey, size):
    """Border and inside of terms a and b for one window."""
    half = np.array(
        [
            [grey[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].astype(float).mean() for x in range(grey.shape[1] // 2)]
            for y in range(grey.shape[0] // 2)
        ]
    )
    g, n = kernel(size), size // 2

    def term(a, b):
        mean_a, mean_b = (a * g).sum(), (b * g).sum()
        deviations = math.sqrt(max((a * a * g).sum() - mean_a**2, 0)) * math.sqrt(max((b * b * g).sum() - mean_b**2, 0))
        return (2 * ((a * b * g).sum() - mean_a * mean_b) + statistics.STABLE) / (2 * deviations + statistics.STABLE)

    mean = under(lambda a: (a * g).sum(), half, size=size)
    deviation = under(lambda a: math.sqrt(max((a * a * g).sum() - (a * g).sum() ** 2, 0)), half, size=size)
    inner = half[n:-n, n:-n]
    maps = [under(term, inner, mean, size=size), under(term, deviation, np.sqrt(abs(inner**2 - mean**2)), size=size)]
    found = []
    for values in maps:
        border, inside = [], []
        for (y, x), value in np.ndenumerate(values):
            rows = [2 * (k + 2 * n) + i for k in (y, x) for i in (0, 1)]  # rows and columns of the whole image under it
            (border if any(row % 8 in (0, 6, 7) for row in rows) else inside).append(value)
        found += [np.mean(border), np.mean(inside)]
    return found


def test_structure_terms_are_those_of_loops():
    grey = np.random.default_rng(0).integers(0, 256, (62, 67)).astype(np.uint8)
    grey[:30, :30] = 90
    found = statistics.structure(grey)
    assert found[:4] == pytest.approx(by_loops(grey, 3), abs=1e-6)
    assert found[4:8] == pytest.approx(by_loops(grey, 7), abs=1e-6)
    assert found[8:] == pytest.approx(by_loops(grey, 11), abs=1e-6)


def test_nothing_is_lost_in_a_flat_picture():
    assert statistics.structure(np.full((64, 64), 128, np.uint8)) == pytest.approx(np.ones(12), abs=1e-6)


def test_sharpness_falls_with_blur(screen):
    grey = screen(400, 700)[0][..., 1].copy()
    found = [statistics.sharpness(cv2.GaussianBlur(grey, (0, 0), sigma))[0] for sigma in (0.3, 0.5, 0.8, 1.2)]
    assert found == sorted(found, reverse=True)
    assert statistics.sharpness(np.full((64, 64), 9, np.uint8)) == pytest.approx(np.zeros(3), abs=1e-6)


def test_the_wavelet_keeps_a_constant_and_finds_directions():
    low, across, along, diagonal = statistics.wavelet(np.full((16, 20), 50.0))
    assert low == pytest.approx(np.full((8, 10), 50.0), abs=1e-5) and abs(diagonal).max() < 1e-5
    columns = np.tile([0.0, 255.0], (16, 10))
    _, across, along, diagonal = statistics.wavelet(columns)
    assert abs(across).mean() > 50 and abs(along).max() < 1e-4 and abs(diagonal).max() < 1e-4


def test_brightness():
    dark, bright = np.full((50, 50), 20, np.uint8), np.full((50, 50), 220, np.uint8)
    assert statistics.brightness(dark)[0] < statistics.brightness(bright)[0] and statistics.brightness(dark)[1] == 0
    ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    assert statistics.brightness(ramp)[:2] == pytest.approx([0.5, 0])
    assert statistics.brightness(ramp)[3] < statistics.brightness(ramp)[2] < 8  # over-exposed, most of it is white
