"""CompressAI comes without what coding never uses, and all of it is there when it is asked for."""

import subprocess
import sys

CODE = """
import sys
import sccore.utils.late_compressai as late
from compressai.entropy_models import GaussianConditional
import compressai
empty = lambda name: name not in sys.modules or "__getattr__" in vars(sys.modules[name])
names = {f"compressai.{part}" for part in late.PARTS} | {"scipy.stats"}
assert all(map(empty, names)) and not {"torchvision", "pandas"} & sys.modules.keys()
model = GaussianConditional(None)
model.update_scale_table(__import__("torch").tensor([0.5, 2.0]))
assert model.quantized_cdf.shape[0] == 2 and empty("scipy.stats")
import scipy.stats
assert abs(model._standardized_quantile(5e-10) - scipy.stats.norm.ppf(5e-10)) < 1e-14  # the reach of all tables
import sccore.utils.torchvision_ops
assert compressai.zoo.bmshj2018_factorized(1, pretrained=False).N == 128
from compressai.datasets import ImageFolder
from compressai import *
assert losses.RateDistortionLoss().lmbda == 0.01 and all(len(dir(getattr(compressai, part))) > 8 for part in late.PARTS)
"""


def test_every_part_is_imported_when_it_is_used():
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
