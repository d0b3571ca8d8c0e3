"""Fits the linear map of previews (:mod:`sccore.codecs.preview`) to the first slices of a model's y, by least squares.

python -m sccore.training.preview --data train-03.tar
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from sccore.codecs import preview
from sccore.codecs.checkpoint import load_model
from sccore.codecs.checkpoint_files import DEFAULT, read_header
from sccore.data.samples import centre_crops, load
from sccore.entropy import SliceEntropyModel
from sccore.utils import paths
from sccore.utils.files import file_hash

CROP = 512
RIDGE = 1e-4  # of the mean square of what the map sees


def weights_with_this_y(path: Path) -> tuple[str, ...]:
    """The sha256 of a checkpoint, and of the base whose transforms it has."""
    return tuple(filter(None, (file_hash(path), read_header(path).get("base"))))


@torch.no_grad()
def fit(model: SliceEntropyModel, pictures: Iterable[tuple[Tensor, Tensor]], weights: tuple[str, ...]) -> preview.Linear:
    """The map that is nearest to reduced pictures, (1, 3, H, W) with their masks, at all rates in turn."""
    squares, products = 0.0, 0.0
    for k, (x, mask) in enumerate(pictures):
        y_hat = model.code_latents(*model.analysis(x, mask), model.level(model.lambdas[k % len(model.lambdas)]))[0]
        around = F.pad(y_hat[:, : preview.SLICES * model.slice_ch], (1, 1, 1, 1), mode="replicate")
        seen = F.unfold(around, 3)[0].T.double()  # (positions, channels * 9)
        seen = torch.cat([seen, seen.new_ones(len(seen), 1)], 1)
        wanted = F.pixel_unshuffle(F.avg_pool2d(x, preview.SMALLER), preview.SMALLER)[0].flatten(1).T.double()  # (positions, 48)
        squares, products = squares + seen.T @ seen, products + seen.T @ wanted
    squares += RIDGE * squares.diag().mean() * torch.eye(len(squares), dtype=torch.float64)
    found = torch.linalg.solve(squares, products).T.float()  # (48, channels * 9 + 1)
    return preview.Linear(found[:, :-1].reshape(len(found), -1, 3, 3).numpy(), found[:, -1].numpy(), weights)


def main():
    parser = argparse.ArgumentParser(prog="python -m sccore.training.preview", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=paths.CHECKPOINTS / f"{DEFAULT}.safetensors", help="default: the codec's")
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="folders or tar shards")
    parser.add_argument("--crops", type=int, default=200, help="of pictures; default 200")
    parser.add_argument("--out", type=Path, default=paths.CHECKPOINTS / preview.FILE)
    a = parser.parse_args()
    crops = centre_crops(load(*a.data), CROP, 1)[: a.crops]
    preview.save(fit(load_model(a.checkpoint), tqdm(crops, unit="crop"), weights_with_this_y(a.checkpoint)), a.out)


if __name__ == "__main__":
    main()
