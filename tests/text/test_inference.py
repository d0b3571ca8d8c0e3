"""Tiles: they cover an image once, begin where the grids begin and are normalised."""

import numpy as np
import pytest
import torch

from sccore.text import inference


@pytest.mark.parametrize("height, width", [(32, 32), (480, 640), (1088, 1920), (1440, 2560), (4320, 7680), (32, 20000)])
def test_tiles_cover_the_image_once(height, width):
    rows, columns = inference.tiling(height, width)
    for length, spans in ((height, rows), (width, columns)):
        assert [s[2] for s in spans] == [0, *(s[3] for s in spans[:-1])] and spans[-1][3] == length
        for start, stop, first, end in spans:
            assert start % 32 == stop % 32 == 0 and first % 16 == 0 and 0 <= start < stop <= length
            assert first - start >= 80 or start == first == 0
            assert stop - end >= 80 or stop == end == length
    assert rows[0][1] * columns[0][1] <= inference.AREA
    if height * width <= inference.AREA:
        assert len(rows) == len(columns) == 1


def test_tiles_are_the_image_normalised_and_black_outside():
    image = np.random.default_rng(0).integers(0, 256, (70, 650, 3), dtype=np.uint8)
    whole = np.full((96, 672, 3), np.nan)
    parts = inference.tiles(image, torch.device("cpu"), (0.5,) * 3, (0.25,) * 3, area=2**15)
    for x, (top, left), (y0, y1, x0, x1) in parts:
        assert x.shape[2] * x.shape[3] <= 2**15 and x.is_contiguous(memory_format=torch.channels_last)
        whole[top + y0 : top + y1, left + x0 : left + x1] = x[0, :, y0:y1, x0:x1].permute(1, 2, 0)
    expected = np.zeros((96, 672, 3))
    expected[:70, :650] = image
    assert np.allclose(whole, (expected / 255 - 0.5) / 0.25, atol=1e-5)
