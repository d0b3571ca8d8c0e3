"""Lets CompressAI be imported beside a CPU build of torch.

CompressAI imports torchvision; PyPI's torchvision wheel brings operators compiled for CUDA, which do not load beside
a CPU build of torch, and torchvision then stops at the missing schema of its `nms` operators. sccore uses none of
them, so declaring the schemas is enough to let the import pass. With a matching pair nothing is done.
"""

from torch import library

try:
    import torchvision  # noqa: F401
except RuntimeError as error:
    if "torchvision::" not in str(error):
        raise
    for _name in ("nms", "qnms"):
        library.define(f"torchvision::{_name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision  # noqa: F401
