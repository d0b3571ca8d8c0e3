"""MS-SSIM of the text regions of an image."""

import cv2
import numpy as np

SIDE = 161  # pixels that MS-SSIM needs a side: five scales, each halved, under an 11-pixel window
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # exponents of MS-SSIM, as published


def ms_ssim_text(original: np.ndarray, decoded: np.ndarray, mask: np.ndarray | None) -> float | None:
    """MS-SSIM of the text regions: at each of the five scales the mean of the local map runs over the mask alone.

    With a mask of 1 everywhere it is MS-SSIM. Cutting the text out instead would put edges into its windows that nobody
    sees. The mask is halved with the images, by averaging, and weighs the map; a window looks 5 pixels beyond it, at each
    scale. It lies inside the image as in MS-SSIM, so text within 80 pixels of the border counts at the finer scales
    alone; None where there is no other text.
    """
    if mask is None or not mask.any() or min(mask.shape) < SIDE:
        return None
    a, b, weight = (layer.astype(np.float32) for layer in (original, decoded, mask))
    similarity = np.ones(3)
    for scale, exponent in enumerate(SCALES):
        if scale:
            a, b, weight = (_halved(layer) for layer in (a, b, weight))
        structure, luminance = _ssim_maps(a, b)  # (h, w, 3) each
        inner = weight[5:-5, 5:-5, None]
        if not inner.any():
            return None  # text at the very border alone
        local = structure * luminance if scale == len(SCALES) - 1 else structure
        similarity *= np.maximum((local * inner).sum((0, 1), dtype=np.float64) / inner.sum(dtype=np.float64), 0) ** exponent
    return float(similarity.mean())


def _ssim_maps(a, b):
    """Contrast with structure, and luminance, under an 11-pixel Gaussian window, where it lies inside the image."""
    blur = lambda x: cv2.GaussianBlur(x, (11, 11), 1.5)[5:-5, 5:-5]
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b, both = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2, blur(a * b) - mean_a * mean_b
    return (2 * both + c2) / (var_a + var_b + c2), (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)


def _halved(layer):
    """Means of 2x2 pixels; an odd side is first led on by a line of 0 on both of its ends, as the published code does."""
    rows, columns = (side % 2 for side in layer.shape[:2])
    padded = cv2.copyMakeBorder(layer, rows, rows, columns, columns, cv2.BORDER_CONSTANT, value=0)
    height, width = (side // 2 * 2 for side in padded.shape[:2])
    return cv2.resize(padded[:height, :width], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
