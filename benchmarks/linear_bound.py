"""How well a linear transform could do with as many coefficients as the latent y has, without any quantisation.

    python benchmarks/linear_bound.py --fit data/train/*.tar --images samples=data/samples/images

y holds M numbers for every 16x16 pixels. The best linear transform to M numbers is the principal components of such
blocks, here of the training screens; the PSNR of what they keep of other screens is a yardstick for the PSNR that a
network with M channels can reach at any rate. The record is data/results/limits/linear.json.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from sccore.data.images import image_files, read_image
from sccore.data.samples import Samples, load
from sccore.evaluation import provenance
from sccore.evaluation.records import save_record
from sccore.utils import paths

SIDE = 16  # pixels of a block: the stride of y
COUNTS = (10, 20, 40, 60, 80, 128, 160, 192, 256, 320, 448, 640)  # of coefficients; 80 and 320 are the presets' M


def blocks(image: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) -> (blocks, 768) in [0, 1]; what is no whole block at the right and bottom is left out."""
    x = torch.from_numpy(np.ascontiguousarray(image)).float() / 255
    return x.unfold(0, SIDE, SIDE).unfold(1, SIDE, SIDE).flatten(0, 1).flatten(1)


def components(samples: Samples) -> tuple[Tensor, Tensor]:
    """Mean (768,) and orthonormal components (768, 768) of the blocks of all images, the strongest first."""
    size = 3 * SIDE**2
    count, total, squares = 0, torch.zeros(size, dtype=torch.float64), torch.zeros(size, size, dtype=torch.float64)
    for image, _ in tqdm(samples, desc="components", total=len(samples)):
        x = blocks(image)
        count, total, squares = count + len(x), total + x.sum(0), squares + x.T @ x
    mean = total / count
    return mean.float(), torch.linalg.eigh(squares / count - torch.outer(mean, mean)).eigenvectors.flip(1).float()


def kept(image: np.ndarray, mean: Tensor, basis: Tensor) -> list[float]:
    """PSNR in dB of an image with the first COUNTS coefficients of each block."""
    energy = ((blocks(image) - mean) @ basis).square().mean(0)  # (768,) of each coefficient
    lost = energy.flip(0).cumsum(0).flip(0) / len(energy)  # of all from this one on
    return [float(-10 * torch.log10(lost[count])) for count in COUNTS]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", type=Path, nargs="+", required=True, help="tar shards or folders of training screens")
    parser.add_argument("--images", action="append", required=True, metavar="NAME=FOLDER", help="screens to measure on")
    a = parser.parse_args()
    samples = load(*a.fit)
    mean, basis = components(samples)
    sets = []
    for name, _, folder in (one.partition("=") for one in a.images):
        files = image_files(Path(folder))
        rows = [{"name": path.name, "psnr": kept(read_image(path), mean, basis)} for path in tqdm(files, desc=name)]
        sets.append({"dataset": provenance.dataset(folder) | {"name": name}, "images": rows})
    path = paths.RESULTS / "limits" / "linear.json"
    record = {
        "command": provenance.command_line(),
        "date": provenance.now(),
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "fitted_on": {"images": len(samples), "sha256": samples.sha256},
        "side": SIDE,
        "counts": COUNTS,
        "sets": sets,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_record(path, record)
    print(path)


if __name__ == "__main__":
    main()
