"""One step of training, for one model or a resumed one: optimisers, schedule, counters.

Every random choice of a step is a function of (seed, step): the crops, the rates of a variable-rate batch and the
quantisation noise. Resuming therefore needs weights, optimiser states and the step, and nothing else. Nothing in a step
waits for the device: losses stay there until they are logged, and a step that is not finite is left out there.
"""

import math
from pathlib import Path

import torch
from torch import Tensor

from sccore.data.crops import Batches
from sccore.hyperprior import Hyperprior
from sccore.loss import rate_distortion
from sccore.sem import TRANSFORMS
from sccore.training.halves import Halves
from sccore.training.muon import Muon, matrices
from sccore.training.ranks import ALONE, Ranks
from sccore.training.recipe import Recipe
from sccore.training.replay import Replay
from sccore.utils.errors import OtherRun
from sccore.utils.files import restoring

SHRINK = 0.3  # of the learning rate, every time the plateau schedule lowers it
COUNTERS = "step", "lr_now", "seconds", "stopped", "best", "waited", "validations"
SMALL = 0.3  # rate of biases and norms of the transforms, in that of Muon


def optimizers(model: Hyperprior, recipe: Recipe) -> dict[str, torch.optim.Optimizer]:
    """All parameters with one optimiser each; "share" of a group is its rate in the recipe's, "aux" has the quantiles.

    With "muon" the kernels of the transforms go by Muon, all else by Adam, which forgets faster than usual, and biases and norms
    of the transforms more slowly than the entropy model. Learning rates are tensors, so that a captured step reads them.
    """
    device = next(model.parameters()).device
    rate = lambda value: torch.tensor(value, device=device)
    adam = lambda groups, **options: torch.optim.Adam(groups, fused=True, capturable=device.type == "cuda", **options)
    group = lambda params, share: {"params": params, "share": share, "lr": rate(recipe.lr * share)}
    named = [(n, p) for n, p in model.named_parameters() if not n.endswith("quantiles")]
    aux = adam([{"params": [p for n, p in model.named_parameters() if n.endswith("quantiles")], "lr": rate(recipe.aux_lr)}])
    if recipe.optimizer == "adam":
        return {"adam": adam([group([p for _, p in named], 1.0)]), "aux": aux}
    by_muon = matrices(model)
    ids = {id(p) for p in by_muon}
    others = lambda inside: [p for n, p in named if id(p) not in ids and (n.split(".")[0] in TRANSFORMS) == inside]
    groups = [group(others(False), 1.0), group(others(True), SMALL)]
    return {"adam": adam(groups, betas=(0.9, 0.99)), "muon": Muon(by_muon, lr=rate(recipe.lr)), "aux": aux}


