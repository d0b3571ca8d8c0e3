"""Complexity of a picture as free energy: what an internal model of the picture cannot predict.

Every pixel is predicted from those around it by a hybrid of an autoregressive model, which is good in texture, and a
bilateral filter, which keeps edges; the entropy of what remains is the complexity. The autoregressive part is NFERM's
(Gu et al., 2015). The hybrid is a reconstruction of what "No-Reference Quality Assessment of Screen Content Pictures"
(Gu et al., 2017) names but no public source defines; its constants below are ours or recalled.
Images are grey, (H, W), with whole numbers from 0 to 255.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

MARGIN = 4  # pixels that a prediction looks at on each side: 3 of the 7x7 window, 1 of its outermost 3x3 patches
CONDITION = 1e-7  # smallest over largest eigenvalue of the normal equations, below which a mean predicts
BILATERAL_WEIGHT = 9.0  # of the bilateral prediction, that of the autoregressive one being 1
SIGMA_SPACE, SIGMA_RANGE = 3.0, 25.0  # of the bilateral filter: pixels, grey levels
LEVELS = 255  # residuals are counted from -255 to 255


def free_energy(grey: np.ndarray, step: int = 1) -> float:
    """Entropy in bits of the residual of :func:`predict`; about 0 to 9, low for flat and regular pictures.

    Args:
        grey: (H, W), of any size.
        step: only every so many rows and columns are predicted, from all their neighbours: the accelerated variant.
    """
    return entropy(np.asarray(grey, np.float64)[::step, ::step] - predict(grey, step), step**2)


def entropy(residual: np.ndarray, weight: int = 1) -> float:
    """Entropy in bits of rounded residuals, of counts n as p = (1 + 2n) / sum(1 + 2n): never of an empty bin.

    Each residual counts `weight` times, for the pixels that it stands for; otherwise the ones would weigh more in an
    accelerated count.
    """
    rounded = np.clip(np.round(residual), -LEVELS, LEVELS).astype(np.int64) + LEVELS
    p = 1.0 + 2.0 * weight * np.bincount(rounded.ravel(), minlength=2 * LEVELS + 1)
    p /= p.sum()
    return float(-(p * np.log2(p)).sum())


def predict(grey: np.ndarray, step: int = 1) -> np.ndarray:
    """The hybrid prediction of every `step`-th pixel, float (ceil(H / step), ceil(W / step))."""
    padded = np.pad(np.asarray(grey, np.float32), MARGIN, "symmetric")
    windows = sliding_window_view(padded, (2 * MARGIN + 1, 2 * MARGIN + 1))[::step, ::step]  # (h, w, 9, 9)
    return np.stack([(autoregressive(row) + BILATERAL_WEIGHT * bilateral(row)) / (1 + BILATERAL_WEIGHT) for row in windows])


def autoregressive(windows: np.ndarray) -> np.ndarray:
    """Predictions (n,) of the middles of windows (n, 9, 9) from their eight neighbours.

    The coefficients are least squares over the 48 other 3x3 patches of the 7x7 window around each pixel. In flat places
    these tell nothing (CONDITION), and the mean of the neighbours predicts. The normal equations of whole grey levels
    are exact in single precision, as no entry exceeds 48 * 255^2 < 2^24.
    """
    patches = sliding_window_view(windows, (3, 3), axis=(1, 2)).reshape(len(windows), 49, 9)
    neighbours = np.delete(patches[:, 24], 4, axis=1).astype(np.float64)  # (n, 8)
    samples = np.delete(patches, 24, axis=1)  # (n, 48, 9)
    gram = (samples.transpose(0, 2, 1) @ samples).astype(np.float64)  # (n, 9, 9)
    others = np.delete(np.arange(9), 4)
    normal, right = gram[:, others[:, None], others], gram[:, others, 4]  # (n, 8, 8), (n, 8)
    prediction = neighbours.mean(1)
    lively = np.ptp(windows.reshape(len(windows), -1), axis=1) > 0  # others are singular, without a decomposition
    if lively.any():
        values, vectors = np.linalg.eigh(normal[lively])  # ascending
        sound = values[:, 0] > CONDITION * values[:, -1]
        at, values, vectors = np.flatnonzero(lively)[sound], values[sound], vectors[sound]
        projected = np.einsum("nij,ni->nj", vectors, right[at]) / values
        prediction[at] = np.einsum("nij,nj,ni->n", vectors, projected, neighbours[at])
    return prediction


def bilateral(windows: np.ndarray) -> np.ndarray:
    """The bilateral filter, over 7x7 pixels, at the middles of windows (n, 9, 9): (n,)."""
    inner = windows[:, 1:-1, 1:-1].reshape(len(windows), 49).astype(np.float64)
    y, x = np.mgrid[-3:4, -3:4].reshape(2, 49)
    difference = inner - inner[:, 24:25]
    weights = np.exp(-(x**2 + y**2) / (2 * SIGMA_SPACE**2) - difference**2 / (2 * SIGMA_RANGE**2))
    return (weights * inner).sum(1) / weights.sum(1)
