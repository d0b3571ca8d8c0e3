"""Gradients, and what the surroundings of edges look like: clean on a pristine screen, ringing or smeared on a coded one."""

import cv2
import numpy as np

PREWITT = np.array([[1, 0, -1], [1, 0, -1], [1, 0, -1]]) / 3
SCHARR = np.array([[3, 0, -3], [10, 0, -10], [3, 0, -3]]) / 16
STRONG = 0.99  # quantile of the gradients that stands for the picture's strong ones
FAINTEST = 4.0  # grey levels, of an edge
REACH = 4  # pixels around an edge that belong to its surroundings
LEVELS = 0.5, 2, 4, 8, 16, 32, 64  # limits of classes of gradients, grey levels
SHARES = 0.02, 0.05, 0.1, 0.2, 0.4, 0.7  # the same as shares of the strong gradient
COUNT = 2 + len(LEVELS) + len(SHARES)


def gradient(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Magnitude of the gradient under a 3x3 kernel and its transpose, where it fits: (H - 2, W - 2)."""
    values = np.asarray(values, np.float64)
    across, along = (cv2.filter2D(values, cv2.CV_64F, k)[1:-1, 1:-1] for k in (kernel, kernel.T))
    return np.hypot(across, along)


def surroundings(grey: np.ndarray) -> np.ndarray:
    """COUNT numbers: log2 of the strong gradient, share of pixels at or near edges, and how gradients are spread there.

    An edge is a pixel with at least half the strong gradient. The spread is counted in classes, once in grey levels and once
    relative to the strong gradient; what is above the last limit is left out, as it follows from the others.
    """
    magnitude = gradient(grey, SCHARR)
    strong = max(float(np.quantile(magnitude, STRONG)), 1.0)
    edges = (magnitude > max(0.5 * strong, FAINTEST)).astype(np.uint8)
    near = cv2.dilate(edges, np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)) > 0
    values = np.sort(magnitude[near])
    spread = [
        np.diff(np.searchsorted(values, limits), prepend=0) / max(len(values), 1)
        for limits in (np.array(LEVELS), strong * np.array(SHARES))
    ]
    return np.array([np.log2(1 + strong), near.mean(), *spread[0], *spread[1]])
