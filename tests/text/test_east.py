"""EAST: the public edition's names, targets and decoding as inverses, what the shipped weights find."""

import math

import cv2
import numpy as np
import pytest
import torch

from sccore.text import east, inference, masks
from sccore.text.quads import to_quads, upright
from sccore.text.weights import Detector
from sccore.utils.errors import InputError

WIDTHS = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
VGG = dict(zip([0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40], zip(WIDTHS[1:], WIDTHS)))
MERGE = [(128, 1024, 1), (128, 128, 3), (64, 384, 1), (64, 64, 3), (32, 192, 1), (32, 32, 3), (32, 32, 3)]


def public_like():
    """Random tensors under the names and in the shapes of the public PyTorch edition's file."""
    layers = {f"extractor.features.{i}": ((o, n, 3, 3), f"extractor.features.{i + 1}") for i, (o, n) in VGG.items()}
    layers |= {f"merge.conv{i}": ((o, n, k, k), f"merge.bn{i}") for i, (o, n, k) in enumerate(MERGE, 1)}
    layers |= {f"output.conv{i}": ((o, 32, 1, 1), None) for i, o in enumerate((1, 4, 1), 1)}
    rng, state = torch.Generator().manual_seed(0), {}
    for name, (shape, norm) in layers.items():
        state[f"{name}.weight"] = math.sqrt(2 / math.prod(shape[1:])) * torch.randn(shape, generator=rng)
        state[f"{name}.bias"] = torch.zeros(shape[0])
        if norm:
            state |= {f"{norm}.{k}": torch.ones(shape[0]) for k in ("weight", "running_var")}
            state |= {f"{norm}.{k}": torch.zeros(shape[0]) for k in ("bias", "running_mean")}
            state[f"{norm}.num_batches_tracked"] = torch.tensor(0)
    return state


def test_names_and_shapes_are_the_public_editions():
    with torch.device("meta"):
        own = {k: v.shape for k, v in east.create("paper").state_dict().items()}
    assert own == {k: v.shape for k, v in public_like().items()}


def test_public_weights_are_loaded_strictly(tmp_path):
    state = public_like()
    torch.save(state, tmp_path / "east.pth")
    detector = Detector("east", tmp_path / "east.pth")
    plain = east.create("paper").eval()
    plain.load_state_dict(state)
    x = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        a, b = plain(x), detector.net(x)
    assert a.shape == (1, 6, 16, 24) and torch.allclose(a, b, atol=1e-2, rtol=1e-3)
    state.pop("output.conv3.bias")
    torch.save(state, tmp_path / "east.pth")
    with pytest.raises(InputError, match="not EAST's weights"):
        Detector("east", tmp_path / "east.pth")
    with pytest.raises(InputError, match="no such file"):
        Detector("east", tmp_path / "none.pth")


def test_the_companion_has_the_same_parts():
    net = east.create()
    assert sum(p.numel() for p in net.parameters()) < 600_000
    assert net(torch.zeros(1, 3, 64, 96)).shape == (1, 6, 64 // net.stride, 96 // net.stride)


def answer(net, quads, size):
    """What the network should say about these words."""
    score, geometry, _ = east.targets(net, quads, np.zeros(len(quads), bool), size)
    return np.concatenate([20 * score - 10, geometry])


@pytest.mark.parametrize("preset", ["paper", "companion"])
def test_decoding_inverts_targets(preset):
    sides = np.float32([[60, 40, 70, 16, 0], [150, 90, 60, 14, 0.25], [60, 150, 5, 9, 0], [150, 200, 120, 40, -0.3], [30, 100, 8, 7, 0]])
    quads = to_quads(sides)
    with torch.device("meta"):
        net = east.create(preset)
    found = east.words(answer(net, quads, (256, 256)), net.stride)
    assert len(found) == len(quads)
    for quad in quads:
        assert np.abs(found - quad).max((1, 2)).min() < 1


def test_ignored_words_count_neither_as_text_nor_as_none():
    quads = upright([[40, 50, 100, 66], [40, 150, 100, 166]])
    score, geometry, counts = east.targets(east.create(), quads, np.array([False, True]), (256, 256))
    assert score.sum() > 0 and score[:, 64:].sum() == 0
    assert (counts[:, :64] == 1).all() and (counts[:, 64:] == 0).any()


def test_the_loss_is_least_for_the_target():
    net, quads = east.create(), upright([[40, 50, 100, 66]])
    target = tuple(torch.from_numpy(t)[None] for t in east.targets(net, quads, np.zeros(1, bool), (128, 128)))
    best = torch.from_numpy(answer(net, quads, (128, 128)))[None]
    assert east.loss(best, target)["loss"] < 0.01
    for change in (lambda a: a[:, 0].neg_(), lambda a: a[:, 2].add_(5), lambda a: a[:, 5].add_(0.3)):
        change(other := best.clone())
        assert east.loss(other, target)["loss"] > 0.05
    empty = tuple(torch.from_numpy(t)[None] for t in east.targets(net, quads[:0], np.zeros(0, bool), (128, 128)))
    assert torch.isfinite(east.loss(best, empty)["loss"])


def test_no_text_is_no_words():
    assert east.words(np.full((6, 8, 8), -9, np.float32), 2).shape == (0, 4, 2)


def page(height=200, width=420):
    """A small page and the boxes of its words."""
    image, boxes, y = np.full((height, width, 3), 250, np.uint8), [], 30
    for line in ("Settings of the window", "search for files here", "open the last document"):
        x = 20
        for word in line.split():
            (w, h), below = cv2.getTextSize(word, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
            cv2.putText(image, word, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA)
            boxes.append([x, y - h - 1, x + w, y + below])
            x += w + 9
        y += 45
    return image, np.array(boxes)


@pytest.mark.parametrize("name", ["east", "rrd"])
@pytest.mark.parametrize("inverted", [False, True])
def test_shipped_weights_find_words(name, inverted):
    image, boxes = page()
    mask = masks.mask(255 - image if inverted else image, name)
    truth = masks.fill(upright(boxes), mask.shape)
    covered = [mask[y0:y1, x0:x1].mean() for x0, y0, x1, y1 in boxes]
    assert np.mean(np.array(covered) > 0.5) >= 0.8
    assert (mask & truth).sum() > 0.6 * mask.sum()
    assert masks.mask(np.full((64, 90, 3), 200, np.uint8), name).mean() < 0.01


def test_tiled_answers_are_the_whole_ones():
    torch.manual_seed(0)
    net = east.create().eval()
    image = np.random.default_rng(0).integers(0, 256, (500, 600, 3), dtype=np.uint8)
    whole, tiled = east.answer(net, image), east.answer(net, image, area=2**17)
    assert len(inference.tiling(512, 608, 2**17)[0]) * len(inference.tiling(512, 608, 2**17)[1]) > 1
    close = np.abs(whole - tiled) < 0.02 * np.abs(whole).max((1, 2), keepdims=True)
    assert whole.shape == (6, 256, 304) and close.mean() > 0.95
