"""Training of the text detectors EAST and RRD on pages whose words' places are known.

A detector's module gives `create`, `targets` and `loss`; everything else is the same for both. Every random choice of
a step is a function of (seed, step), so that a run that was killed goes on as if it had not been.
"""

import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from sccore.text.inference import autocast
from sccore.text.weights import module, save
from sccore.text.words import Pages, crop
from sccore.utils.errors import OtherRun
from sccore.utils.files import replacing, restoring

WARMUP = 50  # steps


def train(
    name: str,
    folders: list[Path],
    out: Path | str,
    *,
    steps: int = 2000,
    minutes: float | None = None,
    seed: int = 0,
    batch: int = 8,
    size: int = 256,
    lr: float = 2e-3,
    licence: str = "",
    device: str = "cpu",
    save_every: float = 60.0,
    progress: bool = True,
) -> dict:
    """Trains a companion on random crops until the last step, or for some minutes; started again, it goes on.

    Args:
        folders: of pages, see :mod:`sccore.text.words`.
        out: the file of the weights, half precision; beside it OUT.run holds the state of an unfinished run.
        steps: the learning rate rises over the first WARMUP steps and falls along a cosine to 0 at the last. A run that
            goes on may be given another number; the file keeps all plans, [from step, steps].
        licence: of the pages; kept in the file with the recipe.

    Returns:
        {"step", "finished", "seconds", "loss"}: the loss is the mean over the last hundred steps, None
        if there were none.
    """
    detector, pages, out = module(name), Pages(*folders, progress=progress), Path(out)
    state_file = out.with_name(f"{out.name}.run")
    torch.manual_seed(seed)
    net = detector.create().to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=1e-4, fused=True)
    recipe = {"batch": batch, "crop": size, "lr": lr, "seed": seed}
    identity = {"detector": name, "recipe": recipe, "data": pages.sha256}
    step, seconds, losses, plans = 0, 0.0, [], []
    if state_file.exists():
        step, seconds, losses, plans = restore(state_file, identity, net, optimizer)
    if not plans or plans[-1][1] != steps:
        plans.append([step, steps])
    started = saved = time.monotonic()
    bar = tqdm(total=steps, initial=step, unit="step", desc=f"train {name}", disable=not progress, dynamic_ncols=True, mininterval=2)
    while step < steps and (minutes is None or time.monotonic() - started < 60 * minutes):
        begun = time.perf_counter()
        rise, fall = min(1, (step + 1) / WARMUP), 0.5 + 0.5 * math.cos(math.pi * step / steps)
        optimizer.param_groups[0]["lr"] = lr * rise * fall
        x, target = make_batch(detector, net, pages, batch, size, np.random.default_rng((seed, step)), device)
        with autocast(torch.device(device)):
            output = net(x)
        value = detector.loss(output, target)["loss"]
        optimizer.zero_grad()
        value.backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        if torch.isfinite(norm):
            optimizer.step()
        losses = [*losses[-99:], value.item()]
        step, seconds = step + 1, seconds + time.perf_counter() - begun
        bar.update()
        bar.set_postfix(loss=f"{np.mean(losses):.3f}", refresh=False)
        if time.monotonic() - saved >= save_every:
            store(state_file, identity, net, optimizer, (step, seconds, losses, plans))
            saved = time.monotonic()
    bar.close()
    meta = {"steps": step, "seconds": round(seconds), "recipe": recipe, "plans": plans}
    meta |= {"data": pages.sha256, "pages": len(pages), "licence": licence}
    save(net, name, out, meta)
    if step < steps:
        store(state_file, identity, net, optimizer, (step, seconds, losses, plans))
    else:
        state_file.unlink(missing_ok=True)
    return {"step": step, "finished": step >= steps, "seconds": round(seconds), "loss": float(np.mean(losses)) if losses else None}


def make_batch(
    detector, net: nn.Module, pages: Pages, batch: int, size: int, rng: np.random.Generator, device: str
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """x (B, 3, size, size), normalised, and the detector's targets, each (B, ...)."""
    images, targets = [], []
    for _ in range(batch):
        image, quads, ignore = crop(pages, size, rng)
        images.append(image)
        targets.append(detector.targets(net, quads, ignore, (size, size)))
    x = torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(v, device=device)[:, None, None] for v in (detector.MEAN, detector.STD))
    return (x - mean) / std, tuple(torch.from_numpy(np.stack(kind)).to(device) for kind in zip(*targets))


def store(path: Path, identity: dict, net: nn.Module, optimizer, progress: tuple):
    """Writes all that is needed to go on, atomically."""
    state = {"identity": identity, "net": net.state_dict(), "optimizer": optimizer.state_dict(), "progress": progress}
    with replacing(path) as part:
        torch.save(state, part)


def restore(path: Path, identity: dict, net: nn.Module, optimizer) -> tuple[int, float, list[float], list[list[int]]]:
    """Reads what :func:`store` wrote; gives its `progress`: step, seconds, the last losses, plans.

    Raises:
        InputError: a damaged file, or a run of another detector, recipe or data.
    """
    with restoring(path):
        state = torch.load(path, map_location="cpu", weights_only=True)
        for key, value in identity.items():
            if (other := state["identity"].get(key)) != value:
                raise OtherRun(f"{path} is a run with {key} {other}, not {value}; choose another file or delete it")
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        return state["progress"]
