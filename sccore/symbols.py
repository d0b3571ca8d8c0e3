"""From whole numbers to what the entropy coder takes, and back: which table a symbol is coded with, and the string of z.

Tables are CompressAI's, of its entropy models. The string of z says in its first byte how many positions in 255 repeat the one before;
if any do, a flag for each position follows, and then the symbols of those that do not.
"""

import sccore.utils.late_compressai  # noqa: F401

# isort: split
import math

import torch
import torch.nn.functional as F
from compressai.ans import RansDecoder, RansEncoder
from compressai.entropy_models import EntropyBottleneck, EntropyModel, GaussianConditional
from torch import Tensor

from sccore import rans
from sccore.context import between

Tables = tuple[list, list, list]


def tables_of(part: EntropyModel) -> Tables:
    """Tables, lengths and offsets as the coder takes them."""
    lengths = part.cdf_length.tolist()
    rows = [row[:length].tolist() for row, length in zip(part.quantized_cdf, lengths)]  # without padding: read often
    return rows, lengths, part.offset.tolist()


def scale_indexes(gaussian: GaussianConditional, scales: Tensor) -> Tensor:
    """Entries of the scale table, geometrically nearest; CompressAI's choice is the next larger one."""
    table, bound = gaussian.scale_table.double(), gaussian.lower_bound_scale.bound.double()
    scales = torch.maximum(scales / (table[1] / table[0]).sqrt(), bound).contiguous()
    return torch.bucketize(scales, table[:-1], out_int32=True)


def tables_for(gaussian: GaussianConditional, mean: Tensor | None, scale: Tensor) -> tuple[Tensor | float, list[int]]:
    """For symbols of these means and scales the whole part of the means, and which tables have the rest."""
    index = scale_indexes(gaussian, scale)
    if mean is None:
        return 0.0, index.flatten().tolist()
    whole, which = between(gaussian, mean.clamp(-rans.LARGEST, rans.LARGEST), index)
    return whole, which.flatten().tolist()


def encode_z(bottleneck: EntropyBottleneck, z: Tensor) -> bytes:
    """The string of z (1, Z, h, w), scaled."""
    values = bottleneck.quantize(z[0], "symbols", bottleneck._get_medians()).flatten(1).T  # (h w, Z)
    repeats = F.pad((values[1:] == values[:-1]).all(1), (1, 0))
    share = round(255 * repeats.double().mean().item())
    flags, rows = (repeats.int().tolist(), values[~repeats]) if share else ([], values)
    channels = values.shape[1]
    indexes = [channels] * len(flags) + [*range(channels)] * len(rows)
    return bytes([share]) + RansEncoder().encode_with_indexes(flags + rows.flatten().tolist(), indexes, *_z_tables(bottleneck, share))


def decode_z(bottleneck: EntropyBottleneck, string: bytes, shape: tuple[int, int]) -> Tensor:
    """The inverse of :func:`encode_z`, (1, Z, h, w).

    Raises:
        InputError: no encoder has written this for a z of this shape.
    """
    positions, share, coded = shape[0] * shape[1], *(string[:1] or b"\0"), string[1:]
    tables = _z_tables(bottleneck, share)
    channels = len(tables[0]) - 1
    row = rans.least_bits(bottleneck.quantized_cdf).sum().item()
    least = min(math.log2(256 / share), math.log2(256 / (256 - share)) + row) if share else row  # bits a position takes at least
    rans.require(coded, positions * least)
    decoder = RansDecoder()
    decoder.set_stream(rans.fenced(coded, (channels + 1) * positions))
    flags = decoder.decode_stream([channels] * positions, *tables) if share else [0] * positions
    own = torch.tensor(flags) != 1
    own[0] = True
    rows = decoder.decode_stream([*range(channels)] * int(own.sum()), *tables)
    values = torch.tensor(rows).view(-1, channels)[own.cumsum(0) - 1].float() + bottleneck._get_medians().view(-1).cpu()
    return values.T.reshape(1, channels, *shape)


def _z_tables(bottleneck: EntropyBottleneck, share: int) -> Tables:
    """Of z's channels, and behind them of whether a position repeats."""
    cdf, lengths, offsets = tables_of(bottleneck)
    repeats = [0, round((rans.UNIT - 2) * (1 - share / 256)), rans.UNIT - 1, rans.UNIT]  # the last is the escape
    return [*cdf, repeats], [*lengths, len(repeats)], [*offsets, 0]
