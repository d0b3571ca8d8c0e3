"""The KLT start: a codec begins as the best linear transform of its training images, not as noise.

The Karhunen-Loève transform of 2 x 2 patches keeps the directions that hold most energy. Applied again to its own output it
grows, stage by stage, into a transform of 16 x 16 blocks, and fits into the strided convolutions of g_a and the
transposed ones of g_s. What stands between them begins nearly as nothing: window attention with its gates almost shut,
latent residual prediction at zero. Means and scales of y are measured, and the networks that predict them begin
at those. A few steps of the entropy model alone then give it the rate of what it sees.

Ours: neither the paper nor its release has it. The hierarchical transform is old (JPEG XR and others nest theirs
likewise); what it saves a learned codec is measured in the book.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import trange

from sccore.attention import WAM
from sccore.entropy import SLICES, SUPPORT, SliceEntropyModel
from sccore.hyperprior import Hyperprior
from sccore.loss import rate
from sccore.presets import LAMBDAS
from sccore.sem import TRANSFORMS
from sccore.utils.errors import InputError

BLOCK = 4  # positions of a component of the last stage, which are coded one by one
TURNED = 6  # of these components, the largest, get a KLT of their positions
IDLE = 0.02  # what is left of a kernel's ordinary start in channels that the transform leaves free
FINE = 0.7  # quantiser step in that of uniform quantisation at high rate: g_s is no ideal decoder yet
GATE = -4.0  # bias of the window attention's gates: open by 2 %
STEPS = 80  # of the entropy model alone
LOOKS = 8  # batches of crops that the transform is made of
AHEAD = 2**30  # their numbers lie beyond those of any training

Batches = Callable[[int], tuple[Tensor, Tensor]]  # as sccore.data.crops.Crops: a number -> x (B, 3, S, S), mask (B, 1, S, S)


def start(model: Hyperprior, crops: Batches, lmbda: float | None = None, steps: int = STEPS, progress: bool = True) -> Hyperprior:
    """Gives a new WACNN, SFTIP or ms2020 the KLT start, from images.

    Args:
        model: as `create_model` makes it, on the device of the crops; changed in place and returned. SEM sites keep
            their identity start.
        crops: of the training images, `sccore.data.crops.Crops(sccore.data.samples.load(FOLDER), 256, 16)`.
        lmbda: of a model of one rate; its quantiser step is set for it, else for the middle of the model's rates.
        steps: of the entropy model alone, see :func:`settle`.

    Raises:
        InputError: a model without slices (cheng2020 has residual blocks in the place of the transforms).
    """
    if not isinstance(model, SliceEntropyModel):
        raise InputError(f"{model.spec['name']} has no KLT start; it begins as usual")
    looks = [crops(AHEAD + i)[0] for i in range(LOOKS)]
    rates = model.lambdas or (lmbda or LAMBDAS[len(LAMBDAS) // 2],)
    x = torch.cat(looks)  # (LOOKS B, 3, S, S)
    set_transforms(model, 2 * x - 1 if model.centred else x, rates[len(rates) // 2])
    with torch.no_grad():
        whiten(model, torch.cat([model.analysis(part)[0] for part in looks]))
    settle(model, crops, steps, progress)
    return model


def transforms(model: SliceEntropyModel) -> tuple[list[nn.Conv2d], list[nn.ConvTranspose2d]]:
    """The strided convolutions of g_a, and the transposed ones of g_s in the order of those that they undo."""
    down = [layer for layer in model.g_a if isinstance(layer, nn.Conv2d)]
    return down, [layer for layer in model.g_s if isinstance(layer, nn.ConvTranspose2d)][::-1]


def patches(x: Tensor) -> Tensor:
    """(B, C, H, W) -> 2 x 2 patches, (B H/2 W/2, 4 C); a channel's four positions stand together."""
    return F.pixel_unshuffle(x, 2).permute(0, 2, 3, 1).flatten(0, 2)


def basis(x: Tensor, keep: int, last: bool = False) -> Tensor:
    """Orthonormal rows (keep, 4 C), the leading directions of the 2 x 2 patches of x (B, C, H, W), largest first.

    The last stage keeps each component's four positions apart instead, for coding them one by one is as good as turning
    them and leaves letters their place. Only the largest components are turned: they are smooth.
    """
    seen = patches(x).double()
    second = seen.T @ seen / len(seen)  # (4 C, 4 C)
    if not last:
        return torch.linalg.eigh(second)[1].flip(1)[:, :keep].T.float()
    blocks = [
        torch.linalg.eigh(second[k : k + BLOCK, k : k + BLOCK])[1].flip(1).T.float()
        if k < BLOCK * TURNED
        else torch.eye(BLOCK, device=x.device)
        for k in range(0, keep - keep % BLOCK, BLOCK)
    ]
    rows = torch.block_diag(*blocks)
    return F.pad(rows, (0, seen.shape[1] - rows.shape[1]))


