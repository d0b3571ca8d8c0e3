"""One step of training, for one model or a resumed one: optimisers, schedule, counters.

Every random choice of a step is a function of (seed, step): the crops, the rates of a variable-rate batch and the
quantisation noise. Resuming therefore needs weights, optimiser states and the step, and nothing else. Nothing in a step
waits for the device: losses stay there until they are logged, and a step that is not finite is left out there.
"""

import math
from pathlib import Path

import torch
from torch import Tensor

from sccore.errors import InputError, OtherRun
from sccore.files import replacing
from sccore.hyperprior import Hyperprior
from sccore.loss import rate_distortion
from sccore.muon import TRANSFORMS, Muon, matrices
from sccore.recipe import Recipe

SHRINK = 0.3  # of the learning rate, every time the plateau schedule lowers it
SMALL = 0.3  # rate of biases and norms of the transforms, in that of Muon


def optimizers(model: Hyperprior, recipe: Recipe) -> dict[str, torch.optim.Optimizer]:
    """All parameters but the quantiles, each with one optimiser; "share" of a group is its rate in the recipe's.

    With "muon" the kernels of the transforms go by Muon, all else by Adam, which forgets faster than usual, and biases and norms
    of the transforms more slowly than the entropy model.
    """
    named = [(n, p) for n, p in model.named_parameters() if not n.endswith("quantiles")]
    if recipe.optimizer == "adam":
        return {"adam": torch.optim.Adam([{"params": [p for _, p in named], "share": 1.0}], lr=recipe.lr, fused=True)}
    by_muon = matrices(model)
    ids = {id(p) for p in by_muon}
    others = lambda inside: [p for n, p in named if id(p) not in ids and (n.split(".")[0] in TRANSFORMS) == inside]
    groups = [{"params": others(False), "share": 1.0}, {"params": others(True), "share": SMALL}]
    return {"adam": torch.optim.Adam(groups, lr=recipe.lr, betas=(0.9, 0.99), fused=True), "muon": Muon(by_muon, lr=recipe.lr)}


