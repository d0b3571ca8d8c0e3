"""RRD (Liao et al., CVPR 2018): boxes from features that know direction, classes from features that do not.

Both come from active rotating filters (:mod:`sccore.text.rotating_filters`): regression sees all eight directions of each feature,
classification the strongest alone. This is a **reconstruction for screens, "RRD-lite"**. RRD's parts are here: dense
priors, a box and a quadrilateral regressed for each, 3x5 filters, hard negatives 3:1, 0.2 smooth L1. Other than in RRD,
only the heads have rotating filters; the backbone is a narrow VGG with batch normalisation; there are two maps, at
strides 4 and 8, for the small text of screens; priors are one height a map and wide; and a word that is longer than the
longest prior is learnt in parts. The official network was published for a Caffe of its own and cannot be loaded here.
"""

from functools import lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccore.text import inference
from sccore.text.quads import suppress, to_quads, to_sides, touching, upright
from sccore.text.rotating_filters import ORConv, orpool

MEAN, STD = (0.5,) * 3, (0.5,) * 3  # of RGB in [0, 1]
STRIDES, HEIGHTS = (4, 8), (14.0, 34.0)  # pixels, of the two maps and of their priors
RATIOS = (0.75, 1.5, 3.0, 6.0, 12.0)  # width to height of the priors
MATCH, IGNORE = 0.5, 0.35  # intersection over union: from here on a prior is text; between them it does not count
VARIANCE = np.float32([0.1, 0.1, 0.2, 0.2] + [0.1] * 8)  # the unit of each regressed number
NEGATIVES, REGRESSION = 3, 0.2  # negatives a positive; weight of smooth L1
SCORE, OVERLAP = 0.5, 0.45  # a prior's least score; when a box gives way (with RRD's 0.2 for quads lines get gaps)


