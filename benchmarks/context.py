"""What the spatial context saves: bytes of each sample with it and without, and of pages of one colour; no picture is decoded.

Each image is analysed once and coded at every rate by both sets of weights. The latents that a decoder gets must be the same.

    python benchmarks/context.py
"""

import numpy as np
import torch
from tqdm import tqdm

from sccore.codecs import sci
from sccore.codecs.checkpoint import load_model
from sccore.data.images import pair, read_image, read_mask
from sccore.evaluation.provenance import provenance
from sccore.evaluation.records import save_record
from sccore.paper.context import FLAT, RECORD, WITH, WITHOUT
from sccore.utils import paths


def main():
    models = {name: load_model(name) for name in (WITHOUT, WITH)}
    found = pair(paths.SAMPLES / "images", paths.SAMPLES / "masks")
    record = provenance(models[WITH], paths.SAMPLES / "images", "python benchmarks/context.py", paths.SAMPLES / "masks")
    record |= {"codec": WITH, "without": models[WITHOUT].checkpoint_hash, "images": []}
    flat = {f"flat {colour}": (np.full((512, 512, 3), list(bytes.fromhex(colour[1:])), np.uint8), None) for colour in FLAT}
    pictures = {image.name: lambda image=image, mask=mask: load(image, mask) for _, image, mask in found}
    pictures |= {name: lambda pixels=pixels: pixels for name, pixels in flat.items()}
    for name, read in tqdm(pictures.items(), unit="image"):
        image, mask = read()
        latents = sci.analyse(image, models[WITHOUT], mask)
        for lmbda in models[WITH].lambdas:
            files = {key: sci.learned(image, model, lmbda, mask, latents) for key, model in models.items()}
            if image.size <= 3 * 2**20:  # the test of equal latents, on what is small
                level = models[WITH].level(lmbda)
                y_hat = [models[key].decode_latents([f.y, f.z], latents[1].shape[-2:], level)[0] for key, f in files.items()]
                assert torch.equal(*y_hat), name
            size = {key: len(sci.container.pack(file)) for key, file in files.items()}
            record["images"].append({"name": name, "lmbda": lmbda, "before": size[WITHOUT], "bytes": size[WITH], "z": len(files[WITH].z)})
        save_record(RECORD, record)


def load(image, mask):
    pixels = read_image(image)
    return pixels, read_mask(mask, pixels.shape[:2])


if __name__ == "__main__":
    main()
