"""What an encoder is given and where it spends bits, as pictures of the image's own size to lay over it.

Images are uint8 arrays (H, W, 3), masks bool (H, W).
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from sccore.codecs import sci
from sccore.hyperprior import Hyperprior
from sccore.loss import lagrange_map
from sccore.paper.drawing.style import image_axes, styled
from sccore.priors import external_prior, laplacian

STEP = 16  # pixels a position of y stands for
ORANGE = np.array([213, 94, 0])


def tinted(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image with its text in orange."""
    return np.where(mask[..., None], 0.55 * image + 0.45 * ORANGE, image).astype(np.uint8)


def prior(image: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """The external prior g' (Eq. 6), or without a mask the structural one g (Eq. 5), dark where it is large; both on one scale."""
    x = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None] / 255  # (1, 3, H, W)
    g = laplacian(x)[0].mean(0)  # (H, W)
    top = max(float(np.quantile(g, 0.995)), 1 / 255)
    if mask is not None:
        g = external_prior(x, torch.from_numpy(mask)[None, None].float())[0].mean(0)
    return np.repeat((255 - 255 * np.clip(g.numpy() / top, 0, 1)).astype(np.uint8)[..., None], 3, 2)


def heat(image: np.ndarray, bits_map: np.ndarray, top: float | None = None) -> np.ndarray:
    """Bits of y at each position, (h, w), from yellow to red, which is `top` bits, over the image in grey."""
    height, width = image.shape[:2]
    shares = np.clip(bits_map / (top or float(np.quantile(bits_map, 0.995)) or 1.0), 0, 1)
    whole = np.kron(shares, np.ones((STEP, STEP)))[:height, :width, None]
    grey = 255 - (255 - image.mean(2, keepdims=True)) * 0.3
    colour = 255 * plt.get_cmap("YlOrRd")(whole[..., 0])[..., :3]
    opacity = 0.8 * np.sqrt(whole)
    return ((1 - opacity) * grey + opacity * colour).astype(np.uint8)


def overlays(image: np.ndarray, mask: np.ndarray, bits_map: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Pictures by name for :func:`sccore.paper.drawing.compare.slider`: the image, its text, both priors, and where bits go."""
    pictures = {"screenshot": image, "text mask M": tinted(image, mask), "edges g": prior(image), "prior g′": prior(image, mask)}
    return pictures if bits_map is None else pictures | {"bits of y": heat(image, bits_map)}


@styled
def weights(image: np.ndarray, mask: np.ndarray, model: Hyperprior) -> Figure:
    """The image, the weight of each pixel (Eq. 10), and the weighted error of what the model decodes at its smallest lambda."""
    weight = lagrange_map(torch.from_numpy(mask).float(), 1.0).numpy()  # (H, W)
    lmbda = model.lambdas[0] if model.lambdas else None
    decoded = sci.estimate(image, model, lmbda, mask)["x_hat"]
    error = np.sqrt(weight * ((image.astype(float) - decoded) ** 2).mean(2))
    figure, axes = image_axes(image.shape, 1, 3)
    panels = (
        ("image x", image, {}),
        (f"weight: {weight.max():.1f} in text, {weight.min():.1f} elsewhere", weight, {"cmap": "gray"}),
        ("weighted error, darker is more", error, {"cmap": "gray_r", "vmin": 0, "vmax": max(1.0, float(np.quantile(error, 0.995)))}),
    )
    for one, (label, picture, options) in zip(axes.flat, panels):
        one.imshow(picture, **options)
        one.set_title(label)
    return figure
