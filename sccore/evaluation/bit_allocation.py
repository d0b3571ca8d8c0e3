"""Where a model spends its bits: by latent channel, by position, and by what the picture shows there (Fig. 4).

Bits are those of the entropy model's likelihoods of y. Every position of y stands for a block of 16x16 pixels, which is
of one region:

    padding    begins outside the image, in what was added to reach a multiple of 64
    text       at least a quarter (TEXT) of its pixels are in the text mask
    flat       not text, and its Laplacian (Eq. 5) is below FLAT, as a mean over pixels and colour channels
    structure  all others: pictures, icons, lines, frames

Records are made by `python -m sccore.evaluation.bit_allocation CODEC ...`, on the samples.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from sccore.codecs import checkpoint, sci
from sccore.data.images import pair, read_image, read_mask
from sccore.evaluation import records
from sccore.evaluation.provenance import provenance
from sccore.hyperprior import Hyperprior
from sccore.presets import LMBDA
from sccore.priors import laplacian
from sccore.utils import paths
from sccore.utils.errors import InputError

REGIONS = ("text", "structure", "flat", "padding")
STEP = 16  # pixels a side of a position
FLAT = 2 / 255  # two grey levels: a slow gradient stays below, a picture's grain does not
TEXT = 0.25  # share of its pixels: lines of text are seldom as high as a block
COLUMNS = ("positions", "all", "loudest")
DATASET = "regions"  # folder of the records in data/results


@torch.no_grad()
def bits(image: np.ndarray, model: Hyperprior, lmbda: float | None = None, mask: np.ndarray | None = None) -> np.ndarray:
    """Estimated bits of y, (M, h, w): each channel at each position of the padded image.

    Args:
        image, lmbda, mask: as for :func:`sccore.codecs.sci.estimate`, whose `bits_map` is the sum over the channels.
    """
    model.eval()
    latents = sci.analyse(image, model, mask)
    level = model.level(sci.pick_lmbda(model, lmbda), latents[0].device)
    return -torch.log2(model.code_latents(*latents, level)[2]["y"][0]).cpu().numpy()


def loudest(spent: np.ndarray) -> int:
    """The channel of highest entropy: that with most bits in all, of bits (M, h, w)."""
    return int(spent.sum((1, 2)).argmax())


def regions(image: np.ndarray, mask: np.ndarray | None, stride: int = 64) -> np.ndarray:
    """The region of every position of y, indices into REGIONS, (h, w); the rule stands above.

    Args:
        image, mask: uint8 (H, W, 3) and bool (H, W); None is a picture without text.
        stride: of the model: the image is extended to a multiple of it, as for coding.
    """
    height, width = image.shape[:2]
    x = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255  # (1, 3, H, W)
    text = torch.zeros_like(x[:, :1]) if mask is None else torch.from_numpy(mask)[None, None].float()
    edges = laplacian(x).mean(1, keepdim=True)  # (1, 1, H, W)
    padding = (0, -width % stride, 0, -height % stride)
    text, edges = (F.avg_pool2d(F.pad(layer, padding, mode="replicate"), STEP)[0, 0].numpy() for layer in (text, edges))
    kinds = np.where(edges < FLAT, REGIONS.index("flat"), REGIONS.index("structure"))
    kinds[text >= TEXT] = REGIONS.index("text")
    kinds[-(-height // STEP) :] = kinds[:, -(-width // STEP) :] = REGIONS.index("padding")
    return kinds


def spent(values: np.ndarray, kinds: np.ndarray) -> dict[str, float]:
    """Sum of a map (h, w) over each region; together they are the whole."""
    return {name: float(values[kinds == i].sum(dtype=np.float64)) for i, name in enumerate(REGIONS)}


def measure(
    name: str, folder: Path | str = paths.SAMPLES, lmbda: float = LMBDA, out: Path | str | None = None, progress: bool = True
) -> dict:
    """The record of a checkpoint: for each image positions and bits by region, of all channels and of the loudest.

    Args:
        name: of a shipped checkpoint, or a checkpoint file.
        folder: with images/ and masks/ inside.
        out: JSON file, written after every image; gone on with if it is of the same weights, images and rate.
    """
    folder, model = Path(folder), checkpoint.load_model(name)
    command = f"python -m sccore.evaluation.bit_allocation {Path(name).name}"
    record = provenance(model, folder / "images", command, folder / "masks")
    record |= {"codec": Path(name).stem, "lmbda": lmbda, "flat": FLAT, "text": TEXT, "images": []}
    record = records.resume(record, out, ("checkpoint", "dataset", "lmbda", "flat", "text"), COLUMNS, versions=False)

    def rows(files, missing):
        image = read_image(files[0])
        mask = read_mask(files[1], image.shape[:2])
        kinds, values = regions(image, mask, model.stride), bits(image, model, lmbda, mask)
        channel = loudest(values)
        parts = {"positions": np.ones(kinds.shape), "all": values.sum(0, dtype=np.float64), "loudest": values[channel]}
        row = {"width": image.shape[1], "height": image.shape[0], "channel": channel, "bits": float(values.sum(dtype=np.float64))}
        yield row | {name: spent(part, kinds) for name, part in parts.items()}

    pairs = {image.name: (image, mask) for _, image, mask in pair(folder / "images", folder / "masks")}
    records.sweep(record, pairs, [{}], rows, out, progress)
    if record["failed"]:
        raise InputError(record["failed"][0]["error"])
    return record


def load_record(path: Path | str) -> dict:
    """A record of :func:`measure`; InputError if the file is missing, damaged or something else."""
    return records.load_record(path, COLUMNS, ("codec", "lmbda"))


def record_path(name: str) -> Path:
    return paths.RESULTS / DATASET / f"{name}.json"


def main():
    parser = argparse.ArgumentParser(prog="python -m sccore.evaluation.bit_allocation", description="Bits by region, on the samples.")
    parser.add_argument("codec", nargs="+", help="name of a shipped checkpoint")
    for name in parser.parse_args().codec:
        measure(name, out=record_path(name))


if __name__ == "__main__":
    main()
