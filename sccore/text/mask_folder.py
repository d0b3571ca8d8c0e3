"""Text masks of a folder, made once per full image and kept.

Beside each mask STEM.png (1 bit a pixel) lies STEM.json, which says what made it: detector, weights, scale, and the
sha256 of image and mask. A mask whose record says the same again is not made again; one without a record was not made
here and is left alone. Masks belong to whole images and are cropped with them: a detector that sees a crop alone finds
other text.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sccore.data.decoding import encoded
from sccore.data.entries import Piece
from sccore.data.images import pair, read_image, read_mask
from sccore.data.samples import Samples
from sccore.text import masks
from sccore.utils.errors import InputError
from sccore.utils.files import replacing, writable_folder


def make_masks(
    images: Path | str,
    out: Path | str,
    detector: str = "craft",
    weights: Path | str | None = None,
    scale: float = 1.0,
    progress: bool = True,
) -> dict:
    """Masks for all images of a folder; can be killed at any moment and started again with the same arguments.

    Args:
        images: folder of images.
        out: folder for STEM.png and STEM.json, made if it is not there; another than `images`.
        detector, scale: see :func:`sccore.text.masks.detect`.
        weights: see :func:`sccore.text.craft_weights.find_weights`.

    Returns:
        {"made": number, "kept": number of masks that were there, "failed": {file name: why}}.
    """
    images, out = Path(images), Path(out)
    pairs = pair(images)
    if out.resolve() == images.resolve():
        raise InputError(f"{out}: masks would replace the images; choose another folder")
    if not scale > 0:
        raise InputError(f"scale {scale}: must be more than 0")
    finder = masks.load(detector, weights)
    writable_folder(out)
    made_by = {"detector": detector, "weights": finder.weights, "scale": scale}
    summary = {"made": 0, "kept": 0, "failed": {}}
    for stem, path, _ in tqdm(pairs, desc=f"masks by {detector}", unit="image", disable=not progress):
        try:
            record = made_by | {"image": path.name, "image_sha256": sha256(Piece(path).read())}
            if is_kept(out / stem, record):
                summary["kept"] += 1
            else:
                keep(out / stem, masks.mask(read_image(path), finder, scale), record)
                summary["made"] += 1
        except InputError as error:
            summary["failed"][path.name] = str(error)
        except OSError as error:
            summary["failed"][path.name] = f"{error.filename or path}: {error.strerror or error}"
    return summary


def remask(samples: Samples, detector: str, folder: Path | str, progress: bool = True) -> Samples:
    """The same images with the masks of another detector, which are kept in `folder`; can be killed and goes on."""
    finder, folder, remade = masks.load(detector), Path(folder), []
    bar = tqdm(zip(samples.names, samples), f"masks by {detector}", len(samples), unit="image", disable=not progress)
    for name, (image, _) in bar:
        record = {"detector": detector, "weights": finder.weights, "scale": 1.0, "image": name, "image_sha256": sha256(image.tobytes())}
        if not is_kept(folder / name, record):
            keep(folder / name, masks.mask(image, finder), record)
        remade.append(read_mask(folder / f"{name}.png", image.shape[:2]))
    pixels = samples.pixels.copy()
    for start, mask in zip(samples.starts, remade):
        pixels[start : start + mask.size, 3] = mask.reshape(-1)
    digest = sha256(f"{samples.sha256} {detector} {finder.weights}".encode())
    return replace(samples, pixels=pixels, sha256=digest)


def is_kept(place: Path, record: dict) -> bool:
    """Whether the mask at `place` (without suffix) is there, undamaged, and made as `record` says.

    Raises:
        InputError: there is a file of that name that was not made here.
    """
    mask, kept = Path(f"{place}.png"), Path(f"{place}.json")
    if not mask.exists() and not kept.exists():
        return False
    try:
        old = json.loads(kept.read_text(encoding="utf-8"))
        made_here = "mask_sha256" in old and "detector" in old
    except (FileNotFoundError, ValueError, TypeError):
        made_here = False
    if not made_here:
        raise InputError(f"{mask}: was not made by this command and is left alone; delete it or choose another folder")
    return mask.exists() and old == record | {"mask_sha256": sha256(mask.read_bytes())}


def keep(place: Path, mask: np.ndarray, record: dict):
    """Writes record and mask. Killed in between, the record names another mask's hash, and the mask is made again."""
    picture = encoded(mask, "PNG", optimize=True)  # bool: 1 bit a pixel
    record = record | {"mask_sha256": sha256(picture)}
    for suffix, content in (("json", (json.dumps(record, indent=1) + "\n").encode()), ("png", picture)):
        with replacing(f"{place}.{suffix}") as part:
            part.write_bytes(content)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
