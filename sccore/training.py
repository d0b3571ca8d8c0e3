"""Training: one loop for every model (Section 4.1), which can be killed at any moment and goes on exactly.

Every random choice of a step is a function of (seed, step): the crops, the rates of a variable-rate batch and the
quantisation noise. Resuming therefore needs weights, optimiser states and the step, and nothing else.
"""

import csv
import math
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from sccore.checkpoint import save_model
from sccore.data import Crops, Samples, extend
from sccore.errors import InputError
from sccore.loss import METRICS, rate_distortion
from sccore.models import WACNN

COLUMNS = ("step", "loss", "bpp", "mse", "psnr", "aux", "lr", "seconds", "val_loss", "val_bpp", "val_psnr")


@dataclass
class Recipe:
    """How a model is trained; compared models share it. The defaults are the paper's, one stage of it.

    The paper's two stages are two calls: general images with masks="ones", then screens with masks="text" from the
    weights of the first (`PAPER_STAGES`).
    """

    steps: int = 120_000
    batch: int = 8
    crop: int = 256
    lr: float = 1e-4
    aux_lr: float = 1e-3  # quantiles of the entropy bottleneck
    clip: float = 1.0  # gradient norm
    schedule: str = "plateau"  # x0.3 after 5 validations without gain, stop below min_lr; or "steps": x0.3 at fixed steps
    min_lr: float = 2.7e-6  # 1e-4 * 0.3^3, rounded as in the paper
    warmup: int = 0  # first steps, over which the learning rate rises from 0
    drops: tuple[float, ...] = (0.6, 0.8, 0.92)  # of "steps", as fractions of all steps
    metric: str = "wmse"
    masks: str = "text"  # or "ones": mask = 1 everywhere
    seed: int = 0
    validate_every: int = 1000


PAPER_STAGES = {"pretrain": Recipe(masks="ones"), "train": Recipe()}


