"""Pictures in few colours: the cheapest is taken, by what was asked for, and it takes the learned one's place only where it is cheaper."""

import io
import math

import numpy as np
import pytest
from PIL import Image

import sccore
import sccore.codecs.pillow_plugin  # noqa: F401
from sccore.codecs import coding, container, without_loss
from sccore.data.images import Picture, read_image
from sccore.evaluation.metrics import psnr
from sccore.utils import paths
from sccore.utils.errors import InputError

OPTIONS = {"model": "wacnn", "detector": "none", "palette": False}


@pytest.fixture(scope="module")
def text():
    """Part of a screen of text, with grain: it has more colours than are tried, and is large without loss."""
    image = read_image(paths.SAMPLES / "images" / "windows.png")[318:446, 786:978]
    return (image.clip(3, 252) + np.random.default_rng(0).integers(-3, 4, image.shape)).astype(np.uint8)


def count(image):
    return len(np.unique(image.reshape(-1, 3), axis=0))


def test_few_colours_are_taken_where_bits_and_errors_are_fewer(text):
    plain, small = (sccore.encode(text, few_colours=few, **OPTIONS) for few in (False, True))
    learned, image = sccore.decode(plain), sccore.decode(small)
    assert [coding.info(data)["picture"] for data in (plain, small)] == ["learned", "few colours"]
    price = lambda data, decoded: 8 * len(data) / text[..., 0].size + 0.0067 * without_loss.errors(text, decoded)
    assert price(small, image) < price(plain, learned) and count(image) <= 256 < count(text)
    assert "few colours" in container.described(small) and container.unpack(small).kind == "few colours"
    with Image.open(io.BytesIO(small)) as file:
        assert not file.info["lossless"] and np.array_equal(np.array(file), image)


def test_a_picture_of_many_colours_stays_learned():
    down, along = np.mgrid[:128, :128]
    grain = np.random.default_rng(0).normal(12, 2, (128, 128, 3))
    shades = (0.9 * np.dstack([2 * down, 2 * along, 255 - down - along]) + grain).clip(0, 255).astype(np.uint8)
    assert sccore.encode(shades, few_colours=True, **OPTIONS) == (plain := sccore.encode(shades, **OPTIONS))
    assert coding.info(plain)["picture"] == "learned"


def test_an_exact_picture_is_called_lossless():
    few = np.random.default_rng(0).integers(0, 2, (24, 24, 3), np.uint8).repeat(8, 0).repeat(8, 1) * 255
    data = sccore.encode(few, few_colours=True, **OPTIONS)
    assert coding.info(data)["picture"] == "lossless" and np.array_equal(sccore.decode(data), few)


def test_a_size_and_a_quality_are_kept_with_fewer_errors_or_bytes(text):
    size = len(sccore.encode(text, **OPTIONS))
    fits = sccore.encode(text, size=size, few_colours=True, **OPTIONS)
    assert len(fits) <= size and psnr(text, sccore.decode(fits)) > psnr(text, sccore.decode(sccore.encode(text, size=size, **OPTIONS)))
    for wish, what in ((26.5, "learned"), (30, "lossless")):  # no learned picture has the second
        reached, plain = (sccore.encode(text, psnr=wish, few_colours=few, **OPTIONS) for few in (True, False))
        assert psnr(text, sccore.decode(reached)) >= wish and len(reached) < len(plain)
        assert [coding.info(data)["picture"] for data in (reached, plain)] == ["few colours", what]
    tiny = sccore.encode(text, size=1500, few_colours=True, **OPTIONS)  # no learned picture is so small
    assert len(tiny) <= 1500 and coding.info(tiny)["picture"] == "few colours"
    with pytest.raises(InputError, match="without loss it is"):
        sccore.encode(text, size=300, few_colours=True, **OPTIONS)


def test_effort_searches_for_the_smallest_way_to_store(text):
    picture = Picture(text, None)
    cost = without_loss.cost(psnr=36)
    (_, quick), (_, slow) = (without_loss.cheapest(picture, text, cost, quick) for quick in (True, False))
    assert len(slow) <= len(quick) and np.array_equal(sccore.decode(slow), sccore.decode(quick))


def test_alpha_is_kept_beside_few_colours(text):
    alpha = np.zeros(text.shape[:2], np.uint8)
    alpha[16:] = 255
    image = np.dstack([text, alpha])
    data = sccore.encode(image, psnr=30, few_colours=True, **OPTIONS)
    assert coding.info(data)["picture"] == "few colours" and coding.info(data)["alpha"]
    decoded = sccore.decode(data)
    assert np.array_equal(decoded[..., 3], alpha) and psnr(text[16:], np.ascontiguousarray(decoded[16:, :, :3])) > 29


def test_what_excludes_few_colours_is_said(text):
    with pytest.raises(InputError, match="few colours are stored without loss, which fallback=False excludes"):
        sccore.encode(text, few_colours=True, fallback=False, **OPTIONS)
    assert without_loss.cheapest(Picture(text, None), text, without_loss.cost(psnr=math.inf), True) is None


def test_costs():
    by_rate, by_size, by_quality = without_loss.cost(lmbda=0.01, pixels=80), without_loss.cost(size=100), without_loss.cost(psnr=30)
    assert by_rate(10, 5.0) == pytest.approx(1.05) and by_size(100, 5.0) == 5.0 and math.isinf(by_size(101, 5.0))
    assert by_quality(10, 65.0) == 10 and math.isinf(by_quality(10, 65.1))
