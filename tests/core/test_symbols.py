"""Which table a symbol is coded with."""

import torch
from compressai.entropy_models import GaussianConditional

from sccore.exact_coding import SCALES
from sccore.symbols import scale_indexes


def test_the_nearest_scale_is_taken_by_ratio():
    gaussian = GaussianConditional(None)
    gaussian.update_scale_table(SCALES)
    scales = torch.exp(torch.empty(2000, dtype=torch.float64).uniform_(-4, 7, generator=torch.Generator().manual_seed(0)))
    nearest = (scales.log()[:, None] - SCALES.double().log()).abs().argmin(1)  # beyond the table its ends are
    assert torch.equal(scale_indexes(gaussian, scales).long(), nearest)
    assert scale_indexes(gaussian, SCALES.double()).tolist() == list(range(len(SCALES)))
