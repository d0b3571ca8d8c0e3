"""Previews beside whole pictures: PSNR against the reduced original, and processor seconds of one thread.

python benchmarks/preview.py [--images DIR] [--lambdas ...] [--out FILE]
"""

import argparse
import time
from pathlib import Path

import torch

from sccore.codecs import container, preview, sci
from sccore.codecs.checkpoint import load_model
from sccore.codecs.checkpoint_files import DEFAULT
from sccore.data.images import pair, read_image, read_mask
from sccore.evaluation import metrics
from sccore.evaluation.provenance import command_line, provenance
from sccore.evaluation.records import resume, sweep
from sccore.paper.previews import COLUMNS, record_of
from sccore.utils import paths


def clocked(function, *args):
    begun = time.process_time()
    made = function(*args)
    return made, time.process_time() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, default=paths.SAMPLES / "images")
    parser.add_argument("--masks", type=Path, default=paths.SAMPLES / "masks")
    parser.add_argument("--lambdas", type=float, nargs="+", default=[0.0018, 0.0067, 0.025])
    parser.add_argument("--out", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(DEFAULT)
    record = provenance(model, a.images, f"python benchmarks/{command_line()}", a.masks) | {"images": []}
    out = a.out or record_of(record["dataset"]["name"])
    record = resume(record, out, ("codec", "checkpoint", "dataset"), COLUMNS)

    def rows(files: tuple[Path, Path], points: list[dict]):
        image = read_image(files[0])
        mask = read_mask(files[1], image.shape[:2])
        latents, original = sci.analyse(image, model, mask), preview.reduced(image)
        for point in points:
            file = container.unpack(sci.encode(image, model, point["lmbda"], mask, latents))
            small, seconds = clocked(preview.preview, file, model)
            whole, seconds_whole = clocked(sci.picture, file, model)
            quality = {"psnr": metrics.psnr(original, small), "psnr_whole": metrics.psnr(original, preview.reduced(whole))}
            yield point | quality | {"megapixels": mask.size / 1e6, "seconds": seconds, "seconds_whole": seconds_whole}

    chosen = {image.name: (image, mask) for _, image, mask in pair(a.images, a.masks)}
    sweep(record, chosen, [{"lmbda": lmbda} for lmbda in a.lambdas], rows, out, progress=True)


if __name__ == "__main__":
    main()
