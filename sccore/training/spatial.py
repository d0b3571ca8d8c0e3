"""Training of the spatial context alone, behind a finished model (:mod:`sccore.context`).

The context changes no picture, so the transforms need not run while it learns: each crop is analysed once, and y and z are kept
in the folder of the run. What the channels before predict is computed once for every REUSE steps. What is left is a
few small networks on maps of H/16 x W/16, thousands of steps an hour on one core.

    python -m sccore.training.spatial --data train-01.tar train-02.tar --validation DIR --out data/runs/sftip-interlaced

The crops are large, for flat areas are; some are inverted, some have their colours exchanged, and a few are of one colour, since
dark pages are rare among screenshots.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from tqdm import tqdm, trange

from sccore.codecs.checkpoint import load_model, save_model
from sccore.codecs.checkpoint_files import by_identity
from sccore.codecs.starts import warm_start
from sccore.codecs.zoo import create_model
from sccore.context import in_passes
from sccore.data.samples import Crops, Samples, centre_crops, load
from sccore.entropy import SliceEntropyModel
from sccore.evaluation.provenance import maker
from sccore.hyperprior import Hyperprior
from sccore.training.fit import alone
from sccore.training.log import Log
from sccore.utils.errors import InputError
from sccore.utils.files import replacing, restoring

SIZE, CHUNK = 512, 100  # pixels a side of a crop; crops a file
INVERTED, EXCHANGED, FLAT = 0.2, 0.3, 0.03  # shares of the crops
LR, HELD, LEAST = 2e-3, 0.4, 0.02  # rate of learning, the share of the steps that it is held, and what is left of it at the end
REUSE = 3  # steps that a batch serves, each with noise of its own
SAVE_EVERY = 120  # seconds


@torch.no_grad()
def latents(model: Hyperprior, x: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """y of the slices that have a context, and z, of crops x (B, 3, S, S)."""
    y, z = model.analysis(x, mask)
    return {"y": y[:, : len(model.contexts) * model.slice_ch].clone(), "z": z}


def altered(x: Tensor, mask: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A crop as it is, or with its colours exchanged, or another of one colour."""
    kind = rng.random()
    if kind < EXCHANGED:
        return x[:, torch.from_numpy(rng.permutation(3))], mask
    if kind < EXCHANGED + FLAT:
        colour = torch.from_numpy(rng.integers(256, size=(1, 3, 1, 1))) / 255
        return colour.float().expand_as(x).contiguous(), torch.zeros_like(mask)
    return x, mask


def analysed(model: Hyperprior, data: Samples, count: int, out: Path, seed: int = 0, progress: bool = True) -> list[dict[str, Tensor]]:
    """The latents of `count` crops in chunks, from `out` where they are there already."""
    crops, chunks = Crops(data, SIZE, 1, seed, invert=INVERTED), []
    for chunk in trange(-(-count // CHUNK), desc="analysis", unit=f"{CHUNK} crops", disable=not progress):
        if not (path := out / f"latents-{chunk:03d}.safetensors").exists():
            steps = range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK))
            made = [latents(model, *altered(*crops(i), np.random.default_rng((seed, i, 1)))) for i in steps]
            with replacing(path) as part:
                part.write_bytes(save({name: torch.cat([one[name] for one in made]).contiguous() for name in ("y", "z")}))
        chunks.append(load_file(path))
    return chunks


