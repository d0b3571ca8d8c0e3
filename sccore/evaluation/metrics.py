"""Picture quality as the paper and its companion report it, measured on 8-bit RGB images.

PSNR is the distortion of the paper's Fig. 5-7; the text-region PSNR is the same formula over the pixels
that Eq. 9-11 weigh up; MS-SSIM is the library's. Images are uint8 arrays (H, W, 3), masks bool (H, W).
Images that differ in size or are not 8-bit raise InputError.
"""

import numpy as np

from sccore.utils.errors import InputError

MS_SSIM_SIDE = 161  # five scales, each halved, under an 11-pixel window


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels; infinite for equal images."""
    check(a, b)
    return _psnr(a, b)


def psnr_text(a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> float | None:
    """PSNR in dB over the pixels where `mask` is true; None when there are none."""
    check(a, b)
    if mask.shape != a.shape[:2]:
        raise InputError(f"the mask is {_size(mask)}, the image {_size(a)}")
    mask = mask.astype(bool)
    return _psnr(a[mask], b[mask]) if mask.any() else None  # (n, 3) each


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float | None:
    """Multi-scale structural similarity in [0, 1]; None where the smaller side is under 161 pixels."""
    check(a, b)
    if min(a.shape[:2]) < MS_SSIM_SIDE:
        return None
    import torch
    from pytorch_msssim import ms_ssim as similarity

    def tensor(image):
        return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()  # (1, 3, H, W)

    with torch.inference_mode():
        return similarity(tensor(a), tensor(b), data_range=255).item()


def _psnr(a, b):
    difference = np.subtract(a, b, dtype=np.int32)
    mse = np.mean(difference * difference, dtype=np.float64)
    return float(10 * np.log10(255**2 / mse)) if mse else float("inf")


def check(a: np.ndarray, b: np.ndarray) -> None:
    """Raises InputError unless both are 8-bit RGB images of one size."""
    for image in (a, b):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(f"an 8-bit RGB image is needed, not {image.dtype} of shape {image.shape}")
    if a.shape != b.shape:
        raise InputError(f"the images differ in size: {_size(a)} and {_size(b)}")


def _size(array):
    return f"{array.shape[1]}x{array.shape[0]}"
