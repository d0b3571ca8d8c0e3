"""Measuring a codec on a folder of images with real bitstreams, as in Section 4.2 of the paper.

Every image is coded to the bytes of a file and decoded from them; the rate is that file's size, the quality that of
the decoded 8-bit image. Learned models (`evaluate`) write .sci files, and `bpp_estimated`, the entropy model's
cross-entropy, stands beside their rate; classical codecs (`evaluate_classical`) write the files of their format.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from tqdm import tqdm

from sccore.codecs import dec_adapter as adapter
from sccore.codecs import sci as codec
from sccore.data import samples as data
from sccore.evaluation import metrics, rulers
from sccore.evaluation import records as results
from sccore.presets import LAMBDAS
from sccore.text import altered_masks as remasking
from sccore.utils.errors import InputError


def evaluate(model, images_dir: Path | str, masks_dir: Path | str | None = None, lmbdas: Sequence[float] | None = None,
             out: Path | str | None = None, progress: bool = True, name: str | None = None,
             command: str | None = None, position: int = 0, adapter_steps: int = 0, coded_with: str | None = None,
             also: Sequence[str] | None = None) -> dict:
    """Measure a model on all images of a folder; unreadable ones are named under "failed", the others still measured.

    Args:
        model: as `load_model` returns it.
        masks_dir: text masks paired with the images by stem; without them the model codes with its default mask
            and there is no text-region PSNR.
        lmbdas: points of a variable-rate model (all five of the paper unless given); a fixed-rate model has one.
        out: JSON file, written after every image. If it holds a record of the same weights, images, masks,
            lambdas, code and machine, what is in it is not measured again; any other record in it is replaced.
        name: the codec's name in figures, `results.codec_name` unless given.
        command: what to note as the command, the running one unless given.
        position: line of the progress bar.
        adapter_steps: above 0 it is Dec-Adapter (reconstruction) that is measured, over this model; see
            :mod:`sccore.codecs.dec_adapter`.
        coded_with: a name of :mod:`sccore.text.altered_masks`: the model is told another mask than that of `masks_dir`, under
            which the text region is measured all the same.
        also: names of :mod:`sccore.evaluation.rulers`, a column more each.

    Returns:
        the record, as :mod:`sccore.evaluation.records` describes it.
    """
    pairs = data.pair(images_dir, masks_dir, strict=False)
    lmbdas = _points(model, lmbdas)
    record = results.provenance(model, images_dir, command, masks_dir)
    if adapter_steps:
        adapter.shapes(model)  # refuses models that cannot have them
        record |= {"codec": adapter.NAME, "settings": f"over {record['codec']}, {adapter_steps} steps an image"}
    record |= {"codec": name or record["codec"], "lmbdas": lmbdas, "images": []}
    told = lambda image, mask: mask
    if coded_with:
        told, record["coded_with"] = remasking.choose(coded_with)
    _note(record, also)
    if model.checkpoint_hash:
        record = _begun(out, record)

    def rows(image, mask, missing):
        latents = Latents(model, image, told(image, mask))
        for lmbda in missing:
            yield measure(model, image, mask, lmbda, latents, adapter_steps)

    return _sweep(record, pairs, "lmbda", lmbdas, rows, out, progress, position)


def evaluate_classical(codec, images_dir: Path | str, masks_dir: Path | str | None = None,
                       qualities: Sequence[int] | None = None, out: Path | str | None = None, progress: bool = True,
                       ms_ssim: bool = True, command: str | None = None, also: Sequence[str] | None = None) -> dict:
    """Measure a codec of :mod:`sccore.codecs.classical` as `evaluate` does a model; what it cannot code is under "failed" too.

    Args:
        qualities: the codec's own sweep unless given.
        out: as for `evaluate`; an unfinished record is gone on with if codec, versions and settings are the same.
        ms_ssim: measure MS-SSIM too, which takes longer than most of these codecs.
        also: names of :mod:`sccore.evaluation.rulers`, a column more each.
    """
    pairs = data.pair(images_dir, masks_dir, strict=False)
    qualities = list(qualities or codec.qualities)
    record = {"codec": codec.name, "settings": codec.settings} | results.surroundings(images_dir, command, masks_dir)
    record["versions"] |= codec.versions()
    _note(record, also)
    record = _begun(out, record | {"with_ms_ssim": ms_ssim, "qualities": qualities, "images": []})

    def rows(image, mask, missing):
        for quality in missing:
            yield measure_classical(codec, image, mask, quality, ms_ssim)

    return _sweep(record, pairs, "quality", qualities, rows, out, progress)


def _note(record, also):
    """Writes further rulers and their software into a record."""
    if names := rulers.choose(also):
        record["also"] = names
        record["versions"] |= rulers.versions(names)


def _sweep(record: dict, pairs: list, setting: str, points: Sequence, rows: Callable[..., Iterable[tuple[dict, np.ndarray]]],
           out: Path | str | None, progress: bool, position: int = 0) -> dict:
    """Fills a record image by image with what `rows(image, mask, points)` measures at the points it does not have yet."""
    record["failed"], also = [], record.get("also", [])
    done = {(row["name"], row[setting]) for row in record["images"]}
    with tqdm(total=len(pairs) * len(points), initial=len(done), desc=record["codec"], disable=not progress,
              position=position) as bar:
        for _, image_path, mask_path in pairs:
            file = Path(image_path).name
            missing = [point for point in points if (file, point) not in done]
            try:
                image = data.read_image(image_path, file)
                mask = None if mask_path is None else data.read_mask(mask_path, image.shape[:2], f"mask of {file}")
                words = rulers.truth(also, image_path)
                for row, decoded in rows(image, mask, missing) if missing else ():
                    record["images"].append({"name": file} | row | rulers.columns(also, image, decoded, mask, words))
                    bar.update()
            except InputError as error:
                what = str(error) if file in str(error) else f"{file}: {error}"
                record["failed"].append({"name": file, "error": what})
            if out:
                results.save_record(out, record)
    return record


class Latents:
    """y and z of an image, which serve every lambda, and the seconds that they took."""

    def __init__(self, model, image: np.ndarray, mask: np.ndarray | None):
        start = perf_counter()
        self.y_z = codec.analyse(image, model, mask)
        self.seconds = perf_counter() - start


def measure(model, image: np.ndarray, mask: np.ndarray | None = None, lmbda: float | None = None,
            latents: Latents | None = None, adapter_steps: int = 0) -> tuple[dict, np.ndarray]:
    """Code and decode one image (H, W, 3); a row of a record without the name, and the decoded image.

    Times are those of the whole way: the analysis counts for every lambda. With `adapter_steps` the row has the bytes
    of the adapters too, 0 where they did not pay; they are part of the file and of both rates.
    """
    latents = latents or Latents(model, image, mask)
    start = perf_counter()
    stream = codec.encode(image, model, lmbda, latents=latents.y_z, adapter_steps=adapter_steps)
    encoded = perf_counter()
    decoded = codec.decode(stream, model)
    end = perf_counter()
    adapters = len(codec.open_seal(stream)[-1])
    estimated = codec.estimated_bits(latents.y_z, model, lmbda) + 8 * adapters
    row = {"lmbda": lmbda} | _score(image, mask, decoded, stream) | {
        "bpp_estimated": estimated / (image.shape[0] * image.shape[1]),
        "encode_s": latents.seconds + encoded - start,
        "decode_s": end - encoded,
    }  # fmt: skip
    return row | ({"adapter_bytes": adapters} if adapter_steps else {}), decoded


def measure_classical(codec, image: np.ndarray, mask: np.ndarray | None, quality: int,
                      ms_ssim: bool = True) -> tuple[dict, np.ndarray]:
    """As `measure`, with a codec of :mod:`sccore.codecs.classical` at one quality."""
    start = perf_counter()
    stream = codec.encode(image, quality)
    encoded = perf_counter()
    decoded = codec.decode(stream, image.shape[:2])
    end = perf_counter()
    score = _score(image, mask, decoded, stream, ms_ssim)
    return {"quality": quality} | score | {"encode_s": encoded - start, "decode_s": end - encoded}, decoded


def _score(image, mask, decoded, stream, ms_ssim=True):
    """Rate and quality of a decoded image, the same for every codec."""
    height, width = image.shape[:2]
    return {
        "width": width,
        "height": height,
        "bytes": len(stream),
        "bpp": 8 * len(stream) / (height * width),
        "psnr": metrics.psnr(image, decoded),
        "psnr_text": None if mask is None else metrics.psnr_text(image, decoded, mask),
        "ms_ssim": metrics.ms_ssim(image, decoded) if ms_ssim else None,
    }


def _points(model, lmbdas):
    """The lambdas to measure: of a fixed-rate model the one it was trained for (None if it was not trained)."""
    if model.spec["rate"] == "variable":
        for lmbda in lmbdas or ():
            model.level(lmbda)  # refuses what is outside
        return list(lmbdas or LAMBDAS)
    own = model.meta.get("lmbda")
    if lmbdas and list(lmbdas) != [own]:
        raise InputError(f"this model has one rate, lmbda {own}, and none for {', '.join(map(str, lmbdas))}")
    return [own]


def _begun(out, record):
    """The record in `out` if it measures what `record` is about to measure, else `record`."""
    if not out or not Path(out).exists():
        return record
    before = results.load_record(out)
    return before if _subject(before) == _subject(record) else record


def _subject(record):
    """What must agree for two runs to be one measurement; the commit may differ where sccore's sources do not."""
    keys = ("codec", "model", "checkpoint", "settings", "dataset", "machine", "threads", "coded_with", "also", "lmbdas", "qualities",
            "with_ms_ssim")  # fmt: skip
    versions = record.get("versions", {}) | {"sccore": None}
    return json.dumps([versions, *(record.get(key) for key in keys)], sort_keys=True)
