"""Free energy: the fast form against the definition written as loops; what it says of flat, regular and noisy pictures."""

import math

import numpy as np
import pytest

from sccore.evaluation.asiqe import free_energy


def by_loops(grey, step):
    """AR by numpy's least squares at every pixel, bilateral sum by sum, histogram bin by bin."""
    grey = grey.astype(float)
    padded = np.pad(grey, 4, "symmetric")
    counts = [0] * 511
    for y in range(0, grey.shape[0], step):
        for x in range(0, grey.shape[1], step):
            cy, cx = y + 4, x + 4
            around = lambda py, px: [padded[py + j, px + i] for j in (-1, 0, 1) for i in (-1, 0, 1) if (j, i) != (0, 0)]
            offsets = [(j, i) for j in range(-3, 4) for i in range(-3, 4)]
            rows = np.array([around(cy + j, cx + i) for j, i in offsets if (j, i) != (0, 0)])
            centres = np.array([padded[cy + j, cx + i] for j, i in offsets if (j, i) != (0, 0)])
            eigenvalues = np.linalg.svd(rows, compute_uv=False) ** 2
            own = np.array(around(cy, cx))
            if eigenvalues[-1] > 1e-7 * eigenvalues[0]:
                regressive = own @ np.linalg.lstsq(rows, centres, rcond=None)[0]
            else:
                regressive = own.mean()
            total = weight_sum = 0.0
            for j, i in offsets:
                value = padded[cy + j, cx + i]
                weight = math.exp(-(j * j + i * i) / 18 - (value - padded[cy, cx]) ** 2 / 1250)
                total, weight_sum = total + weight * value, weight_sum + weight
            residual = grey[y, x] - (regressive + 9 * total / weight_sum) / 10
            counts[int(min(max(round(residual), -255), 255)) + 255] += step**2
    whole = sum(1 + 2 * n for n in counts)
    return -sum((1 + 2 * n) / whole * math.log2((1 + 2 * n) / whole) for n in counts)


def textured(size=(26, 31), seed=0):
    """Noise beside flat and ruled parts."""
    grey = np.random.default_rng(seed).integers(0, 256, size)
    grey[:, :9] = 200
    grey[12:, 9:20] = 40 * (np.arange(11) % 3)
    return grey.astype(np.uint8)


@pytest.mark.parametrize("step", [1, 3, 7])
def test_agrees_with_the_definition(step):
    assert free_energy.free_energy(textured(), step) == pytest.approx(by_loops(textured(), step), abs=1e-6)


def test_agrees_with_the_definition_on_a_screen(screen):
    grey = screen(30, 41)[0][..., 1]
    assert free_energy.free_energy(grey, 2) == pytest.approx(by_loops(grey, 2), abs=1e-6)


def test_flat_is_predicted_and_noise_is_not():
    flat = np.full((64, 64), 77, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    assert free_energy.predict(flat) == pytest.approx(flat.astype(float))
    assert free_energy.free_energy(flat) < 1.2 < 5 < free_energy.free_energy(noise)  # the rest is that of the 511 bins' own counts


def test_a_ramp_is_predicted_by_the_mean():
    ramp = np.add.outer(np.arange(40), np.arange(50))  # its normal equations tell nothing
    inner = free_energy.predict(ramp)[5:-5, 5:-5]
    assert inner == pytest.approx(ramp[5:-5, 5:-5], abs=1e-6)


def test_entropy_of_counts():
    assert free_energy.entropy(np.zeros(10**6)) == pytest.approx(0, abs=0.01)
    halves = np.repeat([-300.0, 3.2], 500_000)  # what is beyond the bins falls into the outermost
    assert free_energy.entropy(halves) == pytest.approx(1, abs=0.01)
    assert free_energy.entropy(halves[::10], 10) == pytest.approx(free_energy.entropy(halves))


def test_the_accelerated_variant_comes_near(screen):
    grey = screen(300, 400)[0][..., 1]
    assert free_energy.free_energy(grey, 7) == pytest.approx(free_energy.free_energy(grey, 2), abs=0.4)
