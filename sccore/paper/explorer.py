"""A crop of a screenshot through the codec, fast enough for controls that are moved by hand (notebooks/explore.ipynb).

Only the crop is coded. Its latents are kept, since they are the same for every lambda. So are AVIF's files, which do not depend on ours.
Sizes of our codec are the entropy model's estimates, without a file's header of some bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch

from sccore.codecs import sci, tensors
from sccore.codecs.classical import CODECS
from sccore.evaluation import bit_allocation, equal_rate, metrics
from sccore.hyperprior import Hyperprior
from sccore.loss import rate
from sccore.utils.beside import side_by_side
from sccore.utils.device import native_bf16

KEPT = 16  # crops whose latents are kept, and as many whose files of AVIF are
AVIF_QUALITIES = range(0, 101, 4)


@dataclass
class Seen:
    """What came out of a crop: the decoded image (H, W, 3), bytes, PSNR in dB, and bits of y at each position (h, w) or None."""

    image: np.ndarray
    size: int
    psnr: float
    bits_map: np.ndarray | None = None

    @property
    def said(self) -> str:
        return f"{self.size:,} bytes, {self.psnr:.1f} dB".replace("inf", "∞")


def altered(mask: np.ndarray, kind: str, grow: int = 0) -> np.ndarray:
    """The mask that the encoder gets: the "detected" one, "text everywhere" or "no text"; grown by pixels, or shrunk."""
    if kind != "detected":
        return np.full_like(mask, kind == "text everywhere")
    if not grow:
        return mask
    square = np.ones((2 * abs(grow) + 1,) * 2, np.uint8)
    return (cv2.dilate if grow > 0 else cv2.erode)(mask.astype(np.uint8), square).astype(bool)


class Explorer:
    """Codes crops with a variable-rate model and keeps what the next change of a control needs again."""

    def __init__(self, model: Hyperprior):
        self.model, self.kept = model, {}

    def _once(self, key: tuple, make: Callable[[], Any]):
        """What `make` gives, computed once for a key."""
        if key not in self.kept:
            while len(self.kept) >= 2 * KEPT:
                self.kept.pop(next(iter(self.kept)))
            self.kept[key] = make()
        return self.kept[key]

    @torch.no_grad()
    def code(self, crop: np.ndarray, mask: np.ndarray, lmbda: float) -> Seen:
        """The crop as our decoder shows it, with the estimated size of its file."""
        latents = self._once(("y", crop.tobytes(), mask.tobytes()), lambda: sci.analyse(crop, self.model, mask, native_bf16("cpu")))
        level = self.model.level(lmbda, latents[0].device)
        with side_by_side():
            y_hat, z_hat, likelihoods = self.model.code_latents(*latents, level)
            image = tensors.to_image(self.model.synthesis(y_hat, z_hat), *crop.shape[:2])
        bits_map = -torch.log2(likelihoods["y"][0]).sum(0).cpu().numpy()
        size = round(rate(likelihoods, 1).item() / 8)
        return Seen(image, size, metrics.psnr(crop, image), bits_map)

    def avif(self, crop: np.ndarray, size: int) -> Seen | None:
        """The crop as AVIF's file of the nearest size; None where Pillow has no AVIF."""
        if (avif := CODECS["avif"]).missing():
            return None
        files = self._once(("avif", crop.tobytes()), dict)

        def encode(quality):
            if quality not in files:
                files[quality] = avif.encode(crop, quality)
            return files[quality]

        _, data = equal_rate.nearest(encode, AVIF_QUALITIES, size)
        image = avif.decode(data, crop.shape[:2])
        return Seen(image, len(data), metrics.psnr(crop, image))


def by_region(crop: np.ndarray, mask: np.ndarray, bits_map: np.ndarray) -> dict[str, tuple[float, float]]:
    """Share of the area and of the bits of y that each region of the crop has, in percent; regions as in Figure 4."""
    kinds = bit_allocation.regions(crop, mask)
    bits = bit_allocation.spent(bits_map, kinds)
    area = bit_allocation.spent(np.ones(kinds.shape), kinds)
    return {name: (100 * area[name] / kinds.size, 100 * bits[name] / bits_map.sum()) for name in bits if area[name]}


def said_by_region(shares: dict[str, tuple[float, float]]) -> str:
    """The shares in words: "text: 20 % of the area, 55 % of the bits; ..."."""
    return "; ".join(f"{name}: {area:.0f} % of the area, {bits:.0f} % of the bits" for name, (area, bits) in shares.items())
