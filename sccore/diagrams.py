"""Figures 1 and 2 of the paper, drawn from a network itself: its kinds of layers, channels, sizes and sites.

What is drawn was seen by :mod:`sccore.anatomy` while the network ran; here it only gets its place on the page. Blue is
the backbone, orange what the paper adds, grey what becomes bits.
"""

from collections.abc import Iterable

import sccore._compat  # noqa: F401
import matplotlib.pyplot as plt
from compressai.layers import GDN
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from sccore.anatomy import Stage, describe, is_activation, layers, trace
from sccore.attention import WAM
from sccore.entropy import SliceEntropyModel
from sccore.figures import styled

BACKBONE, ATTENTION, ADDED, BITS = (("#DBE9F6", "#0072B2"), ("#9CC5E5", "#0072B2"), ("#FDEBD0", "#E08A00"), ("#EEEEEE", "#777777"))
ARROW = {"arrowstyle": "-|>", "color": "0.35", "lw": 0.8, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7}
TALL, THIN, GAP, WIDE, SIDE = 0.27, 0.16, 0.12, 1.42, 1.16  # inches: boxes, space between them, widths of columns
LINE, FONT, LEAD = 0.115, 7, 0.18  # between lines; size of letters; above the slices
PRIORS = {  # Preset's prior -> what the first prior features see of it
    "text+structure": "g′ = (M + ε) g / (1 + ε)",
    "structure": "g′ = g, no text in it",
    "uniform": "g′ = 1 everywhere",
}


def size(step: int) -> str:
    """H/2 for step 2."""
    return "H" if step == 1 else f"H/{step}"


def sources(stage: Stage) -> str:
    """What a stage reads, with channels: "g′ 3 + x 3"."""
    return " + ".join(f"{name} {channels}" for name, channels in stage.inputs)


@styled
def architecture(model: SliceEntropyModel) -> Figure:
    """Fig. 1: the transforms and the entropy model of a WACNN or SFTIP, stage by stage in the order of running.

    Each column is read along its arrows. "16 ↓2" are output channels and a stride; the size stands where it changes.
    """
    stages = trace(model)
    steered = "fem.w" in stages
    paths = {name: [s for s in stages.values() if _belongs(s.name, name)] for name in ("g_a", "h_a", "h_mean_s", "h_scale_s", "g_s")}
    slices = _slices(model, stages)
    height = max(*map(_height, paths.values()), _height(paths["h_mean_s"]) + LEAD + _tall(slices))
    figure, axes = _page(4 * WIDE + 1.5 + (3 * SIDE + 0.75) * steered, height, 1.3 if steered else 0.4)
    left, places = SIDE + 0.25 if steered else 0, {}
    for transform, branch, upwards in (("g_a", "a", False), ("h_a", "h", True), ("h_mean_s", None, False), ("g_s", "s", True)):
        x = left + WIDE / 2
        places |= _column(axes, x, paths[transform], 0 if upwards else height, 1 if upwards else -1)
        if steered and branch:
            beside = x + (1 if branch == "s" else -1) * (WIDE / 2 + 0.25 + SIDE / 2)
            places |= _prior_branch(axes, beside, [s for s in stages.values() if s.name.startswith(f"fem.{branch}.")], stages, places, capitals(model.fem))
        left += WIDE + 0.5 + (SIDE + 0.25) * (steered and transform == "g_a")
    _headings(axes, paths, places, height)
    places["slices"] = _entropy(axes, slices, places[paths["h_mean_s"][-1].name])
    _flows(axes, model, stages, places, height)
    return figure


@styled
def enhancement(models: dict[str, SliceEntropyModel], site: str = "sem_a.0") -> Figure:
    """Fig. 2: the inside of a SEM, from the prior to the scaled and shifted features; a panel a model.

    Args:
        models: {title: SFTIP}; with sem="nesft" it is FEM and NESFT, with "sft" the condition block and SFT.
        site: one with a single transform that is fed by a branch's first stage.
    """
    traced = {title: (model, trace(model)) for title, model in models.items()}
    panels = {title: (capitals(model.fem), stages[stages[site].features], stages[site]) for title, (model, stages) in traced.items()}
    height = max(_stack(layers(first.module)) + _stack(layers(here.module.shared)) + TALL for _, first, here in panels.values()) + 1.0
    width = 4.3
    figure, axes = _page(width * len(panels) - 0.3, height, 0.1, 0.4)
    for i, (title, (kind, first, here)) in enumerate(panels.items()):
        x = width * i + WIDE / 2 + 0.15
        axes.text(width * i, height + 0.28, title, fontsize=FONT + 2, weight="bold", va="center")
        _name(axes, x, height + 0.02, f"{sources(first)}, {size(first.step)}", 0)
        y = _frame(axes, x, height - 0.2, layers(first.module), f"{kind} {first.name.removeprefix('fem.')}", WIDE + 0.8)
        pooled = f"\naveraged to {size(here.step)}" * (first.step != here.step)
        _name(axes, x + 0.75, y - 0.19, f"Φ, {first.channels} channels, {size(first.step)}{pooled}", 0)
        y = _frame(axes, x, y - 0.38, [*layers(here.module.shared), here.module.affine], type(here.module).__name__, WIDE + 0.8)
        _affine(axes, x + WIDE / 2, y + 0.1 + TALL / 2, width * i + 3.25, height, here)
    return figure


