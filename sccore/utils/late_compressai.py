"""Lets CompressAI be imported without the parts that coding never uses; import this before CompressAI.

`import compressai` runs all of it, and with it torchvision, PyTorch Geometric, pandas and scipy.stats, which takes longer than coding a
picture. Here these parts are attached to it as lazy_loader does for packages that ask for it: each is imported when it is first used.
A part that needs torchvision wants :mod:`sccore.utils.torchvision_ops` before it.
"""

from statistics import NormalDist

import lazy_loader

from sccore.utils.late import Late

PARTS = "datasets", "latent_codecs", "losses", "models", "optimizers", "registry", "transforms", "zoo"

with Late("scipy.stats", *(f"compressai.{part}" for part in PARTS)):
    import compressai
    from compressai.entropy_models import GaussianConditional

if not hasattr(compressai, "zoo"):
    compressai.__getattr__, *_ = lazy_loader.attach("compressai", PARTS)

# one number, for which scipy.stats would be loaded when tables are made
GaussianConditional._standardized_quantile = staticmethod(NormalDist().inv_cdf)
