"""The learned picture of a .sci file: an image of any size to the strings of y and z, and back.

The bytes around them are in :mod:`sccore.codecs.container`; what a user calls is in :mod:`sccore.codecs.coding`. What is measured
is always this: no lossless picture takes the place of the learned one here.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sccore import rans
from sccore.codecs import container, dec_adapter
from sccore.codecs.checkpoint import load_model
from sccore.codecs.checkpoint_files import by_identity, called
from sccore.codecs.palette import choose, restore
from sccore.codecs.refine import refine, steps_of
from sccore.codecs.tensors import memory_for, to_image, to_tensors
from sccore.codecs.without_loss import cost, errors
from sccore.entropy import SliceEntropyModel
from sccore.hyperprior import Hyperprior
from sccore.loss import rate
from sccore.utils.beside import one_thread, side_by_side
from sccore.utils.device import native_bf16
from sccore.utils.errors import InputError, require

LARGEST_AREA = 2**27  # pixels that are encoded
LEAST_CHANNELS = 64  # of y, in any model; a position of them is 16x16 pixels
PRECISIONS = "float32", "float64", "bfloat16"  # of the synthesis


@torch.no_grad()
def analyse(image: np.ndarray, model: Hyperprior, mask: np.ndarray | None = None, bf16: bool = False) -> tuple[Tensor, Tensor]:
    """y and z of an image; the same for every lambda of a variable-rate model.

    Args:
        bf16: compute in bfloat16, whose errors are small beside a step of the quantiser. Any y is a valid one to encode; a decoder has
            no such choice.
    """
    if not hasattr(model, model.encoder[0]):
        raise InputError("these weights were loaded for decoding alone")
    x, mask = to_tensors(image, mask, model)
    with side_by_side(), torch.autocast("cpu", torch.bfloat16, bf16):
        y, z = model.analysis(x.contiguous(memory_format=torch.channels_last), mask)
    return y.float().contiguous(), z.float().contiguous()


def encode(image: np.ndarray, model: Hyperprior, *args, **options) -> bytes:
    """The bytes of the .sci file of :func:`learned`, whose arguments these are."""
    return container.pack(learned(image, model, *args, **options))


@torch.no_grad()
def learned(
    image: np.ndarray,
    model: Hyperprior,
    lmbda: float | None = None,
    mask: np.ndarray | None = None,
    latents: tuple[Tensor, Tensor] | None = None,
    adapter_steps: int = 0,
    effort: int = 0,
    progress: bool = False,
    bf16: bool = False,
    palette: bool = False,
) -> container.File:
    """An image as a learned picture.

    Args:
        image: uint8 (H, W, 3), RGB, any size from 1x1.
        model: from a checkpoint (its identity goes into the file).
        lmbda: rate of a variable-rate model; of a fixed-rate one its own lambda, which need not be given.
        mask: text mask, bool (H, W); None stands for text everywhere.
        latents: of :func:`analyse`, if the image was analysed before.
        adapter_steps: gradient steps to fit adapters of WACNN's decoder in; they go into the file if they pay.
        effort: of the search for better latents, 0 (none) to 6, see :mod:`sccore.codecs.refine`; what it finds is kept if it pays.
        progress: show the steps of that search.
        bf16: of the analysis.
        palette: give the picture's main colours along where that pays, see :mod:`sccore.codecs.palette`.
    """
    steps = steps_of(effort, model)
    if (sha256 := model.checkpoint_hash) is None:
        raise InputError("a file can only be written with weights from a checkpoint; save the model and load it")
    if model.y_ch < LEAST_CHANNELS:
        raise InputError(f"a file takes a y of {LEAST_CHANNELS} channels or more, this model's has {model.y_ch}")
    height, width = image.shape[:2]
    if not (0 < height <= container.LARGEST and 0 < width <= container.LARGEST and height * width <= LARGEST_AREA):
        raise InputError(f"image is {width}x{height}; possible are sides up to {container.LARGEST} and {LARGEST_AREA} pixels")
    lmbda = pick_lmbda(model, lmbda)
    with memory_for(width, height):
        latents = latents or analyse(image, model, mask, bf16)
        level = model.level(lmbda, latents[0].device)
        identity = bytes.fromhex(sha256)[: container.IDENTITY]

        def coded(y: Tensor, z: Tensor) -> tuple[container.File, tuple[Tensor, Tensor]]:
            """The file, and the latents that its decoder will have."""
            (y_string, z_string), decoded = model.code_exactly(y, z, level)
            return container.File(width, height, identity, lmbda, z_string, y_string), decoded

        def seen(file: container.File, decoded: tuple[Tensor, Tensor], precision: str = "float32") -> np.ndarray:
            """The picture that its decoder will make."""
            with side_by_side():
                x_hat = synthesis(model, file.adapters, precision)(*(latent.float() for latent in decoded))
            return to_image(x_hat.clamp_(0, 1), height, width)

        def price(found: tuple[container.File, tuple[Tensor, Tensor]]) -> float:
            return cost(lmbda=lmbda, pixels=width * height)(len(container.pack(found[0])), errors(image, seen(*found)))

        file, decoded = coded(*latents)
        if steps:
            x, m = to_tensors(image, mask, model)
            better = coded(refine(model, x, m, latents, lmbda, (height, width), steps, progress), latents[1])
            file, decoded = min((file, decoded), better, key=price)
        if adapter_steps:
            x = to_tensors(image, None, model)[0]
            file = replace(file, adapters=dec_adapter.fit(model, x, decoded[0].float(), lmbda, adapter_steps, (height, width)))
        if palette:
            file = replace(file, palette=choose(image, seen(file, decoded, "bfloat16"), lmbda))
    return file


def decode(data: bytes, model: Hyperprior | Path | str | None = None, precision: str = "float32") -> np.ndarray:
    """The learned picture of a .sci file, as :func:`picture` gives it.

    Raises:
        InputError: as of :func:`sccore.codecs.container.unpack`; it holds a lossless picture.
    """
    file = container.unpack(data, container.MOST_PIXELS)
    if file.lossless:
        raise InputError("holds a lossless picture, not a learned one")
    return picture(file, model, precision)


def picture(file: container.File, model: Hyperprior | Path | str | None = None, precision: str = "float32") -> np.ndarray:
    """The learned picture of a file, uint8 (H, W, 3), without its alpha.

    Args:
        model: the weights that encoded it, or their file; None looks for them by identity among the shipped and local checkpoints.
        precision: of the synthesis. In "float64" sums, in whatever order, do not move a pixel across a rounding; it takes longer.
            "bfloat16" takes less time where the processor computes it natively, and some pixels are off by a few levels; elsewhere it
            is "float32".

    Raises:
        InputError: damaged, or other weights needed; says which. Or no such precision.
    """
    require("precision", precision, PRECISIONS)
    model, (width, height) = weights_for(file, model), (file.width, file.height)
    shape = shape_of_z(file, model)
    with memory_for(width, height):
        output = model.decompress([[file.y], [file.z]], shape, file.lmbda, synthesis(model, file.adapters, precision))
        return restore(to_image(output["x_hat"], height, width), file.palette)


@torch.no_grad()
def first_slices(file: container.File, model: SliceEntropyModel, slices: int) -> Tensor:
    """The first slices of y_hat alone, (1, channels, H/16, W/16), float64; the rest of the string is not read.

    Raises:
        InputError: as of :func:`picture`.
    """
    level = model.level(file.lmbda, next(model.parameters()).device)
    with memory_for(file.width, file.height), side_by_side():
        return model.decode_latents([file.y, file.z], shape_of_z(file, model), level, slices=slices)[0]


def weights_for(file: container.File, model: Hyperprior | Path | str | None) -> Hyperprior:
    """The model that encoded a file: as given, or found by its identity.

    Raises:
        InputError: other weights were given, or none are at hand; or the string of y is too short for the file's size.
    """
    rans.require(file.y, file.width * file.height / 256 * LEAST_CHANNELS * rans.LEAST)
    if not isinstance(model, Hyperprior):
        model = load_model(model, decoder=True) if model else at_hand(file.identity)
    if (given := bytes.fromhex(model.checkpoint_hash or "")[: container.IDENTITY]) != file.identity:
        raise InputError(f"needs weights {called(file.identity)}, not {called(given) if given else 'unsaved ones'}")
    return model


def shape_of_z(file: container.File, model: Hyperprior) -> tuple[int, ...]:
    """Height and width of z, whose step is the model's stride."""
    return tuple(-(-side // model.stride) for side in (file.height, file.width))


@lru_cache(maxsize=2)
def at_hand(identity: bytes) -> Hyperprior:
    """The weights of this identity, kept for files that follow: the identity is of their content."""
    return load_model(by_identity(identity), decoder=True)


@one_thread()
def synthesis(model: Hyperprior, adapters: bytes, precision: str) -> Callable[[Tensor, Tensor], Tensor]:
    """What makes x_hat of y_hat and z_hat: the model's own, or that of a file with adapters; in this precision."""
    if precision == "float64":  # y_hat and z_hat are on the grid, so that float32 holds them exactly
        exact = transform(copy.deepcopy(model, {id(model._exact): None}).double(), adapters)
        return lambda y_hat, z_hat: exact(y_hat.double(), z_hat.double())
    device, plain = next(model.parameters()).device, transform(model, adapters)
    if precision == "bfloat16" and native_bf16(device):
        plain = torch.autocast(device.type, torch.bfloat16)(plain)
    last = lambda latent: latent.contiguous(memory_format=torch.channels_last)  # a strip of rows is then one piece of memory
    return lambda y_hat, z_hat: plain(last(y_hat), last(z_hat)).float()


def transform(model: Hyperprior, adapters: bytes) -> Callable[[Tensor, Tensor], Tensor]:
    """The model's synthesis; with adapters, if a file has them."""
    if not adapters:
        return model.synthesis
    symbols = dec_adapter.decode(model, adapters)
    return lambda y_hat, z_hat: dec_adapter.synthesis(model, dec_adapter.weights(symbols, y_hat), y_hat)


@torch.no_grad()
def estimate(image: np.ndarray, model: Hyperprior, lmbda: float | None = None, mask: np.ndarray | None = None) -> dict:
    """What :func:`encode` should need, from the likelihoods, without coding.

    Returns:
        bits: of y and z together; bits_map: of y at each latent position of the padded size, (H/16, W/16); x_hat: uint8 (H, W, 3).
    """
    model.eval()
    output = model(*to_tensors(image, mask, model), lmbda=pick_lmbda(model, lmbda) if model.lambdas else None)
    bits_map = -torch.log2(output["likelihoods"]["y"][0]).sum(0)  # (H/16, W/16)
    bits = rate(output["likelihoods"], 1).item()
    return {"bits": bits, "bits_map": bits_map.cpu().numpy(), "x_hat": to_image(output["x_hat"], *image.shape[:2])}


@torch.no_grad()
def estimated_bits(latents: tuple[Tensor, Tensor], model: Hyperprior, lmbda: float | None = None) -> float:
    """The bits of :func:`estimate` alone, for an image that was analysed before."""
    model.eval()
    level = model.level(pick_lmbda(model, lmbda), latents[0].device)
    return rate(model.code_latents(*latents, level)[2], 1).item()


def pick_lmbda(model: Hyperprior, lmbda: float | None) -> float:
    """The lambda to code at, as the file will hold it (float32); checks it against the model."""
    own = model.meta.get("lmbda")
    if model.lambdas is None:
        if lmbda is not None and own is not None and lmbda != own:
            raise InputError(f"these weights are for lmbda {own}, not {lmbda}")
        lmbda = own or lmbda or 0.0
        if not 0 <= lmbda < math.inf:
            raise InputError(f"lmbda {lmbda:g} is not a positive number")
    else:
        model.level(lmbda)
    return float(np.float32(lmbda))
