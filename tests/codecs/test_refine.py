"""The encoder's search: cheaper files for the same decoder, the symbols that were meant, the same file each time."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

import sccore
import sccore.codecs.pillow_plugin  # noqa: F401  registers
from sccore.cli import command_line
from sccore.codecs import container, refine, sci, search, tensors
from sccore.context import LATTICE
from sccore.loss import rate_distortion

LMBDA = 0.013


@pytest.fixture(scope="module")
def model():
    return sccore.load_model()


@pytest.fixture(scope="module")
def picture(screen):
    """An image whose sides are no multiples of 64, and its mask."""
    return screen(150, 180)


def cost(image, data, model, lmbda=LMBDA):
    """Bits a pixel of a file, and the errors of its 8-bit picture at lambda's price."""
    psnr = search.quality(image, sci.decode(data, model))
    return 8 * len(data) / image[..., 0].size + lmbda * 255**2 * 10 ** (-psnr / 10)


def test_files_cost_less_and_are_the_same_each_time(model, picture):
    image, mask = picture
    plain, found, again = (sci.encode(image, model, LMBDA, mask, effort=effort) for effort in (0, 2, 2))
    assert found == again and cost(image, found, model) < 0.97 * cost(image, plain, model)
    before, after = map(container.unpack, (plain, found))
    assert before.z == after.z and before.y != after.y and before.identity == after.identity
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_what_was_found_is_what_is_decoded(model, picture):
    image, mask = picture
    x, m = tensors.to_tensors(image, mask, model)
    y, z = sci.analyse(image, model, mask)
    level = model.level(LMBDA)
    found = refine.refine(model, x, m, (y, z), LMBDA, image.shape[:2], 4)
    with torch.no_grad():
        meant = model.code_latents(found, z, level)[0]
    decoded = model.decode_latents(model.encode_latents(found, z, level), z.shape[-2:], level)[0]
    apart = (decoded - meant).abs()
    assert found.shape == y.shape and not torch.equal(found, y)
    assert apart.median() < 1e-3 and (apart > 0.1).float().mean() < 0.01  # fixed point and floats round some symbols apart


def test_tiles_are_worth_almost_what_the_whole_is(model, screen, monkeypatch):
    image, mask = screen(192, 256)
    plain, whole = (cost(image, sci.encode(image, model, LMBDA, mask, effort=effort), model) for effort in (0, 2))
    monkeypatch.setattr(refine, "TILE", 8)
    monkeypatch.setattr(refine, "MARGIN", 2)
    assert refine.spans(16) == [(0, 12, 0, 10), (8, 16, 10, 16)]
    tiled = cost(image, sci.encode(image, model, LMBDA, mask, effort=2), model)
    assert tiled < plain - 0.5 * (plain - whole)


@pytest.mark.parametrize("side", [4, 32, 40, 44, 72, 76, 184])
def test_each_position_is_changed_by_one_tile(side):
    found = refine.spans(side)
    assert [p for span in found for p in range(span.first, span.last)] == list(range(side))
    for span in found:
        assert span.begin % LATTICE == 0 and span.end <= side and span.end - span.begin <= refine.TILE + 2 * refine.MARGIN
        assert span.first - span.begin in (0, refine.MARGIN) and (span.last == side or span.end - span.last == refine.MARGIN)


def test_softening_goes_from_almost_nothing_to_rounding():
    r = torch.linspace(-3, 3, 601)
    off = (r - r.floor() - 0.5).abs() > 0.02
    assert (refine.soften(r, 0.5) - r).abs().max() < 0.11
    assert torch.allclose(refine.soften(r, 1e-3)[off], r.round()[off], atol=1e-3)
    assert torch.allclose(refine.soften(r, 0.2)[off].round(), r.round()[off])


def test_descent_goes_down():
    aim = torch.tensor([1.0, -2.0, 0.5])
    found = refine.descend(lambda t, _: 40 * (t - aim).square().sum(), torch.zeros(3), 60, lambda: None)
    assert (found - aim).abs().max() < 0.1


def test_what_does_not_pay_stays_out(model, picture, monkeypatch):
    image, mask = picture
    monkeypatch.setattr(sci, "refine", lambda model, x, mask, latents, *_: latents[0] + 3)
    assert sci.encode(image, model, LMBDA, mask, effort=1) == sci.encode(image, model, LMBDA, mask)


def test_a_size_is_kept_and_pillow_takes_the_option(model, picture, tmp_path):
    image, _ = picture
    wishes = {"detector": "none", "fallback": False}
    plain = sccore.encode(image, model, LMBDA, **wishes)
    found = sccore.encode(image, model, size=len(plain), effort=1, **wishes)
    assert 0.98 * len(plain) - 4 <= len(found) <= len(plain)
    assert search.quality(image, sccore.decode(found, model)) > search.quality(image, sccore.decode(plain, model))
    Image.fromarray(image).save(tmp_path / "a.sci", lmbda=LMBDA, effort=1, **wishes)
    assert (tmp_path / "a.sci").read_bytes() == sccore.encode(image, lmbda=LMBDA, effort=1, **wishes)


def test_nonsense_is_one_line(saved, screen, tmp_path, capsys):
    image = screen(64, 64)[0]
    for wrong in (-1, 7, 2.0, True, "3"):
        with pytest.raises(sccore.InputError, match="effort is a whole number from 0 to 6"):
            sccore.encode(image, effort=wrong)
    with pytest.raises(sccore.InputError, match="effort works with models that code in slices; cheng2020 does not"):
        sccore.encode(image, saved("cheng2020")[0], effort=1)
    Image.fromarray(image).save(tmp_path / "a.png")
    for options, said in ((["--effort", "12"], "from 0 to 6"), (["--effort", "1", "--checkpoint", str(saved("cheng2020")[1])], "slices")):
        assert command_line.main(["encode", str(tmp_path / "a.png"), str(tmp_path / "a.sci"), *options]) == 1
        assert said in capsys.readouterr().err and not (tmp_path / "a.sci").exists()
    assert math.log2(refine.steps_of(6)) == 6 and refine.steps_of(0) == 0


def test_one_rate_and_adapters(saved, screen):
    image = screen(64, 128)[0]
    model, _ = saved("wacnn", "fixed")
    plain, found = (sci.encode(image, model, effort=effort) for effort in (0, 2))
    assert cost(image, found, model, 0.0035) <= cost(image, plain, model, 0.0035)
    both = sci.encode(image, model, effort=1, adapter_steps=1)
    assert np.array_equal(sci.decode(both, model).shape, image.shape)


@pytest.mark.parametrize(
    "meta, metric",
    [
        ({}, "wmse"),
        ({"recipe": {"metric": "mse"}}, "mse"),
        (
            {"recipe": {"crops": 9}, "history": [{"recipe": {"metric": "wmse"}}, {"recipe": {"metric": "mse"}}]},
            "mse",
        ),  # a context behind it
        ({"recipe": None, "history": [{}]}, "wmse"),
    ],
)
def test_the_search_asks_for_what_the_transforms_were_trained_for(meta, metric, model, picture, monkeypatch):
    asked = set()
    monkeypatch.setattr(model, "meta", meta)
    monkeypatch.setattr(refine, "rate_distortion", lambda *a: asked.add(a[-1]) or rate_distortion(*a))
    monkeypatch.setattr(refine, "steps_of", lambda *a: 1)
    sci.encode(picture[0][:64, :64], model, LMBDA, picture[1][:64, :64], effort=1)
    assert asked == {metric}
