"""Overlays have the image's size and show what they are given."""

import numpy as np

from sccore.paper.drawing import overlays


def test_overlays_mark_text_edges_and_bits():
    image = np.full((40, 50, 3), 255, np.uint8)
    image[10:12] = 0  # a line
    mask = np.zeros((40, 50), bool)
    mask[:20, :25] = True
    bits = np.zeros((4, 4))  # padded: reaches over the border
    bits[0, 0] = 9.0
    shown = overlays.overlays(image, mask, bits)
    assert list(shown) == ["screenshot", "text mask M", "edges g", "prior g′", "bits of y"]
    assert all(picture.shape == image.shape and picture.dtype == np.uint8 for picture in shown.values())
    tint = (shown["text mask M"] != image).any(2)
    assert tint[:20, :25].all() and not tint[20:].any() and not tint[:, 25:].any()
    edges, prior = shown["edges g"][..., 0], shown["prior g′"][..., 0]
    assert (edges[30:] == 255).all() and edges[10].max() < 255
    assert (prior[:20, :24] == edges[:20, :24]).all() and (prior[10, 26:] > edges[10, 26:]).all()  # edges out of text count less
    assert (shown["bits of y"][:16, :16] != shown["bits of y"][39, 49]).any() and (shown["bits of y"][16:, 16:] == 255).all()