def capitals(module) -> str:
    """FEM for a FEM, CB for a ConditionBlock."""
    return "".join(letter for letter in type(module).__name__ if letter.isupper())


def _stack(chain):
    return sum((THIN if _thin(layer) else TALL) + GAP for layer in chain)


def _frame(axes, x, y, chain, heading, width) -> float:
    """A chain of layers from y down, in a frame with a heading at its right; returns the frame's lower edge."""
    low = y - _stack(chain) - 0.1 + GAP - 0.1
    axes.add_patch(FancyBboxPatch((x - WIDE / 2 - 0.1, low), width, y - low, boxstyle="round,pad=0,rounding_size=0.06", fc="none",
                                  ec=ADDED[1], lw=0.7, ls=(0, (4, 3))))  # fmt: skip
    axes.text(x + WIDE / 2 + 0.12, y - 0.14, heading, fontsize=FONT + 1, weight="bold", color=ADDED[1], va="center")
    _arrow(axes, (x, y + 0.12 if heading[-1].isdigit() else y + 0.38), (x, y - 0.1))
    at = y - 0.1
    for layer in chain:
        tall = THIN if _thin(layer) else TALL
        _box(axes, x, at - tall / 2, WIDE, tall, describe(layer), ADDED)
        if layer is not chain[-1]:
            _arrow(axes, (x, at - tall), (x, at - tall - GAP))
        at -= tall + GAP
    return low


def _affine(axes, x, y, right, height, stage):
    """F x (1 + gamma) + beta, right of the convolution at (x, y) that gives gamma and beta."""
    (source, channels), = stage.inputs
    _name(axes, right, height + 0.02, f"F, {channels} channels, {size(stage.step)}\nfrom {source}", 0)
    half = stage.module.affine.out_channels // 2
    gamma, beta = y + 0.35, y - 0.05
    for at, sign, name, before in ((gamma, "×", f"1 + γ, {half}", height - 0.13), (beta, "+", f"β, {half}", gamma - 0.09)):
        _arrow(axes, (right, before), (right, at + 0.09))
        axes.add_patch(plt.Circle((right, at), 0.09, fc=BACKBONE[0], ec=BACKBONE[1], lw=0.7, zorder=3))
        axes.text(right, at, sign, ha="center", va="center_baseline", fontsize=FONT + 2, zorder=4)
        _name(axes, right - 0.55, at + 0.09, name, 0)
    _arrow(axes, (x, y + 0.05), (x + 0.18, y + 0.05), (x + 0.18, gamma), (right - 0.09, gamma))
    _arrow(axes, (x, y - 0.05), (right - 0.09, beta))
    _arrow(axes, (right, beta - 0.09), (right, beta - 0.3))


def _belongs(name, transform):
    """Layers of a transform and the sites in it."""
    return name.startswith((f"{transform}.", f"sem_{transform[0] if transform == 'h_a' else transform[-1]}.")) and (
        transform in ("g_a", "h_a", "g_s") or name.startswith(transform))  # fmt: skip


def _thin(module):
    return is_activation(module) or isinstance(module, GDN)


def _height(path: Iterable[Stage]) -> float:
    return sum((THIN if _thin(s.module) else TALL) + GAP for s in path) - GAP