class Run:
    """Model, optimisers and counters of a training run.

    Args:
        crops: where the batches come from, such as :class:`sccore.data.crops.Crops`.
        lmbda: of a fixed-rate model.
        bf16: autocast of the transforms.
        graph: whether a step is captured on CUDA, see :mod:`sccore.training.replay`.
        ranks: the processes that share the batch.
    """

    def __init__(
        self,
        model: Hyperprior,
        recipe: Recipe,
        lmbda: float | None,
        device: str,
        bf16: bool,
        crops: Batches,
        graph: bool = True,
        ranks: Ranks = ALONE,
    ):
        self.model = model.to(device, memory_format=torch.channels_last).train()
        ranks.share((*model.parameters(), *model.buffers()))
        self.recipe, self.device, self.bf16, self.crops, self.ranks = recipe, device, bf16, crops, ranks
        self.lambdas = torch.tensor(model.lambdas or (lmbda,), device=device)
        self.main = [p for n, p in model.named_parameters() if not n.endswith("quantiles")]
        self.optimizers = optimizers(model, recipe)
        self.halves = Halves(model) if bf16 else None
        self.step, self.lr_now, self.seconds, self.stopped = 0, recipe.lr, 0.0, False
        self.done = torch.zeros((), dtype=torch.long, device=device)  # the step, for the device
        self.left_out = torch.zeros((), device=device)  # steps whose loss or gradients were not finite
        self.places = torch.arange(recipe.batch, device=device)[ranks.part(recipe.batch)]  # of its crops in the whole batch
        self.drawn = crops.draw(0).to(device)
        self.best, self.waited = math.inf, 0
        self.validations: list[dict] = []
        self.replay = Replay(device, graph)

    @property
    def lr(self) -> float:
        """The recipe's learning rate as it is now; every group has its share of it."""
        return self.lr_now

    @lr.setter
    def lr(self, value: float):
        self.lr_now = value
        with self.replay.place():
            for optimizer in (self.optimizers["adam"], self.optimizers.get("muon")):
                for group in optimizer.param_groups if optimizer else ():
                    group["lr"].fill_(value * group.get("share", 1.0))

    def scheduled_lr(self, spent: float = 0.0) -> float:
        """The rate of the next step; `spent` is the share of the run's time that is over, if it has an end."""
        r = self.recipe
        over = max(self.step / r.steps, min(spent, 1.0))
        left = min(1.0, (1 - over) / r.decay) if r.schedule == "decay" and r.decay else 1.0
        return (r.min_lr + (r.lr - r.min_lr) * left) * min(1.0, (self.step + 1) / max(r.warmup, 1))

    @property
    def skipped(self) -> int:
        self.replay.finish()
        return int(self.left_out)

    def forward(self, x: Tensor, mask: Tensor, rates: Tensor) -> dict[str, Tensor]:
        """x (B, 3, H, W), mask (B, 1, H, W), rates (B,), which of the model's each crop is coded at -> the terms of the loss."""
        x = x.to(self.device, memory_format=torch.channels_last)
        mask = torch.ones_like(mask) if self.recipe.masks == "ones" else mask
        mask = mask.to(self.device)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.bf16, cache_enabled=False):
            model = self.halves if self.halves and self.model.training else self.model
            output = model(x, mask, level=rates.double())
        output["x_hat"] = output["x_hat"].float()
        return rate_distortion(output, x, mask, self.lambdas[rates], self.recipe.metric)

    def train_step(self, spent: float = 0.0) -> dict[str, Tensor]:
        """One step of all optimisers, with the crops and the rate that are its turn; `spent`: see :meth:`scheduled_lr`.

        Returns the terms of the loss, which the next step overwrites.
        """
        with self.replay.place():
            if self.recipe.schedule == "decay" or self.step < self.recipe.warmup:
                self.lr = self.scheduled_lr(spent)
            drawn = self.crops.draw(self.step)
            self.drawn.copy_(drawn.pin_memory() if self.replay.cuda else drawn, non_blocking=True)  # a GPU fetches pinned memory by itself
        torch.manual_seed(hash((self.recipe.seed, self.step, *self.ranks.own)) & (2**63 - 1))
        values = self.replay(self.body)
        self.step += 1
        return values

    def body(self) -> dict[str, Tensor]:
        """What a step does on its device, from the crops drawn, the rates of learning and the step that lie there.

        Where loss or gradients are not finite the weights stay as they were. Nothing here waits for the device.
        """
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        rates = (self.places + self.done) % len(self.lambdas)  # rotate with the step
        values = self.forward(*self.crops.cut(self.drawn), rates)
        values["loss"].backward()
        if self.halves:
            self.halves.give_gradients()
        values["aux"] = self.model.aux_loss()
        values["aux"].backward()
        values = {k: v.detach() for k, v in values.items()}
        self.ranks.average([p.grad for p in self.model.parameters() if p.grad is not None], values)
        norm = torch.nn.utils.clip_grad_norm_(self.main, self.recipe.clip)
        found_inf = (~torch.isfinite(values["loss"] + norm)).float()  # as GradScaler tells it
        for name, optimizer in self.optimizers.items():
            if name != "aux":  # it does not see the images
                optimizer.found_inf = found_inf
            optimizer.step()
        if self.halves:
            self.halves.take_weights()
        self.left_out += found_inf
        self.done += 1
        return values

    @torch.no_grad()
    def evaluate(self, probes: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """Mean loss, bpp and PSNR over held-out crops and all rates of the model."""
        self.replay.finish()
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
        """Writes all that is needed to go on."""
        state = {k: getattr(self, k) for k in (*COUNTERS, "left_out")}
        state |= {
            "identity": identity,
            "model": torch.nn.Module.state_dict(self.model),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
        }
        torch.save(state, path)

    def restore(self, path: Path, identity: dict):
        """Goes on where :meth:`store` was called.

        Raises:
            OtherRun: that was a run of another identity.
            InputError: the file is damaged.
        """
        with restoring(path):
            state = torch.load(path, map_location=self.device, weights_only=True)
            for key, value in identity.items():
                if (other := state["identity"].get(key)) != value:
                    if isinstance(other, dict) and isinstance(value, dict):
                        other, value = (
                            {k: v for k, v in a.items() if k not in b or b[k] != v} for a, b in ((other, value), (value, other))
                        )
                    raise OtherRun(f"{path.parent} holds a run with {key} {other}, not {value}; choose another folder or delete it")
            self.model.load_state_dict(state["model"])
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
            for key in COUNTERS:
                setattr(self, key, state[key])
            self.left_out.copy_(state["left_out"])
            self.done.fill_(self.step)
        if self.halves:
            self.halves.take_weights()
