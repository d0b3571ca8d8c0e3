"""Lets CompressAI be imported without the parts that coding never uses; import this before CompressAI.

`import compressai` runs all of it, and with it torchvision, PyTorch Geometric, pandas and scipy.stats, which takes longer than coding a
picture. Here each of these parts runs when something in it is first used.
A part that needs torchvision wants :mod:`sccore.utils.torchvision_ops` before it.
"""

from statistics import NormalDist

from sccore.utils.late import put_off

PARTS = "datasets", "latent_codecs", "losses", "models", "optimizers", "registry", "transforms", "zoo"

put_off("scipy.stats", *(f"compressai.{part}" for part in PARTS))

from compressai.entropy_models import GaussianConditional  # noqa: E402, after put_off

# one number, for which scipy.stats would be loaded when tables are made
GaussianConditional._standardized_quantile = staticmethod(NormalDist().inv_cdf)
