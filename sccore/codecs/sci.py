"""The codec one uses: an image of any size to the bytes of a .sci file and back.

Layout of a .sci file, little-endian:

    magic "SCI" and 0x1A | version u8 | identity of the weights, 8 bytes | lambda f32 | width u16 | height u16
    | length of y's string u32 | CRC-32 of all other bytes u32 | y's string | z's string

Version 1 is this. Version 2 has the adapters of :mod:`sccore.codecs.dec_adapter` behind it, and their length u16 at the very end.
The identity is the beginning of the checkpoint's sha256: only the very weights that encoded can decode.
"""

import math
import struct
import zlib
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sccore import rans
from sccore.codecs import dec_adapter as adapter
from sccore.codecs.checkpoint import by_identity, load_model
from sccore.hyperprior import Hyperprior
from sccore.loss import rate
from sccore.utils.beside import side_by_side
from sccore.utils.errors import InputError

MAGIC, PLAIN, ADAPTED = b"SCI\x1a", 1, 2
HEADER = struct.Struct("<4sB8sfHHII")
ADAPTER = struct.Struct("<H")
LARGEST = 2**16 - 1  # pixels a side
LARGEST_AREA = 2**27  # pixels that are encoded
MOST_PIXELS = 2**26  # that are decoded, if nobody asks for more; a decoder needs about 450 bytes for each
LEAST_CHANNELS = 64  # of y, in any model; a position of them is 16x16 pixels


@torch.no_grad()
def analyse(image: np.ndarray, model: Hyperprior, mask: np.ndarray | None = None) -> tuple[Tensor, Tensor]:
    """y and z of an image; the same for every lambda of a variable-rate model."""
    with side_by_side():
        return model.analysis(*to_tensors(image, mask, model))


@torch.no_grad()
def encode(
    image: np.ndarray,
    model: Hyperprior,
    lmbda: float | None = None,
    mask: np.ndarray | None = None,
    latents: tuple[Tensor, Tensor] | None = None,
    adapter_steps: int = 0,
) -> bytes:
    """An image as the bytes of a .sci file.

    Args:
        image: uint8 (H, W, 3), RGB, any size from 1x1.
        model: from a checkpoint (its identity goes into the file).
        lmbda: rate of a variable-rate model; of a fixed-rate one its own lambda, which need not be given.
        mask: text mask, bool (H, W); None stands for text everywhere.
        latents: of :func:`analyse`, if the image was analysed before.
        adapter_steps: gradient steps to fit adapters of WACNN's decoder in; they go into the file if they pay.
    """
    if model.checkpoint_hash is None:
        raise InputError("a file can only be written with weights from a checkpoint; save the model and load it")
    height, width = image.shape[:2]
    if not (0 < height <= LARGEST and 0 < width <= LARGEST and height * width <= LARGEST_AREA):
        raise InputError(f"image is {width}x{height}; possible are sides up to {LARGEST} and {LARGEST_AREA} pixels")
    lmbda = pick_lmbda(model, lmbda)
    with memory_for(width, height):
        latents = latents or analyse(image, model, mask)
        level = level_of(model, lmbda, latents[0].device)
        strings = model.encode_latents(*latents, level)
        if adapter_steps:
            y_hat = model.decode_latents(strings, latents[1].shape[-2:], level)[0].float()
            x = to_tensors(image, None, model)[0]
            strings.append(adapter.fit(model, x, y_hat, lmbda, adapter_steps, (height, width)))
    return seal(bytes.fromhex(model.checkpoint_hash)[:8], lmbda, width, height, *strings)


def seal(identity: bytes, lmbda: float, width: int, height: int, y: bytes, z: bytes, adapters: bytes = b"") -> bytes:
    """Header, checksum, strings, and adapters if there are any."""
    fields = (MAGIC, ADAPTED if adapters else PLAIN, identity, lmbda, width, height, len(y))
    body = y + z + (adapters + ADAPTER.pack(len(adapters)) if adapters else b"")
    return HEADER.pack(*fields, zlib.crc32(HEADER.pack(*fields, 0) + body)) + body


def open_seal(data: bytes) -> tuple[bytes, float, int, int, bytes, bytes, bytes]:
    """Identity, lambda, width, height, strings of y and z, adapters; refuses what is not a whole, undamaged .sci file."""
    if data[:4] != MAGIC:
        raise InputError("not a .sci file")
    if len(data) > 4 and data[4] not in (PLAIN, ADAPTED):
        raise InputError(f".sci version {data[4]}, this decoder reads versions {PLAIN} and {ADAPTED}")
    if len(data) < HEADER.size:
        raise InputError("damaged: the file ends within its header")
    *fields, checksum = HEADER.unpack_from(data)
    _, version, identity, lmbda, width, height, y_length = fields
    body = data[HEADER.size :]
    if zlib.crc32(HEADER.pack(*fields, 0) + body) != checksum:
        raise InputError("damaged: the checksum does not fit (truncated or altered)")
    if y_length > len(body) or not 0 < width * height:
        raise InputError("damaged: impossible lengths in the header")
    if not 0 <= lmbda < math.inf:
        raise InputError(f"damaged: impossible lambda {lmbda:g} in the header")
    y, rest, adapters = body[:y_length], body[y_length:], b""
    if version == ADAPTED:
        rest, length = rest[: -ADAPTER.size], int.from_bytes(rest[-ADAPTER.size :], "little")
        if not 0 < length <= len(rest):
            raise InputError("damaged: impossible length of the adapters")
        rest, adapters = rest[:-length], rest[-length:]
    rans.require(y, width * height / 256 * LEAST_CHANNELS * rans.LEAST)
    return identity, lmbda, width, height, y, rest, adapters


