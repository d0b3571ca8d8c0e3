"""Transforms start as the identity and act where they are told to."""

import pytest
import torch

from sccore.sem import FEM, NESFT, SFT, ConditionBlock, TransformBlock, fit_size


@pytest.mark.parametrize("transform", [NESFT, SFT])
def test_sites_start_as_the_identity(transform):
    x, phi = torch.randn(1, 8, 6, 6), torch.randn(1, 4, 12, 12)
    assert torch.equal(transform(8, 4, 5)(x, phi), x)
    assert torch.equal(TransformBlock(transform, 8, 4, 5)(x, phi), x)


def test_gamma_scales_and_beta_shifts():
    site, x = NESFT(2, 4, 5), torch.randn(1, 2, 6, 6)
    with torch.no_grad():
        site.affine.bias.copy_(torch.tensor([1.0, 1, 3, 3]))  # gamma = 1, beta = 3
    assert torch.allclose(site(x, torch.randn(1, 4, 6, 6)), 2 * x + 3)


def test_prior_features_are_averaged_down_or_repeated_up():
    phi = torch.arange(16.0).view(1, 1, 4, 4)
    assert torch.equal(fit_size(phi, (2, 2))[0, 0], torch.tensor([[2.5, 4.5], [10.5, 12.5]]))
    assert torch.equal(fit_size(phi, (8, 8)), phi.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert fit_size(phi, (4, 4)) is phi


@pytest.mark.parametrize("kind", [FEM, ConditionBlock])
def test_features_come_at_every_octave(kind):
    fem = kind(10, 6, 4, (8, 5))
    x, y, z = torch.rand(2, 3, 128, 192), torch.rand(2, 10, 8, 12), torch.rand(2, 6, 2, 3)
    sizes = lambda features: [tuple(f.shape[1:]) for f in features]
    assert sizes(fem.analysis(x, x)) == [(4, 128, 192), (4, 64, 96), (4, 32, 48), (4, 16, 24)]
    assert sizes(fem.hyper(y, x)) == [(4, 8, 12), (4, 4, 6), (4, 2, 3), (4, 1, 2)]
    assert sizes(fem.synthesis(y, z)) == [(4, 8, 12), (4, 16, 24), (4, 32, 48), (4, 64, 96)]


def test_gradients_reach_the_fem_through_a_site_that_has_moved():
    fem, site = FEM(10, 6, 4, (8, 5)), NESFT(3, 4, 5)
    torch.nn.init.normal_(site.affine.weight)
    x = torch.rand(1, 3, 64, 64)
    site(x, fem.analysis(x, x)[0]).square().sum().backward()
    assert fem.a[0][0].weight.grad.abs().sum() > 0
