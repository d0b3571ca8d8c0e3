"""The palette of a learned picture: the main colours of a screen, which its flat areas get back exactly.

A quantised transform leaves a flat ground off by some levels, and ripples around text. Screens have few main colours. So a file
may list up to COLOURS of them, each with a radius: a decoded pixel that is within it in all three channels becomes that colour.
The paper has nothing of this; classical codecs for screens code blocks of few colours by palettes instead.

Content: four bytes a colour: red, green, blue, radius. Of several that reach a pixel the first in the list counts.
"""

import math
from itertools import count

import numpy as np

from sccore.utils.errors import InputError

COLOURS = 8  # of a palette at most
FARTHEST = 32  # radius at most, in levels
TRIED = 24  # most frequent colours of the picture that are tried
SAMPLED = 2**16  # pixels that the choice looks at, about
HARM = 4.0  # what an error that grows counts, beside one that shrinks: faint lines near to a colour shall stay
PER_COLOUR = 4  # bytes


def restore(decoded: np.ndarray, palette: bytes) -> np.ndarray:
    """A decoded picture, uint8 (H, W, 3), with the colours of a palette; without one as it is."""
    if not palette:
        return decoded
    *colours, radii = entries(palette).T.astype(np.int16)
    levels, powers = np.arange(256)[:, None], 1 << np.arange(len(radii))
    near = [((abs(levels - channel) <= radii) @ powers).astype(np.uint8) for channel in colours]  # (256,) sets of colours, a bit each
    sets = near[0][decoded[..., 0]]
    for i in (1, 2):
        sets &= near[i][decoded[..., i]]
    first = np.array([0, *((i & -i).bit_length() - 1 for i in range(1, 256))], np.uint8)  # the lowest bit of a set
    restored, some = decoded.copy(), sets > 0
    restored[some] = entries(palette)[first[sets[some]], :3]
    return restored


def entries(palette: bytes) -> np.ndarray:
    """The content of a palette, uint8 (colours, 4): red, green, blue, radius.

    Raises:
        InputError: no palette has such a length.
    """
    if len(palette) % PER_COLOUR or len(palette) > COLOURS * PER_COLOUR:
        raise InputError("damaged: no palette")
    return np.frombuffer(palette, np.uint8).reshape(-1, PER_COLOUR)


def choose(image: np.ndarray, decoded: np.ndarray, lmbda: float) -> bytes:
    """The palette that pays: whose bits cost less than the errors that it takes away, at lambda's price (Eq. 8). Empty if none does.

    Greedy: the colour and radius first that help most of what is not restored yet.

    Args:
        image, decoded: uint8 (H, W, 3).
    """
    height, width = image.shape[:2]
    step = next(n for n in count(max(1, height * width // SAMPLED)) if math.gcd(n, width) == 1)  # so that no column is left out
    x, y = (part.reshape(-1, 3)[::step].astype(np.int16) for part in (image, decoded))  # (pixels, 3)
    share = len(x) / (height * width)
    price = 8 * PER_COLOUR * 3 / lmbda if lmbda else math.inf  # of a colour, in squared errors summed over three channels
    before, left, palette = errors(y, x), np.ones(len(x), bool), []
    tried = {tuple(colour): gains(colour, x, y, before) for colour in frequent(x)}

    def best(colour) -> tuple[float, int]:
        """What it takes away at most of what is left, and the radius for that."""
        at, distance, gain = tried[colour]
        summed = np.bincount(distance[left[at]], gain[left[at]], FARTHEST + 1).cumsum() / share
        return summed.max(), int(summed.argmax())

    last = {colour: best(colour)[0] for colour in tried}  # what it could bring when it was last looked at: seldom less than now
    while last and len(palette) < COLOURS and last[colour := max(last, key=last.__getitem__)] > price:
        hoped, (gain, radius) = last.pop(colour), best(colour)
        if gain < hoped:
            last[colour] = gain
            continue
        at, distance, _ = tried[colour]
        left[at[distance <= radius]] = False
        palette.append((*colour, radius))
    found = np.array(palette, np.uint8).tobytes()
    saved = errors(decoded, image).sum() - errors(restore(decoded, found), image).sum()  # of all pixels
    return found if saved > len(palette) * price else b""


def frequent(x: np.ndarray) -> np.ndarray:
    """The TRIED most frequent colours of pixels (n, 3), the most frequent first."""
    codes, counts = np.unique(x.astype(np.int32) @ (65536, 256, 1), return_counts=True)
    codes = codes[np.argsort(-counts, kind="stable")[:TRIED]]
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1)


def gains(colour: np.ndarray, x: np.ndarray, y: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the pixels whose decoded y is within FARTHEST of a colour: where they are, how far off, and what the colour takes away of the errors."""
    distance = abs(y - colour).max(axis=1)
    at = np.flatnonzero(distance <= FARTHEST)
    gain = (before[at] - errors(x[at], colour)).astype(np.float64)
    return at, distance[at], np.where(gain < 0, HARM * gain, gain)


def errors(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared differences, summed over the channels."""
    return np.square(np.subtract(a, b, dtype=np.int32)).sum(axis=-1)
