"""sccore: learned compression of screen content with structural fidelity and text integrity.

The package reads like the paper: `priors` (Eq. 5-6), `sem` (Eq. 7), `models` (Eq. 1-4), `entropy`, `loss`
(Eq. 8-11), and what it takes to train, code and measure. Importing `sccore` alone loads no torch; the names
below are fetched on first use.
"""

from importlib import import_module

__version__ = "0.1.0"
__all__ = ["create_model", "load_model", "save_model", "encode", "decode", "fit", "evaluate", "LAMBDAS"]

_HOME = {
    "create_model": "models",
    "LAMBDAS": "models",
    "load_model": "checkpoint",
    "save_model": "checkpoint",
    "encode": "codec",
    "decode": "codec",
    "fit": "training",
    "evaluate": "evaluation",
}


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f"sccore.{_HOME[name]}"), name)
    raise AttributeError(f"module 'sccore' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
