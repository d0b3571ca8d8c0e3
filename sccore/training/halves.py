"""Transforms of a model in bfloat16 while it is trained in float32."""

import torch

from sccore.hyperprior import Hyperprior
from sccore.sem import TRANSFORMS


class Halves(torch.nn.Module):
    """A model whose transforms compute with bfloat16 copies of their kernels, made at once instead of one by one.

    Autocast would cast every kernel and every gradient by itself, a thousand small operators a step. The model's own
    weights stay in float32 and are what the optimisers move.
    """

    def __init__(self, model: Hyperprior):
        super().__init__()
        layers = (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.Linear)
        inside = [(n, m) for n, m in model.named_modules() if isinstance(m, layers) and n.split(".")[0] in (*TRANSFORMS, "h_a")]
        named = {f"{n}.{k}": p for n, m in inside for k, p in m.named_parameters()}
        self.model, self.whole = [model], list(named.values())  # in a list: not a part of this module
        self.copies = {n: p.detach().bfloat16().requires_grad_() for n, p in named.items()}

    def forward(self, *args, **kwargs) -> dict:
        for copy in self.copies.values():
            copy.grad = None
        return torch.func.functional_call(self.model[0], self.copies, args, kwargs)

    @torch.no_grad()
    def give_gradients(self):
        """Gradients of the copies, in float32, to the model's weights."""
        gradients = [copy.grad for copy in self.copies.values()]
        for weight in self.whole:
            weight.grad = torch.empty_like(weight)
        torch._foreach_copy_([weight.grad for weight in self.whole], gradients)

    @torch.no_grad()
    def take_weights(self):
        """The copies follow the model's weights."""
        torch._foreach_copy_(list(self.copies.values()), self.whole)
