"""Surroundings of edges: against loops, limits, and what compression does to them."""

import io

import numpy as np
import pytest
from PIL import Image

from sccore.evaluation.asiqe import edges


def by_loops(grey):
    values = grey.astype(float)
    height, width = values.shape
    magnitude = np.zeros((height - 2, width - 2))
    for y in range(height - 2):
        for x in range(width - 2):
            p = values[y : y + 3, x : x + 3]
            magnitude[y, x] = (
                np.hypot(
                    3 * (p[0, 0] - p[0, 2] + p[2, 0] - p[2, 2]) + 10 * (p[1, 0] - p[1, 2]),
                    3 * (p[0, 0] - p[2, 0] + p[0, 2] - p[2, 2]) + 10 * (p[0, 1] - p[2, 1]),
                )
                / 16
            )
    strong = max(np.quantile(magnitude, 0.99), 1)
    edge = [(y, x) for (y, x), value in np.ndenumerate(magnitude) if value > max(0.5 * strong, 4)]
    near = [magnitude[y, x] for y, x in np.ndindex(magnitude.shape) if any(abs(y - j) <= 4 and abs(x - i) <= 4 for j, i in edge)]
    found = [np.log2(1 + strong), len(near) / magnitude.size]
    for limits in (edges.LEVELS, [share * strong for share in edges.SHARES]):
        below = -1.0
        for limit in limits:
            found.append(sum(below <= value < limit for value in near) / max(len(near), 1))
            below = limit
    return found


def test_surroundings_are_those_of_loops():
    grey = np.random.default_rng(0).normal(128, 3, (40, 50)).round().astype(np.uint8)
    grey[10:20, 12:14] = 250
    assert edges.surroundings(grey) == pytest.approx(by_loops(grey), abs=1e-6)


def test_a_flat_picture_has_no_edges():
    assert edges.surroundings(np.full((50, 50), 3, np.uint8)) == pytest.approx([1] + [0] * (edges.COUNT - 1))


def test_compression_leaves_less_flatness_near_edges(screen):
    image, flat = screen(400, 700)[0], []
    for quality in (None, 80, 20):
        file = io.BytesIO()
        Image.fromarray(image).save(file, *(["PNG"] if quality is None else ["JPEG"]), **({"quality": quality} if quality else {}))
        flat.append(edges.surroundings(np.array(Image.open(file).convert("L")))[2])
    assert flat == sorted(flat, reverse=True)
