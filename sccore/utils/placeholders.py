"""Empty modules in the place of parts of a library that coding never uses, so that it starts sooner."""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec

NO_META = {"torch._meta_registrations", "torch.distributed._meta_registrations"}  # rules for tensors without content


class Placeholders(MetaPathFinder, Loader):
    """Puts an empty module in the place of each in `names`, while it is among the finders; as a context it cleans up behind itself."""

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
