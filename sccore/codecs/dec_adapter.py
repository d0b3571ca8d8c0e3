"""Dec-Adapter (reconstruction): small adapters of the decoder, fitted to one image and sent with it.

Shen et al. (ICCV 2023) freeze a codec for natural images and transfer adapters of its decoder with the bits. There is no
public code; what stands where and how it is coded is decided here:

- behind four layers of WACNN's g_s, one a resolution, stands x + U D x: a 1x1 convolution of low rank, identity at first;
- D and U are multiples of STEP. Each of the eight matrices is coded with a zero-mean Gaussian, whose scale is one byte: an
  entry of the table that codes y, too;
- they are fitted by gradient descent on rate and distortion, to crops of the image as it will be decoded;
- they are sent only if they lower the cost of the whole image.
"""

import sccore.utils.late_compressai  # noqa: F401

# isort: split
import math

import torch
from compressai.ans import BufferedRansEncoder, RansDecoder
from compressai.ops import quantize_ste
from torch import Tensor, nn

from sccore.hyperprior import Hyperprior
from sccore.rans import fenced
from sccore.symbols import tables_of
from sccore.utils.beside import one_thread
from sccore.utils.errors import InputError
from sccore.wacnn import WACNN

NAME = "Dec-Adapter (reconstruction)"
RANK = 2
SITES = (0, 2, 5, 7)  # layers of g_s that an adapter stands behind: at H/16, H/8, H/4, H/2
STEP = 1 / 32
LARGEST = 2**10  # steps
CROP = 16  # positions of y a side: 256 pixels
CROPS = 2  # a gradient step
RATE = 0.02  # learning rate


def shapes(model: Hyperprior) -> list[tuple[int, int]]:
    """Of D and U of each site: (RANK, C) and (C, RANK)."""
    if type(model) is not WACNN:
        raise InputError(f"adapters are fitted to wacnn's decoder; these weights are of {model.spec['name']}")
    channels = [model.y_ch] + [layer.out_channels for layer in model.g_s if isinstance(layer, nn.ConvTranspose2d)][:-1]
    return [shape for c in channels for shape in ((RANK, c), (c, RANK))]


def synthesis(model: WACNN, matrices: list[Tensor], y_hat: Tensor) -> Tensor:
    """x_hat of g_s with adapters; matrices as in :func:`shapes`."""
    x = y_hat
    for i, layer in enumerate(model.g_s):
        x = layer(x)
        if i in SITES:
            down, up = matrices[2 * SITES.index(i) :][:2]
            x = x + nn.functional.conv2d(nn.functional.conv2d(x, down[..., None, None]), up[..., None, None])
    return (x + 1) / 2 if model.centred else x


def fit(model: WACNN, x: Tensor, y_hat: Tensor, lmbda: float, steps: int, size: tuple[int, int]) -> bytes:
    """Coded adapters of an image, or nothing where they do not pay.

    Args:
        model: frozen.
        x: the image (1, 3, H, W), padded as for the model.
        y_hat: its decoded latent (1, M, H/16, W/16), float32.
        lmbda: what the decision trades bits for distortion at, by Eq. 8.
        steps: of gradient descent, each on CROPS crops; the time that encoding takes grows with it and not with the image.
        size: (height, width) of the image without padding, on which the decision is made.
    """
    if steps < 1:
        raise InputError(f"adapters are fitted in at least 1 step, not {steps}")
    if not lmbda > 0:
        raise InputError("adapters need a positive lmbda to weigh bits against distortion")
    height, width = size
    random = torch.Generator().manual_seed(0)
    spread = lambda m, n: n**-0.5 if m == RANK else 0.0  # D starts at random, U at zero
    with torch.enable_grad():
        params = [(spread(*s) * torch.randn(s, generator=random)).to(x).requires_grad_() for s in shapes(model)]
        optimizer = torch.optim.Adam(params, lr=RATE)
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 + math.cos(math.pi * step / steps)) / 2
            on_grid = [STEP * quantize_ste(p / STEP) for p in params]
            crops = [crop(x, y_hat, random) for _ in range(CROPS)]
            mse = sum(((synthesis(model, on_grid, y) - part) ** 2).mean() for part, y in crops) / CROPS
            loss = lmbda * 255**2 * mse + bits(params) / (height * width)
            for p, grad in zip(params, torch.autograd.grad(loss, params)):
                p.grad = grad
            optimizer.step()
    symbols = [(p.detach() / STEP).round().clamp(-LARGEST, LARGEST).int().cpu() for p in params]
    string = encode(model, symbols)
    picture = lambda t: (255 * t[..., :height, :width].clamp(0, 1)).round()
    cost = lambda x_hat: lmbda * (picture(x_hat) - picture(x)).square().mean().item()
    with one_thread(), torch.no_grad():
        plain, adapted = cost(model.synthesis(y_hat, None)), cost(synthesis(model, weights(symbols, x), y_hat))
    return string if adapted + 8 * (len(string) + 2) / (height * width) < plain else b""


def crop(x: Tensor, y_hat: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """The same part of the image and of its latent, at multiples of the attention window."""
    corner = [4 * int(torch.randint(max(0, n - CROP) // 4 + 1, (), generator=random)) for n in y_hat.shape[2:]]
    (top, bottom), (left, right) = ((c, c + CROP) for c in corner)
    return x[..., 16 * top : 16 * bottom, 16 * left : 16 * right], y_hat[..., top:bottom, left:right]


def bits(params: list[Tensor]) -> Tensor:
    """About what the matrices cost: the entropy of a Gaussian of their size, no bits at zero."""
    return sum(p.numel() / 2 * torch.log2(1 + 2 * math.pi * math.e * (p / STEP).square().mean()) for p in params)


def encode(model: WACNN, symbols: list[Tensor]) -> bytes:
    """A byte for each matrix, its entry in the table of scales, and a rANS string."""
    table = model.gaussian_conditional.scale_table.cpu().log()
    scales = [(s.double().square().mean().sqrt().clamp(min=1e-9).log() - table).abs().argmin().item() for s in symbols]
    indexes = [i for i, s in zip(scales, symbols) for _ in range(s.numel())]
    encoder = BufferedRansEncoder()
    encoder.encode_with_indexes(torch.cat([s.flatten() for s in symbols]).tolist(), indexes, *tables_of(model.gaussian_conditional))
    return bytes(scales) + encoder.flush()


def decode(model: WACNN, string: bytes) -> list[Tensor]:
    """The inverse of :func:`encode`."""
    sizes, rows = shapes(model), len(model.gaussian_conditional.scale_table)
    scales, body = string[: len(sizes)], string[len(sizes) :]
    if len(scales) < len(sizes) or max(scales) >= rows:
        raise InputError("damaged: impossible adapters")
    indexes = [i for i, (m, n) in zip(scales, sizes) for _ in range(m * n)]
    decoder = RansDecoder()
    decoder.set_stream(fenced(body, len(indexes)))
    symbols = torch.tensor(decoder.decode_stream(indexes, *tables_of(model.gaussian_conditional))).clamp(-LARGEST, LARGEST)
    return [s.view(size) for s, size in zip(symbols.split([m * n for m, n in sizes]), sizes)]


def weights(symbols: list[Tensor], like: Tensor) -> list[Tensor]:
    """Matrices from their steps, on the device and in the type of `like`."""
    return [STEP * s.to(like) for s in symbols]
