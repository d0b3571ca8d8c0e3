"""Files of a size or quality that was asked for; one line where no lambda gives it."""

import math

import numpy as np
import pytest

import sccore
from sccore.codecs import container, sci, search
from sccore.data.images import read_image
from sccore.presets import LAMBDAS
from sccore.utils.paths import SAMPLES

IMAGES = sorted((SAMPLES / "images").glob("*.png"))


@pytest.fixture(scope="module")
def model():
    return sccore.load_model()


def encode(image, model, **wishes):
    return sccore.encode(image, model, detector="none", fallback=False, **wishes)


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_sizes_are_met_on_all_samples(path, model):
    image = np.ascontiguousarray(read_image(path)[100:292, 100:356])
    latents = sci.analyse(image, model)
    small, large = (len(sci.encode(image, model, lmbda, latents=latents)) for lmbda in (LAMBDAS[0], LAMBDAS[-1]))
    at = lambda share: small * (large / small) ** share
    words = 4  # bytes that a string grows by
    size, bpp = at(0.15), 8 * at(0.8) / image[..., 0].size
    assert 0.98 * size - words <= len(encode(image, model, size=size)) <= size
    assert 0.98 * at(0.8) - words <= len(encode(image, model, bpp=bpp)) <= at(0.8)


def test_quality_is_met(model, screen):
    image = screen(192, 256)[0]
    ends = [search.quality(image, sccore.decode(encode(image, model, lmbda=lmbda), model)) for lmbda in (LAMBDAS[0], LAMBDAS[-1])]
    for share in (0.3, 0.7):
        psnr = ends[0] + share * (ends[1] - ends[0])
        assert psnr <= search.quality(image, sccore.decode(encode(image, model, psnr=psnr), model)) < psnr + 0.5


def test_what_no_lambda_gives_is_one_line(model, screen, saved):
    image = screen(128, 160)[0]
    with pytest.raises(
        sccore.InputError, match=r"10 bytes are too few: the smallest file of these weights has \d+ bytes, at lambda 0.0018"
    ):
        encode(image, model, size=10)
    with pytest.raises(sccore.InputError, match=r"70 dB are too many: the best picture of these weights has .* dB, at lambda 0.025"):
        encode(image, model, psnr=70)
    with pytest.warns(UserWarning, match=r"the largest file of these weights has \d+ bytes"):
        assert container.unpack(encode(image, model, size=10**6)).lmbda == np.float32(0.025)
    with pytest.warns(UserWarning, match="the smallest file of these weights has .* dB"):
        assert container.unpack(encode(image, model, psnr=5)).lmbda == np.float32(0.0018)
    with pytest.raises(sccore.InputError, match="one rate"):
        sccore.encode(image, saved("wacnn", "fixed")[0], psnr=30)
    with pytest.raises(sccore.InputError, match="exclude each other"):
        encode(image, model, size=1000, lmbda=0.0067)
    with pytest.raises(sccore.InputError, match="more than 0"):
        encode(image, model, size=0)


def test_the_lossless_picture_counts(model, screen):
    image = screen(128, 160)[0]
    exact = sccore.encode(image, model, detector="none", size=10**6)
    assert np.array_equal(sccore.decode(exact), image)
    assert sccore.encode(image, model, detector="none", psnr=70) == exact
    assert len(sccore.encode(image, model, detector="none", size=len(exact) - 1)) < len(exact)


@pytest.mark.parametrize("power", [0.1, 0.6, 3.0])
@pytest.mark.parametrize("jumps", [0, 0.02])
def test_the_search_needs_few_tries(power, jumps):
    """Over curves of any slope, bent and with jumps."""
    value = lambda lmbda: power * math.log(lmbda) * (1 - 0.05 * math.log(lmbda)) + jumps * power * math.sin(1e4 * lmbda)
    low, high = value(LAMBDAS[0]), value(LAMBDAS[-1])
    for share in np.linspace(0.05, 0.95, 10):
        aim = low + share * (high - low)
        tried = search.search(lambda lmbda: (value(lmbda), None), LAMBDAS, (aim - 0.01 * power, aim + 0.01 * power), 0.6)
        assert abs(tried[-1][1] - aim) <= 0.01 * power and len(tried) <= (search.TRIES if jumps else 6)
        assert all(LAMBDAS[0] <= lmbda <= LAMBDAS[-1] for lmbda, *_ in tried)
    for aim, end in ((low - 1, LAMBDAS[0]), (high + 1, LAMBDAS[-1])):
        tried = search.search(lambda lmbda: (value(lmbda), None), LAMBDAS, (aim, aim + 0.1), 0.6)
        assert tried[-1][0] == end and len(tried) < 5
