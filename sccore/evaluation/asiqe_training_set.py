"""Distorted screens with features and labels, to train ASIQE-R on.

A scene is a crop of a pristine screen. Every scene is distorted in every way of DISTORTIONS, at levels drawn from seed
and scene alone; some also go through the learned codecs, at every rate. Labels are full-reference scores.
"""

import io
import json
from collections.abc import Iterator
from itertools import islice, zip_longest
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from sccore.codecs import classical
from sccore.codecs.programs import to_bytes
from sccore.data.decoding import encoded
from sccore.evaluation.asiqe import edges, full_reference
from sccore.evaluation.asiqe.index import features
from sccore.utils import paths
from sccore.utils.errors import InputError, note
from sccore.utils.files import replacing

SIZE = 360, 640  # of a scene
LIVELY, BUSY = 12.0, 5.0  # grey levels of standard deviation and of mean gradient that a scene has at least
CLASSICAL = {"jpeg": (4, 80), "webp": (1, 85), "avif": (4, 60), "hevc": (2, 50)}  # qualities, as `anchors` counts them


def compressed(name):
    def distort(image, level, rng):
        low, high = CLASSICAL[name]
        codec = classical.CODECS[name]
        return codec.decode(codec.encode(image, round(high * (low / high) ** level)), image.shape[:2])

    return distort


def jpeg2000(image, level, rng):
    """At 10:1 to 200:1."""
    file = encoded(image, "JPEG2000", quality_mode="rates", quality_layers=[10 * 20**level], irreversible=True)
    return np.array(Image.open(io.BytesIO(file)).convert("RGB"))


def blur(image, level, rng):
    """Gaussian, sigma 0.4 to 4 pixels."""
    return cv2.GaussianBlur(image, (0, 0), 0.4 * 10**level)


def noise(image, level, rng):
    """White Gaussian, sigma 2 to 40 grey levels."""
    return to_bytes(image + rng.normal(0, 2 * 20**level, image.shape))


def contrast(image, level, rng):
    """Shrunk towards the mean, to 0.9 to 0.25."""
    mean = image.mean((0, 1))
    return to_bytes(mean + (0.9 - 0.65 * level) * (image - mean))


def lightness(image, level, rng):
    """Shifted by 10 to 90 grey levels, up or down, and clipped."""
    return to_bytes(image + rng.choice((-1, 1)) * (10 + 80 * level))


def palette(image, level, rng):
    """64 to 3 colours, without dithering."""
    reduced = Image.fromarray(image).quantize(round(64 * (3 / 64) ** level), dither=Image.Dither.NONE)
    return np.array(reduced.convert("RGB"))


DISTORTIONS = {  # type: (image, level 0 mild to 1 strong, rng) -> image, how many levels a scene
    "jpeg": (compressed("jpeg"), 3),
    "webp": (compressed("webp"), 2),
    "avif": (compressed("avif"), 2),
    "hevc": (compressed("hevc"), 2),
    "jpeg2000": (jpeg2000, 2),
    "blur": (blur, 3),
    "noise": (noise, 2),
    "contrast": (contrast, 2),
    "lightness": (lightness, 1),
    "palette": (palette, 2),
}
LEARNED = "wacnn", "sftip"  # names of checkpoints and of types
PRISTINE = "pristine"


def scenes(sources: list[Path], seed: int = 0) -> Iterator[tuple[str, str, np.ndarray]]:
    """(name, source, crop uint8 SIZE + (3,)) of screens drawn from folders and tar shards, from each in turn.

    Photographs of the catalogue are left out, as are images smaller than a scene and those without a lively crop.
    """
    drawn = [_drawn(source, (seed, at)) for at, source in enumerate(sources)]
    yield from (scene for turn in zip_longest(*drawn) for scene in turn if scene is not None)


def _drawn(source, seed):
    from sccore.data.images import read_image

    images = _entries(source)
    for index in np.random.default_rng(seed).permutation(len(images)):
        entry = images[index]
        try:
            image = read_image(io.BytesIO(entry.image.read()), entry.name)
        except InputError as error:
            note(f"left out: {error}")
            continue
        crop = _crop(image, np.random.default_rng((*seed, index)))
        if crop is not None:
            yield entry.name, source.name, crop


def _entries(source):
    """The images of a folder or shard, in order of names; of a shard without the catalogue's photographs."""
    from sccore.data.entries import entries

    found = entries(source, alone=True)
    if source.is_dir():
        return found
    catalogue = pd.read_csv(paths.SHIPPED / "catalogue.tsv.gz", sep="\t", usecols=["stem", "kind"])
    photos = set(catalogue.loc[catalogue["kind"] != "screens", "stem"])
    return [entry for entry in found if entry.name not in photos]


