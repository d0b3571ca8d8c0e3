"""The entropy coder is given nothing that it could not follow."""

import pytest
import torch

import sccore.utils.late_compressai  # noqa: F401

# isort: split
from compressai.ans import BufferedRansEncoder, RansDecoder

from sccore import rans
from sccore.utils.errors import InputError

TABLE = [0, 1, 65533, 65534, 65535, 65536]  # of -1, 0, 1, 2 and the escape


def coded(symbols):
    encoder = BufferedRansEncoder()
    encoder.encode_with_indexes(symbols, [0] * len(symbols), [TABLE], [len(TABLE)], [-1])
    return encoder.flush()


@pytest.mark.parametrize("symbols", [[0] * 4, [0] * 5000, [2, -1] * 500, [10**6, -(10**6)] * 500, [rans.LARGEST, -rans.LARGEST] * 50])
def test_what_an_encoder_writes_passes(symbols):
    decoder = RansDecoder()
    decoder.set_stream(rans.fenced(coded(symbols), len(symbols)))
    assert decoder.decode_stream([0] * len(symbols), [TABLE], [len(TABLE)], [-1]) == symbols


def test_the_least_bits_are_a_bound():
    bits = rans.least_bits(torch.tensor([TABLE], dtype=torch.int32)).item()
    for count in (4, 10**5, 3 * 10**6):
        rans.require(coded([0] * count), count * bits)
    with pytest.raises(InputError, match="too short"):
        rans.require(coded([0] * 10**5), 10**7 * bits)
    assert rans.LEAST < bits


STATES = 2**31, 2**63  # from which, and below which, a coder ends
OUTSIDE = STATES[0] - 1, STATES[1]


@pytest.mark.parametrize("state", [STATES[0], STATES[1] - 1])
def test_every_state_that_a_coder_ends_in_passes(state):
    string = state.to_bytes(8, "little")
    assert rans.fenced(string, 100).startswith(string)


@pytest.mark.parametrize(
    "string",
    [b"", b"1234", b"123456789", *(state.to_bytes(8, "little") for state in OUTSIDE)]
    + [bytes(8), b"\xff" * 8, b"abcdefgh" + b"\xff" * 8, b"abcdefgh" + b"\xff" * 10**5],
)
def test_what_no_encoder_writes_is_refused(string):
    """Full words count an escape's length: the decoder would read fifteen times as much as the string holds, and does not look."""
    with pytest.raises(InputError, match="damaged: a string"):
        rans.fenced(string, 100)


def tables(cdf=(TABLE, [0, 5, 9, 65536, 0, 0]), lengths=(6, 4), offsets=(0, -3)):
    return [torch.tensor(t, dtype=torch.int32) for t in (cdf, lengths, offsets)]


def test_sound_tables_pass():
    rans.check_tables(*tables(), 2)


@pytest.mark.parametrize(
    "change",
    [
        dict(lengths=(6, 5)),
        dict(lengths=(7, 4)),
        dict(lengths=(6, 2)),
        dict(lengths=(6, -1)),
        dict(lengths=(6,)),
        dict(offsets=(0, 2**31 - 1)),
        dict(cdf=([0, 1, 1, 3, 4, 65536],) * 2),
        dict(cdf=([1, 2, 3, 4, 5, 65536],) * 2),
        dict(cdf=([0, 9, 3, 4, 5, 65536],) * 2),
        dict(cdf=([0, 1, 2, 3, 4, 65535],) * 2),
        dict(cdf=TABLE),
    ],
)
def test_other_tables_are_refused(change):
    with pytest.raises(ValueError, match="tables"):
        rans.check_tables(*tables(**change), 2)
