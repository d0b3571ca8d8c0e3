"""The trained models behind every table and figure, in an order in which every beginning of the list is useful.

Compared runs share data, steps, schedule and start; what differs stands in their line and nowhere else.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from sccore.presets import LAMBDAS
from sccore.training.recipe import COMPANION, FROM_KLT, Recipe
from sccore.utils import paths

BASE = "wacnn-base"  # of a backbone's runs; the other codecs begin with a base of their own


@dataclass(frozen=True)
class Planned:
    """One run.

    Args:
        name: of its folder, checkpoint and record.
        purpose: the table or figure that it feeds.
        model: of :func:`sccore.codecs.zoo.create_model`.
        switches: further arguments of it.
        lmbda: of a fixed-rate run; a variable-rate one serves all.
        start: the run whose weights it begins with.
        change: what its recipe does otherwise.
        detector: of its text masks.
        device: the only kind of machine it makes sense on, if there is one.
        measured: whether it is a codec of interest, or only a start.
        ships: whether its weights go into the repository; records and log always do.
    """

    name: str
    purpose: str
    model: str = "sftip"
    switches: dict = field(default_factory=dict)
    lmbda: float | None = None
    start: str | None = BASE
    change: dict = field(default_factory=dict)
    detector: str = "craft"
    device: str | None = None
    measured: bool = True
    ships: bool = False

    @property
    def spec(self) -> dict:
        """Arguments of create_model; a run of one rate that begins with a variable-rate one is tuned from it."""
        one = "tuned" if self.start else "fixed"
        return {"name": self.model, "rate": "variable" if self.lmbda is None else one, **self.switches}

    @property
    def codec(self) -> str:
        """Its name in figures; the fixed-rate runs of one model are points of one curve."""
        return self.name if self.lmbda is None else self.name.removesuffix(f"{self.lmbda}") + self.spec["rate"]

    @property
    def coded_with(self) -> str | None:
        """The masks it is told in measuring, of :mod:`sccore.text.altered_masks`; None for those of the data set, by CRAFT."""
        return "ones" if self.change.get("masks") == "ones" else self.detector if self.detector != "craft" else None

    @property
    def variant(self) -> bool:
        """Whether it is another run with something changed: an ablation, a control, a second seed; no system of its own."""
        return bool(self.switches or self.change) or self.detector != "craft"

    @property
    def recipe(self) -> Recipe:
        return replace(FROM_KLT if self.start is None else COMPANION, **self.change)


def weights_of(name: str) -> tuple[Path, Path]:
    """Where the weights of a run lie: those that travel with the repository, and those that were trained here."""
    return paths.CHECKPOINTS / f"{name}.safetensors", paths.RUNS / name / "model.safetensors"


def codec_of(path: Path) -> str | None:
    """What the weights of a planned run, in data/checkpoints or data/runs, are called in figures; None for others."""
    return next((run.codec for run in RUNS if path.resolve() in map(Path.resolve, weights_of(run.name))), None)


FIXED = tuple(LAMBDAS[i] for i in (1, 3, 2, 0, 4))

RUNS = (
    Planned("wacnn-klt", "start of the next, from the KLT", "wacnn", start=None, measured=False),
    Planned(BASE, "start of all others", "wacnn", start="wacnn-klt", change={"steps": 3257, "invert": 0.0}, measured=False, ships=True),
    Planned("wacnn", "Table 1, Fig. 5-8; baseline of every comparison", "wacnn", ships=True),
    Planned("sftip", "Table 1, Fig. 5-8; the paper's model", ships=True),
    Planned("sftip-uniform", "Table 3; the same capacity without prior", switches={"prior": "uniform"}),
    Planned("wacnn-seed1", "how much chance moves", "wacnn", change={"seed": 1}),
    Planned("sftip-seed1", "how much chance moves", change={"seed": 1}),
    Planned("sftip-uniform-seed1", "how much chance moves", switches={"prior": "uniform"}, change={"seed": 1}),
    Planned("sftip-structure", "Table 4, Fig. 10; no text in the prior", switches={"prior": "structure"}),
    Planned("sftip-sft", "Table 2, Fig. 3; SFT & CB for SEM", switches={"sem": "sft"}),
    Planned("sftip-mse", "Table 6; plain MSE", change={"metric": "mse"}),
    Planned("sftip-ones", "Table 5; mask of 1 everywhere", change={"masks": "ones"}),
    Planned("sftip-east", "Table 5", detector="east"),
    Planned("sftip-rrd", "Table 5", detector="rrd"),
    Planned("sftip-signed", "the Laplacian with its sign", switches={"laplacian": "signed"}),
    *(
        Planned(f"{model}-{lmbda}", "one model a lambda, as in the paper", model, lmbda=lmbda)
        for lmbda in FIXED
        for model in ("wacnn", "sftip")
    ),
    *(
        run
        for model in ("cheng2020", "ms2020")
        for run in (
            Planned(f"{model}-base", "start of the next", model, start=None, measured=False),
            Planned(model, "Table 1", model, start=f"{model}-base"),
        )
    ),
    *(
        Planned(
            f"{model}-paper",
            "the same at the paper's size",
            model,
            switches={"preset": "paper"},
            start=None,
            change={"batch": 8, "lr": 1e-3, "min_lr": 0.0},
            device="cuda",
        )
        for model in ("wacnn", "sftip")
    ),
)
