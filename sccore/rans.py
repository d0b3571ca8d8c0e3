"""What is asked of the entropy coder's strings and tables before CompressAI's rANS decoder gets them, which checks nothing.

A decoder state is 64 bits, never below 2^31. A symbol of frequency f (in 2^16) takes -log2(f / 2^16) bits; the last of a table is
an escape, behind which groups of 4 bits tell first how many groups follow, in groups of 15 as long as they are full, and then
the value. Words of 32 bits are read from the string as they are needed, whether they are there or not.
"""

import math

import numpy as np
import torch
from torch import Tensor

from sccore.utils.errors import InputError

WORD, STATE = 4, 8  # bytes
FULL = 2**32 - 1
LARGEST = 2**24  # symbols are coded within +-LARGEST; the encoder would not end beyond 2^27
UNIT = 2**16  # sum of a table's frequencies
LEAST = -math.log2(1 - 1 / UNIT)  # bits of any symbol, in any table


def fenced(string: bytes, symbols: int) -> bytes:
    """A rANS string with zeros behind it, so that decoding `symbols` symbols cannot read past its end.

    Only a forged string is shorter than its symbols need, or lets an escape count without end: two full words in a row, which
    no encoder writes, are refused. An escape then counts at most 23 full groups and takes at most 49 words, the symbol that runs
    into the zeros among them. Within the zeros counting ends at the first word, an escape takes at most 17 words and
    another symbol one. Escapes need ones and cannot follow each other there for long, so that a large picture is given less.

    Raises:
        InputError: no encoder has written this.
    """
    if len(string) < STATE or len(string) % WORD:
        raise InputError("damaged: a string of impossible length")
    words = np.frombuffer(string, "<u4")
    full = words == FULL
    if not 2**31 <= int(words[0]) + (int(words[1]) << 32) < 2**63 or (full[1:] & full[:-1]).any():
        raise InputError("damaged: a string that no encoder writes")
    return string + bytes(min(17 * WORD * symbols, 3 * WORD * symbols + 2**20) + 49 * WORD)


def require(string: bytes, bits: float):
    """Refuses a string that cannot hold symbols of so many bits."""
    if 8 * len(string) < 0.999 * bits:  # an encoder's division rounds
        raise InputError("damaged: its strings are too short for a picture of this size")


def least_bits(cdf: Tensor) -> Tensor:
    """Of each table (a row) the bits of its likeliest symbol."""
    return -(cdf.diff(dim=1).amax(1).double() / UNIT).log2()


def check_tables(cdf: Tensor, lengths: Tensor, offsets: Tensor, rows: int):
    """Refuses tables that the decoder could not follow: it would look behind their end, or not end.

    Args:
        cdf: (rows, longest), each row from 0 up to 2^16 in its first `lengths` entries, strictly.
        lengths, offsets: (rows,).

    Raises:
        ValueError: says what is wrong.
    """
    if cdf.ndim != 2 or not len(cdf) == rows or any(t.shape != (rows,) for t in (lengths, offsets)):
        raise ValueError(f"the coder's tables are not {rows}")
    if any(t.dtype != torch.int32 for t in (cdf, lengths, offsets)):
        raise ValueError("the coder's tables are not whole numbers")
    if not 3 <= lengths.min() <= lengths.max() <= cdf.shape[1] or not -LARGEST <= offsets.min() <= offsets.max() <= LARGEST:
        raise ValueError("impossible lengths or offsets of the coder's tables")
    ends = cdf.gather(1, lengths.long()[:, None] - 1)
    inside = torch.arange(1, cdf.shape[1]) < lengths[:, None]
    if cdf[:, 0].any() or (ends != UNIT).any() or (cdf.diff(dim=1)[inside] <= 0).any():
        raise ValueError("the coder's tables do not ascend from 0 to 2^16")