def decode(data: bytes, model: Hyperprior | Path | str | None = None, max_pixels: int = MOST_PIXELS) -> np.ndarray:
    """The image of a .sci file, uint8 (H, W, 3).

    Args:
        model: the weights that encoded it, or their file; None looks for them by identity among the shipped and local checkpoints.
        max_pixels: a larger image is refused before anything is computed.

    Raises:
        InputError: not a .sci file, another version, damaged, too large, or other weights needed; says which.
    """
    identity, lmbda, width, height, y, z, adapters = open_seal(data)
    if width * height > max_pixels:
        raise InputError(f"{width}x{height} pixels, above the limit of {max_pixels}; --max-pixels (in Python: max_pixels) raises it")
    if not isinstance(model, Hyperprior):
        model = load_model(model or by_identity(identity))
    if bytes.fromhex(model.checkpoint_hash or "")[:8] != identity:
        raise InputError(f"needs weights {identity.hex()}, not {(model.checkpoint_hash or 'unsaved ones')[:16]}")
    shape = tuple(-(-side // model.stride) for side in (height, width))  # of z, whose step is the stride
    with memory_for(width, height):
        output = model.decompress([[y], [z]], shape, lmbda if model.lambdas else None, adapted(model, adapters))
        return to_image(output["x_hat"], height, width)


@contextmanager
def memory_for(width: int, height: int):
    """Says in one line that an image is too large for this machine."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "alloc" in str(error) or "out of memory" in str(error):
            raise InputError(f"too little memory for {width}x{height} pixels") from None
        raise


def adapted(model: Hyperprior, adapters: bytes) -> Callable[[Tensor, Tensor], Tensor] | None:
    """The synthesis of a file with adapters; None for one without."""
    if not adapters:
        return None
    symbols = adapter.decode(model, adapters)
    return lambda y_hat, z_hat: adapter.synthesis(model, adapter.weights(symbols, y_hat), y_hat)


@torch.no_grad()
def estimate(image: np.ndarray, model: Hyperprior, lmbda: float | None = None, mask: np.ndarray | None = None) -> dict:
    """What :func:`encode` should need, from the likelihoods, without coding.

    Returns:
        bits: of y and z together; bits_map: of y at each latent position, (H/16, W/16) rounded up to the padded size;
        x_hat: the reconstruction, uint8 (H, W, 3).
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
    level = level_of(model, pick_lmbda(model, lmbda), latents[0].device)
    return rate(model.code_latents(*latents, level)[2], 1).item()


def level_of(model: Hyperprior, lmbda: float, device) -> Tensor:
    """The model's level for a picked lambda; a fixed-rate model has one level, whatever the lambda."""
    return model.level(lmbda if model.lambdas else None, device)


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


def to_tensors(image: np.ndarray, mask: np.ndarray | None, model: Hyperprior) -> tuple[Tensor, Tensor]:
    """Image and mask as (1, C, H', W'), extended by their last row and column to multiples of the model's stride."""
    device = next(model.parameters()).device
    height, width = image.shape[:2]
    if mask is not None and mask.shape != (height, width):
        raise InputError(f"mask is {mask.shape[1]}x{mask.shape[0]}, its image {width}x{height}")
    x = torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1)[None].float() / 255
    m = torch.ones_like(x[:, :1]) if mask is None else torch.from_numpy(mask).to(x)[None, None]
    padding = (0, -width % model.stride, 0, -height % model.stride)
    return F.pad(x, padding, mode="replicate"), F.pad(m, padding, mode="replicate")


def to_image(x_hat: Tensor, height: int, width: int) -> np.ndarray:
    """x_hat (1, 3, H', W') as uint8 (H, W, 3), rounded and cropped."""
    pixels = (x_hat[0, :, :height, :width].clamp(0, 1) * 255).round().byte()
    return pixels.permute(1, 2, 0).cpu().numpy()


def read_file(path: Path | str) -> bytes:
    """The bytes of a .sci file, of another one its beginning; with a one-line error."""
    try:
        with open(path, "rb") as file:
            return (start := file.read(HEADER.size)) + (file.read() if start[:4] == MAGIC else b"")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror.lower()}") from None
