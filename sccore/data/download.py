"""Brings data sets to data/NAME/images: file by file from public repositories, or from a copy that the user has.

Every image is decoded before it is kept, and its pixels are checked against the catalogue's hash where there is one.
What is transparent is put on white first. Files appear whole or not at all; what is there and right is not fetched
again, so that the same command goes on after a kill. What cannot be had or is wrong is named, and the rest completes.
"""

import hashlib
import io
import math
import os
import re
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image
from tqdm import tqdm

from sccore.data import datasets
from sccore.data.decoding import encoded, faults
from sccore.data.images import image_files, is_image, read_image, read_mask
from sccore.utils.errors import InputError
from sccore.utils.files import replacing

BASE = "https://raw.githubusercontent.com"  # BASE/repository/commit/path
LIMIT = 256 * 2**20  # bytes of a download
TRIES = 3
IN_VAIN = 16  # images in a row without an answer, then the rest is not asked for
LOSSY = "WebP quality 95"  # the last step of some rows' way into the training set


class NoAnswer(InputError):
    """No server was reached, which says nothing of the image that was asked for."""


def fetch(name: str, out: Path | str | None = None, base: str = BASE, jobs: int = 8, progress: bool = True) -> dict:
    """Downloads the images of a data set's catalogue.

    Args:
        out: folder for `images/`, data/NAME unless given.
        base: address in place of raw.githubusercontent.com, with the same paths.
        jobs: downloads at a time.

    Returns:
        {"out": folder, "new": number, "kept": number that was there, "differ": number that another WebP encoder made from
        the right source, "failed": {name: why}}.
    """
    dataset = datasets.known(name)
    if not (rows := dataset.rows()):
        raise InputError(f"{name} cannot be downloaded by a program ({dataset.source}); {dataset.advice}; then: {dataset.command}")

    def get(row):
        address = f"{base}/{row['repository']}/{row['commit']}/{quote(row['path'])}"
        return lambda: download(address)

    out = Path(out or dataset.folder)
    items = [(stem, Path(row["path"]).suffix.lower(), get(row), None, row) for stem, row in rows.items()]
    return _bring(items, out, jobs, f"fetching {name}", progress, in_vain=IN_VAIN)


def take(folder: Path | str, out: Path | str, name: str | None = None, progress: bool = True) -> dict:
    """Takes over images, and the masks beside them, from a user's folder: as links where the disk allows it, else as copies.

    Masks lie in `masks` in the folder, or beside it if it is called images.

    Args:
        folder: searched with all folders inside; files that are not named as the data set's images are left alone.
        out: folder for `images/` and `masks/`.
        name: a known data set, which says how its images are named and hashed; without it every image is taken.

    Returns:
        as :func:`fetch`; the number of images is not checked here.
    """
    dataset, folder = name and datasets.known(name), Path(folder).expanduser()
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    pattern = re.compile(dataset.pattern if dataset else ".*", re.IGNORECASE)
    beside = (folder.parent if folder.name == "images" else folder) / "masks"
    masks = beside if beside.is_dir() else None
    mates = {p.stem: p for p in image_files(masks)} if masks else {}
    others = {masks, Path(out) / "images", Path(out) / "masks"} - {folder}
    found = [
        p
        for p in sorted(folder.rglob("*"))
        if is_image(p.name) and p.is_file() and others.isdisjoint(p.parents) and pattern.fullmatch(p.name)
    ]
    if not found:
        named = f" named as those of {name} ({dataset.pattern})" if dataset else ""
        raise InputError(f"{folder}: no images{named} in it")
    rows, items, failed, stems = dataset.rows() if dataset else {}, [], {}, set()
    for path in found:
        if path.stem in stems:
            failed[path.name] = f"{path}: same stem as another image, masks are paired by stem"
        elif masks and path.stem not in mates:
            failed[path.name] = f"{path}: no mask {path.stem}.png in {masks}"
        else:
            items.append((path.stem, path.suffix.lower(), path.read_bytes, (path, mates.get(path.stem)), rows.get(path.stem)))
        stems.add(path.stem)
    done = _bring(items, Path(out), 1, f"taking {folder.name}", progress)
    return done | {"failed": failed | done["failed"]}


