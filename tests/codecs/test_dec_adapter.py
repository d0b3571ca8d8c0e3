"""Dec-Adapter (reconstruction): in the file if it pays, the same picture everywhere, nothing believed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sccore.codecs import container, dec_adapter, sci
from sccore.codecs.checkpoint import load_model
from sccore.utils.errors import InputError


@pytest.fixture(scope="module")
def wacnn():
    return load_model("wacnn")


@pytest.fixture(scope="module")
def files(wacnn, screen):
    """Picture, file without and file with adapters."""
    image = screen(320, 400)[0]
    return image, sci.encode(image, wacnn, 0.025), sci.encode(image, wacnn, 0.025, adapter_steps=60)


def error(a, b):
    return ((a.astype(float) - b) ** 2).mean()


def test_adapters_pay_for_themselves(wacnn, files):
    image, plain, adapted = files
    file = container.unpack(adapted)
    assert file.adapters and replace(file, adapters=b"") == container.unpack(plain)
    assert len(adapted) == len(plain) + len(container.varint(len(file.adapters))) + len(file.adapters)
    cost = lambda data: 0.025 * error(sci.decode(data, wacnn), image) + 8 * len(data) / image[..., 0].size
    assert cost(adapted) < cost(plain)


def test_adapters_that_do_not_pay_stay_out(wacnn, files):
    image, plain, _ = files
    tiny = image[:8, :8]
    assert sci.encode(tiny, wacnn, 0.0018, adapter_steps=1) == sci.encode(tiny, wacnn, 0.0018)


def test_one_and_two_threads_decode_the_same_pixels(wacnn, files):
    pictures = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        pictures.append(sci.decode(files[2], wacnn))
    torch.set_num_threads(1)
    assert np.array_equal(*pictures)


def test_model_stays_frozen(wacnn, files):
    assert all(p.grad is None for p in wacnn.parameters())


def test_matrices_survive_coding(wacnn):
    random = torch.Generator().manual_seed(0)
    spreads = (0, 0.3, 3, 300, 0, 1, 10, 0)
    symbols = [(s * torch.randn(shape, generator=random)).round().int() for s, shape in zip(spreads, dec_adapter.shapes(wacnn))]
    symbols = [s.clamp(-dec_adapter.LARGEST, dec_adapter.LARGEST) for s in symbols]
    string = dec_adapter.encode(wacnn, symbols)
    assert all(torch.equal(a, b) for a, b in zip(dec_adapter.decode(wacnn, string), symbols))
    zeros = dec_adapter.encode(wacnn, [torch.zeros_like(s) for s in symbols])
    assert len(zeros) <= 16 < len(string)


def test_zero_adapters_are_the_models_decoder(wacnn):
    y_hat = torch.randn(1, wacnn.y_ch, 4, 8)
    matrices = [torch.zeros(shape) for shape in dec_adapter.shapes(wacnn)]
    with torch.no_grad():
        assert torch.equal(dec_adapter.synthesis(wacnn, matrices, y_hat), wacnn.synthesis(y_hat, None))


@pytest.mark.parametrize("adapters", [b"\x05" * 3, b"\xff" * 40])
def test_impossible_adapters_are_refused(wacnn, files, adapters):
    with pytest.raises(InputError, match="impossible adapters"):
        sci.picture(replace(container.unpack(files[1]), adapters=adapters), wacnn)


@pytest.mark.parametrize("filling", [b"\x00", b"\x3f", b"\x2a", b"\x3f\xff\xff\xff"])
def test_forged_adapters_give_noise_or_one_line(wacnn, files, filling):
    for length in (9, 12, 16, 60, 60000):
        try:
            forged = replace(container.unpack(files[1]), adapters=bytes(8) + (filling * length)[:length])
            assert sci.picture(forged, wacnn).shape == files[0].shape
        except InputError as error:
            assert "damaged" in str(error)


@pytest.mark.parametrize("name", ["sftip", "ms2020"])
def test_other_decoders_have_no_adapters(saved, files, name):
    with pytest.raises(InputError, match=f"adapters are fitted to wacnn's decoder; these weights are of {name}"):
        sci.encode(files[0], saved(name)[0], 0.025, adapter_steps=2)
