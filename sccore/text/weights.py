"""The trained text detectors, EAST and RRD: their files of weights, and the detectors that run them.

A detector's module (:mod:`sccore.text.east`, :mod:`sccore.text.rrd`) gives `create`, `targets`, `loss` and `find_words`; all else
is the same for both. A file is a safetensors file that says what it is: detector, recipe, data, licence of the data.
"""

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes
from torch import nn

from sccore import __version__
from sccore.text.inference import fold
from sccore.utils import device, paths
from sccore.utils.errors import InputError, first_line
from sccore.utils.files import file_hash, replacing

NAMES = ("east", "rrd")
FORMAT = "sccore-detector-1"


def module(name: str) -> ModuleType:
    """The module of a detector.

    Raises:
        InputError: unknown name.
    """
    if name not in NAMES:
        raise InputError(f"unknown detector {name!r}; those that are trained: {', '.join(NAMES)}")
    return importlib.import_module(f"sccore.text.{name}")


class Detector:
    """EAST or RRD, on the GPU if there is one: a function of an image, with a `label` and the sha256 of its `weights`.

    Args:
        weights: a file that :func:`save` wrote, by default the shipped one; for EAST also the public PyTorch
            edition's, a .pth file.
    """

    def __init__(self, name: str, weights: Path | str | None = None):
        path = Path(weights).expanduser() if weights else paths.DETECTORS / f"{name}.safetensors"
        self.find_words, self.label = module(name).find_words, name
        if path.suffix == ".pth" and name == "east":
            net = module(name).load_published(path)
        else:
            net, _ = load(name, path)
        self.net = fold(net).requires_grad_(False).to(device.best(), memory_format=torch.channels_last)
        self.weights = file_hash(path)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return self.find_words(self.net, image)


def save(net: nn.Module, name: str, path: Path, meta: dict):
    """Writes a companion's weights in half precision with what they are, atomically; its statistics stay in float32."""
    weights = dict(net.named_parameters())
    state = {k: (v.half() if k in weights else v).cpu().contiguous() for k, v in net.state_dict().items()}
    header = {"format": FORMAT, "detector": name, "meta": {**meta, "sccore": __version__}}
    with replacing(path) as part:
        part.write_bytes(as_bytes(state, {"sccore": json.dumps(header)}))


def load(name: str, path: Path | str) -> tuple[nn.Module, dict]:
    """A companion from its file, in evaluation mode, and the file's meta data.

    Raises:
        InputError: missing, damaged or foreign file, or another detector's.
    """
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get("sccore", "{}"))
            ours = isinstance(header, dict) and isinstance(header.get("meta"), dict)
            state = {k: file.get_tensor(k) for k in file.keys()}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: damaged or not weights of a detector ({first_line(error)})") from None
    if not ours or (header.get("format"), header.get("detector")) != (FORMAT, name):
        raise InputError(f"{path}: not weights of {name} by this project")
    net = module(name).create()
    try:
        net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    except RuntimeError as error:
        raise InputError(f"{path}: weights do not fit the network ({first_line(error)})") from None
    return net.eval(), header["meta"]
