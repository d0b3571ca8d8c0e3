"""Muon: steps of equal size in every direction of a weight matrix (Jordan et al., 2024).

Transforms of a codec are ill-conditioned: few directions of a patch hold nearly all of its energy, and Adam learns the
others late. Muon replaces the averaged gradient of a matrix by its nearest semi-orthogonal one. Libraries iterate for
that in bfloat16, which processors without it emulate a hundred times slower than the float32 that they get here.
"""

from collections import defaultdict

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


def orthogonal(g: Tensor) -> Tensor:
    """Matrices (B, m, n) -> about the nearest ones whose singular values are all 1; in bfloat16 where that is native."""
    wide = g if g.shape[1] <= g.shape[2] else g.mT
    x = wide / (torch.linalg.matrix_norm(wide, keepdim=True) + 1e-7)
    x = newton_schulz(x.bfloat16()) if native_bf16(g.device) else newton_schulz_of_products(x)
    return (x if wide is g else x.mT).to(g.dtype)


def newton_schulz(x: Tensor) -> Tensor:
    """x <- (a + b x x^T + c (x x^T)^2) x, again and again; x is (B, m, n)."""
    a, b, c = NEWTON_SCHULZ
    for _ in range(ITERATIONS):
        xx = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(xx, xx, xx, beta=b, alpha=c), x, beta=a)
    return x


def newton_schulz_of_products(x: Tensor) -> Tensor:
    """The same by x x^T (B, m, m) alone, in float32: a half to a quarter of the arithmetic, for most matrices are wide.

    All factors are polynomials of x x^T, so their order is free. bfloat16 would lose the small singular values, which
    the products hold squared.
    """
    a, b, c = NEWTON_SCHULZ
    xx, product = x @ x.mT, None
    for i in range(ITERATIONS):
        factor = torch.baddbmm(xx, xx, xx, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        product = factor if product is None else factor @ product
        if i + 1 < ITERATIONS:
            xx = factor @ xx @ factor
    return product @ x


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
    rate that is a tensor is read there too. All matrices of one shape are worked on as one batch.
    """

    def __init__(self, params: list[nn.Parameter], lr: float | Tensor):
        super().__init__(params, {"lr": lr})
        self.found_inf = torch.zeros(())
        self.batches = []  # of every group: (parameters of one shape, their momenta (B, m, n))
        for group in self.param_groups:
            alike = defaultdict(list)
            for p in group["params"]:
                alike[as_matrix(p).shape].append(p)
            batches = [(ps, torch.zeros(len(ps), *shape, device=ps[0].device)) for shape, ps in alike.items()]
            self.batches.append(batches)
            for params, momenta in batches:
                for p, momentum_of_p in zip(params, momenta):
                    self.state[p]["momentum"] = momentum_of_p

    def load_state_dict(self, state_dict: dict):
        super().load_state_dict(state_dict)
        for params, momenta in (batch for batches in self.batches for batch in batches):
            for p, momentum in zip(params, momenta):
                momentum.copy_(self.state[p]["momentum"])
                self.state[p]["momentum"] = momentum

    @torch.no_grad()
    def step(self):
        for group, batches in zip(self.param_groups, self.batches):
            device = group["params"][0].device
            bad = self.found_inf.to(device)
            good = 1 - bad
            for params, momenta in batches:
                self.move(params, momenta, bad.bool(), good * (1 - MOMENTUM), good * group["lr"])

    def move(self, params: list[nn.Parameter], momenta: Tensor, bad: Tensor, share: Tensor, lr: Tensor):
        """All matrices of one shape; `share` of the gradients goes into their momenta. Both it and lr are 0 if `bad`."""
        grads = torch.stack([as_matrix(p.grad) for p in params]).float()  # (B, m, n)
        grads = torch.where(bad, 0, grads)
        momenta.lerp_(grads, share)
        _, m, n = momenta.shape
        update = orthogonal(grads.lerp(momenta, MOMENTUM)) * (lr * max(1, m / n) ** 0.5)
        torch._foreach_sub_(params, [as_kernel(u, p.shape) for u, p in zip(update, params)])