def _bring(items: Iterable[tuple], out: Path, jobs: int, label: str, progress: bool, in_vain: float = math.inf) -> dict:
    """Brings (stem, suffix, read, (file, mask), row) each; a summary as :func:`fetch` returns it.

    Raises:
        NoAnswer: so many times in a row that the rest would have none.
    """
    summary = {"out": out, "new": 0, "kept": 0, "differ": 0, "failed": {}}
    with warnings.catch_warnings(), ThreadPoolExecutor(jobs) as pool:
        warnings.simplefilter("ignore", UserWarning)  # of transparency: it is put on white, as announced
        tasks, failing = {pool.submit(_one, out, *item): item[0] for item in items}, 0
        try:
            for task in tqdm(as_completed(tasks), label, len(tasks), unit="image", disable=not progress):
                try:
                    how, exact = task.result()
                    summary[how] += 1
                    summary["differ"] += not exact
                    failing = 0
                except (InputError, OSError) as error:
                    summary["failed"][tasks[task]] = str(error)
                    failing = failing + 1 if isinstance(error, NoAnswer) else 0
                    if failing >= in_vain:
                        raise NoAnswer(f"{failing} in a row could not be fetched, the last: {error}; the same line goes on") from None
        except (KeyboardInterrupt, NoAnswer):
            pool.shutdown(cancel_futures=True)
            raise
    return summary


def _one(out: Path, stem: str, suffix: str, read: Callable[[], bytes], files: tuple | None, row: dict | None) -> tuple[str, bool]:
    """("new" or "kept", whether the pixels are those of the hash) of one image; raises what is wrong with it."""
    lossy = bool(row) and row.get("stored", "").endswith(LOSSY)
    places = [out / "images" / f"{stem}{s}" for s in dict.fromkeys([".webp"] if lossy else [suffix, ".png"])]
    for target in places:
        if row and target.exists():
            try:
                return "kept", _check(read_image(target, as_stored=True), row, lossy)
            except InputError:
                continue  # damaged, or something else: made anew
    content = read()
    image, as_it_is = _decoded(content, stem + suffix, as_stored=row is not None)
    if lossy:
        picture, size = Image.fromarray(image), (int(row["width"]), int(row["height"]))
        content = encoded(image if picture.size == size else np.asarray(picture.resize(size, Image.LANCZOS)), "WEBP", quality=95)
        image, target = read_image(io.BytesIO(content), stem), places[0]
    elif as_it_is:
        target = places[0]
    else:
        content, target = encoded(image, "PNG", optimize=True), places[-1]
    exact = _check(image, row, lossy)
    source, mask = files or (None, None)
    if mask:
        read_mask(mask, image.shape[:2])
        put(out / "masks" / f"{stem}{mask.suffix.lower()}", mask.read_bytes(), mask)
    new = put(target, content, source if as_it_is and not lossy else None)
    return "new" if new else "kept", exact


def _decoded(content: bytes, name: str, as_stored: bool) -> tuple[np.ndarray, bool]:
    """The image, and whether its file can be kept as it is: 8 bits a channel, nothing transparent, one frame."""
    image = read_image(io.BytesIO(content), name, as_stored)
    with faults(source := io.BytesIO(content), name), Image.open(source) as file:
        plain = file.mode in ("1", "L", "P", "RGB") and not file.has_transparency_data and getattr(file, "n_frames", 1) == 1
    return image, plain


def _check(image: np.ndarray, row: dict | None, lossy: bool) -> bool:
    """Whether the pixels are the catalogue's; another encoder's lossy WebP may differ, everything else is an InputError."""
    if row is None:
        return True
    height, width = image.shape[:2]
    if (row["width"], row["height"]) != (str(width), str(height)):
        raise InputError(f"{row['stem']}: {width}x{height}, the catalogue says {row['width']}x{row['height']}")
    if hashlib.sha256(image.tobytes()).hexdigest() == row["rgb_sha256"]:
        return True
    if lossy:
        return False
    raise InputError(f"{row['stem']}: other pixels than the catalogue's hash says")


def put(target: Path, content: bytes, source: Path | None) -> bool:
    """Puts a file at `target`, as a link to `source` if it can be one; False if it is there already."""
    if target.exists() and target.read_bytes() == content:
        return False
    with replacing(target) as part:
        try:
            if source is None:
                raise OSError
            os.link(source.resolve(), part)
        except OSError:  # another disk, or no source
            part.write_bytes(content)
    return True


def download(address: str) -> bytes:
    """The content of an address; a passing fault is tried again.

    Raises:
        InputError: names the address and what is wrong.
    """
    for wait in range(TRIES):
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                content = answer.read(LIMIT + 1)
            if len(content) > LIMIT:
                raise InputError(f"{address}: more than {LIMIT >> 20} MiB")
            return content
        except urllib.error.HTTPError as error:
            kind, why = InputError, f"{error.code} {error.reason}"
            if error.code < 500 and error.code != 429:
                break
        except (OSError, HTTPException, ValueError) as error:  # no connection, broken off; no address
            kind, why = NoAnswer, str(getattr(error, "reason", error)) or type(error).__name__
        if wait + 1 < TRIES:
            time.sleep(2**wait / 2)
    raise kind(f"{address}: {why}")
