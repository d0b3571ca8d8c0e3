"""Eq. 5 and 6 by limiting cases."""

import pytest
import torch

from sccore.presets import PRESETS
from sccore.priors import external_prior, laplacian
from sccore.sftip import SFTIP
from sccore.utils.errors import InputError

EDGE = torch.cat([torch.zeros(1, 3, 8, 4), torch.ones(1, 3, 8, 4)], dim=3)  # black left, white right


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_flat_image_has_no_structure_not_even_at_the_border(level):
    assert laplacian(torch.full((1, 3, 8, 8), level)).abs().max() < 1e-6


def test_step_edge_answers_on_both_sides_of_it_and_nowhere_else():
    signed = laplacian(EDGE, "signed")
    torch.testing.assert_close(signed[0, 0, 0], torch.tensor([0.0, 0, 0, 3, -3, 0, 0, 0]))  # first row: border included
    assert torch.equal(laplacian(EDGE), signed.abs())


def test_single_pixel_shows_the_kernel_of_eq_5():
    x = torch.zeros(1, 1, 5, 5)
    x[..., 2, 2] = 1
    torch.testing.assert_close(laplacian(x, "signed")[0, 0, 1:4, 1:4], torch.tensor([[1.0, 1, 1], [1, -8, 1], [1, 1, 1]]))


def test_channels_are_treated_alone():
    x = EDGE.clone()
    x[:, 1:] = 0
    g = laplacian(x)
    assert g[:, 0].max() == pytest.approx(3) and g[:, 1:].abs().max() == 0


def test_text_weighs_one_and_the_rest_two_thirds():
    g = laplacian(EDGE)
    mask = torch.zeros(1, 1, 8, 8)
    assert torch.allclose(external_prior(EDGE, mask), g * 2 / 3)
    assert torch.equal(external_prior(EDGE, mask + 1), g)
    assert torch.equal(external_prior(EDGE, None), g)
    mask[..., :4, :] = 1
    assert torch.allclose(external_prior(EDGE, mask)[..., :4, :], g[..., :4, :])
    assert torch.allclose(external_prior(EDGE, mask)[..., 4:, :], g[..., 4:, :] * 2 / 3)


def test_ablations():
    x, mask = torch.rand(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    assert torch.equal(external_prior(x, mask, prior="structure"), laplacian(x))
    assert torch.equal(external_prior(x, mask, prior="uniform"), torch.ones_like(x))
    assert (external_prior(x, mask, kind="signed") < 0).any()


@pytest.mark.parametrize(
    "options, said", [({"prior": "struture"}, "unknown prior"), ({"kind": "sobel"}, "unknown laplacian 'sobel'; known: mag")]
)
def test_typing_errors_and_masks_of_another_form_are_refused(options, said):
    x = torch.rand(3, 3, 8, 8)
    with pytest.raises(InputError, match=said):
        external_prior(x, **options)
    for shape in ((3, 8, 8), (3, 3, 8, 8), (3, 1, 4, 4), (2, 1, 8, 8)):
        with pytest.raises(InputError, match="a mask is .B, 1, H, W., this one"):
            external_prior(x, torch.ones(shape))
    assert external_prior(x, torch.ones(1, 1, 8, 8)).shape == x.shape  # one for all
    for switch in ("sem", "prior", "laplacian"):
        with pytest.raises(InputError, match=f"unknown {switch} 'x'"):
            SFTIP(PRESETS["companion"], **{switch: "x"})
