"""Figures 1 and 2 of the paper, drawn from a network itself: its kinds of layers, channels, sizes and sites.

What is drawn was seen by :mod:`sccore.paper.drawing.network_trace` while the network ran; here it only gets its place on the page. Blue is
the backbone, orange what the paper adds, grey what becomes bits.
"""

import sccore.utils.late_compressai  # noqa: F401

# isort: split
from compressai.layers import GDN
from matplotlib.figure import Figure
from torch import nn

from sccore.attention import WAM
from sccore.entropy import SliceEntropyModel
from sccore.paper.drawing.canvas import Page, Place, tall
from sccore.paper.drawing.network_trace import Stage, describe, is_activation, layers, lines_of, short, size, sources, trace
from sccore.paper.drawing.style import styled

BACKBONE, ATTENTION = ("#DBE9F6", "#0072B2"), ("#9CC5E5", "#0072B2")
ADDED, BITS = ("#FDEBD0", "#E08A00"), ("#EEEEEE", "#777777")
THICK, THIN, GAP = 0.27, 0.16, 0.12  # inches: boxes of layers and of activations, space between them
WIDE, SIDE, LEAD = 1.42, 1.16, 0.18  # columns of layers and of FEM's stages; above the slices
# model's prior -> what the first prior features see of it
PRIORS = {"text+structure": "g′ = (M + ε) g / (1 + ε)", "structure": "g′ = g, no text in it", "uniform": "g′ = 1 everywhere"}
COLUMNS = (("g_a", "sem_a", "fem.a"), ("h_a", "sem_h", "fem.h"), ("h_mean_s", None, None), ("g_s", "sem_s", "fem.s"))

Stages = dict[str, Stage]
Places = dict[str, Place]


@styled
def architecture(model: SliceEntropyModel) -> Figure:
    """Fig. 1: the transforms and the entropy model of a WACNN or SFTIP, stage by stage in the order of running.

    Each column is read along its arrows. "16 ↓2" are output channels and a stride; the size stands where it changes.
    """
    stages = trace(model)
    steered = "fem.w" in stages
    paths = {name: children(stages, name, sites) for name, sites, _ in COLUMNS}
    words = slices_in_words(model, stages)
    heights = {name: stack(stage.module for stage in path) - GAP for name, path in paths.items()}
    height = max(*heights.values(), heights["h_mean_s"] + LEAD + tall(words))
    page = Page(4 * WIDE + 1.5 + (3 * SIDE + 0.75) * steered, height, below=1.3 if steered else 0.4, above=0.55)
    left, places = SIDE + 0.25 if steered else 0, {}
    for name, _, branch in COLUMNS:
        x, upwards = left + WIDE / 2, name in ("h_a", "g_s")
        places |= column(page, x, paths[name], 0 if upwards else height, 1 if upwards else -1)
        if steered and branch:
            beside = x + (1 if name == "g_s" else -1) * (WIDE / 2 + 0.25 + SIDE / 2)
            places |= prior_branch(page, beside, stages, branch, places, short(model.fem))
        page.write(x, height + 0.4, " and ".join(alike(stages, name)), 2, weight="bold")
        left += WIDE + 0.5 + (SIDE + 0.25) * (steered and name == "g_a")
    last = places[paths["h_mean_s"][-1].name]
    top = last.bottom()[1] - LEAD
    page.arrow(last.bottom(), (last.x, top))
    places["slices"] = page.box(last.x, top - tall(words) / 2, WIDE + 0.3, tall(words), words, BITS, heading=True)
    ends = {name: (places[path[0].name], places[path[-1].name]) for name, path in paths.items()}
    flows(page, ends, places["slices"], height, f"{model.entropy_bottleneck.channels} channels, bits of z")
    if steered:
        prior_inputs(page, stages, places, ends["g_s"][0].x, PRIORS.get(model.prior, model.prior), short(model.fem))
    return page.figure


def children(stages: Stages, *parents: str | None) -> list[Stage]:
    """The stages right below these modules, in the order of running."""
    return [stage for stage in stages.values() if stage.name.rpartition(".")[0] in parents]


def alike(stages: Stages, name: str) -> list[str]:
    """The name, and after it those of other modules that are built like it: the two h_s."""
    built = lambda n: [describe(stage.module) for stage in children(stages, n)]
    return [name, *(n for n in stages if "." not in n and n != name and built(n) == built(name))]


def stack(chain) -> float:
    """Height of a chain of layers with a gap behind each."""
    return sum(thickness(layer) + GAP for layer in chain)


def thickness(layer: nn.Module) -> float:
    return THIN if is_activation(layer) or isinstance(layer, GDN) else THICK