class Head(nn.Module):
    """Two layers of rotating filters on one map, then 3x5 filters: classes from pooled, boxes from all directions."""

    def __init__(self, channels: int, features: int):
        super().__init__()
        self.lift = ORConv(channels, features, lift=True, dilation=2)
        self.turn = ORConv(features, features, dilation=2)
        self.classes = nn.Conv2d(features, 2 * len(RATIOS), (3, 5), padding=(1, 2))
        self.places = nn.Conv2d(features * 8, 12 * len(RATIOS), (3, 5), padding=(1, 2))
        nn.init.normal_(self.places.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, h, w) -> (B, h * w * priors, 2 + 12)."""
        x = F.relu(self.turn(F.relu(self.lift(x))))
        parts = [
            part.permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, n)) for part, n in ((self.classes(orpool(x)), 2), (self.places(x), 12))
        ]
        return torch.cat(parts, 2)


class RRD(nn.Module):
    """The network: the first four stages of VGG-16, narrow, and a head on each of the last two."""

    def __init__(self):
        super().__init__()
        a, b, c, d, features = 8, 16, 32, 64, 6
        pool = nn.MaxPool2d(2)
        self.fine = nn.Sequential(*stage(3, a, 2), pool, *stage(a, b, 2), pool, *stage(b, c, 3))
        self.coarse = nn.Sequential(pool, *stage(c, d, 3))
        self.heads = nn.ModuleList([Head(c, features), Head(d, features)])

    def forward(self, x: Tensor) -> Tensor:
        """x (B, 3, H, W), normalised -> (B, priors, 14): logits of none and text, 4 of the box, 8 of the quad."""
        fine = self.fine(x)  # (B, c, H/4, W/4)
        return torch.cat([head(map) for head, map in zip(self.heads, (fine, self.coarse(fine)))], 1)


def stage(in_ch: int, out_ch: int, layers: int) -> list[nn.Module]:
    """3x3 convolutions with batch normalisation."""
    parts = []
    for n in [in_ch] + [out_ch] * (layers - 1):
        parts += [nn.Conv2d(n, out_ch, 3, padding=1), nn.BatchNorm2d(out_ch), nn.ReLU(inplace=True)]
    return parts


create = RRD  # an untrained network


@lru_cache(maxsize=4)
def priors(size: tuple[int, int]) -> np.ndarray:
    """The priors of an image of `size` (H, W), in the network's order, as (n, 4): centre x and y, width, height."""
    rows = []
    for stride, height in zip(STRIDES, HEIGHTS):
        y, x = (np.mgrid[: size[0] // stride, : size[1] // stride] + 0.5) * stride
        shape = np.stack([height * np.array(RATIOS), np.full(len(RATIOS), height)], 1)
        centres = np.stack([x, y], -1).reshape(-1, 1, 2)
        rows.append(np.concatenate(np.broadcast_arrays(centres, shape[None]), 2).reshape(-1, 4))
    return np.concatenate(rows).astype(np.float32)


def targets(net: RRD, quads: np.ndarray, ignore: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """What the network should answer: class of each prior (n,), 1 text, 0 none, -1 either; and places (n, 12).

    A prior is text if it meets a word with MATCH, and the best prior of each word is. Of a word longer than the
    longest prior the part counts that lies within that length around the prior: how far a line goes on cannot be seen.

    Args:
        quads: (w, 4, 2) of the words in an image of `size` (H, W).
        ignore: bool (w,), words that count neither as text nor as none.
    """
    prior = priors(size)
    classes, places = np.zeros(len(prior), np.int64), np.zeros((len(prior), 12), np.float32)
    if not len(quads):
        return classes, places
    reach = np.repeat([h * RATIOS[-1] for h in HEIGHTS], [size[0] // s * (size[1] // s) * len(RATIOS) for s in STRIDES])
    low, high = prior[:, :2] - prior[:, 2:] / 2, prior[:, :2] + prior[:, 2:] / 2
    start = np.maximum(quads[:, None, :, 0].min(2), prior[:, 0] - reach / 2)  # (w, n), the part of each word
    end = np.minimum(quads[:, None, :, 0].max(2), prior[:, 0] + reach / 2)
    y0, y1 = quads[..., 1].min(1)[:, None], quads[..., 1].max(1)[:, None]
    both = np.clip(np.minimum(end, high[:, 0]) - np.maximum(start, low[:, 0]), 0, None)
    both *= np.clip(np.minimum(y1, high[:, 1]) - np.maximum(y0, low[:, 1]), 0, None)
    iou = both / ((end - start).clip(0) * (y1 - y0) + prior[:, 2] * prior[:, 3] - both)
    word, best = iou.argmax(0), iou.max(0)
    favourite = iou.argmax(1)
    word[favourite], best[favourite] = np.arange(len(quads)), np.maximum(best[favourite], MATCH)
    classes[best >= IGNORE] = -1
    classes[(best >= MATCH) & ~ignore[word]] = 1
    chosen = np.flatnonzero(classes == 1)
    parts = part(quads[word[chosen]], start[word[chosen], chosen], end[word[chosen], chosen])
    places[chosen] = encode(parts, prior[chosen])
    return classes, places


def part(quads: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """What of words (n, 4, 2) lies between two abscissas (n,), cut along the reading direction."""
    left, right = quads[..., 0].min(1), quads[..., 0].max(1)
    share = lambda x: ((x - left) / np.maximum(right - left, 1e-6))[:, None]
    a, b, c, d = quads.transpose(1, 0, 2)
    along = lambda p, q, x: p + share(x) * (q - p)
    return np.stack([along(a, b, start), along(a, b, end), along(d, c, end), along(d, c, start)], 1)


def encode(quads: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Words (n, 4, 2) as seen from their priors (n, 4): upright box and corners, (n, 12)."""
    low, high, sides = quads.min(1), quads.max(1), prior[:, 2:]
    box = np.concatenate([((low + high) / 2 - prior[:, :2]) / sides, np.log((high - low) / sides)], 1)
    corners = (quads - upright(edges(prior))) / sides[:, None]
    return np.concatenate([box, corners.reshape(-1, 8)], 1) / VARIANCE


def decode(places: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of :func:`encode`: upright boxes (n, 4), centre and sides, and quads (n, 4, 2)."""
    places, sides = places * VARIANCE, prior[:, 2:]
    box = np.concatenate([prior[:, :2] + places[:, :2] * sides, sides * np.exp(places[:, 2:4].clip(-5, 5))], 1)
    return box, upright(edges(prior)) + places[:, 4:].reshape(-1, 4, 2) * sides[:, None]


def edges(boxes: np.ndarray) -> np.ndarray:
    """Boxes by centre and sides to (x0, y0, x1, y1)."""
    return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)


def loss(output: Tensor, target: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Cross entropy of text priors and NEGATIVES times as many worst others, + 0.2 smooth L1 of text's places."""
    classes, places = target
    text = classes == 1
    entropy = F.cross_entropy(output[..., :2].flatten(0, 1), classes.clamp(min=0).flatten(), reduction="none")
    entropy = entropy.view(classes.shape)
    count = text.sum()
    none = entropy[classes == 0]
    worst = none.topk(min(len(none), NEGATIVES * max(int(count), 1))).values
    both = (entropy[text].sum() + worst.sum()) / count.clamp(min=1)
    regression = F.smooth_l1_loss(output[..., 2:][text], places[text], reduction="sum") / count.clamp(min=1)
    return {"loss": both + REGRESSION * regression, "score": both, "geometry": regression}


def candidates(output: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """An answer (priors, 14) for a tile of `size` to its text: boxes (n, 4), quads (n, 4, 2), scores (n,), cores (n,).

    A core is a connected area of cells of one map that have text.
    """
    score = 1 / (1 + np.exp((output[:, 0] - output[:, 1]).clip(-50, 50)))
    found = np.flatnonzero(score >= SCORE)
    boxes, quads = decode(output[found, 2:], priors(size)[found])
    cores, first = np.zeros(len(found), int), 0
    for stride in STRIDES:
        shape = size[0] // stride, size[1] // stride, len(RATIOS)
        here = (found >= first) & (found < first + np.prod(shape))
        member = np.zeros(np.prod(shape), np.uint8)
        member[found[here] - first] = 1
        _, labels = cv2.connectedComponents(member.reshape(shape).max(2))
        cores[here] = labels.reshape(-1)[(found[here] - first) // len(RATIOS)] + cores.max(initial=0)
        first += np.prod(shape)
    return boxes, quads, score[found], cores


@torch.inference_mode()
def find_words(net: RRD, image: np.ndarray, area: int = inference.AREA) -> np.ndarray:
    """The quads (n, 4, 2) of an image's words, found in tiles of at most `area` pixels."""
    parts, last = [], 0
    for x, (top, left), (y0, y1, x0, x1) in inference.tiles(image, next(net.parameters()).device, MEAN, STD, area):
        with inference.autocast(x.device):
            output = net(x)[0].float().cpu().numpy()
        boxes, quads, scores, cores = candidates(output, tuple(x.shape[2:]))
        cx, cy = boxes[:, :2].T
        kept = (y0 <= cy) & (cy < y1) & (x0 <= cx) & (cx < x1)
        boxes[:, :2] += (left, top)
        parts.append((boxes[kept], quads[kept] + np.float32([left, top]), scores[kept], cores[kept] + last))
        last += cores.max(initial=0)
    boxes, quads, scores, cores = (np.concatenate(kind) for kind in zip(*parts))
    height, width = image.shape[:2]
    inside = (boxes[:, :2] < (width, height)).all(1)  # not in the black below and right of the image
    boxes, quads, scores, cores = boxes[inside], quads[inside], scores[inside], cores[inside]
    kept = suppress(np.pad(boxes, ((0, 0), (0, 1))), scores, cores, OVERLAP)
    quads, scores = to_quads(to_sides(quads[kept])), scores[kept]
    return quads[suppress(to_sides(quads), scores, touching(quads, (height, width)), OVERLAP)]
