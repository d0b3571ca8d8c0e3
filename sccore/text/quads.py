"""Rectangles around words: corners and sides, shrinking, non-maximum suppression.

Quads are float32 (n, 4, 2), positions (x, y) in pixels, clockwise from the corner that is the upper left one in reading
direction. The same rectangles by their sides are float32 (n, 5): centre x and y, width, height, and the angle by which
the reading direction turns clockwise from the x axis, in radians, between -pi/4 and pi/4.
"""

import cv2
import numpy as np

UNIT = np.float32([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2  # corners of the unit square
UPRIGHT = 0.02  # radians


def to_quads(sides: np.ndarray) -> np.ndarray:
    """Rectangles by their sides (n, 5) to quads (n, 4, 2)."""
    corners = UNIT * sides[:, None, 2:4]  # (n, 4, 2), upright and around 0
    cos, sin = np.cos(sides[:, 4]), np.sin(sides[:, 4])
    turn = np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], 1)  # (n, 2, 2), acts on rows (x, y)
    return (corners @ turn + sides[:, None, :2]).astype(np.float32)


def to_sides(quads: np.ndarray) -> np.ndarray:
    """Quads (n, 4, 2) to the sides (n, 5) of their rectangles of least area."""
    sides = np.zeros((len(quads), 5), np.float32)
    for row, quad in zip(sides, quads.astype(np.float32)):
        centre, (width, height), angle = cv2.minAreaRect(quad)
        turns = round(angle / 90)  # quarters of a turn, so that what is left is at most an eighth
        row[:] = *centre, *((width, height) if turns % 2 == 0 else (height, width)), np.deg2rad(angle - 90 * turns)
    return sides


def upright(boxes: np.ndarray) -> np.ndarray:
    """Boxes (n, 4), each (x0, y0, x1, y1), as quads (n, 4, 2)."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    return boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)


def suppress(sides: np.ndarray, scores: np.ndarray, groups: np.ndarray, overlap: float) -> np.ndarray:
    """Non-maximum suppression: of rectangles in one group that overlap, the one with the highest score stays.

    It runs group by group, because its work grows with the square of the number of rectangles.

    Args:
        sides: (n, 5); scores: (n,); groups: (n,), integers.
        overlap: intersection over union from which a rectangle gives way to a better one.

    Returns:
        which stay, sorted (k,).
    """
    order = np.argsort(groups, kind="stable")
    kept = []
    for members in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        if len(members) > 1:
            x, y, w, h, angle = sides[members].astype(float).T
            if np.abs(angle).max() < UPRIGHT:  # by far the faster way
                boxes, run = np.stack([x - w / 2, y - h / 2, w, h], 1).tolist(), cv2.dnn.NMSBoxes
            else:
                boxes, run = list(zip(zip(x, y), zip(w, h), np.rad2deg(angle))), cv2.dnn.NMSBoxesRotated
            members = members[run(boxes, scores[members].tolist(), 0.0, overlap)]
        kept.append(members)
    return np.sort(np.concatenate(kept)).astype(int) if len(order) else np.zeros(0, int)


def average(kept: np.ndarray, sides: np.ndarray, scores: np.ndarray, groups: np.ndarray, overlap: float) -> np.ndarray:
    """The kept rectangles (k, 5), each the mean, weighted by score, of those in its group that nearly agree with it.

    EAST's locality-aware suppression averages so. What agrees is told by the intersection over union of the upright
    boxes around the rectangles, at least `overlap`.
    """
    corners = to_quads(sides)
    low, high = corners.min(1), corners.max(1)
    area = (high - low).prod(1)
    order = np.argsort(groups, kind="stable")
    first, last = (np.searchsorted(groups[order], groups[kept], side) for side in ("left", "right"))
    means = np.empty((len(kept), 5), np.float32)
    for row, best, members in zip(means, kept, map(slice, first, last)):
        near = order[members]
        both = np.clip(np.minimum(high[near], high[best]) - np.maximum(low[near], low[best]), 0, None).prod(1)
        near = near[both >= overlap * (area[near] + area[best] - both)]
        row[:] = np.average(sides[near], 0, scores[near])
    return means


def touching(quads: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Groups of quads whose areas in an image of `size` (H, W) are connected, as integers (n,)."""
    _, labels = cv2.connectedComponents(fill(quads, size).astype(np.uint8))
    x, y = np.round(quads.mean(1)).astype(int).T
    return labels[np.clip(y, 0, size[0] - 1), np.clip(x, 0, size[1] - 1)]


def fill(quads: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Filled quads as a mask, bool (H, W)."""
    canvas = np.zeros(size, np.uint8)
    for quad in np.round(quads).astype(np.int32):  # one by one: in a common call overlaps would cancel
        cv2.fillPoly(canvas, [quad], 1)
    return canvas.astype(bool)