def column(page: Page, x: float, path: list[Stage], y: float, direction: int) -> Places:
    """A chain of boxes from y on, up (1) or down (-1)."""
    places, step = {}, None
    for stage in path:
        if step is not None:
            page.arrow((x, y), (x, y + direction * GAP))
            y += direction * GAP
        height = thickness(stage.module)
        added = stage.name.startswith("sem_")
        colours = ADDED if added else ATTENTION if isinstance(stage.module, WAM) else BACKBONE
        note = "" if step == stage.step else size(stage.step)
        middle = y + direction * height / 2
        places[stage.name] = page.box(x, middle, WIDE, height, [describe(stage.module)], colours, note)
        step, y = stage.step, y + direction * height
    return places


def prior_branch(page: Page, x: float, stages: Stages, branch: str, places: Places, kind: str) -> Places:
    """The stages of FEM, each level with the site that it feeds."""
    drawn = {}
    for stage in children(stages, branch):
        site = places[next(s.name for s in stages.values() if s.features == stage.name)]
        lines = lines_of(stage, f"{kind} {stage.name.removeprefix('fem.')}")
        drawn[stage.name] = page.box(x, site.y, SIDE, tall(lines), lines, ADDED, size(stage.step), heading=True)
        side = 1 if site.x > x else -1
        page.arrow((x + side * SIDE / 2, site.y), (site.x - side * WIDE / 2, site.y))
    chain = list(drawn.values())
    for one, other in zip(chain, chain[1:]):
        page.arrow(*((one.top(), other.bottom()) if other.y > one.y else (one.bottom(), other.top())))
    return drawn


def slices_in_words(model: SliceEntropyModel, stages: Stages) -> list[str]:
    """The entropy model of y: how many slices, what each sees, through which layers."""
    nets = {name: children(stages, name) for name in model.predictors}
    slices = nets[model.predictors[0]]
    seen = {name: [sum(channels for _, channels in s.inputs) for s in net] for name, net in nets.items()}
    kernel = describe(layers(slices[0].module)[0]).split(",")[0]
    chains = {", ".join(lines_of(s, "")[1:]).replace(f"{kernel}, ", "") for net in nets.values() for s in net}
    labels = zip(model.predictors, ("mean μ", "scale σ", "residual"))
    return [
        f"{len(slices)} slices of {slices[0].channels} channels",
        "each sees the features and",
        f"the first decoded, {max(len(s.inputs) for s in slices) - 1} at most;",
        "channels that go into its",
        *(f"{label}: {min(seen[name])} to {max(seen[name])}" for name, label in labels),
        *(line for chain in sorted(chains) for line in (f"through {kernel}", chain)),
        "bits of y",
    ]


FOOT = -0.32  # height of the lines along the page's foot


def flows(page: Page, ends: dict[str, tuple[Place, Place]], slices: Place, height: float, bits_of_z: str):
    """What goes from column to column: x, y, z, their decoded selves."""
    (x_in, y_out), (y_in, z_out), (z_in, _), (y_hat_in, x_hat_out) = (ends[name] for name, *_ in COLUMNS)
    head = height + 0.14
    for place, sign, name in ((x_in, -1, "x"), (x_hat_out, 1, "x̂")):
        x, y = place.top()
        page.arrow(*((x, y + at) for at in (0.16, 0)[::-sign]))
        page.write(x + 0.1, y + 0.1, name, 1)
    page.arrow(y_out.bottom(), (y_out.x, FOOT), (slices.x - 0.3, FOOT), slices.bottom(-0.3))
    page.arrow((y_in.x, FOOT), y_in.bottom())
    page.write(y_out.x + 0.1, FOOT + 0.1, "y", 1)
    page.arrow(z_out.top(), (z_out.x, head), (z_in.x, head), z_in.top())
    page.box((z_out.x + z_in.x) / 2, head, WIDE - 0.1, THIN + 0.02, [bits_of_z], BITS)
    page.write(z_out.x - 0.1, head - 0.1, "z", 1)
    page.write(z_in.x + 0.1, head - 0.02, "ẑ", 1)
    page.arrow(slices.bottom(0.3), (slices.x + 0.3, FOOT), (y_hat_in.x, FOOT), y_hat_in.bottom())
    page.write(slices.x + 0.4, FOOT + 0.1, "ŷ", 1)


