"""RRD: priors, targets and decoding as inverses, the loss, tiles."""

import cv2
import numpy as np
import pytest
import torch

from sccore.text import masks, rrd
from sccore.text.quads import to_quads, upright

NONE = np.zeros(0, bool)


class Fixed(torch.nn.Module):
    """Stands for the network: gives one answer."""

    def __init__(self, answer):
        super().__init__()
        self.answer = torch.nn.Parameter(torch.from_numpy(answer)[None])

    def forward(self, x):
        return self.answer


def answer(quads, size):
    """What the network should say about these words."""
    classes, places = rrd.targets(None, quads, np.zeros(len(quads), bool), size)
    text = np.float32(classes == 1)
    return np.concatenate([np.stack([5 - 10 * text, 10 * text - 5], 1), places], 1)


def test_the_network_answers_for_every_prior():
    net = rrd.create()
    assert net(torch.zeros(2, 3, 64, 96)).shape == (2, len(rrd.priors((64, 96))), 14)
    assert sum(p.numel() for p in net.parameters()) < 600_000


def test_priors_stand_in_the_order_of_the_answer():
    """A head's answer at one cell belongs to the priors around that cell."""
    torch.manual_seed(0)
    net = rrd.create().eval()
    x = torch.zeros(1, 3, 256, 256)
    plain = net(x)
    x[:, :, 160:168, 64:72] = 3
    moved = (net(x) - plain).abs().amax(2)[0].detach().numpy()
    near = np.abs(rrd.priors((256, 256))[:, :2] - (68, 164)).max(1)
    assert moved[near < 16].min() > 1e-7 and moved[near > 160].max() < 1e-6


def test_decoding_inverts_encoding():
    quads = to_quads(np.float32([[60, 40, 70, 16, 0], [90, 90, 60, 14, 0.25], [64, 100, 120, 40, -0.3]]))
    prior = np.float32([[50, 44, 42, 14], [92, 88, 84, 14], [60, 96, 102, 34]])
    box, decoded = rrd.decode(rrd.encode(quads, prior), prior)
    assert np.allclose(decoded, quads, atol=1e-3)
    assert np.allclose(rrd.edges(box)[:, :2], quads.min(1), atol=1e-3)


def test_targets_give_back_the_words():
    sides = np.float32([[60, 40, 70, 16, 0], [150, 90, 60, 14, 0.15], [60, 150, 5, 9, 0], [150, 200, 120, 40, 0]])
    quads = to_quads(sides)
    found = rrd.find_words(Fixed(answer(quads, (256, 256))), np.zeros((256, 256, 3), np.uint8))
    assert len(found) == len(quads)
    for quad in quads:
        assert np.abs(found - quad).max((1, 2)).min() < 1


def test_a_long_line_is_found_in_parts():
    quads = upright([[5, 100, 500, 113]])
    found = rrd.find_words(Fixed(answer(quads, (256, 512))), np.zeros((256, 512, 3), np.uint8))
    assert len(found) > 2 and found[..., 0].min() < 8 and found[..., 0].max() > 490
    assert np.allclose(found[:, 0, 1], 100, atol=1) and np.allclose(found[:, 2, 1], 113, atol=1)


def test_words_to_ignore_are_neither():
    quads = upright([[40, 50, 100, 66]])
    classes, _ = rrd.targets(None, quads, np.array([True]), (128, 128))
    assert (classes == -1).any() and not (classes == 1).any()
    classes, places = rrd.targets(None, quads[:0], NONE, (128, 128))
    assert not classes.any() and not places.any()


@pytest.mark.parametrize("width, height", [(4, 7), (300, 9), (90, 80), (12, 12)])
def test_every_word_has_a_prior(width, height):
    classes, _ = rrd.targets(None, upright([[50, 60, 50 + width, 60 + height]]), np.zeros(1, bool), (256, 384))
    assert (classes == 1).any()


def test_the_loss_is_least_for_the_target():
    quads = upright([[40, 50, 100, 66]])
    target = tuple(torch.from_numpy(t)[None] for t in rrd.targets(None, quads, np.zeros(1, bool), (128, 128)))
    best = torch.from_numpy(answer(quads, (128, 128)))[None]
    assert rrd.loss(best, target)["loss"] < 0.01
    other = best.clone()
    other[..., 2:] += 1
    assert rrd.loss(other, target)["loss"] > 0.1 and rrd.loss(-best, target)["loss"] > 5
    nothing = tuple(torch.from_numpy(t)[None] for t in rrd.targets(None, quads[:0], NONE, (128, 128)))
    assert torch.isfinite(rrd.loss(best, nothing)["loss"])


def test_tiles_find_the_same_words():
    net = masks.load("rrd").net
    image = np.full((400, 600, 3), 255, np.uint8)
    for y in range(30, 400, 40):
        line, font = "words from one side to the other, and on", cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(image, line, (20, y), font, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    whole, tiled = rrd.find_words(net, image), rrd.find_words(net, image, area=2**17)
    a, b = masks.fill(whole, (400, 600)), masks.fill(tiled, (400, 600))
    assert len(whole) > 40 and (a & b).sum() / (a | b).sum() > 0.9


def test_a_blank_image_has_no_words():
    answer = np.zeros((len(rrd.priors((32, 64))), 14), np.float32)
    answer[:, 0] = 5
    assert rrd.find_words(Fixed(answer), np.zeros((20, 50, 3), np.uint8)).shape == (0, 4, 2)
