"""Muon: steps of equal size in every direction of a weight matrix (Jordan et al., 2024).

Transforms of a codec are ill-conditioned: few directions of a patch hold nearly all of its energy, and Adam learns the
others late. Muon replaces the averaged gradient of a matrix by its nearest semi-orthogonal one. Libraries iterate for
that in bfloat16, which processors without it emulate a hundred times slower than the float32 that they get here.
"""

from collections import defaultdict

import torch
from torch import Tensor, nn

from sccore.device import native_bf16
from sccore.sem import PARTS

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # a x + b x^3 + c x^5 drives singular values to around 1
ITERATIONS = 5
TRANSFORMS = "g_a", "g_s", "g_seg", *PARTS


def matrices(model: nn.Module) -> list[nn.Parameter]:
    """Kernels of the image transforms and of the structural enhancement: all their convolutions and linear layers."""
    layers = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    return [m.weight for name, m in model.named_modules() if isinstance(m, layers) and name.split(".")[0] in TRANSFORMS]


def orthogonal(g: Tensor) -> Tensor:
    """Matrices (B, m, n) -> about the nearest ones whose singular values are all 1; in bfloat16 where that is native."""
    a, b, c = NEWTON_SCHULZ
    wide = g if g.shape[1] <= g.shape[2] else g.mT
    x = wide / (torch.linalg.matrix_norm(wide, keepdim=True) + 1e-7)
    x = x.bfloat16() if native_bf16(g.device) else x
    for _ in range(ITERATIONS):
        xx = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(xx, xx, xx, beta=b, alpha=c), x, beta=a)
    return (x if wide is g else x.mT).to(g.dtype)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal; a weight of four dimensions counts as the matrix (first, all others).

    Like torch's fused Adam it leaves out a step for which `found_inf` is 1, without waiting for the device.
    """

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float = 0.95):
        super().__init__(params, {"lr": lr, "momentum": momentum})
        self.found_inf = torch.zeros(())

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            alike = defaultdict(list)  # one batch for all matrices of one shape
            for p in group["params"]:
                if p.grad is not None:
                    alike[p.shape[0], p.numel() // p.shape[0]].append(p)
            for shape, params in alike.items():
                self.move(params, shape, group["lr"], group["momentum"])

    def move(self, params: list[nn.Parameter], shape: tuple[int, int], lr: float, momentum: float):
        bad = self.found_inf.bool()
        grads = torch.stack([p.grad.reshape(shape) for p in params])  # (B, m, n)
        grads = torch.where(bad, 0, grads)
        old = torch.stack([self.state[p].setdefault("momentum", torch.zeros_like(g)) for p, g in zip(params, grads)])
        mean = torch.where(bad, old, old.lerp(grads, 1 - momentum))
        update = torch.where(bad, 0, orthogonal(grads.lerp(mean, momentum)))
        size = lr * max(1, shape[0] / shape[1]) ** 0.5
        for p, m, u in zip(params, mean, update):
            self.state[p]["momentum"].copy_(m)
            p.sub_(u.reshape(p.shape), alpha=size)
