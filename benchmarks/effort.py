"""What `--effort` brings: bytes, PSNR and processor seconds of each picture, or of its busiest part, by level.

    python benchmarks/effort.py [--images DIR] [--masks DIR] [--max-pixels N] [--side N] [--levels 0 2] [--lambdas ...] [--out FILE]

Goes on where an earlier run stopped. Each picture is analysed once; the seconds are those of one file, without the analysis.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from sccore.codecs import sci
from sccore.codecs.checkpoint import load_model
from sccore.codecs.checkpoint_files import DEFAULT
from sccore.data.images import pair, read_image, read_mask
from sccore.evaluation import metrics
from sccore.evaluation.asiqe_scores import busiest_window
from sccore.evaluation.provenance import command_line, provenance
from sccore.evaluation.records import resume, sweep
from sccore.paper.effort import COLUMNS, record_of
from sccore.utils import paths
from sccore.utils.device import native_bf16


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, default=paths.SAMPLES / "images")
    parser.add_argument("--masks", type=Path, default=paths.SAMPLES / "masks")
    parser.add_argument("--count", type=int, help="of pictures, evenly from the folder; default all")
    parser.add_argument("--max-pixels", type=int, help="leave larger pictures out; without it a later run takes them up")
    parser.add_argument("--side", type=int, help="of the busiest part, in pixels; default the whole picture")
    parser.add_argument("--levels", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--lambdas", type=float, nargs="+", default=[0.0018, 0.0035, 0.0067, 0.025])
    parser.add_argument("--out", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(DEFAULT)
    record = provenance(model, a.images, f"python benchmarks/{command_line()}", a.masks) | {"side": a.side, "images": []}
    out = a.out or record_of(record["dataset"]["name"], a.side)
    record = resume(record, out, ("codec", "checkpoint", "dataset", "side"), COLUMNS)

    def rows(files: tuple[Path, Path], points: list[dict]):
        image = read_image(files[0])
        mask = read_mask(files[1], image.shape[:2])
        if a.side:
            window = busiest_window(image, (a.side, a.side))
            image, mask = np.ascontiguousarray(image[window]), np.ascontiguousarray(mask[window])
        latents = sci.analyse(image, model, mask, native_bf16("cpu"))  # as encode does
        for point in points:
            begun = time.process_time()
            data = sci.encode(image, model, point["lmbda"], mask, latents, effort=point["effort"])
            seconds = time.process_time() - begun
            decoded = sci.decode(data, model)
            yield point | {
                "bytes": len(data),
                "bpp": 8 * len(data) / mask.size,
                "psnr": metrics.psnr(image, decoded),
                "psnr_text": metrics.psnr_text(image, decoded, mask),
                "seconds": seconds,
            }

    found = [files for files in pair(a.images, a.masks) if not a.max_pixels or read_image(files[1])[..., 0].size <= a.max_pixels]
    chosen = found[:: max(1, len(found) // a.count)][: a.count] if a.count else found
    points = [{"lmbda": lmbda, "effort": level} for lmbda in a.lambdas for level in a.levels]
    sweep(record, {image.name: (image, mask) for _, image, mask in chosen}, points, rows, out, progress=True)


if __name__ == "__main__":
    main()