def _page(width, height, below, above=0.55):
    """A page in inches, without ticks: (0, 0) is the lower left corner of what is `height` high."""
    figure = plt.figure(figsize=(width + 0.1, height + below + above), layout="none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.05, width + 0.05), ylim=(-below, height + above))
    axes.axis("off")
    return figure, axes


def _box(axes: Axes, x, y, width, height, lines: list[str] | str, colours, note="", bold_first=False):
    """A box around (x, y) with lines of text; a note, like a size, stands at the right end of the first line."""
    left = x - width / 2
    axes.add_patch(FancyBboxPatch((left, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.04",
                                  fc=colours[0], ec=colours[1], lw=0.7, zorder=3))  # fmt: skip
    lines = [lines] if isinstance(lines, str) else lines
    rows = [y + ((len(lines) - 1) / 2 - i) * LINE for i in range(len(lines))]
    for at, line, weight in zip(rows, lines, ["bold" if bold_first else "normal"] + ["normal"] * len(lines)):
        axes.text(left + 0.07, at, line, va="center_baseline", fontsize=FONT, weight=weight, color="0.1", zorder=4)
    axes.text(left + width - 0.06, rows[0], note, ha="right", va="center_baseline", fontsize=FONT, color="0.4", zorder=4)


def _arrow(axes, *points):
    """A line along the points with a tip at its end."""
    for start, end in zip(points, points[1:-1]):
        axes.plot(*zip(start, end), color=ARROW["color"], lw=ARROW["lw"], solid_capstyle="round")
    axes.annotate("", points[-1], points[-2], arrowprops=ARROW)


def _colours(stage):
    added = stage.name.startswith(("sem_", "fem."))
    return ADDED if added else ATTENTION if isinstance(stage.module, WAM) else BACKBONE


def _column(axes, x, path: list[Stage], y, direction) -> dict[str, tuple[float, float, float]]:
    """A chain of boxes from y on; {name: (x, y, half its height)}."""
    places, before = {}, None
    for stage in path:
        tall = THIN if _thin(stage.module) else TALL
        if before is not None:
            _arrow(axes, (x, y), (x, y + direction * GAP))
            y += direction * GAP
        note = size(stage.step) if before is None or before != stage.step else ""
        _box(axes, x, y + direction * tall / 2, WIDE, tall, describe(stage.module), _colours(stage), note)
        places[stage.name] = (x, y + direction * tall / 2, tall / 2)
        before, y = stage.step, y + direction * tall
    return places


def _prior_branch(axes, x, branch: list[Stage], stages, places, kind) -> dict[str, tuple[float, float, float]]:
    """The stages of FEM, each level with the site that it feeds."""
    drawn = {}
    for stage in branch:
        site = next(s.name for s in stages.values() if s.features == stage.name)
        lines = [describe(layer) for layer in layers(stage.module) if not is_activation(layer)]
        tall = _tall(lines) + LINE
        site_x, y, _ = places[site]
        _box(axes, x, y, SIDE, tall, [f"{kind} {stage.name.removeprefix('fem.')}", *lines], ADDED, size(stage.step), bold_first=True)
        side = 1 if site_x > x else -1
        _arrow(axes, (x + side * SIDE / 2, y), (site_x - side * WIDE / 2, y))
        drawn[stage.name] = (x, y, tall / 2)
    for one, other in zip(branch, branch[1:]):
        (_, start, half), (_, end, other_half) = drawn[one.name], drawn[other.name]
        sign = 1 if end > start else -1
        _arrow(axes, (x, start + sign * half), (x, end - sign * other_half))
    return drawn


def _headings(axes, paths, places, height):
    alike = [name for name in paths if [describe(s.module) for s in paths[name]] == [describe(s.module) for s in paths["h_mean_s"]]]
    for name, heading in (("g_a", "g_a"), ("h_a", "h_a"), ("h_mean_s", " and ".join(alike)), ("g_s", "g_s")):
        axes.text(places[paths[name][0].name][0], height + 0.4, heading, ha="center", va="center", fontsize=FONT + 2, weight="bold")


def _slices(model, stages) -> list[str]:
    """The entropy model of y in words."""
    nets = {name: [s for s in stages.values() if s.name.startswith(f"{name}.")] for name in model.predictors}
    slices = nets[model.predictors[0]]
    seen = {name: [sum(channels for _, channels in s.inputs) for s in all] for name, all in nets.items()}
    chains = {", ".join(describe(layer) for layer in layers(s.module) if not is_activation(layer)) for all in nets.values() for s in all}
    kernel = describe(layers(slices[0].module)[0]).split(",")[0]
    return [
        f"{len(slices)} slices of {slices[0].channels} channels", "each sees the features and",
        f"the first decoded, {max(len(s.inputs) for s in slices) - 1} at most;", "channels that go into its",
        *(f"{label}: {min(seen[name])} to {max(seen[name])}" for name, label in zip(model.predictors, ("mean μ", "scale σ", "residual"))),
        *(line for chain in sorted(chains) for line in (f"through {kernel}", chain.replace(f"{kernel}, ", ""))), "bits of y",
    ]  # fmt: skip


def _entropy(axes, lines, place) -> tuple[float, float, float]:
    """The box of the slices, below the last layer of h_s."""
    x, y, half = place
    tall, top = _tall(lines), y - half - LEAD
    _arrow(axes, (x, y - half), (x, top))
    _box(axes, x, top - tall / 2, WIDE + 0.3, tall, lines, BITS, bold_first=True)
    return x, top - tall / 2, tall / 2


def _tall(lines):
    return len(lines) * LINE + 0.09


def _flows(axes, model, stages, places, height):
    """What goes from column to column: y, z, their decoded selves, and the prior."""
    ends = {name: [places[s] for s in places if _belongs(s, name)] for name in ("g_a", "h_a", "h_mean_s", "g_s")}
    under = lambda place, shift=0: (place[0] + shift, place[1] - place[2])
    over = lambda place: (place[0], place[1] + place[2])
    foot, head = -0.32, height + 0.14
    x, y = over(ends["g_a"][0])
    _arrow(axes, (x, y + 0.16), (x, y))
    _name(axes, x + 0.1, y + 0.1, "x")
    start, to_h, slices, first = under(ends["g_a"][-1]), under(ends["h_a"][0]), places["slices"], over(ends["h_mean_s"][0])
    _arrow(axes, start, (start[0], foot), (slices[0] - 0.3, foot), under(slices, -0.3))
    _arrow(axes, (to_h[0], foot), to_h)
    _name(axes, start[0] + 0.1, foot + 0.1, "y")
    x, y = over(ends["h_a"][-1])  # z, over the top
    _arrow(axes, (x, y), (x, head), (first[0], head), first)
    _box(axes, (x + first[0]) / 2, head, WIDE - 0.1, THIN + 0.02, f"{model.entropy_bottleneck.channels} channels, bits of z", BITS)
    _name(axes, x - 0.1, head - 0.1, "z")
    _name(axes, first[0] + 0.1, head - 0.02, "ẑ")
    start, end = under(slices, 0.3), under(ends["g_s"][0])
    _arrow(axes, start, (start[0], foot), (end[0], foot), end)
    _name(axes, start[0] + 0.1, foot + 0.1, "ŷ")
    x, y = over(ends["g_s"][-1])
    _arrow(axes, (x, y), (x, y + 0.16))
    _name(axes, x + 0.1, y + 0.1, "x̂")
    if "fem.a.0" in stages:
        _prior_inputs(axes, stages, places, foot, under, over, end[0], model)


def _prior_inputs(axes, stages, places, foot, under, over, decoded, model):
    """Where each of FEM's branches begins: the prior and x, the prior and y, w and ŷ."""
    x, y = over(places["fem.a.0"])
    _arrow(axes, (x, y + 0.12), (x, y))
    _name(axes, x, y + 0.27, f"{PRIORS[model.prior]}\n{sources(stages['fem.a.0'])}", 0)
    (guide, channels), (known, count) = stages["fem.h.0"].inputs
    left, right = under(places["fem.h.0"], -0.3), under(places["fem.h.0"], 0.3)
    _arrow(axes, (left[0], foot), left)
    _name(axes, left[0] + 0.2, foot + 0.1, f"{known} {count}", 0)
    _arrow(axes, (right[0], right[1] - 0.12), right)
    _name(axes, right[0], right[1] - 0.2, f"{guide} {channels}", 0)
    w, (_, (known, count)) = stages["fem.w"], stages["fem.s.0"].inputs
    lines = [describe(layer) for layer in layers(w.module) if not is_activation(layer)]
    left, right = under(places["fem.s.0"], -0.3), under(places["fem.s.0"], 0.3)
    tall = _tall(lines) + LINE
    box = (left[0] + 0.3, foot - 0.12 - tall / 2, tall / 2)
    _box(axes, box[0], box[1], SIDE, tall, [f"{capitals(model.fem)} w", *lines], ADDED, size(w.step), bold_first=True)
    _arrow(axes, (right[0], over(box)[1]), right)
    _arrow(axes, (decoded, foot), (left[0], foot), left)
    _name(axes, left[0] + 0.2, foot + 0.1, f"{known} {count}", 0)
    _arrow(axes, (box[0], under(box)[1] - 0.12), under(box))
    _name(axes, box[0], under(box)[1] - 0.2, sources(w), 0)


def _name(axes, x, y, text, larger=1):
    axes.text(x, y, text, fontsize=FONT + larger, ha="center", va="center", color="0.1", linespacing=1.25)