def _crop(image, rng):
    height, width = SIZE
    if image.shape[0] < height or image.shape[1] < width:
        return None
    for _ in range(8):
        y, x = rng.integers(image.shape[0] - height + 1), rng.integers(image.shape[1] - width + 1)
        crop = image[y : y + height, x : x + width]
        if crop.std() >= LIVELY and edges.gradient(full_reference.grey(crop), edges.SCHARR).mean() >= BUSY:
            return np.ascontiguousarray(crop)
    return None


def distorted(scene: np.ndarray, seed: int) -> Iterator[tuple[str, float | None, np.ndarray]]:
    """(type, level, image) of a scene: itself first, then every distortion."""
    yield PRISTINE, None, scene
    for index, (kind, (distort, count)) in enumerate(DISTORTIONS.items()):
        rng = np.random.default_rng((seed, index))
        for level in (np.arange(count) + rng.random(count)) / count:
            yield kind, float(level), distort(scene, level, rng)


def learned(scene: np.ndarray, model) -> Iterator[tuple[float, np.ndarray]]:
    """(lambda, image) of a scene through a learned codec, as files decode; text everywhere is its mask."""
    from sccore.codecs import sci
    from sccore.presets import LAMBDAS

    latents = sci.analyse(scene, model)
    for lmbda in LAMBDAS:
        yield lmbda, sci.decode(sci.encode(scene, model, lmbda, latents=latents), model)


def make(
    sources: list[Path], work: Path | str, count: int = 60, learned_every: int = 4, seed: int = 0, progress: bool = True
) -> pd.DataFrame:
    """The training table, a row an image: scene, source, type, level, features x0, x1 ..., labels sqms and gmsd.

    Args:
        sources: folders of pristine screens and tar shards.
        work: JSON-lines file, a line a scene, written as they are made; a run that was stopped goes on from it, and
            one that ended goes on to a larger count.
        learned_every: every so many scenes one goes through the codecs of LEARNED; 0: none does.
    """
    from sccore.codecs.checkpoint import load_model

    if skipped := classical.usable(list(CLASSICAL))[1]:  # also tells Pillow of its plugins
        raise InputError("; ".join(skipped))
    work, models = Path(work), {}
    identity = {"sources": [s.name for s in sources], "learned_every": learned_every, "seed": seed}
    done, keys = _begun(work, identity), []
    with tqdm(total=count, desc="scenes", disable=not progress) as bar:
        for index, (name, source, scene) in enumerate(islice(scenes(sources, seed), count)):
            bar.update()
            key = source, name
            keys.append(key)
            if key in done:
                continue
            images = distorted(scene, seed + index)
            rows = [_row(scene, *image) for image in images]
            if learned_every and index // len(sources) % learned_every == 0:  # of every source alike
                models = models or {label: load_model(label) for label in LEARNED}
                rows += [_row(scene, label, *image) for label, model in models.items() for image in learned(scene, model)]
            done[key] = [{"scene": name, "source": source} | row for row in rows]
            with open(work, "a", encoding="utf-8") as file:
                file.write(json.dumps(done[key]) + "\n")
    table = pd.DataFrame([row for key in keys for row in done[key]])
    if (used := len({name for _, name in keys})) < 10:
        raise InputError(f"only {used} scenes in {', '.join(map(str, sources))}; 10 are needed at least")
    return table


def _row(scene, kind, level, image):
    labels = {"sqms": full_reference.sqms_like(scene, image), "gmsd": full_reference.gmsd(scene, image)}
    return {"type": kind, "level": level} | labels | {f"x{i}": float(x) for i, x in enumerate(features(image))}


def _write(work, lines):
    with replacing(work) as part:
        part.write_text("".join(lines), encoding="utf-8")


def _begun(work, identity):
    """(source, scene) -> rows of a run that was stopped; a last line that a kill cut short is dropped."""
    if not work.exists():
        _write(work, [json.dumps(identity) + "\n"])
    head, *lines = work.read_text(encoding="utf-8").splitlines(keepends=True) or [""]
    whole = [line for line in lines if line.endswith("\n")]
    if head.strip() != json.dumps(identity):
        raise InputError(f"{work}: another run, of {head.strip()}; name another file or delete it")
    if whole != lines:
        _write(work, [head, *whole])
    return {(rows[0]["source"], rows[0]["scene"]): rows for rows in map(json.loads, whole)}