@torch.no_grad()
def set_transforms(model: SliceEntropyModel, x: Tensor, lmbda: float):
    """Puts the hierarchical KLT of x (B, 3, H, W), as g_a sees it, into g_a and g_s.

    The gains of the first and the last stage make y's quantiser step at lambda 1: at high rate the distortion of step D is
    D^2 / 12 and the slope of the rate -3 / (2 ln 2 distortion) bits per pixel, which Eq. 8 sets to 255^2 lambda.
    """
    span = 2.0 if model.centred else 1.0  # of the values that g_a sees
    distortion = 1.5 / (math.log(2) * lmbda * 255**2) * span**2
    step = FINE * math.sqrt(12 * distortion)
    down, up = transforms(model)
    z, gains = x, [1 / span, *[1.0] * (len(down) - 2), span / step]
    for stage, (conv, deconv, gain) in enumerate(zip(down, up, gains)):
        last = stage == len(down) - 1
        rows = basis(z, min(conv.out_channels, BLOCK * z.shape[1]), last)
        used = len(rows)
        kernel = rows.view(used, z.shape[1], 2, 2)
        for layer, factor in ((conv, gain), (deconv, 1 / gain)):  # taps 2 and 3 of 5 are the two pixels of the patch
            layer.weight[:used] = 0
            layer.weight[:used, :, 2:4, 2:4] = kernel * factor
            layer.bias.zero_()
        conv.weight[used:] *= IDLE * gain
        deconv.weight[used:] = 0  # free channels say nothing yet
        z = torch.cat([conv(part) for part in z.split(16)])
    for module in (*model.g_a, *model.g_s):
        if isinstance(module, WAM):
            module.conv_b[-1].weight *= 0.1
            module.conv_b[-1].bias.fill_(GATE)


@torch.no_grad()
def whiten(model: SliceEntropyModel, y: Tensor):
    """Starts the networks around y (B, M, h, w) at its means and scales, with inputs of unit spread."""
    std, mean = y.std((0, 2, 3)).clamp_min(0.05), y.mean((0, 2, 3))
    column = lambda v: v[None, :, None, None]
    model.h_a[0].weight /= column(std)
    features, ch = model.cc_mean_transforms[0][0].in_channels, model.slice_ch
    for i in range(SLICES):
        own, seen = slice(i * ch, (i + 1) * ch), std[: ch * min(i, SUPPORT)]
        for nets, bias in ((model.cc_scale_transforms, 0.3 * std[own]), (model.cc_mean_transforms, mean[own])):
            nets[i][0].weight[:, features:] /= column(seen)
            nets[i][-1].weight *= 0.5 * std[own, None, None, None]
            nets[i][-1].bias.copy_(bias)
        residual = model.lrp_transforms[i]
        residual[0].weight[:, features:] /= column(torch.cat([seen, std[own]]))
        residual[-1].weight.zero_()
        residual[-1].bias.zero_()


def settle(model: SliceEntropyModel, crops: Batches, steps: int = STEPS, progress: bool = True):
    """Trains the entropy model alone on the rate; transforms, gains and latent residual prediction stay as they are."""
    held = (*TRANSFORMS, "gain_y", "gain_z", "lrp_transforms")
    trained = [p for n, p in model.named_parameters() if n.split(".")[0] not in held and not n.endswith("quantiles")]
    optimizer = torch.optim.Adam(trained, lr=2e-3, betas=(0.9, 0.99))
    quantiles = torch.optim.Adam([model.entropy_bottleneck.quantiles], lr=1e-3)
    model.train()
    for step in (bar := trange(steps, desc="KLT start", unit="step", disable=not progress)):
        torch.manual_seed(step)  # of the quantisation noise
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 30) * (1 - 0.8 * step / steps)
        x, mask = crops(AHEAD + LOOKS + step)
        with torch.no_grad():
            y = model.analysis(x, mask)[0]
        level = ((torch.arange(len(x), device=x.device) + step) % len(model.lambdas or (None,))).double()
        bits = rate(model.code_latents(y, model.h_a(y), level)[2], x[0, 0].numel()).mean()
        optimizer.zero_grad()
        bits.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        quantiles.zero_grad()
        model.aux_loss().backward()
        quantiles.step()
        if step % 10 == 9:
            bar.set_postfix(bpp=f"{bits.item():.3f}", refresh=False)
    model.zero_grad(set_to_none=True)
