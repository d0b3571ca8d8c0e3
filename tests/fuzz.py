"""Decodes damaged and forged files in a process with little memory; one line of JSON says what became of them.

    python tests/fuzz.py CHECKPOINT SEED BROKEN FORGED

BROKEN files keep the checksum of what they were before they were altered, FORGED ones have a right one.
"""

import json
import random
import resource
import struct
import sys
import time
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from sccore.codecs import coding, container, dec_adapter, sci, without_loss
from sccore.codecs.checkpoint import load_model
from sccore.data.images import Picture, read_image
from sccore.utils.errors import InputError
from sccore.utils.paths import SAMPLES

MEMORY = 500 << 20  # bytes beyond what the interpreter and the weights take
FIXED = 5  # magic and version: altered ones are refused at once
STREAMS = ("y", "z", "lossless", *container.CHUNKS)


def files(model) -> list[bytes]:
    """Small pictures of every form, with adapters where the model can have them."""
    image = read_image(SAMPLES / "images" / "codec_wiki.png")
    made = [
        sci.encode(np.ascontiguousarray(image[400 : 400 + h, 1000 : 1000 + w]), model, lmbda)
        for h, w, lmbda in ((64, 64, 0.0067), (1, 1, 0.025), (40, 50, 0.02), (64, 100, 0.0018))
    ]
    clear = Picture(image[400:464, 1000:1064], np.arange(64 * 64, dtype=np.uint8).reshape(64, 64), b"Exif\0\0II*\0", b"<x/>")
    made.append(container.pack(replace(container.unpack(made[0]), **coding.parts(clear)[1])))
    made += [container.pack(without_loss.exact(picture)) for picture in (clear, Picture(clear.rgb))]
    made.append(container.pack(replace(container.unpack(made[-1]), few_colours=True)))
    if model.spec["name"] == "wacnn":
        symbols = [torch.randint(-3, 4, shape) for shape in dec_adapter.shapes(model)]
        made.append(container.pack(replace(container.unpack(made[0]), adapters=dec_adapter.encode(model, symbols))))
    return made


def altered(data: bytes, rng: random.Random, start: int) -> bytes:
    """Some of: bits turned, bytes written over, a part cut out, repeated or filled, the end cut off or something put behind it."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        a = rng.randrange(start, max(len(data), start + 1))
        b = min(len(data), a + rng.choice((1, 2, 4, 8, 30, 200)))
        kind = rng.choice((0, 0, 1, 1, 2, 3, 4, 5, 6))
        if kind == 0 and a < len(data):
            data[a] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[a:b] = rng.randbytes(b - a)
        elif kind == 2:
            del data[a:b]
        elif kind == 3:
            data[a:a] = data[a:b]
        elif kind == 4:
            data[a:b] = rng.choice((b"\x00", b"\xff")) * rng.choice((b - a, 4, 8, 10000))
        elif kind == 5:
            del data[a:]
        else:
            data += rng.randbytes(rng.choice((1, 4, 40)))
    return bytes(data)


def forged(data: bytes, rng: random.Random) -> bytes:
    """A right checksum over altered bytes, or over altered parts in a sound header, whose fields are set to something else now and then."""
    if rng.random() < 0.3:
        body = altered(data[:-4], rng, FIXED)
        return body + struct.pack("<I", zlib.crc32(body))
    file = container.unpack(data)
    part = rng.choice([name for name in STREAMS if getattr(file, name)])
    change: dict = {part: altered(getattr(file, part), rng, 0)}
    if rng.random() < 0.3:
        change[rng.choice(("width", "height"))] = rng.choice((1, 64, 65, 128, 255, 1024, 17000, 65535))
    if rng.random() < 0.1:
        change["lmbda"] = rng.choice((float("nan"), float("inf"), -1.0, 0.0, 1e30, 0.0018, 0.025))
    return container.pack(replace(file, **change))


def main(path: str, seed: int, broken: int, deep: int):
    torch.set_num_threads(1)
    model, rng = load_model(path), random.Random(seed)
    sound = files(model)
    for data in sound:
        coding.decode(data, model)
    ends, slowest = Counter(), 0.0
    size = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    for make, count in ((lambda d: altered(d, rng, 0), broken), (lambda d: forged(d, rng), deep)):
        for _ in range(count):
            data, begun = make(rng.choice(sound)), time.process_time()
            try:
                end = "decoded" if coding.decode(data, model).dtype == np.uint8 else "wrong"
            except InputError as error:
                assert str(error) and "\n" not in str(error)
                end = "".join(c for c in str(error) if not c.isdigit())[:60]
            except BaseException:
                print(data.hex(), file=sys.stderr)
                raise
            ends[end] += 1
            if (took := time.process_time() - begun) > slowest:
                slowest, worst = took, data
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(json.dumps({"ends": ends, "slowest": round(slowest, 3), "slowest_file": worst.hex()[:2000], "peak_mb": peak}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
