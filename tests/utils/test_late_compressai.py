"""CompressAI comes without what coding never uses, and all of it is there when it is asked for."""

import subprocess
import sys

CODE = """
import sys
import sccore.utils.late_compressai as late
from compressai.entropy_models import GaussianConditional
import compressai
names = {f"compressai.{part}" for part in late.PARTS} | {"scipy.stats", "torchvision", "pandas"}
assert not names & sys.modules.keys(), names & sys.modules.keys()
model = GaussianConditional(None)
model.update_scale_table(__import__("torch").tensor([0.5, 2.0]))
assert model.quantized_cdf.shape[0] == 2 and "scipy.stats" not in sys.modules
import scipy.stats
assert abs(model._standardized_quantile(5e-10) - scipy.stats.norm.ppf(5e-10)) < 1e-14  # the reach of all tables
import sccore.utils.torchvision_ops
assert compressai.zoo.bmshj2018_factorized(1, pretrained=False).N == 128
from compressai.datasets import ImageFolder
from compressai import *
assert losses.RateDistortionLoss().lmbda == 0.01 and not [part for part in late.PARTS if not getattr(compressai, part).__file__]
"""


def test_every_part_is_imported_when_it_is_used():
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
