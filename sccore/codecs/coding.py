"""Coding as one uses it: any image, the default weights, the text mask that is made unless one is given, and all that a file can hold.

`python -m sccore encode` and `decode` call what is here. The bytes of a file are in :mod:`sccore.codecs.container`, its learned
picture in :mod:`sccore.codecs.sci`. A lossless file is decoded without loading torch.
"""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sccore.codecs import container, webp, without_loss
from sccore.codecs.inputs import ImageLike, Mask, Weights, as_picture, default_lmbda, text_mask
from sccore.data.alpha import with_hidden_filled
from sccore.data.images import Picture
from sccore.utils.errors import InputError
from sccore.utils.values import cast

BARGAIN = 64  # bytes that an exact picture may be larger than a learned one


def encode(
    image: ImageLike,
    model: Weights = None,
    lmbda: float | None = None,
    mask: Mask = None,
    *,
    detector: str | None = None,
    adapter_steps: int = 0,
    fallback: bool = True,
    alpha: bool = True,
    metadata: bool = False,
    size: float | None = None,
    bpp: float | None = None,
    psnr: float | None = None,
    effort: int = 0,
    palette: bool = True,
    few_colours: bool = False,
    progress: bool = False,
) -> bytes:
    """An image as the bytes of a .sci file (Section 3.1); the same bytes as `python -m sccore encode` writes.

    Args:
        image: uint8 (H, W, 3) in RGB or (H, W, 4) in RGBA, or the path of a file, or an image of Pillow; any size from 1x1.
        model: what :func:`sccore.codecs.checkpoint.load_model` takes or gave; None is the shipped "sftip-interlaced".
        lmbda: rate, from 0.0018 (small) to 0.025 (faithful); None is 0.0067, or a fixed-rate model's own.
        mask: of the text, see :func:`sccore.codecs.inputs.text_mask`; None lets a detector make it.
        detector: which one; "none" stands for text everywhere.
        adapter_steps: of a WACNN, gradient steps to fit adapters of its decoder in, see :mod:`sccore.codecs.dec_adapter`.
        fallback: where a lossless picture is smaller, or hardly larger, the file holds that. False: the learned one in any case.
        alpha: keep it, without loss; colours under fully transparent pixels are not kept. False: what is transparent goes onto white.
        metadata: keep EXIF data and XMP of a file or an image of Pillow.
        size: instead of a lambda, bytes that the file shall have at most; it has at least 98 % of them, unless it is lossless.
        bpp: the same in bits per pixel.
        psnr: instead of a lambda, dB that the picture shall have at least, as few above as possible.
        effort: 0 to 6, search that long for symbols that make a better picture in fewer bits, see :mod:`sccore.codecs.refine`.
        palette: give the main colours along where that pays, so that flat areas get them back exactly, see :mod:`sccore.codecs.palette`.
        few_colours: let the picture in a few colours, stored without loss, take the place of the learned one where that is cheaper: by
            bits and lambda times errors, or by what a size or a PSNR asks for. It is stored in the smallest way if an `effort` is given.
        progress: show what takes long.

    Raises:
        InputError: an image, mask, model or lambda that cannot be used, or a size or quality that no lambda gives; says why.

    Example:
        >>> screen = np.full((48, 64, 3), 255, np.uint8)
        >>> sccore.decode(sccore.encode(screen)).shape
        (48, 64, 3)
    """
    from sccore.codecs import sci
    from sccore.codecs.checkpoint import load_model
    from sccore.codecs.checkpoint_files import DEFAULT, find
    from sccore.codecs.refine import steps_of
    from sccore.hyperprior import Hyperprior
    from sccore.utils.device import native_bf16

    steps_of(effort)  # refuses what is no level
    wishes = {"lmbda": lmbda, "size": size, "bpp": bpp, "psnr": psnr}
    lmbda, size, bpp, psnr = (wish if wish is None else cast(name, wish, float) for name, wish in wishes.items())
    if sum(wish is not None for wish in (lmbda, size, bpp, psnr)) > 1 or adapter_steps and (size or bpp or psnr):
        raise InputError("a lambda, a size, bpp and a PSNR exclude each other; adapters go with a lambda alone")
    if any(wish is not None and not wish > 0 for wish in (size, bpp, psnr)):
        raise InputError("a size, bpp and a PSNR are more than 0")
    if few_colours and not fallback:
        raise InputError("few colours are stored without loss, which fallback=False excludes")
    picture = as_picture(image, alpha, metadata)
    size = bpp * picture.rgb[..., 0].size / 8 if bpp else size
    lossless_file = lambda most=math.inf: container.pack(file) if fallback and (file := without_loss.exact(picture, most)) else None
    exact = lossless_file() if size or psnr else None
    if size and exact and len(exact) <= size:
        return exact
    net = load_model(find(DEFAULT, lmbda) if model is None else model) if isinstance(model, (str, Path, type(None))) else model
    if not isinstance(net, Hyperprior):
        raise InputError(
            f"a model of load_model codes, or weights by their name or path, not {type(net).__name__}; a rate is named: lmbda="
        )
    steps_of(effort, net)
    seen, _ = text_mask(picture, net, mask, detector)
    colours, extra = parts(picture)
    file_at = lambda value, **options: container.pack(replace(sci.learned(colours, net, value, seen, **options), **extra))
    if size or psnr:
        from sccore.codecs import search

        latents = sci.analyse(colours, net, seen, native_bf16("cpu"))
        try:
            plain = partial(file_at, latents=latents, palette=palette and not size)  # a palette hardly moves a size, but PSNR
            refined = partial(plain, effort=effort, progress=progress, palette=palette) if effort or palette and size else None
            learned = search.reach(plain, colours, net, size, psnr, progress, refined)
        except search.Unreachable as error:
            learned = b""
            unreachable = search.Unreachable(f"{error}; without loss it is {len(exact)} bytes" if exact else str(error))
    else:
        options = dict(adapter_steps=adapter_steps, effort=effort, progress=progress, bf16=native_bf16("cpu"), palette=palette)
        learned = file_at(default_lmbda(net, lmbda), **options)
        exact = lossless_file(len(learned) + BARGAIN)
    if not exact or size or learned and len(exact) > len(learned) + BARGAIN:  # a size it would have met before
        exact = None
    if few_colours:
        cost = without_loss.cost(size, psnr, sci.pick_lmbda(net, default_lmbda(net, lmbda)), colours[..., 0].size)
        mine = math.inf
        if exact or learned:
            mine = cost(len(exact or learned), 0.0 if exact else without_loss.errors(colours, sci.decode(learned, net)))
        if (found := without_loss.cheapest(picture, colours, cost, not effort)) and found[0] < mine:
            return found[1]
    if not (exact or learned):
        raise unreachable from None
    return exact or learned