def fit(model: WACNN, data: Samples, out: Path | str, *, lmbda: float | None = None, recipe: Recipe = Recipe(),
        validation: Samples | None = None, minutes: float | None = None, resume: bool = True,
        save_every: float = 120.0, device: str = "cpu", bf16: bool | None = None, progress: bool = True) -> dict:
    """Trains `model` until the recipe's last step or for `minutes`, whichever comes first.

    Args:
        data: images and masks in memory.
        out: folder of the run: last.pt (to resume from), log.csv, and model.safetensors at every stop.
        lmbda: of a fixed-rate model; a variable-rate one trains all its lambdas, spread over each batch.
        validation: held-out samples; one central crop each, coded with rounding, every `validate_every` steps.
        resume: go on from out/last.pt if it is there; a run of another model or recipe there is an error.
        save_every: seconds between checkpoints.
        bf16: autocast of the transforms (the entropy model stays in float32); None: where the machine computes it.

    Returns:
        summary: step, finished, skipped (steps left out for NaN or Inf), seconds, first and last validation.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    check(model, data, lmbda, recipe)
    run = Run(model, recipe, lmbda, device, native_bf16(device) if bf16 is None else bf16)
    identity = {"spec": model.spec, "recipe": jsonable(recipe), "lmbda": lmbda, "data": data.sha256}
    if resume and (out / "last.pt").exists():
        run.restore(out / "last.pt", identity)
    log = Log(out / "log.csv", run.step)
    crops = Crops(data, recipe.crop, recipe.batch, recipe.seed)
    probes = None if validation is None else centre_crops(validation, recipe.crop, recipe.batch)
    started = saved = time.monotonic()
    bar = tqdm(total=recipe.steps, initial=run.step, unit="step", disable=not progress, dynamic_ncols=True,
               desc=f"{model.spec['name']} {lmbda or 'all lambdas'}",
               mininterval=0.5 if sys.stderr.isatty() else 20)  # fmt: skip

    def validate():
        values = run.evaluate(probes)
        run.validations.append({"step": run.step, **values})
        log.write(step=run.step, seconds=run.seconds, lr=run.lr, **{f"val_{k}": v for k, v in values.items()})
        if recipe.schedule == "plateau":
            run.plateau(values["loss"])

    def save():
        run.store(out / "last.pt", identity)
        meta = dict(lmbda=lmbda, lambdas=model.lambdas, steps=run.step, seconds=round(run.seconds),
                    recipe=jsonable(recipe), data=data.sha256, images=len(data), skipped=run.skipped,
                    history=model.meta.get("history", []))  # fmt: skip
        save_model(model, out / "model.safetensors", **meta)

    if probes is not None and run.step == 0:
        validate()
    while run.step < recipe.steps and not run.stopped:
        if minutes is not None and time.monotonic() - started >= 60 * minutes:
            break
        values = run.train_step(*crops(run.step))
        bar.update()
        if values is not None and (run.step % 10 == 0 or run.step <= 10):
            log.write(step=run.step, seconds=run.seconds, lr=run.lr, **values)
            bar.set_postfix({k: f"{values[k]:.3f}" for k in ("loss", "bpp", "psnr")}, refresh=False)
        if probes is not None and run.step % recipe.validate_every == 0:
            validate()
        if time.monotonic() - saved >= save_every:
            save()
            saved = time.monotonic()
    if probes is not None and (not run.validations or run.validations[-1]["step"] != run.step):
        validate()
    bar.close()
    save()
    return {"step": run.step, "finished": run.step >= recipe.steps or run.stopped, "skipped": run.skipped,
            "seconds": run.seconds, "first": run.validations[:1], "last": run.validations[-1:]}  # fmt: skip


def check(model: WACNN, data: Samples, lmbda: float | None, recipe: Recipe):
    """Refuses what cannot be trained, before any time is spent."""
    if model.lambdas is None and not (lmbda is not None and lmbda > 0):
        raise InputError(f"a fixed-rate model needs a positive lmbda, got {lmbda}")
    if model.lambdas is not None and lmbda is not None:
        raise InputError("a variable-rate model trains all its lambdas; leave lmbda out")
    if recipe.crop % model.stride or recipe.crop <= 0:
        raise InputError(f"crop {recipe.crop} is not a multiple of {model.stride}")
    for name, known in (("metric", METRICS), ("masks", ("text", "ones")), ("schedule", ("plateau", "steps"))):
        if getattr(recipe, name) not in known:
            raise InputError(f"unknown {name} {getattr(recipe, name)!r}; known: {', '.join(known)}")
    if recipe.steps < 1 or recipe.batch < 1:
        raise InputError("steps and batch must be at least 1")


class Run:
    """Model, optimisers and counters of a training run."""

    def __init__(self, model: WACNN, recipe: Recipe, lmbda: float | None, device: str, bf16: bool):
        self.model = model.to(device, memory_format=torch.channels_last).train()
        self.recipe, self.device, self.bf16 = recipe, device, bf16
        self.lambdas = torch.tensor(model.lambdas or (lmbda,), device=device)
        quantiles = [p for n, p in model.named_parameters() if n.endswith("quantiles")]
        main = [p for n, p in model.named_parameters() if not n.endswith("quantiles")]
        self.optimizer = torch.optim.Adam(main, lr=recipe.lr, fused=True)
        self.aux_optimizer = torch.optim.Adam(quantiles, lr=recipe.aux_lr)
        self.step, self.skipped, self.seconds, self.stopped = 0, 0, 0.0, False
        self.best, self.waited = math.inf, 0
        self.validations: list[dict] = []

    @property
    def lr(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    def scheduled_lr(self) -> float:
        r = self.recipe
        drops = sum(self.step >= f * r.steps for f in r.drops) if r.schedule == "steps" else 0
        return r.lr * 0.3**drops * min(1.0, (self.step + 1) / max(r.warmup, 1))

    def batch_lambdas(self, n: int) -> Tensor:
        """The lambda of each of n crops, rotating through the rates with the step."""
        index = (torch.arange(n, device=self.device) + self.step) % len(self.lambdas)
        return self.lambdas[index]

    def forward(self, x: Tensor, mask: Tensor, lmbda: Tensor) -> dict[str, Tensor]:
        x = x.to(self.device, memory_format=torch.channels_last)
        mask = torch.ones_like(mask) if self.recipe.masks == "ones" else mask
        mask = mask.to(self.device)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.bf16):
            output = self.model(x, mask, lmbda)
        output["x_hat"] = output["x_hat"].float()
        return rate_distortion(output, x, mask, lmbda, self.recipe.metric)

    def train_step(self, x: Tensor, mask: Tensor) -> dict[str, float] | None:
        """One step of both optimisers; None if it was left out because loss or gradients were not finite."""
        begun = time.perf_counter()
        if self.recipe.schedule == "steps" or self.step < self.recipe.warmup:
            self.optimizer.param_groups[0]["lr"] = self.scheduled_lr()
        torch.manual_seed(hash((self.recipe.seed, self.step)) & (2**63 - 1))
        self.optimizer.zero_grad()
        values = self.forward(x, mask, self.batch_lambdas(len(x)))
        values["loss"].backward()
        norm = torch.nn.utils.clip_grad_norm_(self.optimizer.param_groups[0]["params"], self.recipe.clip)
        finite = bool(torch.isfinite(values["loss"].detach() + norm))
        if finite:
            self.optimizer.step()
        else:
            self.skipped += 1
        self.aux_optimizer.zero_grad()
        aux = self.model.aux_loss()
        aux.backward()
        self.aux_optimizer.step()
        self.step += 1
        self.seconds += time.perf_counter() - begun
        return {k: float(v.detach()) for k, v in {**values, "aux": aux}.items()} if finite else None

    @torch.no_grad()
    def evaluate(self, probes: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """Mean loss, bpp and PSNR over held-out crops and all rates of the model."""
        self.model.eval()
        values = [self.forward(x, m, l.expand(len(x))) for x, m in probes for l in self.lambdas]
        weights = torch.tensor([float(len(x)) for x, _ in probes for _ in self.lambdas])
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
            lowered = self.lr * 0.3
            self.waited, self.stopped = 0, lowered < self.recipe.min_lr * 0.999
            self.optimizer.param_groups[0]["lr"] = lowered

    def store(self, path: Path, identity: dict):
        """Writes all that is needed to go on, atomically."""
        state = {k: getattr(self, k) for k in ("step", "skipped", "seconds", "stopped", "best", "waited", "validations")}
        state |= {"identity": identity, "model": torch.nn.Module.state_dict(self.model),
                  "optimizer": self.optimizer.state_dict(), "aux_optimizer": self.aux_optimizer.state_dict()}  # fmt: skip
        torch.save(state, path.with_suffix(".part"))
        os.replace(path.with_suffix(".part"), path)

    def restore(self, path: Path, identity: dict):
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
        except Exception as error:
            raise InputError(f"{path}: damaged ({str(error).splitlines()[0]}); delete it to start anew") from None
        for key, value in identity.items():
            if state["identity"][key] != value:
                raise InputError(f"{path.parent} holds a run with {key} {state['identity'][key]}, not {value}; "
                                 "choose another folder or delete it")  # fmt: skip
        self.model.load_state_dict(state.pop("model"))
        self.optimizer.load_state_dict(state.pop("optimizer"))
        self.aux_optimizer.load_state_dict(state.pop("aux_optimizer"))
        state.pop("identity")
        self.__dict__.update(state)


class Log:
    """log.csv of a run; rows past the step that a run resumes from are dropped."""

    def __init__(self, path: Path, step: int):
        rows = []
        if path.exists() and step > 0:
            with open(path, newline="") as file:
                rows = [r for r in csv.DictReader(file) if r["step"] and int(r["step"]) <= step]
        self.path = path
        with open(path.with_suffix(".part"), "w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        os.replace(path.with_suffix(".part"), path)

    def write(self, **row):
        with open(self.path, "a", newline="") as file:
            csv.DictWriter(file, COLUMNS).writerow({k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()})


def centre_crops(samples: Samples, size: int, batch: int) -> list[tuple[Tensor, Tensor]]:
    """The central crop of every sample, in batches of (x, mask) as :class:`sccore.data.Crops` gives them."""
    pairs = []
    for image, mask in zip(samples.images, samples.masks):
        image, mask = extend(image, mask, size)
        top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
        window = (slice(top, top + size), slice(left, left + size))
        x = torch.from_numpy(image[window].copy()).permute(2, 0, 1).float() / 255
        pairs.append((x, torch.from_numpy(mask[window].copy())[None].float()))
    stack = lambda part: tuple(torch.stack(t) for t in zip(*part))
    return [stack(pairs[i : i + batch]) for i in range(0, len(pairs), batch)]


def native_bf16(device: str) -> bool:
    """Whether bfloat16 arithmetic is native here; emulated it is many times slower than float32."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported()


def jsonable(recipe: Recipe) -> dict:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(recipe).items()}
