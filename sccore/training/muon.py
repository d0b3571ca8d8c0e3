"""Muon: steps of equal size in every direction of a weight matrix (Jordan et al., 2024).

Transforms of a codec are ill-conditioned: few directions of a patch hold nearly all of its energy, and Adam learns the
others late. Muon replaces the averaged gradient of a matrix by its nearest semi-orthogonal one. Libraries iterate for
that in bfloat16, which processors without it emulate a hundred times slower than the float32 that they get here.
"""

from collections import Counter, defaultdict
from itertools import chain

import torch
from torch import Tensor, nn

from sccore.sem import TRANSFORMS
from sccore.utils.device import native_bf16

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # a x + b x^3 + c x^5 drives singular values to around 1
ITERATIONS = 5
MOMENTUM = 0.95


def matrices(model: nn.Module) -> list[nn.Parameter]:
    """Kernels of the image transforms and of the structural enhancement: all their convolutions and linear layers."""
    layers = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    return [m.weight for name, m in model.named_modules() if isinstance(m, layers) and name.split(".")[0] in TRANSFORMS]


def orthogonal(gs: list[Tensor]) -> list[Tensor]:
    """Matrices, in batches (B, m, n) -> about the nearest ones whose singular values are all 1; in bfloat16 where that is native."""
    wide = [g if g.shape[1] <= g.shape[2] else g.mT for g in gs]
    xs = [x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7) for x in wide]
    xs = newton_schulz([x.bfloat16() for x in xs] if native_bf16(xs[0].device) else xs)
    return [(x if w is g else x.mT).to(g.dtype) for x, w, g in zip(xs, wide, gs)]


def newton_schulz(xs: list[Tensor]) -> list[Tensor]:
    """x <- (a + b x x^T + c (x x^T)^2) x, ITERATIONS times; of batches (B, m, n), m at most n.

    All factors are polynomials of x x^T (B, m, m), so their product is found first, which takes less arithmetic where matrices
    are wide, and at once for all of the same m. The product x x^T holds the small singular values squared, too small for
    bfloat16 behind a few iterations; there it is made anew after every second one.
    """
    at_once = 2 if xs[0].dtype == torch.bfloat16 else ITERATIONS
    for done in range(0, ITERATIONS, at_once):
        alike = defaultdict(list)
        for i, x in enumerate(xs):
            alike[x.shape[1]].append(i)
        for places in alike.values():
            product = factors(torch.cat([xs[i] @ xs[i].mT for i in places]), min(at_once, ITERATIONS - done))
            for i, own in zip(places, product.split([len(xs[i]) for i in places])):
                xs[i] = own @ xs[i]
    return xs


def factors(xx: Tensor, iterations: int) -> Tensor:
    """The product of the first factors of :func:`newton_schulz`, from x x^T."""
    a, b, c = NEWTON_SCHULZ
    product = None
    for i in range(iterations):
        factor = torch.baddbmm(xx, xx, xx, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        product = factor if product is None else factor @ product
        if i + 1 < iterations:
            xx = factor @ xx @ factor
    return product


def as_matrix(weight: Tensor) -> Tensor:
    """A kernel (m, C, h, w) as the matrix (m, h w C), without a copy where it is channels_last; others as they are."""
    return weight.permute(0, 2, 3, 1).flatten(1) if weight.ndim == 4 else weight


def as_kernel(matrix: Tensor, shape: torch.Size) -> Tensor:
    """The inverse of :func:`as_matrix`, a view."""
    if len(shape) != 4:
        return matrix
    m, channels, height, width = shape
    return matrix.view(m, height, width, channels).permute(0, 3, 1, 2)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal; a weight of four dimensions counts as the matrix (first, all others).

    Like torch's fused Adam it leaves out a step for which `found_inf` is 1, without waiting for the device; a learning
    rate that is a tensor is read there too. The matrices of a group lie one behind the other, those of one shape as a batch.
    """

    def __init__(self, params: list[nn.Parameter], lr: float | Tensor):
        super().__init__(params, {"lr": lr})
        self.found_inf = torch.zeros(())
        self.parts = []  # of every group: its parameters by shape, how many have each, the momenta of all of them
        for group in self.param_groups:
            params = sorted(group["params"], key=lambda p: as_matrix(p).shape)
            momenta = torch.zeros(sum(p.numel() for p in params), device=params[0].device)
            for p, momentum in zip(params, momenta.split([p.numel() for p in params])):
                self.state[p]["momentum"] = momentum.view(as_matrix(p).shape)
            self.parts.append((params, Counter(as_matrix(p).shape for p in params), momenta))

    def load_state_dict(self, state_dict: dict):
        own = {p: state["momentum"] for p, state in self.state.items()}
        super().load_state_dict(state_dict)
        for p, momentum in own.items():
            momentum.copy_(self.state[p]["momentum"])
            self.state[p]["momentum"] = momentum

    @torch.no_grad()
    def step(self):
        for group, (params, counts, momenta) in zip(self.param_groups, self.parts):
            bad = self.found_inf.to(momenta.device)
            good = 1 - bad
            grads = torch.cat([as_matrix(p.grad).flatten() for p in params]).float()
            grads = torch.where(bad.bool(), 0, grads)
            momenta.lerp_(grads, good * (1 - MOMENTUM))
            ahead = grads.lerp(momenta, MOMENTUM).split([count * shape.numel() for shape, count in counts.items()])
            updates = orthogonal([batch.view(-1, *shape) for shape, batch in zip(counts, ahead)])
            torch._foreach_mul_(updates, [max(1, m / n) ** 0.5 for m, n in counts])
            torch._foreach_mul_(updates, good * group["lr"])
            torch._foreach_sub_(params, [as_kernel(u, p.shape) for u, p in zip(chain.from_iterable(updates), params)])
