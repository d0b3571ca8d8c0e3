"""Writes the files that every later version of the decoder must read, and what they hold; asks whether they still do.

    python tests/vectors.py [NAME]  # writes tests/fixtures/sci3 anew: after the coder or the shipped weights have changed
    python tests/vectors.py check   # decodes what is there

Beside each NAME.sci lies NAME.webp, the picture as it was decoded. index.json tells what is exact on any machine: the parts' sizes, sha256
of y_hat (what the entropy coder gave, float64), of the lossless picture and of alpha. A learned picture's pixels may be one level off,
see the book's page of promises.
"""

import hashlib
import json
import sys
from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from sccore.codecs import coding, container, dec_adapter
from sccore.codecs.checkpoint import load_model
from sccore.codecs.checkpoint_files import by_identity
from sccore.data.images import Picture, read_image
from sccore.utils.paths import ROOT, SAMPLES

FOLDER = ROOT / "tests" / "fixtures" / "sci3"
LEARNED = {"fallback": False, "palette": False}


def pictures() -> dict[str, tuple[Picture, dict]]:
    """NAME -> a picture and the options that code it."""
    wiki, win = (read_image(SAMPLES / "images" / f"{name}.png") for name in ("codec_wiki", "windows95"))
    text, desktop = wiki[400:520, 1000:1160], win[:96, :128]
    y, x = np.mgrid[:96, :128]
    disc = np.clip(8 * (44 - np.hypot(y - 48, x - 64)), 0, 255).astype(np.uint8)
    exif = Image.Exif()
    exif[0x010E] = "a window"
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    return {
        "plain": (Picture(text), LEARNED),
        "between": (Picture(text[:33, :17]), LEARNED | {"lmbda": 0.005}),
        "adapted": (Picture(text[:64, :96]), LEARNED | {"model": "wacnn"}),  # see write
        "palette": (Picture(text[:64, :96]), LEARNED),  # see write
        "few-colours": (Picture(text[:64, :96]), {"few_colours": True, "psnr": 36}),
        "lossless": (Picture(desktop), {}),
        "alpha": (Picture(desktop, disc), LEARNED),
        "alpha-lossless": (Picture(desktop, disc), {}),
        "metadata": (Picture(desktop, None, exif.tobytes(), xmp), {}),
    }


def facts(data: bytes) -> dict:
    """What a file holds, as far as it is the same on any machine."""
    file, digest = container.unpack(data), lambda content: hashlib.sha256(content).hexdigest()
    found: dict = {"width": file.width, "height": file.height, "chunks": file.chunks}
    if file.lossless:
        return found | {"pixels": digest(coding.pixels(file).tobytes())}
    model = load_model(by_identity(file.identity))
    shape = tuple(-(-side // model.stride) for side in (file.height, file.width))
    with torch.no_grad():
        y_hat = model.decode_latents([file.y, file.z], shape, model.level(file.lmbda))[0]
    found |= {"identity": file.identity.hex(), "lmbda": file.lmbda, "y_hat": digest(y_hat.numpy().tobytes())}
    return found | ({"alpha": digest(coding.pixels(file)[..., 3].tobytes())} if file.alpha else {})


def with_palette(data: bytes) -> bytes:
    """A file with a palette of one colour, whose radius is such that no pixel lies near to it on any machine."""
    decoded = coding.decode(data).astype(int)
    ground = np.median(decoded, axis=(0, 1)).astype(int)
    taken = set(np.abs(decoded - ground).max(axis=2).ravel().tolist())
    radius = next(r for r in range(2, 255) if not taken & set(range(r - 1, r + 3)))
    return container.pack(replace(container.unpack(data), palette=bytes([*ground.tolist(), radius])))


def write(only: list[str]):
    """The folder anew, or those of these names."""
    FOLDER.mkdir(exist_ok=True)
    index = json.loads((FOLDER / "index.json").read_text(encoding="utf-8")) if only else {}
    for name, (picture, options) in pictures().items():
        if only and name not in only:
            continue
        data = coding.encode(picture, detector="none", **options)
        if name == "adapted":  # so small a picture's own adapters do not pay
            wacnn = load_model("wacnn")
            symbols = [(torch.arange(m * n) % 7 == 0).int().view(m, n) for m, n in dec_adapter.shapes(wacnn)]
            data = container.pack(replace(container.unpack(data), adapters=dec_adapter.encode(wacnn, symbols)))
        if name == "palette":
            data = with_palette(data)
        (FOLDER / f"{name}.sci").write_bytes(data)
        Image.fromarray(coding.decode(data)).save(FOLDER / f"{name}.webp", lossless=True, exact=True, method=6, quality=100)
        index[name] = facts(data)
    (FOLDER / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def check(name: str):
    """Refuses, with AssertionError, a file that is decoded to something else than when it was written."""
    data = (FOLDER / f"{name}.sci").read_bytes()
    assert facts(data) == json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))[name]
    decoded, before = coding.decode(data), np.array(Image.open(FOLDER / f"{name}.webp"))
    assert decoded.shape == before.shape and np.abs(decoded.astype(int) - before).max() <= 1
    assert container.pack(container.unpack(data)) == data


if __name__ == "__main__":
    write(sys.argv[1:]) if sys.argv[1:] != ["check"] else [check(path.stem) for path in sorted(FOLDER.glob("*.sci"))]
