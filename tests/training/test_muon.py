"""Muon: directions of equal size, the right parameters, and steps that are left out."""

import pytest
import torch

from sccore.codecs.zoo import create_model
from sccore.training import muon
from sccore.training.muon import Muon, matrices, orthogonal


@pytest.mark.parametrize("shape", [(2, 8, 8), (1, 6, 40), (3, 40, 6)])
def test_orthogonal_keeps_directions_and_evens_their_sizes(shape):
    torch.manual_seed(0)
    g = torch.randn(shape) * torch.logspace(0, -1, shape[2])
    u, s, vh = torch.linalg.svd(g, full_matrices=False)
    (result,) = orthogonal([g])
    assert torch.linalg.svdvals(result).sub(1).abs().max() < 0.4  # the quintic leaves them between 0.68 and 1.13
    polar = u @ vh
    assert (result * polar).sum() / result.norm() / polar.norm() > 0.97


def iterated(x):
    """Newton and Schulz's, step by step, in float64."""
    a, b, c = muon.NEWTON_SCHULZ
    for _ in range(muon.ITERATIONS):
        xx = x @ x.mT
        x = a * x + (b * xx + c * xx @ xx) @ x
    return x


@pytest.mark.parametrize("decades, single, half", [(0, 5e-6, 0.05), (3, 5e-4, 0.1), (6, 1e-3, 0.25)])  # that the singular values span
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products_of_factors_give_what_the_iteration_gives(decades, single, half, dtype):
    torch.manual_seed(0)
    xs = []
    for count, m, n in ((2, 40, 300), (1, 16, 16), (3, 40, 40)):  # two of one height
        u, _, vh = torch.linalg.svd(torch.randn(count, m, n, dtype=torch.float64), full_matrices=False)
        x = u * torch.logspace(0, -decades, m) @ vh
        xs.append(x / torch.linalg.matrix_norm(x, keepdim=True))
    for x, found in zip(xs, muon.newton_schulz([x.to(dtype) for x in xs])):
        right = iterated(x)
        off = half if dtype == torch.bfloat16 else single
        assert found.dtype == dtype and (found - right).norm() < off * right.norm()


@pytest.mark.parametrize("bf16, rtol, atol", [(False, 1e-3, 1e-5), (True, 0.05, 2e-3)])
def test_scale_of_a_gradient_does_not_matter(monkeypatch, bf16, rtol, atol):
    monkeypatch.setattr(muon, "native_bf16", lambda device: bf16)
    steps = []
    for scale in (1e-3, 1e3):
        torch.manual_seed(0)
        p = torch.nn.Parameter(torch.randn(4, 3, 5, 5))
        before = p.detach().clone()
        p.grad = scale * torch.randn(4, 3, 5, 5)
        Muon([p], lr=0.1).step()
        steps.append(p.detach() - before)
    torch.testing.assert_close(*steps, rtol=rtol, atol=atol)


def test_a_step_that_is_not_finite_leaves_no_trace():
    p = torch.nn.Parameter(torch.ones(4, 4))
    optimizer = Muon([p], lr=0.1)
    p.grad = torch.full((4, 4), torch.nan)
    optimizer.found_inf = torch.ones(())
    optimizer.step()
    assert torch.equal(p, torch.ones(4, 4)) and torch.equal(optimizer.state[p]["momentum"], torch.zeros(4, 4))


def test_momentum_is_a_running_mean_and_a_step_goes_ahead_of_it():
    torch.manual_seed(0)
    first, second = torch.randn(2, 6, 3)
    p = torch.nn.Parameter(torch.zeros(6, 3))
    optimizer = Muon([p], lr=0.1)
    for grad in (first, second):
        before, p.grad = p.detach().clone(), grad.clone()
        optimizer.step()
    momentum = 0.05 * (0.95 * first + second)
    torch.testing.assert_close(optimizer.state[p]["momentum"], momentum)
    ahead = orthogonal([(0.05 * second + 0.95 * momentum)[None]])[0][0]  # Nesterov's
    torch.testing.assert_close(p.detach() - before, -0.1 * 2**0.5 * ahead, rtol=1e-3, atol=1e-5)  # twice as high as wide

    before, p.grad, optimizer.found_inf = p.detach().clone(), torch.full_like(p, torch.inf), torch.ones(())
    optimizer.step()
    assert torch.equal(p, before)
    torch.testing.assert_close(optimizer.state[p]["momentum"], momentum)


def test_matrices_are_of_the_transforms_alone():
    model = create_model("sftip", rate="variable")
    names = {id(p): n for n, p in model.named_parameters()}
    chosen = {names[id(p)] for p in matrices(model)}
    assert {"g_a.0.weight", "g_s.8.weight"} <= chosen
    assert all(part in " ".join(chosen) for part in ("sem_a", "sem_s", "sem_h", "fem", "qkv"))
    assert not any(word in n for n in chosen for word in ("h_a", "h_mean", "cc_", "lrp_", "gamma", "gain", "entropy", "bias", "quantiles"))


@pytest.mark.parametrize("bf16, weak, share", [(False, 0.01, 1.0), (False, 0.03, 0.5), (True, 0.03, 0.5)])
def test_ill_conditioned_least_squares_goes_faster_than_by_adam(monkeypatch, bf16, weak, share):
    """Two directions of a linear map, one weaker than the other; what bfloat16 can tell of a gradient ends before a hundredth."""
    monkeypatch.setattr(muon, "native_bf16", lambda device: bf16)
    inputs = torch.diag(torch.tensor([1.0, weak]))
    losses = {}
    for name in ("adam", "muon"):
        weight = torch.nn.Parameter(torch.tensor([[0.0, 0.0], [0.0, 0.0]]))
        rotate = torch.tensor([[0.6, 0.8], [-0.8, 0.6]])
        optimizer = Muon([weight], lr=0.02) if name == "muon" else torch.optim.Adam([weight], lr=0.02)
        for _ in range(60):
            optimizer.zero_grad()
            loss = ((weight @ rotate @ inputs - rotate @ inputs) @ inputs.inverse()).square().sum()
            (((weight @ rotate - rotate) @ inputs).square().sum()).backward()
            optimizer.step()
        losses[name] = loss.item()
    assert losses["muon"] < share * losses["adam"]
