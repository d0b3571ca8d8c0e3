"""The learned codecs by name, and the switches that make their ablations: one function builds them all."""

from collections.abc import Collection
from typing import Any

from sccore.codecs.cheng2020 import Cheng2020
from sccore.codecs.ms2020 import MS2020
from sccore.entropy import SliceEntropyModel
from sccore.gains import GainUnits
from sccore.hyperprior import Hyperprior
from sccore.presets import LAMBDAS, PRESETS
from sccore.priors import LAPLACIANS, PRIORS
from sccore.sftip import SEMS, SFTIP
from sccore.utils.errors import InputError, require
from sccore.wacnn import WACNN

# classes of (widths, lambdas, switches); switches of the classes that name them, the first of each is the paper's
MODELS: dict[str, Any] = {"wacnn": WACNN, "sftip": SFTIP, "cheng2020": Cheng2020, "ms2020": MS2020}
SWITCHES = {"sem": tuple(SEMS), "prior": PRIORS, "laplacian": LAPLACIANS}
RATES = ("fixed", "variable", "tuned")
CONTEXTS = ("slices", "interlaced")  # of the entropy model: the paper's, and what the codec uses


def build(name: str, preset: str = "companion", *, rate: str = "fixed", context: str = "slices", **switches: str) -> Hyperprior:
    """An untrained model; its `spec` holds what was asked for. The arguments are those of :func:`sccore.codecs.zoo.create_model`."""
    switches = {key: values[0] for key, values in SWITCHES.items()} | switches
    known: dict[str, Collection[str]] = {"name": MODELS, "preset": PRESETS, **SWITCHES, "rate": RATES, "context": CONTEXTS}
    for key, value in {"name": name, "preset": preset, **switches, "rate": rate, "context": context}.items():
        require(key, value, known[key])
    for key in switches.keys() - set(MODELS[name].switches):
        if (value := switches.pop(key)) != SWITCHES[key][0]:
            owner = next(other for other, model in MODELS.items() if key in model.switches)
            raise InputError(f"{key} {value!r} is a switch of {owner}; {name} has no {key}")
    model = MODELS[name](PRESETS[preset], LAMBDAS if rate == "variable" else None, **switches)
    if rate == "tuned":
        model.gain_y, model.gain_z = GainUnits(model.y_ch, [1.0]), GainUnits(model.z_ch, [1.0])
    model.spec = {"name": name, "preset": preset, **switches, "rate": rate}
    if context != CONTEXTS[0]:
        if not isinstance(model, SliceEntropyModel):
            raise InputError(f"{name} has no slices, and no context {context!r}")
        model.set_context()
        model.spec["context"] = context
    return model
