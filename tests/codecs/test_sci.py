"""Files: any size, the same picture everywhere, nothing believed that was not checked."""

import numpy as np
import pytest
import torch

import sccore
from sccore.codecs import sci as codec
from sccore.utils.errors import InputError

SIZES = [(1, 1), (33, 17), (480, 640)]


@pytest.mark.parametrize("name, rate", [("wacnn", "variable"), ("sftip", "variable"), ("sftip", "fixed"),
                                        ("cheng2020", "variable"), ("ms2020", "fixed")])  # fmt: skip
@pytest.mark.parametrize("height, width", SIZES)
def test_round_trip_of_any_size(saved, screen, name, rate, height, width):
    model, _ = saved(name, rate)
    image, mask = screen(height, width)
    data = codec.encode(image, model, 0.0035, mask)
    decoded = codec.decode(data, model)
    assert decoded.shape == (height, width, 3) and decoded.dtype == np.uint8
    x_hat = codec.estimate(image, model, 0.0035, mask)["x_hat"]
    assert np.median(np.abs(decoded.astype(int) - x_hat)) <= 1  # the float path, up to fixed-point rounding


def test_one_and_two_threads_decode_the_same_pixels(saved, screen):
    model, _ = saved("sftip")
    data = codec.encode(screen(200, 300)[0], model, 0.0067)
    images = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        images.append(codec.decode(data, model))
    torch.set_num_threads(1)
    assert np.array_equal(*images)


@pytest.mark.parametrize("name", ["sftip", "cheng2020", "ms2020"])
def test_what_drives_the_coder_is_the_same_bits_with_any_number_of_threads(saved, name):
    model, _ = saved(name)
    torch.manual_seed(0)
    y, z, level = 5 * torch.randn(1, model.y_ch, 8, 12), 3 * torch.randn(1, model.z_ch, 2, 3), model.level(0.01)
    strings = model.encode_latents(y, z, level)
    decoded = []
    for threads in (2, 1):
        torch.set_num_threads(threads)
        assert model.encode_latents(y, z, level) == strings
        decoded.append(model.decode_latents(strings, (2, 3), level))
    assert torch.equal(decoded[0][0], decoded[1][0]) and torch.equal(decoded[0][1], decoded[1][1])
    gain, inverse = model.exact_gain(model.gain_y, level)
    assert (decoded[0][0] - y).abs().max() < inverse.max() * 0.5 + 0.6  # a quantisation step and the lrp


def test_mask_and_lambda_change_the_file(saved, screen):
    model, _ = saved("sftip")
    image, mask = screen(128, 192)
    files = [codec.encode(image, model, *o) for o in ((0.0067, mask), (0.0067, ~mask), (0.025, mask), (0.0067, None))]
    assert len(set(files)) == 4 and len(files[2]) > len(files[0])


def test_header_says_what_the_file_is(saved, screen):
    model, _ = saved("wacnn")
    data = codec.encode(screen(40, 50)[0], model, 0.0067)
    identity, lmbda, width, height, y, z, adapters = codec.open_seal(data)
    assert data[:4] == b"SCI\x1a" and data[4] == 1
    assert identity.hex() == model.checkpoint_hash[:16] and (width, height) == (50, 40)
    assert lmbda == pytest.approx(0.0067, rel=1e-6) and len(data) == codec.HEADER.size + len(y) + len(z)
    assert adapters == b""


def test_every_damage_is_refused(saved, screen):
    model, _ = saved("wacnn")
    data = codec.encode(screen(64, 64)[0], model, 0.0067)
    for cut in (0, 3, 10, codec.HEADER.size, len(data) - 1):
        with pytest.raises(InputError, match="damaged|not a .sci"):
            codec.decode(data[:cut], model)
    for at in range(0, len(data), 7):
        with pytest.raises(InputError):
            codec.decode(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], model)
    with pytest.raises(InputError, match="version 3"):
        codec.decode(data[:4] + b"\x03" + data[5:], model)


def test_lengths_are_not_believed(saved):
    """A well-sealed file with impossible contents ends in an error, not in memory."""
    model, _ = saved("wacnn")
    identity = bytes.fromhex(model.checkpoint_hash)[:8]
    with pytest.raises(InputError, match="impossible"):
        codec.decode(codec.seal(identity, 0.0067, 0, 10, b"", b""), model)
    with pytest.raises(InputError, match="impossible"):
        codec.decode(codec.seal(identity, 0.0067, 65535, 65535, b"1234", b"5678"), model)


@pytest.mark.parametrize("filling", [b"", b"\x00", b"\xff", b"\x5a\xa5\x13"])
def test_forged_strings_give_noise_and_no_crash(saved, filling):
    """Sealed correctly, but far too short for the picture they claim: read to the end of the fence, no further."""
    model, _ = saved("wacnn")
    identity = bytes.fromhex(model.checkpoint_hash)[:8]
    for length in (0, 4, 8, 100):
        string = (filling * length)[:length]
        assert codec.decode(codec.seal(identity, 0.0067, 640, 400, string, string), model).shape == (400, 640, 3)


def test_weights_must_be_the_very_ones(saved, screen):
    data = codec.encode(screen(64, 64)[0], saved("wacnn")[0], 0.0067)
    with pytest.raises(InputError, match=f"needs weights {saved('wacnn')[0].checkpoint_hash[:16]}, not"):
        codec.decode(data, saved("sftip")[0])
    with pytest.raises(InputError, match="not at hand"):
        codec.decode(data)
    with pytest.raises(InputError, match="from a checkpoint"):
        codec.encode(screen(64, 64)[0], sccore.create_model("wacnn"))


def test_lambda_must_fit_the_weights(saved, screen):
    image = screen(64, 64)[0]
    with pytest.raises(InputError, match="for lmbda 0.0035, not 0.01"):
        codec.encode(image, saved("sftip", "fixed")[0], 0.01)
    with pytest.raises(InputError, match="outside"):
        codec.encode(image, saved("wacnn")[0], 0.5)
    with pytest.raises(InputError, match="needs lmbda"):
        codec.encode(image, saved("wacnn")[0])


def test_batches_are_coded_image_by_image(saved):
    model, _ = saved("wacnn")
    x = torch.rand(2, 3, 64, 64)
    coded = model.compress(x, lmbda=0.0067)
    assert len(coded["strings"]) == 2 and len(coded["strings"][0]) == 2
    x_hat = model.decompress(**coded, lmbda=0.0067)["x_hat"]
    alone = model.compress(x[1:], lmbda=0.0067)
    assert torch.allclose(model.decompress(**alone, lmbda=0.0067)["x_hat"], x_hat[1:], atol=0.02)
