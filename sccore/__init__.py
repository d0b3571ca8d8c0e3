"""sccore: learned compression of screen content with structural fidelity and text integrity.

The package reads like the paper: `priors` (Eq. 5-6), `sem` (Eq. 7), `sftip` (Eq. 1-4) on `wacnn`, `entropy`,
`loss` (Eq. 8-11); in the rooms around it is what it takes to train, code and measure. Importing `sccore` alone loads no torch; the
public names, which `__init__.pyi` lists, are fetched on first use.
"""

import lazy_loader

__version__ = "0.2.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