class Run:
    """Model, optimisers and counters of a training run."""

    def __init__(self, model: Hyperprior, recipe: Recipe, lmbda: float | None, device: str, bf16: bool):
        self.model = model.to(device, memory_format=torch.channels_last).train()
        self.recipe, self.device, self.bf16 = recipe, device, bf16
        self.lambdas = torch.tensor(model.lambdas or (lmbda,), device=device)
        quantiles = [p for n, p in model.named_parameters() if n.endswith("quantiles")]
        self.main = [p for n, p in model.named_parameters() if not n.endswith("quantiles")]
        self.optimizers = optimizers(model, recipe)
        self.aux_optimizer = torch.optim.Adam(quantiles, lr=recipe.aux_lr, fused=True)
        self.step, self.seconds, self.stopped = 0, 0.0, False
        self.left_out = torch.zeros((), device=device)  # steps whose loss or gradients were not finite
        self.best, self.waited = math.inf, 0
        self.validations: list[dict] = []

    @property
    def lr(self) -> float:
        """The recipe's learning rate as it is now; every group has its share of it."""
        return self.optimizers["adam"].param_groups[0]["lr"]

    @lr.setter
    def lr(self, value: float):
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = value * group.get("share", 1.0)

    def scheduled_lr(self, spent: float = 0.0) -> float:
        """The rate of the next step; `spent` is the share of the run's time that is over, if it has an end."""
        r = self.recipe
        over = max(self.step / r.steps, min(spent, 1.0))
        left = min(1.0, (1 - over) / r.decay) if r.schedule == "decay" and r.decay else 1.0
        return (r.min_lr + (r.lr - r.min_lr) * left) * min(1.0, (self.step + 1) / max(r.warmup, 1))

    @property
    def skipped(self) -> int:
        return int(self.left_out)

    def rates(self, n: int) -> Tensor:
        """Which of the model's rates each of n crops is coded at; rotates with the step."""
        return (torch.arange(n, device=self.device) + self.step) % len(self.lambdas)

    def forward(self, x: Tensor, mask: Tensor, rates: Tensor) -> dict[str, Tensor]:
        """x (B, 3, H, W), mask (B, 1, H, W), rates (B,) -> the terms of the loss."""
        x = x.to(self.device, memory_format=torch.channels_last)
        mask = torch.ones_like(mask) if self.recipe.masks == "ones" else mask
        mask = mask.to(self.device)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.bf16):
            output = self.model(x, mask, level=rates.double())
        output["x_hat"] = output["x_hat"].float()
        return rate_distortion(output, x, mask, self.lambdas[rates], self.recipe.metric)

    def train_step(self, x: Tensor, mask: Tensor, spent: float = 0.0) -> dict[str, Tensor]:
        """One step of all optimisers; where loss or gradients are not finite the weights stay as they were.

        x: (B, 3, H, W), mask: (B, 1, H, W), spent: see :meth:`scheduled_lr`.
        """
        if self.recipe.schedule == "decay" or self.step < self.recipe.warmup:
            self.lr = self.scheduled_lr(spent)
        torch.manual_seed(hash((self.recipe.seed, self.step)) & (2**63 - 1))
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        values = self.forward(x, mask, self.rates(len(x)))
        values["loss"].backward()
        norm = torch.nn.utils.clip_grad_norm_(self.main, self.recipe.clip)
        found_inf = (~torch.isfinite(values["loss"].detach() + norm)).float()  # as GradScaler tells it
        for optimizer in self.optimizers.values():
            optimizer.found_inf = found_inf
            optimizer.step()
        self.left_out += found_inf
        self.aux_optimizer.zero_grad()
        aux = self.model.aux_loss()
        aux.backward()
        self.aux_optimizer.step()
        self.step += 1
        return {k: v.detach() for k, v in {**values, "aux": aux}.items()}

    @torch.no_grad()
    def evaluate(self, probes: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """Mean loss, bpp and PSNR over held-out crops and all rates of the model."""
        self.model.eval()
        every = range(len(self.lambdas))
        values = [self.forward(x, m, torch.full((len(x),), i, device=self.device)) for x, m in probes for i in every]
        weights = torch.tensor([float(len(x)) for x, _ in probes for _ in every])
        self.model.train()
        mean = lambda k: float((torch.stack([v[k] for v in values]).cpu() * weights).sum() / weights.sum())
        return {k: mean(k) for k in ("loss", "bpp", "psnr")}

    def plateau(self, loss: float):
        """The public baseline's schedule: factor 0.3, patience 4; ends below the recipe's least learning rate."""
        if loss < self.best * (1 - 1e-4):
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > 4:
            lowered = self.lr * SHRINK
            self.waited, self.stopped, self.lr = 0, lowered < self.recipe.min_lr * 0.999, lowered

    def store(self, path: Path, identity: dict):
        """Writes all that is needed to go on, atomically."""
        state = {k: getattr(self, k) for k in ("step", "left_out", "seconds", "stopped", "best", "waited", "validations")}
        state |= {"identity": identity, "model": torch.nn.Module.state_dict(self.model),
                  "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
                  "aux_optimizer": self.aux_optimizer.state_dict()}  # fmt: skip
        with replacing(path) as part:
            torch.save(state, part)

    def restore(self, path: Path, identity: dict):
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
        except Exception as error:
            raise InputError(f"{path}: damaged ({str(error).splitlines()[0]}); delete it to start anew") from None
        for key, value in identity.items():
            if (other := state["identity"].get(key)) != value:
                raise OtherRun(f"{path.parent} holds a run with {key} {other}, not {value}; choose another folder or delete it")
        self.model.load_state_dict(state.pop("model"))
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        state.pop("optimizers")
        self.aux_optimizer.load_state_dict(state.pop("aux_optimizer"))
        state.pop("identity")
        self.__dict__.update(state)