def parts(picture: Picture) -> tuple[np.ndarray, dict[str, Any]]:
    """The colours that a learned picture is made of, and what lies beside it in the file: fields of :class:`sccore.codecs.container.File`."""
    extra = {"exif": picture.exif, "xmp": picture.xmp}
    if picture.alpha is None:
        return picture.rgb, extra
    stream = webp.encode(np.dstack([picture.alpha] * 3))
    if stream is None:
        raise InputError(f"alpha is kept of pictures with sides up to {webp.SIDE}; --no-alpha (in Python: alpha=False) puts it on white")
    return with_hidden_filled(picture.rgb, picture.alpha), extra | {"alpha": stream}


def decode(
    data: bytes | Path | str,
    model: Weights = None,
    max_pixels: int = container.MOST_PIXELS,
    precision: str = "float32",
    preview: bool = False,
) -> np.ndarray:
    """The image of a .sci file, uint8 (H, W, 3) in RGB, or (H, W, 4) in RGBA if it has alpha.

    Args:
        data: the file's bytes, or its path.
        model: the weights that encoded it, or their file; None looks for them by identity among the shipped and local checkpoints.
            A lossless file needs none.
        max_pixels: a larger image is refused before anything is computed.
        precision: "float64" for the same pixels on any machine, in more time; "bfloat16" for nearly the same in less, where the
            processor has it; see :func:`sccore.codecs.sci.picture`.
        preview: a quarter of the width and height, in a part of the time; see :mod:`sccore.codecs.preview`.

    Raises:
        InputError: not a .sci file, another version, damaged, too large, or other weights needed; says which.

    Example:
        >>> data = sccore.encode(np.zeros((16, 16, 3), np.uint8), detector="none")
        >>> sccore.decode(data).dtype
        dtype('uint8')
    """
    try:
        content = container.read(data) if isinstance(data, (Path, str)) else bytes(memoryview(data))
    except TypeError:
        raise InputError(f"the bytes of a file are decoded, or the file of a path, not {type(data).__name__}") from None
    file = container.unpack(content, max_pixels)
    return pixels(file, model, precision, preview)


def pixels(file: container.File, model: Weights = None, precision: str = "float32", preview: bool = False) -> np.ndarray:
    """The image of a file that was taken apart, as of :func:`decode`."""
    if preview:
        return quarter(file, model)
    if file.lossless:
        return webp.decode(file.lossless)
    from sccore.codecs import sci

    alpha = alpha_of(file)  # first: it may be damaged, and is quick
    image = sci.picture(file, model, precision)
    return image if alpha is None else np.dstack([image, alpha])


def quarter(file: container.File, model: Weights = None) -> np.ndarray:
    """The picture at a quarter of its width and height, by :mod:`sccore.codecs.preview` where that can, else decoded and reduced."""
    from sccore.codecs.preview import preview, reduced

    if file.lossless or (small := preview(file, model)) is None:
        return reduced(pixels(file, model))
    return small if (alpha := alpha_of(file)) is None else np.dstack([small, reduced(alpha)])


def alpha_of(file: container.File) -> np.ndarray | None:
    """What lies beside a learned picture as its alpha, uint8 (H, W)."""
    return webp.decode(file.alpha)[..., 1] if file.alpha else None


def info(data: bytes | Path | str) -> dict:
    """What a file is and holds, as `python -m sccore info FILE` shows it; nothing is decoded.

    Args:
        data: the file's bytes, or its path.

    Returns:
        version, bytes, width, height, bpp, alpha (whether it has any), picture ("learned", "few colours" or "lossless"), parts (bytes
        of each; the rest is header and checksum), and of a learned picture lambda and weights: their identity, and their file, None if
        they are not at hand.
    """
    data = container.read(data) if isinstance(data, (Path, str)) else bytes(data)
    file = container.unpack(data)
    found: dict[str, Any] = {"version": container.VERSION, "bytes": len(data), "width": file.width, "height": file.height}
    found |= {"bpp": 8 * len(data) / (file.width * file.height), "alpha": file.has_alpha}
    found |= {"picture": file.kind, "parts": file.chunks}
    if file.lossless:
        return found
    from sccore.codecs.checkpoint_files import by_identity

    try:
        at_hand = str(by_identity(file.identity))
    except InputError:
        at_hand = None
    return found | {"lambda": file.lmbda, "weights": {"identity": file.identity.hex(), "file": at_hand}}
