"""How strongly the prior steers: how far each SEM site has moved from the identity, which it begins as (Section 3.3).

A site that still answers with its input does nothing for the picture, whatever the prior says. The measure of a site
is RMS(T(x) - x) / RMS(x) over the features x of one picture.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from sccore.paper.drawing.style import colours, nothing, styled, title
from sccore.sftip import SFTIP

BRANCHES = {"sem_a": "encoder", "sem_h": "hyper-encoder", "sem_s": "decoder"}


def moved(model: SFTIP, image: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Site -> RMS of its change in those of its input, in the order in which the picture meets them.

    Args:
        image: uint8 (H, W, 3), of which the part at multiples of the model's stride is used.
        mask: bool (H, W).
    """
    height, width = (n // model.stride * model.stride for n in image.shape[:2])
    x = torch.from_numpy(image[:height, :width]).permute(2, 0, 1)[None] / 255  # (1, 3, H, W)
    M = torch.from_numpy(mask[:height, :width])[None, None].float()  # (1, 1, H, W)
    change, hooks = {}, []
    rms = lambda t: t.detach().square().mean().sqrt().item()
    for branch, name in BRANCHES.items():
        for site, module in getattr(model, branch).items():

            def note(module, inputs, output, label=f"{name} {site}"):
                change[f"{label}, H/{height // output.shape[2]}"] = rms(output - inputs[0]) / rms(inputs[0])

            hooks.append(module.register_forward_hook(note))
    try:
        with torch.enable_grad():  # without gradients the networks go strip by strip, and a hook would see those
            y, z = model.analysis(x, M)
            model.synthesis(y.round(), z.round())
    finally:
        for hook in hooks:
            hook.remove()
    return change


@styled
def bars(models: dict[str, SFTIP], image: np.ndarray, mask: np.ndarray) -> Figure:
    """A group of bars a site, a bar for each of the models {name: model}."""
    if not models:
        return nothing("no weights are here")
    found = {name: moved(model, image, mask) for name, model in models.items()}
    sites = list(next(iter(found.values())))
    figure, axes = plt.subplots(figsize=(8, 3.2))
    width = 0.8 / len(found)
    for i, ((name, change), colour) in enumerate(zip(found.items(), colours(list(found)))):
        places = np.arange(len(sites)) + (i - (len(found) - 1) / 2) * width
        axes.bar(places, [100 * change[s] for s in sites], width, color=colour, label=title(name))
    axes.set_xticks(range(len(sites)), sites, rotation=40, ha="right")
    axes.set_ylabel("moved from the identity [%]")
    axes.grid(axis="x", visible=False)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def extremes(models: dict[str, SFTIP], image: np.ndarray, mask: np.ndarray) -> str:
    """The site of each model that has moved most, and the median over its sites."""
    parts = []
    for name, model in models.items():
        change = moved(model, image, mask)
        most = max(change, key=change.get)
        parts.append(
            f"- `{name}`: most at {most} ({100 * change[most]:.1f} %), in the median over its sites {100 * np.median([*change.values()]):.1f} %."
        )
    return "\n".join(parts) or "No weights are here."


def shipped(names: Sequence[str]) -> dict[str, SFTIP]:
    """Those of these models whose weights are in the repository."""
    from sccore.codecs import checkpoint, checkpoint_files

    here = {path.stem: path for path in checkpoint_files.shipped()}
    return {name: checkpoint.load_model(here[name]) for name in names if name in here}
