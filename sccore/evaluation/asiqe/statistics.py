"""What a picture on a screen looks like in numbers: structure, brightness and sharpness, for :mod:`sccore.evaluation.asiqe.index`.

Images are grey, (H, W), 0 to 255. The structure terms have the form of NFERM's (Gu et al., 2015). Brightness and
sharpness stand in for formulas that no public source gives: brightness as in the authors' later work on enhancement,
sharpness as in FISH (Vu and Chandler, 2012).
"""

import cv2
import numpy as np

from sccore.evaluation.asiqe.free_energy import entropy

WINDOWS = 3, 7, 11  # pixels a side, of the Gaussian windows
SIGMA = 1.5  # of all of them
STABLE = (0.03 * 255) ** 2  # SSIM's second constant
EXPOSURES = 1 / 3.5, 3.5  # under- and over-exposure, whose entropies tell what is left of the picture
mirrored = lambda *half: np.array([*half, *half[-2::-1]])
LOW = mirrored(0.026748757411, -0.016864118443, -0.078223266529, 0.266864118443, 0.602949018236)  # CDF 9/7, analysis
HIGH = mirrored(0.045635881557, -0.028771763114, -0.295635881557, 0.557543526229)
SCALES = 3  # of the wavelet decomposition
DIAGONAL = 4.0  # weight of FISH's diagonal sub-band


def structure(grey: np.ndarray) -> np.ndarray:
    """Twelve structure terms, for each window: a on borders, a inside, b on borders, b inside; 1 where nothing is lost.

    The image is halved (means of 2x2). Term a compares it with its local mean, term b its local deviation with its
    distance from the local mean. On pristine pictures each is a line of free energy. Borders are those of the 8x8 blocks
    of block coders: pixels of the halved image whose 2x2 cell lies at or beside one.

    Args:
        grey: (H, W), at least 50 pixels a side.
    """
    half = halved(grey)
    rows, columns = (np.isin(np.arange(n) % 4, (0, 3)) for n in half.shape)
    border = rows[:, None] | columns
    terms = []
    for size in WINDOWS:
        mean = local_mean(half, size)
        inner = crop(half, size)
        deviation = np.sqrt(np.maximum(local_mean(half**2, size) - mean**2, 0))
        distance = np.sqrt(np.abs(inner**2 - mean**2))
        for first, second in ((inner, mean), (deviation, distance)):
            term = similarity(first, second, size)
            where = crop(crop(border, size), size)
            terms += [term[where].mean(), term[~where].mean()]
    return np.array(terms)


def similarity(x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    """SSIM's structure term of two maps under a Gaussian window, where the window fits."""
    mean_x, mean_y = local_mean(x, size), local_mean(y, size)
    covariance = local_mean(x * y, size) - mean_x * mean_y
    variances = [np.maximum(local_mean(z**2, size) - mean**2, 0) for z, mean in ((x, mean_x), (y, mean_y))]
    return (2 * covariance + STABLE) / (2 * np.sqrt(variances[0] * variances[1]) + STABLE)


def local_mean(values: np.ndarray, size: int) -> np.ndarray:
    """Gaussian mean over size x size pixels, where the window fits: (H - size + 1, W - size + 1)."""
    return crop(cv2.GaussianBlur(values, (size, size), SIGMA), size)


def crop(values: np.ndarray, size: int) -> np.ndarray:
    """What is left of a map when a window of this size must fit."""
    n = size // 2
    return values[n:-n, n:-n]


def halved(grey: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels, float64; an odd last row or column is left out."""
    height, width = (n // 2 * 2 for n in grey.shape)
    return np.asarray(grey, np.float64)[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3))


def brightness(grey: np.ndarray) -> np.ndarray:
    """Mean in [0, 1], skewness, and entropies in bits of the picture under- and over-exposed (EXPOSURES)."""
    grey = np.asarray(grey, np.float64)
    deviation = grey.std()
    skewness = ((grey - grey.mean()) ** 3).mean() / deviation**3 if deviation else 0.0
    return np.array([grey.mean() / 255, skewness, *(entropy(np.clip(m * grey, 0, 255)) for m in EXPOSURES)])


def sharpness(grey: np.ndarray) -> np.ndarray:
    """Log-energy of the details at each scale of a wavelet decomposition, the finest first (SCALES,)."""
    values, found = np.asarray(grey, np.float64), []
    for _ in range(SCALES):
        low, *details = wavelet(values)
        across, along, diagonal = (np.log2(1 + (band**2).mean()) for band in details)
        found.append((0.5 * (across + along) + DIAGONAL * diagonal) / (1 + DIAGONAL))
        values = low
    return np.array(found)


def wavelet(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One level of the CDF 9/7 wavelet, mirrored at the border: LL, LH, HL and HH, half as high and wide each."""
    filtered = lambda rows, columns: cv2.sepFilter2D(values, cv2.CV_64F, columns, rows, borderType=cv2.BORDER_REFLECT_101)
    return (filtered(LOW, LOW)[::2, ::2], filtered(LOW, HIGH)[::2, 1::2], filtered(HIGH, LOW)[1::2, ::2], filtered(HIGH, HIGH)[1::2, 1::2])