def prior_inputs(page: Page, stages: Stages, places: Places, decoded: float, prior: str, kind: str):
    """Where FEM's branches begin: the prior and x, the prior and y, w and ŷ, whose line ends at `decoded`."""
    a, h, s = (places[f"fem.{branch}.0"] for branch in "ahs")
    x, y = a.top()
    page.arrow((x, y + 0.12), (x, y))
    page.write(x, y + 0.27, f"{prior}\n{sources(stages['fem.a.0'])}")
    (guide, channels), (known, count) = stages["fem.h.0"].inputs
    page.arrow((h.x - 0.3, FOOT), h.bottom(-0.3))
    page.write(h.x - 0.1, FOOT + 0.1, f"{known} {count}")
    x, y = h.bottom(0.3)
    page.arrow((x, y - 0.12), (x, y))
    page.write(x, y - 0.2, f"{guide} {channels}")
    w, (_, (known, count)) = stages["fem.w"], stages["fem.s.0"].inputs
    lines = lines_of(w, f"{kind} w")
    box = page.box(s.x, FOOT - 0.12 - tall(lines) / 2, SIDE, tall(lines), lines, ADDED, size(w.step), heading=True)
    page.arrow(box.top(0.3), s.bottom(0.3))
    page.arrow((decoded, FOOT), (s.x - 0.3, FOOT), s.bottom(-0.3))
    page.write(s.x - 0.1, FOOT + 0.1, f"{known} {count}")
    x, y = box.bottom()
    page.arrow((x, y - 0.12), (x, y))
    page.write(x, y - 0.2, sources(w))


@styled
def enhancement(models: dict[str, SliceEntropyModel]) -> Figure:
    """Fig. 2: the inside of a SEM, from the prior to the scaled and shifted features; a panel a model.

    Args:
        models: {title: SFTIP}; with sem="nesft" it is FEM and NESFT, with "sft" the condition block and SFT.
    """
    site, panels = "sem_a.0", {}  # a single transform, fed by a branch's first stage
    for title, model in models.items():
        stages = trace(model)
        panels[title] = short(model.fem), stages[stages[site].features], stages[site]
    chains = [stack([*layers(first.module), *layers(here.module.shared)]) for _, first, here in panels.values()]
    height, width = max(chains) + THICK + 1.0, 4.3
    page = Page(width * len(panels) - 0.3, height, below=0.1, above=0.4)
    for i, (title, (kind, first, here)) in enumerate(panels.items()):
        x, right = width * i + WIDE / 2 + 0.15, width * i + 3.25
        page.write(width * i, height + 0.28, title, 2, weight="bold", ha="left")
        page.write(x, height + 0.02, f"{sources(first)}, {size(first.step)}")
        page.arrow((x, height - 0.08), (x, height - 0.3))
        y = framed(page, x, height - 0.2, layers(first.module), f"{kind} {first.name.removeprefix('fem.')}")
        pooled = f"\naveraged to {size(here.step)}" * (first.step != here.step)
        page.write(x + 0.75, y - 0.19, f"Φ, {first.channels} channels, {size(first.step)}{pooled}")
        page.arrow((x, y), (x, y - 0.48))
        transform = [*layers(here.module.shared), here.module.affine]
        y = framed(page, x, y - 0.38, transform, type(here.module).__name__)
        ((source, channels),) = here.inputs
        page.write(right, height + 0.02, f"F, {channels} channels, {size(here.step)}\nfrom {source}")
        affine(page, (x + WIDE / 2, y + 0.1 + THICK / 2), (right, height - 0.13), here.module.affine.out_channels // 2)
    return page.figure


def framed(page: Page, x: float, y: float, chain: list[nn.Module], heading: str) -> float:
    """A chain of layers from y down, in a frame with a heading at its right; returns the frame's lower edge."""
    low = y - stack(chain) + GAP - 0.2
    page.frame(x - WIDE / 2 - 0.1, low, WIDE + 0.8, y - low, ADDED[1])
    page.write(x + WIDE / 2 + 0.12, y - 0.14, heading, 1, ha="left", weight="bold", color=ADDED[1])
    y -= 0.1
    for layer in chain:
        place = page.box(x, y - thickness(layer) / 2, WIDE, thickness(layer), [describe(layer)], ADDED)
        y -= thickness(layer) + GAP
        if layer is not chain[-1]:
            page.arrow(place.bottom(), (x, y))
    return low


def affine(page: Page, maker: tuple[float, float], features: tuple[float, float], channels: int):
    """F x (1 + gamma) + beta (Eq. 7): from the convolution that gives gamma and beta, and from the backbone above."""
    (x, y), (right, _) = maker, features
    scale, shift = page.sign(right, y + 0.35, "×", BACKBONE), page.sign(right, y - 0.05, "+", BACKBONE)
    page.arrow(features, scale.top())
    page.arrow(scale.bottom(), shift.top())
    page.arrow(shift.bottom(), (right, shift.y - 0.3))
    page.arrow((x, y + 0.05), (x + 0.18, y + 0.05), (x + 0.18, scale.y), (right - scale.half, scale.y))
    page.arrow((x, shift.y), (right - shift.half, shift.y))
    page.write(right - 0.55, scale.y + 0.09, f"1 + γ, {channels}")
    page.write(right - 0.55, shift.y + 0.09, f"β, {channels}")
