"""The palette: main colours come back exactly, it is there only where it pays, and a forged one is refused or harmless."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import sccore
from sccore.codecs import container, palette, sci
from sccore.evaluation import metrics
from sccore.utils.errors import InputError


def rows(*colours):
    return bytes(value for colour in colours for value in colour)


def slowly(decoded, entries):
    """One pixel after the other."""
    made = decoded.copy()
    for place in np.ndindex(decoded.shape[:2]):
        off = [int(np.abs(decoded[place].astype(int) - colour).max()) for *colour, _ in entries]
        reach = [i for i, (*_, radius) in enumerate(entries) if off[i] <= radius]
        if reach:
            made[place] = entries[reach[0]][:3]
    return made


def test_restore_is_the_first_colour_that_reaches_the_pixel():
    rng = np.random.default_rng(0)
    decoded = rng.integers(0, 256, (40, 50, 3), np.uint8)
    entries = [(*rng.integers(0, 256, 3).tolist(), int(radius)) for radius in (0, 255, 40, 60, 80, 3, 90, 100)]
    entries[1] = (200, 20, 30, 90)
    expected = slowly(decoded, entries)
    assert np.array_equal(palette.restore(decoded, rows(*entries)), expected) and not np.array_equal(expected, decoded)
    assert palette.restore(decoded, b"") is decoded


def noisy(colours, seed=0, spread=4):
    """A screen of bars in these colours, and what a codec may make of it."""
    image = np.repeat(np.array(colours, np.uint8), 40, axis=0)[None].repeat(30, 0)
    noise = np.random.default_rng(seed).integers(-spread, spread + 1, image.shape)
    return image, (image.astype(int) + noise).clip(0, 255).astype(np.uint8)


def test_flat_colours_come_back_exactly():
    image, decoded = noisy([(255, 255, 255), (30, 30, 30), (0, 120, 212)])
    found = palette.choose(image, decoded, 0.025)
    assert {tuple(one[:3]) for one in palette.entries(found)} == {(255, 255, 255), (30, 30, 30), (0, 120, 212)}
    assert np.array_equal(palette.restore(decoded, found), image)


def test_a_palette_has_no_more_colours_than_pay():
    image, decoded = noisy([(i * 20, 250 - i * 20, 128) for i in range(12)])
    assert len(palette.choose(image, decoded, 0.025)) == palette.COLOURS * palette.PER_COLOUR
    assert not palette.choose(image, decoded, 1e-6) and not palette.choose(image, decoded, 0.0)  # bits are dear
    assert not palette.choose(image, image, 0.025)  # nothing to restore
    photo = np.random.default_rng(1).integers(0, 256, (60, 60, 3), np.uint8)
    assert not palette.choose(photo, photo ^ 1, 0.0018)


def test_what_is_faint_and_near_to_a_colour_stays():
    """Grey letters on white, 12 levels darker, that the model has kept."""
    image = np.full((60, 60, 3), 255, np.uint8)
    image[20:30, ::3] = 243
    decoded = (image.astype(int) - 2 - np.indices((60, 60)).sum(0)[..., None] % 3).astype(np.uint8)
    restored = palette.restore(decoded, palette.choose(image, decoded, 0.025))
    assert (restored[20:30, ::3] < 250).all() and (restored[40:] == 255).all()


def test_an_error_that_grows_counts_more_than_one_that_shrinks():
    """All pixels are as far from white. It would help 600 of the ground and harm 300 of faint letters, or 780 and 120."""
    image = np.full((30, 30, 3), 255, np.uint8)
    image[:10] = 246
    decoded = np.full_like(image, 246)
    assert not palette.choose(image, decoded, 0.025)
    image[4:] = 255  # 780 beside 120
    image[:4] = 246
    found = palette.choose(image, decoded, 0.025)
    assert palette.entries(found)[:, :3].tolist() == [[255] * 3]


def one_colour_off(side=512, columns=slice(1, None, 4)):
    """A grey picture with columns of a colour that came out three levels off, and the errors that this makes."""
    image = np.full((side, side, 3), 100, np.uint8)
    image[:, columns] = (10, 200, 30)
    decoded = image.copy()
    decoded[:, columns] += 3
    return image, decoded, 27 * image[:, columns, 0].size


@pytest.mark.parametrize("share, pays", [(1.8, True), (0.6, False)])
def test_a_colour_pays_if_its_errors_cost_more_than_its_bits(share, pays):
    """Also in columns that every fourth pixel of all would miss."""
    image, decoded, errors = one_colour_off()
    found = palette.choose(image, decoded, share * 96 / errors)  # 32 bits, and a third of the errors is their mean over channels
    assert palette.entries(found).tolist() == [[10, 200, 30, 3]] * pays


def test_only_the_colours_that_pay_are_listed():
    image, decoded, errors = one_colour_off()
    image[:, 2], decoded[:, 2] = (200, 10, 10), (203, 13, 13)  # one column in 128 of the others
    assert palette.entries(palette.choose(image, decoded, 5 * 96 / errors)).tolist() == [[10, 200, 30, 3]]


def test_a_colour_for_what_another_has_served_is_not_listed():
    image = np.full((64, 64, 3), 200, np.uint8)
    image[:4] = 201
    decoded = np.full_like(image, 203)
    assert palette.entries(palette.choose(image, decoded, 0.025)).tolist() == [[200, 200, 200, 3]]


def test_what_the_sample_promises_is_checked_on_all_pixels(monkeypatch):
    monkeypatch.setattr(palette, "SAMPLED", 8)
    image = np.full((9, 9, 3), 100, np.uint8)
    decoded = image.copy()
    image.reshape(-1, 3)[::10] = 110  # 81 // 8 is 10
    assert not palette.choose(image, decoded, 1.0)
    assert palette.choose(np.full_like(image, 110), decoded, 1.0)


@pytest.mark.parametrize("lmbda", [0.0018, 0.025])
def test_encode_gives_a_palette_along_and_the_picture_gains(screen, lmbda):
    image = screen(160, 200)[0]
    options = dict(lmbda=lmbda, detector="none", fallback=False)
    plain, data = sccore.encode(image, palette=False, **options), sccore.encode(image, **options)
    file = container.unpack(data)
    assert not container.unpack(plain).palette and 0 < len(file.palette) <= 32 and len(data) == len(plain) + len(file.palette) + 1
    before, after = (metrics.psnr(image, sccore.decode(one)) for one in (plain, data))
    assert after > before + 0.1
    assert np.array_equal(sccore.decode(container.pack(replace(file, palette=b""))), sccore.decode(plain))
    for precision in ("float64", "bfloat16"):
        assert metrics.psnr(image, sccore.decode(data, precision=precision)) == pytest.approx(after, abs=0.2)


def test_the_file_does_not_depend_on_threads(screen):
    """Though the palette is chosen from a picture in bfloat16."""
    image, before, files = screen(320, 400)[0], torch.get_num_threads(), set()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            files.add(sccore.encode(image, detector="none", fallback=False))
    finally:
        torch.set_num_threads(before)
    (data,) = files
    assert container.unpack(data).palette


@pytest.mark.parametrize("content", [b"\0", bytes(5), bytes(36)])
def test_no_palette_is_refused(screen, content):
    file = container.unpack(sccore.encode(screen(32, 32)[0], detector="none", fallback=False))
    with pytest.raises(InputError, match="damaged: no palette"):
        container.unpack(container.pack(replace(file, palette=content)))


def test_a_lossless_picture_has_no_palette(screen):
    file = container.unpack(sccore.encode(np.zeros((16, 16, 3), np.uint8), detector="none"))
    assert file.lossless
    with pytest.raises(InputError, match="a lossless picture with parts of a learned one"):
        container.unpack(container.pack(replace(file, palette=bytes(4))))


def test_a_size_and_a_quality_are_reached_with_the_palette(screen):
    image = screen(160, 200)[0]
    options = dict(detector="none", fallback=False)
    size = len(sccore.encode(image, lmbda=0.01, **options))
    assert 0.98 * size <= len(sccore.encode(image, size=size, **options)) <= size
    wanted = metrics.psnr(image, sccore.decode(sccore.encode(image, lmbda=0.004, **options))) - 0.2
    assert metrics.psnr(image, sccore.decode(sccore.encode(image, psnr=wanted, **options))) >= wanted


def test_the_learned_picture_alone_has_none_unless_it_is_asked_for(screen):
    """What is measured of a model is the model's."""
    model, image = sccore.load_model(), screen(96, 96)[0]
    assert not container.unpack(sci.encode(image, model, 0.0067)).palette
    assert container.unpack(sci.encode(image, model, 0.0067, palette=True)).palette
