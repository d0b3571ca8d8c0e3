"""sccore: learned compression of screen content with structural fidelity and text integrity.

The package reads like the paper: `priors` (Eq. 5-6), `sem` (Eq. 7), `sftip` (Eq. 1-4) on `wacnn`, `entropy`,
`loss` (Eq. 8-11); in the rooms around it is what it takes to train, code and measure. Importing `sccore` alone loads no torch; the names
below are fetched on first use.
"""

from importlib import import_module

__version__ = "0.1.0"
__all__ = ["create_model", "load_model", "save_model", "encode", "decode", "fit", "evaluate", "LAMBDAS"]

_HOME = {
    "create_model": "codecs.zoo",
    "LAMBDAS": "presets",
    "load_model": "codecs.checkpoint",
    "save_model": "codecs.checkpoint",
    "encode": "codecs.sci",
    "decode": "codecs.sci",
    "fit": "training.fit",
    "evaluate": "evaluation.evaluate",
}


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f"sccore.{_HOME[name]}"), name)
    raise AttributeError(f"module 'sccore' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
