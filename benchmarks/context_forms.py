"""Forms that a spatial context may have, for benchmarks/context_variants.py: what each knows, its bits, and how it is trained."""

import sccore.utils.late_compressai  # noqa: F401

# isort: split
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from compressai.entropy_models import EntropyBottleneck
from compressai.ops import quantize_ste
from torch import Tensor, nn
from tqdm import trange

from sccore.codecs.starts import warm_start
from sccore.codecs.zoo import create_model
from sccore.context import correction, in_passes, squash
from sccore.entropy import SliceEntropyModel
from sccore.training import spatial


@dataclass(frozen=True)
class Form:
    """Slices with a context, distance of the first positions, colours by way of z, more crops of one colour in training."""

    slices: int = 2
    lattice: int = 16
    dc: bool = False
    flat: bool = False


FORMS = {
    "as shipped": Form(),
    "DC in z": Form(slices=0, dc=True),
    "lattice of 4": Form(lattice=4),
    "slice 0": Form(slices=1),
    "lattice of 2": Form(lattice=2),
    "DC in z, and context": Form(dc=True),
    "slices 0 to 2": Form(slices=3),
    "more flat crops": Form(flat=True),
}


class ColoursInZ(nn.Module):
    """The lowest frequencies of y by way of z: their means over a position of z, coded in whole quantiser steps as z is.

    Mean and scale of slice 0 begin at what these say, and a network that sees them around corrects both. Its width is that of the
    context's.
    """

    DC, BLOCK = [0, 4, 20], 4  # channels of y: luma and two of chroma; positions of y a side

    def __init__(self, channels: int):
        super().__init__()
        self.bottleneck = EntropyBottleneck(len(self.DC), init_scale=30)
        self.net = correction((9 + 2) * len(self.DC) + channels + self.BLOCK**2, channels)

    def forward(self, r: Tensor, mu: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is coded, (B, 3, h/4, w/4), and with it the mean and the scale of slice 0; all in quantiser steps."""
        pooled, up = (lambda t: F.avg_pool2d(t[:, self.DC], self.BLOCK)), nn.Upsample(scale_factor=self.BLOCK)
        coded = pooled(r)
        carried = quantize_ste(coded) + pooled(mu)
        moved = up(carried) - mu[:, self.DC]
        around = F.unfold(F.pad(carried, (1, 1, 1, 1), "replicate"), 3).unflatten(1, (-1, 9)).unflatten(3, carried.shape[2:])
        around = up((around - carried[:, :, None]).flatten(1, 2))
        place = torch.eye(self.BLOCK**2).view(1, -1, self.BLOCK, self.BLOCK).repeat(len(r), 1, *carried.shape[2:])
        inputs = (around, moved, moved / scale[:, self.DC].clamp_min(1 / 16), scale)
        share, shift, factor, addend = self.net(torch.cat([*map(squash, inputs), place], 1)).chunk(4, 1)
        mean = torch.zeros_like(mu).index_copy(1, torch.tensor(self.DC), moved)
        return coded, mean * (1 + torch.tanh(share)) + shift * scale, scale * (1 + torch.tanh(factor)) + addend


def begun(source: SliceEntropyModel, form: Form, seed: int = 0) -> tuple[SliceEntropyModel, ColoursInZ | None]:
    """The model with a context of this form and what else it has, untrained."""
    torch.manual_seed(seed)
    model = warm_start(create_model(**source.spec), source).requires_grad_(False)
    model.set_context(max(1, form.slices), form.lattice)
    model.update(force=True)
    return model, ColoursInZ(model.slice_ch) if form.dc else None


def bits(model: SliceEntropyModel, colours: ColoursInZ | None, form: Form, slices: list) -> tuple[Tensor, Tensor | None]:
    """Of the symbols of the slices that are predicted, and what is coded beside them."""
    total, coded = torch.zeros(()), None
    for i, (r, mu, scale) in enumerate(slices):
        rounded, mean = r.round(), torch.zeros_like(r)
        if colours and i == 0:
            coded, mean, scale = colours(r, mu, scale)
        if i < form.slices:
            known = rounded - mean
            _, moved, scale = in_passes(model.contexts[i], model, mu + mean, scale, lambda where, *_: where(known), form.lattice)
            mean = mean + moved
        total = total - model.likelihood(r, mean, scale).log2().sum()
    return total, coded


def train(model, colours, form: Form, chunks: list[dict[str, Tensor]], steps: int, batch: int, seed: int, name: str) -> int:
    """As :func:`sccore.training.spatial.learn`, without what makes a checkpoint; gives the processor's seconds."""
    weights = [*model.contexts.requires_grad_().parameters(), *(colours.parameters() if colours else ())]
    optimizer = torch.optim.AdamW(weights, lr=spatial.LR, betas=(0.9, 0.98), weight_decay=1e-4)
    model.train()
    start, slices = time.process_time(), []
    for step in trange(steps, desc=name, mininterval=20):
        if step % spatial.REUSE == 0:
            slices = spatial.drawn(model, chunks, batch, seed, step)
        torch.manual_seed(hash((seed, step)) & (2**63 - 1))
        total, coded = bits(model, colours, form, slices)
        if colours:
            total = total - colours.bottleneck(coded)[1].log2().sum()
        optimizer.param_groups[0]["lr"] = spatial.learning_rate(step, steps)
        optimizer.zero_grad()
        (total * 10 / (slices[0][0][:, 0].numel() * 256)).backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
    return round(time.process_time() - start)