@torch.no_grad()
def predicted(model: SliceEntropyModel, y: Tensor, z: Tensor, level: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """What the context of each slice begins with, in quantiser steps: the latents to be coded, mu, and the scale."""
    z_hat, _ = model.code_z(z, level)
    gain_y, inverse_y = (g.float() for g in model.gain_y(level))
    seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def residual(part, mu: Tensor, sigma: Tensor, context) -> Tensor:
        gain = part(gain_y)
        seen.append(((part(y) - mu) * gain, mu * gain, sigma * gain))
        return seen[-1][0].round() * part(inverse_y)

    model.decode_parts(model, z_hat, residual, len(model.contexts))
    return seen


def bits(model: SliceEntropyModel, slices: list[tuple[Tensor, Tensor, Tensor]], context: bool = True) -> Tensor:
    """Of the symbols of these slices, with their context or without."""
    total = torch.zeros(())
    for nets, (r, mu, scale) in zip(model.contexts, slices):
        rounded, mean = r.round(), torch.zeros_like(r)
        if context:
            _, mean, scale = in_passes(nets, model, mu, scale, lambda where, *_: where(rounded), model.lattice)
        total = total - model.likelihood(r, mean, scale).log2().sum()
    return total


def levels(model: Hyperprior, rng: np.random.Generator, batch: int) -> Tensor:
    """Rates of a batch: anywhere between the model's, a third of them at one of its own."""
    level = rng.uniform(0, len(model.lambdas) - 1, batch)
    return torch.from_numpy(np.where(rng.random(batch) < 1 / 3, level.round(), level))


def drawn(model: SliceEntropyModel, chunks: list[dict[str, Tensor]], batch: int, seed: int, step: int) -> list:
    """What the context of each slice begins with (:func:`predicted`), of the crops and rates of a step and the REUSE - 1 after it."""
    rng = np.random.default_rng((seed, step // REUSE, 2))
    chunk = chunks[rng.integers(len(chunks))]
    chosen = torch.from_numpy(rng.choice(len(chunk["z"]), min(batch, len(chunk["z"])), replace=False))
    return predicted(model, chunk["y"][chosen], chunk["z"][chosen], levels(model, rng, len(chosen)))


def learning_rate(step: int, steps: int) -> float:
    """Rises at once, is held, and falls to the end."""
    return LR * min(1, (step + 1) / 50) * (1 - (1 - LEAST) * max(0.0, step / steps - HELD) / (1 - HELD))


@torch.no_grad()
def saved(model: SliceEntropyModel, held_out: list[dict[str, Tensor]]) -> float:
    """Share of the bits of these slices that the context saves on held-out crops, over all rates, in whole symbols."""
    model.eval()
    spent = [[], []]
    for chunk in held_out:
        for i in range(len(model.lambdas)):
            slices = predicted(model, **chunk, level=torch.tensor([float(i)], dtype=torch.float64))
            for kind, values in enumerate(spent):
                values.append(float(bits(model, slices, bool(kind))))
    model.train()
    return 1 - sum(spent[1]) / sum(spent[0])


def fit_context(
    base: Path | str,
    data: Samples,
    out: Path | str,
    validation: Samples | None = None,
    crops: int = 1000,
    steps: int = 8000,
    batch: int = 6,
    seed: int = 0,
    progress: bool = True,
) -> dict:
    """Trains the context of a variable-rate checkpoint; the same call goes on with a run in `out`.

    Args:
        base: checkpoint, file or name, whose weights are held; the new one leaves them to it.
        out: folder of the run: latents, log.csv, last.pt, model.safetensors.
        crops: that are analysed.

    Returns:
        steps, and the share of the bits of the first slices that is saved on the validation images.
    """
    out, source = Path(out), load_model(base)
    if source.lambdas is None or not isinstance(source, SliceEntropyModel) or source.contexts:
        raise InputError(f"{base}: a context is trained behind a variable-rate model of slices that has none")
    torch.manual_seed(seed)
    model = warm_start(create_model(**source.spec, context="interlaced"), source).requires_grad_(False)
    model.update(force=True)
    with alone(out):
        identity = {"base": source.checkpoint_hash, "data": data.sha256, "crops": crops, "steps": steps, "batch": batch, "seed": seed}
        begun = json.loads((out / "run.json").read_text(encoding="utf-8")) if (out / "run.json").exists() else identity
        if begun != identity:
            raise InputError(f"{out} holds another run; choose another folder or delete it")
        with replacing(out / "run.json") as part:
            part.write_text(json.dumps(identity), encoding="utf-8")
        chunks = analysed(model, data, crops, out, seed, progress)
        held_out = [latents(model, x, mask) for x, mask in centre_crops(validation, SIZE, 8)] if validation else []
        return learn(model, chunks, held_out, out, identity, progress)


def learn(model, chunks, held_out, out: Path, identity: dict, progress: bool) -> dict:
    """The loop of :func:`fit_context`."""
    steps, batch, seed = (identity[k] for k in ("steps", "batch", "seed"))
    weights = list(model.contexts.requires_grad_().parameters())
    optimizer = torch.optim.AdamW(weights, lr=LR, betas=(0.9, 0.98), weight_decay=1e-4)
    step, seconds, last = 0, 0.0, out / "last.pt"
    slices: list[tuple[Tensor, Tensor, Tensor]] = []
    if last.exists():
        with restoring(last):
            state = torch.load(last, weights_only=True)
            model.contexts.load_state_dict(state["contexts"])
            optimizer.load_state_dict(state["optimizer"])
            step, seconds = state["step"], state["seconds"]
    log, model = Log(out / "log.csv", step), model.train()
    ends, begun = time.monotonic() + SAVE_EVERY, time.monotonic() - seconds

    def keep():
        log.flush()
        meta = {"lmbda": None, "lambdas": model.lambdas, "steps": step, "seconds": round(time.monotonic() - begun), "trained": "context"}
        meta |= {"recipe": identity, "history": model.meta["history"], "saved": saved(model, held_out) if held_out else None} | maker("cpu")
        with replacing(last) as part:
            state = {"contexts": model.contexts.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state | {"step": step, "seconds": meta["seconds"]}, part)
        save_model(model, out / "model.safetensors", base=by_identity(bytes.fromhex(identity["base"])), **meta)
        return {"steps": step, "saved": meta["saved"]}

    bar = tqdm(total=steps, initial=step, desc="context", unit="step", disable=not progress, mininterval=1)
    while step < steps:
        if step % REUSE == 0 or not slices:
            slices = drawn(model, chunks, batch, seed, step)
        torch.manual_seed(hash((seed, step)) & (2**63 - 1))  # of the quantisation noise
        rate = learning_rate(step, steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        pixels = slices[0][0][:, 0].numel() * 256
        loss = bits(model, slices) / pixels
        optimizer.zero_grad()
        (loss * 10).backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        step += 1
        bar.update()
        if step % 20 == 0:
            log.add(step=step, loss=loss.item(), bpp=loss.item(), lr=rate, seconds=time.monotonic() - begun)
            bar.set_postfix(bpp=f"{loss.item():.3f}", refresh=False)
        if time.monotonic() > ends and step < steps:
            ends = time.monotonic() + SAVE_EVERY
            keep()
    bar.close()
    return keep()


def whole_numbers(parser: argparse.ArgumentParser, **usual: int) -> None:
    """Options of a training of contexts, with what they usually are."""
    what = {"crops": "that are analysed, ", "steps": "of training, ", "batch": "crops a step, "}
    for name, value in usual.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{what.get(name, '')}default {value}")


def main():
    parser = argparse.ArgumentParser(prog="python -m sccore.training.spatial", description="Trains a spatial context behind a model.")
    parser.add_argument("--base", default="sftip", help="checkpoint, file or name of a shipped one; default sftip")
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="folders or tar shards")
    parser.add_argument("--validation", type=Path, help="folder with images/ and masks/")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    whole_numbers(parser, crops=1000, steps=8000, batch=6, seed=0)
    a = vars(parser.parse_args())
    validation = load(a.pop("validation")) if a["validation"] else a.pop("validation")
    print(json.dumps(fit_context(a.pop("base"), load(*a.pop("data")), a.pop("out"), validation, **a)))


if __name__ == "__main__":
    main()
