"""Lets CompressAI be imported without the parts that coding never uses; import this before CompressAI.

`import compressai` runs all of it, and with it torchvision, PyTorch Geometric, pandas and scipy.stats, which takes longer than coding a
picture. Here these parts are attached to it as lazy_loader does for packages that ask for it: each is imported when it is first used.
A part that needs torchvision wants :mod:`sccore.utils.torchvision_ops` before it.
"""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec

import lazy_loader

PARTS = "datasets", "latent_codecs", "losses", "models", "optimizers", "registry", "transforms", "zoo"


class Placeholders(MetaPathFinder, Loader):
    """Puts an empty module in the place of each in `names`, for the while that it is among the finders."""

    def __init__(self, names: set[str]):
        self.names = names

    def __enter__(self):
        sys.meta_path.insert(0, self)

    def __exit__(self, *_):
        sys.meta_path.remove(self)
        for name in self.names & sys.modules.keys():
            package, _, part = name.rpartition(".")
            del sys.modules[name]
            delattr(sys.modules[package], part)

    def find_spec(self, fullname, path, target=None):
        return ModuleSpec(fullname, self) if fullname in self.names else None

    def exec_module(self, module):
        pass


if "compressai" not in sys.modules:
    late = {f"compressai.{part}" for part in PARTS} | {"scipy.stats"}  # which scipy itself imports when it is used
    with Placeholders(late - sys.modules.keys()):
        import compressai
    compressai.__getattr__, *_ = lazy_loader.attach("compressai", PARTS)
