"""Training images that stay in their files: sets larger than memory, such as the paper's 300,000 images.

An index, made once, knows where every image lies and how large it is. From that, seed and step decide each crop as they
do in memory, and threads read and decode ahead of the training. Batches are the same either way.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from sccore.data.crops import Batches, Choice, extend, unpack
from sccore.data.entries import Entry, Piece, entries
from sccore.data.samples import decoded, in_order, nothing_in
from sccore.utils.device import cores
from sccore.utils.errors import InputError
from sccore.utils.files import cached, replacing


@dataclass
class Stream:
    """Images and masks in their files; stands where :class:`sccore.data.samples.Samples` does in training.

    Arrays of one row an image: `files` (n, 2), the numbers of image and mask in `places` (-1: no mask, 1 everywhere);
    `spans` (n, 2, 2), where each begins and how long it is (-1: to the end); `sizes` (n, 2).
    """

    places: list[str]
    files: np.ndarray
    spans: np.ndarray
    sizes: np.ndarray
    failed: dict[str, str]
    sha256: str

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Image i, uint8 (H, W, 3), and its mask, bool (H, W), read and decoded."""
        image, mask = (Piece(Path(self.places[f]), *map(int, span)) if f >= 0 else None for f, span in zip(self.files[i], self.spans[i]))
        _, item = decoded(Entry(str(image.path), image, mask))
        if isinstance(item, InputError):
            raise item
        return item

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return (self[i] for i in range(len(self)))

    def batches(self, *args, **kwargs) -> "StreamedCrops":
        return StreamedCrops(self, *args, **kwargs)


def stream(*sources: Path | str, progress: bool = True) -> Stream:
    """The index of shards and folders, as :func:`sccore.data.samples.load` takes them; made once and kept, see :func:`sccore.utils.files.cached`.

    Making it reads and decodes every file, so that a damaged one is reported and left out now, as it is in memory.
    """
    found = [entry for source in sources for entry in entries(Path(source))]
    path = cached(f"{fingerprint(found)}.npz")
    if not path.exists():
        with replacing(path) as part, open(part, "wb") as file:
            np.savez(file, **make_index(found, progress))
    with np.load(path, allow_pickle=False) as index:
        known = json.loads(str(index["meta"]))
        made = Stream(known["places"], index["files"], index["spans"], index["sizes"], known["failed"], known["sha256"])
    for why in made.failed.values():
        tqdm.write(f"left out: {why}")
    if not len(made):
        raise nothing_in(sources, made.failed)
    return made


def fingerprint(found: list[Entry]) -> str:
    """Of names, places and times of what is there: another one asks for a new index."""
    digest = hashlib.sha256()
    times = {}
    for entry in found:
        for piece in filter(None, entry[1:]):
            if piece.path not in times:
                status = piece.path.stat() if piece.path.exists() else piece.path.lstat()
                times[piece.path] = status.st_size, status.st_mtime_ns
            digest.update(os.fsencode(repr((entry.name, os.path.realpath(piece.path), *piece[1:], *times[piece.path]))))
    return digest.hexdigest()[:32]


def make_index(found: list[Entry], progress: bool) -> dict:
    """Arrays of a :class:`Stream`, and its other fields as JSON."""
    digest, failed, numbers, rows = hashlib.sha256(), {}, {}, []
    number = lambda piece: numbers.setdefault(str(piece.path), len(numbers)) if piece else -1
    checked = in_order(decoded_size, found, cores())
    for entry, (contents, size) in tqdm(zip(found, checked), total=len(found), desc="index", unit="image", disable=not progress):
        for content in contents:
            digest.update(content)
        if isinstance(size, InputError):
            failed[entry.name] = str(size)
            continue
        spans = [piece[1:3] if piece else (0, 0) for piece in entry[1:]]
        rows.append(((number(entry.image), number(entry.mask)), spans, size))
    meta = {"places": list(numbers), "failed": failed, "sha256": digest.hexdigest()}
    files, spans, sizes = zip(*rows) if rows else ((), (), ())
    arrays = {"files": np.array(files, np.int32), "spans": np.array(spans, np.int64), "sizes": np.array(sizes, np.int64)}
    return arrays | {"meta": json.dumps(meta)}


def decoded_size(entry: Entry) -> tuple[list[bytes], tuple[int, int] | InputError]:
    """As :func:`sccore.data.samples.decoded`, with (H, W) in place of the pixels."""
    contents, item = decoded(entry)
    return contents, item if isinstance(item, InputError) else item[1].shape


class StreamedCrops(Batches):
    """Crops as :class:`sccore.data.crops.Crops` draws them, read ahead by threads; one a core, less this one."""

    def __init__(self, stream: Stream, size: int, batch: int, seed: int = 0, device="cpu", invert: float = 0.0, part: slice = slice(None)):
        self.stream, self.choice, self.device = stream, Choice(stream.sizes, size, batch, seed, invert, part), device
        self.threads = max(1, cores() - 1)
        self.ahead: Iterator[Tensor] | None = None
        self.last: tuple[int, Tensor | None] = -1, None

    def draw(self, step: int) -> Tensor:
        """uint8 (B, size, size, 4); steps in their order are read ahead, a jump begins there anew."""
        at, batch = self.last
        if batch is None or step != at:
            if self.ahead is None or step != at + 1:
                self.ahead = in_order(self.read, range(step, 2**62), self.threads)
            self.last = step, next(self.ahead)
        return self.last[1]

    cut = staticmethod(unpack)

    def read(self, step: int) -> Tensor:
        """The batch of a step, uint8 (B, size, size, 4): red, green, blue and mask."""
        return torch.from_numpy(np.stack([self.crop(*one) for one in zip(*vars(self.choice(step)).values())]))

    def crop(self, index: int, _, corner: np.ndarray, flip: np.ndarray, inverted: bool) -> np.ndarray:
        size = self.choice.size
        image, mask = extend(*self.stream[index], size)
        window = tuple(slice(c, c + size) for c in corner)
        turned = tuple(slice(None, None, -1 if f else 1) for f in flip)
        image = image[window][turned]
        return np.dstack([255 - image if inverted else image, mask[window][turned].astype(np.uint8)])
