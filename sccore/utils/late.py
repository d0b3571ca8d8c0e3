"""Puts off parts of a library that its start runs and that coding seldom uses, so that it starts sooner."""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock


class Late(MetaPathFinder):
    """Among the finders of modules, gives each of `names` empty at first: it runs when something in it is first asked for.

    As a context it takes away behind itself what nobody asked for, and what is imported later is imported as ever.
    `importlib.util.LazyLoader` would run a module as soon as a second one imports it.
    """

    def __init__(self, *names: str):
        self.names = names

    def __enter__(self):
        sys.meta_path.insert(0, self)

    def __exit__(self, *_):
        sys.meta_path.remove(self)
        for name in self.names:
            if isinstance(getattr(sys.modules.get(name), "__loader__", None), LateLoader):
                package, _, part = name.rpartition(".")
                del sys.modules[name]
                delattr(sys.modules[package], part)

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
                if is_empty() and not self.running and not name.startswith("__"):  # those are asked of any module, as by `inspect`
                    self.running = True
                    try:
                        self.loader.exec_module(module)
                    finally:
                        self.running = False
                    module.__spec__.loader = module.__loader__ = self.loader
                    if is_empty():  # it has no __getattr__ of its own
                        del module.__getattr__
            if is_empty():
                raise AttributeError(f"module {module.__name__!r} has no {name!r} yet")
            return getattr(module, name)

        module.__getattr__ = fill
