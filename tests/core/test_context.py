"""The interlaced context: every position once, known neighbours alone, the same picture, and tables between whole numbers."""

import pytest
import torch

from sccore.codecs.starts import warm_start
from sccore.codecs.zoo import create_model
from sccore.context import FRACTIONS, LATTICE, NEAREST, ShiftedGaussian, between, passes
from sccore.exact_coding import SCALES
from sccore.symbols import decode_z, encode_z, tables_of
from sccore.utils.errors import InputError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pair():
    """A model without context, and the same with one that has moved from its start."""
    torch.manual_seed(0)
    plain = create_model("wacnn", rate="variable").eval()
    for net in plain.cc_scale_transforms:
        torch.nn.init.constant_(net[-1].bias, 3.0)  # about that of the latents below
    model = warm_start(create_model("wacnn", rate="variable", context="interlaced"), plain).eval()
    for net in (net for context in model.contexts for net in context):
        torch.nn.init.normal_(net[-1].weight, std=0.02)
    for each in (plain, model):
        each.update(force=True)
    return plain, model


@pytest.fixture(scope="module")
def coded(pair):
    torch.manual_seed(1)
    y = 3 * torch.randn(1, 320, 20, 12)
    y[..., 5:, 4:] = y[..., 5:6, 4:5]  # a flat part
    return y, torch.randn(1, 32, 5, 3), pair[0].level(0.0067)


@pytest.mark.parametrize("h, w", [(4, 4), (4, 36), (17, 16), (33, 20), (1, 1)])
def test_every_position_is_coded_once_and_sees_only_what_is_known(h, w):
    known = torch.zeros(h, w, dtype=torch.int)
    for kind, (rows, columns), (above, beside), inside in passes(h, w, CPU):
        if kind is not None:
            assert (known[above, beside][inside] == 1).all()
            assert inside[: len(NEAREST)].any(0).all()  # of the four nearest one at least
            distance = (above - rows).abs() + (beside - columns).abs()
            assert (distance[inside] > 0).all()
        known[rows, columns] += 1
    assert (known == 1).all()


def test_the_first_pass_is_one_position_of_so_many():
    for lattice, expected in ((LATTICE, 9), (4, 5), (2, 3)):
        found = passes(64, 64, CPU, lattice)
        assert len(found[0][1][0]) == 64 * 64 // lattice**2 and len(found) == expected
        assert sum(len(rows) for _, (rows, _), _, _ in found) == 64 * 64


def test_a_context_begins_at_no_correction(coded):
    plain = create_model("wacnn", rate="variable").eval()
    model = warm_start(create_model("wacnn", rate="variable", context="interlaced"), plain).eval()
    before, after = (each.code_latents(*coded) for each in (plain, model))
    assert torch.equal(before[0], after[0]) and torch.equal(before[2]["y"], after[2]["y"])


def test_a_context_moves_the_bits_and_never_the_picture(pair, coded):
    before, after = (each.code_latents(*coded) for each in pair)
    assert torch.equal(before[0], after[0])
    changed = (before[2]["y"] != after[2]["y"]).flatten(2).any(2)[0]
    assert changed[:64].any() and not changed[64:].any()


def test_strings_decode_to_the_latents_without_context(pair, coded):
    y, z, level = coded
    plain, model = ([*each.encode_latents(y, z, level)] for each in pair)
    assert plain[0] != model[0] and plain[1] == model[1]
    (y_hat, _), (seen, _) = (each.decode_latents(strings, (5, 3), level) for each, strings in zip(pair, (plain, model)))
    assert torch.equal(y_hat, seen)


def test_the_string_is_as_long_as_the_likelihoods_say(pair, coded):
    y, z, level = coded
    _, model = pair
    bits = -model.code_latents(y, z, level)[2]["y"].log2().sum().item()
    assert 8 * len(model.encode_latents(y, z, level)[0]) == pytest.approx(bits, rel=0.02, abs=128)


def test_only_models_of_slices_have_one():
    with pytest.raises(InputError, match="cheng2020 has no slices"):
        create_model("cheng2020", context="interlaced")
    with pytest.raises(InputError, match="unknown context 'raster'"):
        create_model("wacnn", context="raster")


def test_tables_between_whole_numbers_cost_what_the_gaussian_says():
    gaussian = ShiftedGaussian(None)
    gaussian.update_scale_table(SCALES.tolist())
    cdf, _, offsets = tables_of(gaussian)
    for mean in (-7.0, -2.6, -0.375, 0.0, 0.5, 1.1, 3.625, 900.3):
        for place in (0, 10, 23, 24, 40):
            whole, which = between(gaussian, torch.tensor([mean], dtype=torch.float64), torch.tensor([place]))
            shift = mean - whole.item() if place < 24 else 0.0
            row, offset = cdf[which.item()], offsets[which.item()]
            assert abs(shift) <= 9 / 16 and abs(mean - whole.item()) <= 9 / 16
            nearest = round(8 * shift) / 8
            scale = gaussian.scale_table[place].double()
            for symbol in (-1, 0, 1):
                p = (row[symbol - offset + 1] - row[symbol - offset]) / 2**16
                centre = torch.tensor(symbol - nearest).double()
                upper, lower = (torch.special.ndtr((centre + side) / scale) for side in (0.5, -0.5))
                assert p == pytest.approx((upper - lower).item(), abs=2e-3)
    assert len(cdf) == 64 + len(FRACTIONS) * 24


@pytest.mark.parametrize("constant", [True, False])
def test_z_that_repeats_costs_almost_nothing(pair, coded, constant):
    bottleneck, (_, z, _) = pair[1].entropy_bottleneck, coded
    z = torch.randn(1, 32, 1, 1).expand(1, 32, 9, 7) if constant else 4 * torch.randn(1, 32, 9, 7)
    string = encode_z(bottleneck, z)
    medians = bottleneck._get_medians().view(1, -1, 1, 1)
    assert torch.equal(decode_z(bottleneck, string, (9, 7)), (z - medians).round() + medians)
    assert (len(string) < 40) == constant
    with pytest.raises(InputError, match="damaged"):
        decode_z(bottleneck, string, (900, 700))
    for forged in (b"", b"\x00", b"\xff" * 40, bytes(40), bytes([255]) + bytes(7) + b"\x01"):
        try:
            assert decode_z(bottleneck, forged, (9, 7)).shape == (1, 32, 9, 7)
        except InputError as error:
            assert "damaged" in str(error)
