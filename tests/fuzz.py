"""Decodes damaged and forged files in a process with little memory; one line of JSON says what became of them.

    python tests/fuzz.py CHECKPOINT SEED BROKEN FORGED

BROKEN files keep the checksum of what they were before they were altered, FORGED ones have a right one.
"""

import json
import random
import resource
import sys
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from sccore.codecs import dec_adapter, sci
from sccore.codecs.checkpoint import load_model
from sccore.data.images import read_image
from sccore.utils.errors import InputError
from sccore.utils.paths import SAMPLES

MEMORY = 500 << 20  # bytes beyond what the interpreter and the weights take
FIXED = 13  # magic, version and identity: altered ones are refused at once


def files(model) -> list[bytes]:
    """Small pictures of every form, with adapters where the model can have them."""
    image = read_image(SAMPLES / "images" / "codec_wiki.png")
    made = [
        sci.encode(np.ascontiguousarray(image[400 : 400 + h, 1000 : 1000 + w]), model, lmbda)
        for h, w, lmbda in ((64, 64, 0.0067), (1, 1, 0.025), (40, 50, 0.025), (64, 100, 0.0018))
    ]
    if model.spec["name"] == "wacnn":
        symbols = [torch.randint(-3, 4, shape) for shape in dec_adapter.shapes(model)]
        made.append(sci.seal(*sci.open_seal(made[0])[:6], dec_adapter.encode(model, symbols)))
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
    """Altered, and its header set to something else now and then, under a right checksum."""
    data = altered(data, rng, rng.choice((FIXED, sci.HEADER.size, sci.HEADER.size)))
    if len(data) < sci.HEADER.size:
        return data
    *fields, _ = sci.HEADER.unpack_from(data)
    body = data[sci.HEADER.size :]
    if rng.random() < 0.5:  # else nearly every change of length is found by the length of y's string alone
        fields[6] = rng.choice((0, 4, 8, len(body) - 8, len(body) & -4, len(body), 2**32 - 1, *range(0, len(body) + 1, 4))) % 2**32
    if rng.random() < 0.2:
        fields[rng.choice((4, 5))] = rng.choice((0, 1, 64, 65, 128, 255, 4096, 17000, 65535))
    if rng.random() < 0.1:
        fields[3] = rng.choice((float("nan"), float("inf"), -1.0, 0.0, 1e30, 0.0018, 0.025))
    return sci.HEADER.pack(*fields, zlib.crc32(sci.HEADER.pack(*fields, 0) + body)) + body


def main(path: str, seed: int, broken: int, deep: int):
    torch.set_num_threads(1)
    model, rng = load_model(path), random.Random(seed)
    sound = files(model)
    for data in sound:
        sci.decode(data, model)
    ends, slowest = Counter(), 0.0
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    for make, count in ((lambda d: altered(d, rng, 0), broken), (lambda d: forged(d, rng), deep)):
        for _ in range(count):
            data, begun = make(rng.choice(sound)), time.process_time()
            try:
                end = "decoded" if sci.decode(data, model).dtype == np.uint8 else "wrong"
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
