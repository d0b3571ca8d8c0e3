"""Where images and their masks lie: the files of a folder, or the members of a tar shard, which is read as that folder would be."""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import posixpath
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from sccore.data.images import is_image, match, pair, read_mask
from sccore.utils.errors import InputError
from sccore.utils.files import cached, regular, replacing

PACKED = {b"\x1f\x8b\x08": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}  # by the first bytes
SWELLING, ROOM = 20, 2**26  # a packed shard may unpack to so many times its size and so many bytes; images are packed already


class Piece(NamedTuple):
    """Bytes of a file: all of it, or a member of a shard; `lost` says why there are none."""

    path: Path
    start: int = 0
    length: int = -1
    lost: str = ""

    def read(self) -> bytes:
        """
        Raises:
            InputError: they cannot be read; names the file.
        """
        if self.lost:
            raise InputError(self.lost)
        try:
            regular(self.path)
            with open(self.path, "rb") as file:
                file.seek(self.start)
                return file.read(self.length)
        except OSError as error:
            raise InputError(f"{self.path}: {'a link to nothing' if self.path.is_symlink() else error.strerror.lower()}") from None


class Entry(NamedTuple):
    """Where an image and its mask are; None stands for a mask of 1 everywhere."""

    name: str
    image: Piece
    mask: Piece | None

    def read_mask(self, data: bytes, size: tuple[int, int]) -> np.ndarray:
        return read_mask(io.BytesIO(data), size, f"mask of {self.name}") if self.mask else np.ones(size, bool)


def entries(source: Path, alone: bool = False) -> list[Entry]:
    """What a folder or shard holds, sorted by name; no image is read yet.

    Args:
        source: with `images` and, if there are any, `masks` inside, or with images; a shard may have a folder around that.
        alone: leave masks aside.

    Raises:
        InputError: no such folder or shard, one that cannot be read, no images in it, an image without its mask.
    """
    if source.is_dir():
        images = folder if (folder := source / "images").is_dir() else source
        masks = source / "masks" if images == folder and (source / "masks").is_dir() and not alone else None
        return [Entry(stem, Piece(image), Piece(mask) if mask else None) for stem, image, mask in pair(images, masks)]
    if not source.is_file():
        raise InputError(f"{source}: no such folder or shard")
    return _shard(source, alone)


def _shard(path: Path, alone: bool) -> list[Entry]:
    members, cut = _members(path)
    pictures = [PurePosixPath(name) for name in sorted(members) if is_image(posixpath.basename(name))]
    if cut and not pictures:
        raise InputError(f"{path}: not a readable tar shard ({cut})")
    top = PurePosixPath(posixpath.commonpath([str(picture.parent) for picture in pictures] or ["."]))
    top = top.parent if top.name == "images" else top
    inside = lambda folder: [picture for picture in pictures if picture.parent == folder]
    images, masks = inside(top / "images"), None if alone else inside(top / "masks")
    if not masks and not cut:  # of a shard that ends too early they may be what is lost
        masks = None
    if not images:
        images, masks = inside(top), None
    try:
        found = match(images, masks, f"{path}/{images[0].parent if images else top}", f"{path}/{top / 'masks'}")
    except InputError as error:
        raise InputError(f"{error}; it {cut}" if cut else str(error)) from None
    listed = [Entry(stem, members[str(image)], members[str(mask)] if mask else None) for stem, image, mask in found]
    return listed + ([Entry(path.name, Piece(path, lost=f"{path}: {cut}"), None)] if cut else [])


def _members(path):
    """{name: piece} of the files in a shard, links followed and what is hidden left out; and why it ends too early, if it does."""
    members, links, cut = {}, {}, ""
    try:
        plain = _plain(path)
        size = plain.stat().st_size
        with tarfile.open(plain, "r:") as tar:
            for member in tar:
                name = posixpath.normpath(member.name).lstrip("/")
                if any(part.startswith(".") for part in name.split("/")):
                    continue
                if member.islnk() or member.issym():
                    links[name] = posixpath.normpath(posixpath.join("" if member.islnk() else posixpath.dirname(name), member.linkname))
                elif member.isreg() and not member.issparse():
                    members[name] = Piece(plain, member.offset_data, max(0, min(member.size, size - member.offset_data)))
            tar.fileobj.seek(tar.offset)
            if tar.fileobj.read(tarfile.BLOCKSIZE).strip(b"\0"):
                cut = "ends too early, or goes on with something else"
    except InputError:
        raise
    except Exception as error:  # tarfile raises what it likes
        cut = str(error) or type(error).__name__
    return members | {name: members[target] for name, target in links.items() if target in members}, cut


def _plain(path):
    """A shard that is not packed: the file itself, or what it unpacks to, which is made once and kept, see :func:`sccore.utils.files.cached`."""
    with open(path, "rb") as file:
        head = file.read(512)
    unpack = next((opener for magic, opener in PACKED.items() if head.startswith(magic)), None)
    if unpack is None or head[257:262] == b"ustar":  # a plain shard begins with a file's name, which may look like anything
        return path
    status = path.stat()
    mark = hashlib.sha256(os.fsencode(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}")).hexdigest()[:32]
    if not (kept := cached(f"{mark}.tar")).exists():
        room = ROOM + SWELLING * status.st_size
        with replacing(kept) as part, open(part, "wb") as target, unpack(path) as source:
            while block := _block(source):
                if (room := room - len(block)) < 0:
                    raise InputError(f"{path}: unpacks to more than {SWELLING} times its size; unpack it yourself")
                target.write(block)
    return kept


def _block(packed):
    try:
        return packed.read1(2**16)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return b""  # what came before is a shard that ends too early
