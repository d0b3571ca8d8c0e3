"""Puts off parts of a library that its start runs and that coding seldom uses, so that it starts sooner."""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock


class Late(MetaPathFinder):
    """Among the finders of modules, gives each of `names` empty at first: it runs when something in it is first asked for.

    `importlib.util.LazyLoader` would run it as soon as a second module imports it.
    """

    def __init__(self, *names: str):
        self.names = names

    def find_spec(self, fullname, path=None, target=None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname in self.names else None
        if spec:
            spec.loader = LateLoader(spec.loader)
        return spec


class LateLoader(Loader):
    """Leaves a module empty until `loader` fills it, which the first question for something in it lets it do."""

    def __init__(self, loader: Loader):
        self.loader, self.lock, self.running = loader, RLock(), False

    def exec_module(self, module):
        def fill(name):
            is_empty = lambda: vars(module).get("__getattr__") is fill
            with self.lock:  # other threads wait until all of it is there
                if is_empty() and not self.running:
                    self.running = True
                    try:
                        self.loader.exec_module(module)
                    finally:
                        self.running = False
                    if is_empty():  # it has no __getattr__ of its own
                        del module.__getattr__
            if is_empty():
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r} while it is imported")
            return getattr(module, name)

        module.__getattr__ = fill
        module.__dir__ = lambda: list(fill("__dict__"))


def put_off(*names: str):
    """From now on modules of these names, if not imported yet, are :class:`Late`."""
    sys.meta_path.insert(0, Late(*names))
