"""Measuring a codec on a folder of images with real bitstreams, as in Section 4.2 of the paper.

Every image is coded to the bytes of a .sci file and decoded from them; the rate is that file's size, the quality
that of the decoded 8-bit image. `bpp_estimated`, the entropy model's cross-entropy, stands beside it.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from tqdm import tqdm

from sccore import codec, data, metrics, results
from sccore.errors import InputError
from sccore.models import LAMBDAS


def evaluate(model, images_dir: Path | str, masks_dir: Path | str | None = None, lmbdas: Sequence[float] | None = None,
             out: Path | str | None = None, progress: bool = True, name: str | None = None,
             command: str | None = None, position: int = 0) -> dict:
    """Measure a model on all images of a folder; unreadable ones are named under "failed", the others still measured.

    Args:
        model: as `load_model` returns it.
        masks_dir: text masks paired with the images by stem; without them the model codes with its default mask
            and there is no text-region PSNR.
        lmbdas: points of a variable-rate model (all five of the paper unless given); a fixed-rate model has one.
        out: JSON file, written after every image. If it holds a record of the same weights, images, masks,
            lambdas, code and machine, what is in it is not measured again; any other record in it is replaced.
        name: the codec's name in figures, `results.codec_name` unless given.
        command: what to note as the command, the running one unless given.
        position: line of the progress bar.

    Returns:
        the record, as :mod:`sccore.results` describes it.
    """
    pairs = data.pair(images_dir, masks_dir)
    lmbdas = _points(model, lmbdas)
    record = results.provenance(model, images_dir, command, masks_dir)
    record |= {"codec": name or record["codec"], "lmbdas": lmbdas, "images": []}
    record = _begun(out, record) | {"failed": []}
    done = {(row["name"], row["lmbda"]) for row in record["images"]}
    with tqdm(total=len(pairs) * len(lmbdas), initial=len(done), desc=record["codec"], disable=not progress,
              position=position) as bar:
        for _, image_path, mask_path in pairs:
            file = Path(image_path).name
            missing = [lmbda for lmbda in lmbdas if (file, lmbda) not in done]
            try:
                image = data.read_image(image_path)
                mask = None if mask_path is None else data.read_mask(mask_path, image.shape[:2])
            except InputError as error:
                record["failed"].append({"name": file, "error": str(error)})
                missing = []
            latents = Latents(model, image, mask) if missing else None
            for lmbda in missing:
                record["images"].append({"name": file} | measure(model, image, mask, lmbda, latents)[0])
                bar.update()
            if out:
                results.save_record(out, record)
    return record


class Latents:
    """y and z of an image, which serve every lambda, and the seconds that they took."""

    def __init__(self, model, image: np.ndarray, mask: np.ndarray | None):
        start = perf_counter()
        self.y_z = codec.analyse(image, model, mask)
        self.seconds = perf_counter() - start


def measure(model, image: np.ndarray, mask: np.ndarray | None = None, lmbda: float | None = None,
            latents: Latents | None = None) -> tuple[dict, np.ndarray]:
    """Code and decode one image (H, W, 3); a row of a record without the name, and the decoded image.

    Times are those of the whole way: the analysis counts for every lambda.
    """
    latents = latents or Latents(model, image, mask)
    start = perf_counter()
    stream = codec.encode(image, model, lmbda, latents=latents.y_z)
    encoded = perf_counter()
    decoded = codec.decode(stream, model)
    end = perf_counter()
    height, width = image.shape[:2]
    row = {
        "width": width,
        "height": height,
        "lmbda": lmbda,
        "bytes": len(stream),
        "bpp": 8 * len(stream) / (height * width),
        "bpp_estimated": codec.estimated_bits(latents.y_z, model, lmbda) / (height * width),
        "psnr": metrics.psnr(image, decoded),
        "psnr_text": None if mask is None else metrics.psnr_text(image, decoded, mask),
        "ms_ssim": metrics.ms_ssim(image, decoded),
        "encode_s": latents.seconds + encoded - start,
        "decode_s": end - encoded,
    }
    return row, decoded


def _points(model, lmbdas):
    """The lambdas to measure: of a fixed-rate model the one it was trained for (None if it was not trained)."""
    if model.spec["rate"] == "variable":
        return list(lmbdas or LAMBDAS)
    own = model.meta.get("lmbda")
    if lmbdas and list(lmbdas) != [own]:
        raise InputError(f"this model has one rate, lmbda {own}, and none for {', '.join(map(str, lmbdas))}")
    return [own]


def _begun(out, record):
    """The record in `out` if it measures what `record` is about to measure, else `record`."""
    if not out or not Path(out).exists() or record["checkpoint"]["sha256"] is None:
        return record
    before = results.load_record(out)
    return before if _subject(before) == _subject(record) else record


def _subject(record):
    """What must agree for two runs to be one measurement; the commit may differ where sccore's sources do not."""
    keys = ("codec", "model", "checkpoint", "dataset", "machine", "threads", "lmbdas")
    versions = record.get("versions", {}) | {"sccore": None}
    return json.dumps([versions, *(record.get(key) for key in keys)], sort_keys=True)
