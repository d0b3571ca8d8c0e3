"""Measuring a codec on a folder of images with real bitstreams, as in Section 4.2 of the paper.

Every image is coded to the bytes of a file and decoded from them; the rate is that file's size, the quality that of
the decoded 8-bit image. Learned models (`evaluate`) write .sci files, and `bpp_estimated`, the entropy model's
cross-entropy, stands beside their rate; classical codecs (`evaluate_classical`) write the files of their format.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from sccore.codecs import container, dec_adapter, sci
from sccore.codecs.checkpoint import load_model
from sccore.data import datasets
from sccore.data.images import pair, read_image, read_mask
from sccore.evaluation import metrics
from sccore.evaluation.provenance import provenance, surroundings
from sccore.evaluation.records import resume, sweep
from sccore.hyperprior import Hyperprior
from sccore.presets import LAMBDAS
from sccore.text import altered_masks
from sccore.utils.errors import InputError
from sccore.utils.values import cast

# what agrees in a record that is gone on with
SUBJECT = "codec model checkpoint settings dataset machine threads coded_with also palette lmbdas qualities with_ms_ssim".split()


def evaluate(
    model: Hyperprior | Path | str,
    images_dir: Path | str,
    masks_dir: Path | str | None = None,
    lmbdas: Sequence[float] | float | None = None,
    out: Path | str | None = None,
    progress: bool = True,
    name: str | None = None,
    command: str | None = None,
    position: int = 0,
    adapter_steps: int = 0,
    coded_with: str | None = None,
    also: Sequence[str] | str | None = None,
    replace: bool = True,
    palette: bool = False,
) -> dict:
    """Measure a model on all images of a folder; unreadable ones are named under "failed", the others still measured.

    Args:
        model: as `load_model` returns it, or what that takes.
        images_dir: a folder of images, or one with `images` and perhaps `masks` inside, or a data set, as `--images` takes it.
        masks_dir: text masks paired with the images by stem; without them the model codes with its default mask
            and there is no text-region PSNR.
        lmbdas: points of a variable-rate model (all five of the paper unless given), one or several; a fixed-rate model has one.
        out: JSON file, written after every image. If it holds a record of the same weights, images, masks,
            lambdas, code and machine, what is in it is not measured again; any other record in it is replaced.
        replace: False refuses a file that holds a record of other images, codecs or settings.
        name: the codec's name in figures, :func:`sccore.codecs.zoo.codec_name` unless given.
        command: what to note as the command, the running one unless given.
        position: line of the progress bar.
        adapter_steps: above 0 it is Dec-Adapter (reconstruction) that is measured, over this model; see
            :mod:`sccore.codecs.dec_adapter`.
        coded_with: a name of :mod:`sccore.text.altered_masks`: the model is told another mask than that of `masks_dir`, under
            which the text region is measured all the same.
        also: names of :mod:`sccore.evaluation.metrics`, or one, a column more each.
        palette: the files have palettes where those pay, as :func:`sccore.encode` makes them; see :mod:`sccore.codecs.palette`.

    Returns:
        the record, as :mod:`sccore.evaluation.records` describes it.

    Raises:
        InputError: no images there, a lambda that the model does not serve, or a model that is not as a checkpoint has it.

    Example:
        >>> record = sccore.evaluate(sccore.load_model(), "screens/images", "screens/masks", lmbdas=[0.0067], progress=False)
        >>> [row["name"] for row in record["images"]]
        ['one.png']
    """
    model = load_model(model) if isinstance(model, (str, Path)) else model
    if not isinstance(model, Hyperprior):
        raise InputError(f"a model of load_model is measured, or a checkpoint by its name or path, not {type(model).__name__}")
    points = _points(model, lmbdas)
    images_dir, masks_dir = datasets.place(images_dir, masks_dir)
    if model.checkpoint_hash is None:
        raise InputError("only weights from a checkpoint are measured; save the model and load it")
    record = provenance(model, images_dir, command, masks_dir)
    if adapter_steps:
        dec_adapter.shapes(model)  # refuses models that cannot have them
        record |= {"codec": dec_adapter.NAME, "settings": f"over {record['codec']}, {adapter_steps} steps an image"}
    record |= {"palette": True} if palette else {}
    record |= {"codec": name or record["codec"] + "-palette" * palette, "lmbdas": [point["lmbda"] for point in points]}
    encoder_mask = lambda image, mask: mask
    if coded_with:
        encoder_mask, record["coded_with"] = altered_masks.remasker(coded_with)

    def rows(image, mask, missing):
        latents = Latents(model, image, encoder_mask(image, mask))
        for point in missing:
            yield measure(model, image, mask, point["lmbda"], latents, adapter_steps, palette)

    return _fill(record, images_dir, masks_dir, points, rows, out, also, progress, replace, position)


def evaluate_classical(
    codec,
    images_dir: Path | str,
    masks_dir: Path | str | None = None,
    qualities: Sequence[int] | None = None,
    out: Path | str | None = None,
    progress: bool = True,
    ms_ssim: bool = True,
    also: Sequence[str] | str | None = None,
    replace: bool = True,
) -> dict:
    """Measure a codec of :mod:`sccore.codecs.classical` as `evaluate` does a model; what it cannot code is under "failed" too.

    Args:
        qualities: the codec's own sweep unless given.
        out: as for `evaluate`; an unfinished record is gone on with if codec, versions and settings are the same.
        ms_ssim: measure MS-SSIM too, which takes longer than most of these codecs.
        also: names of :mod:`sccore.evaluation.metrics`, a column more each.
        replace: as for `evaluate`.
    """
    qualities = list(qualities or codec.qualities)
    images_dir, masks_dir = datasets.place(images_dir, masks_dir)
    record = {"codec": codec.name, "settings": codec.settings} | surroundings(images_dir, masks_dir=masks_dir)
    record["versions"] |= codec.versions()
    record |= {"with_ms_ssim": ms_ssim, "qualities": qualities}

    def rows(image, mask, missing):
        for point in missing:
            yield measure_classical(codec, image, mask, point["quality"], ms_ssim)

    return _fill(record, images_dir, masks_dir, [{"quality": quality} for quality in qualities], rows, out, also, progress, replace)


def _fill(
    record: dict,
    images_dir: Path | str,
    masks_dir: Path | str | None,
    points: list[dict],
    rows: Callable[..., Iterable[tuple[dict, np.ndarray]]],
    out: Path | str | None,
    also: Sequence[str] | str | None,
    progress: bool,
    replace: bool,
    position: int = 0,
) -> dict:
    """Fills a record with what `rows(image, mask, points)` measures, and further metrics."""
    pairs = {path.name: (path, mask) for _, path, mask in pair(images_dir, masks_dir, strict=False)}
    if names := metrics.further(also):
        record["also"] = names
        record["versions"] |= metrics.versions(names)

    def scored(files, missing):
        path, mask_path = files
        image = read_image(path, path.name)
        mask = mask_path and read_mask(mask_path, image.shape[:2], f"mask of {path.name}")
        words = metrics.truth(names, path)
        for row, decoded in rows(image, mask, missing):
            yield row | metrics.columns(names, image, decoded, mask, words)

    unsaved = "checkpoint" in record and not record["checkpoint"]["sha256"]  # weights that nothing tells apart
    begun = resume(record | {"images": []}, None if unsaved else out, SUBJECT, replace=replace)
    return sweep(begun, pairs, points, scored, out, progress, position)


class Latents:
    """y and z of an image, which serve every lambda, and the seconds that they took."""

    def __init__(self, model, image: np.ndarray, mask: np.ndarray | None):
        start = perf_counter()
        self.y_z = sci.analyse(image, model, mask)
        self.seconds = perf_counter() - start


def measure(
    model,
    image: np.ndarray,
    mask: np.ndarray | None = None,
    lmbda: float | None = None,
    latents: Latents | None = None,
    adapter_steps: int = 0,
    palette: bool = False,
) -> tuple[dict, np.ndarray]:
    """Code and decode one image (H, W, 3); a row of a record without the name, and the decoded image.

    Times are those of the whole way: the analysis counts for every lambda. With `adapter_steps` the row has the bytes
    of the adapters too, 0 where they did not pay, and with `palette` those of the palette; they are part of the file and of both rates.
    """
    latents = latents or Latents(model, image, mask)
    start = perf_counter()
    stream = sci.encode(image, model, lmbda, latents=latents.y_z, adapter_steps=adapter_steps, palette=palette)
    encoded = perf_counter()
    decoded = sci.decode(stream, model)
    end = perf_counter()
    file = container.unpack(stream)
    estimated = sci.estimated_bits(latents.y_z, model, lmbda) + 8 * (len(file.adapters) + len(file.palette))
    row = {"lmbda": lmbda} | _score(image, mask, decoded, stream) | {"bpp_estimated": estimated / (image.shape[0] * image.shape[1])}
    row |= {"encode_s": latents.seconds + encoded - start, "decode_s": end - encoded}
    row |= {"adapter_bytes": len(file.adapters)} if adapter_steps else {}
    return row | ({"palette_bytes": len(file.palette)} if palette else {}), decoded


def measure_classical(codec, image: np.ndarray, mask: np.ndarray | None, quality: int, ms_ssim: bool = True) -> tuple[dict, np.ndarray]:
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
    """The lambdas to measure, [{"lmbda": ...}]: of a fixed-rate model the one it was trained for (None if it was not trained)."""
    if lmbdas is not None:
        lmbdas = [cast("lmbdas", lmbda, float) for lmbda in np.ravel(np.asarray(lmbdas, object))]
    if model.spec["rate"] == "variable":
        for lmbda in lmbdas or ():
            model.level(lmbda)  # refuses what is outside
        return [{"lmbda": lmbda} for lmbda in lmbdas or LAMBDAS]
    own = model.meta.get("lmbda")
    if lmbdas and lmbdas != [own]:
        raise InputError(f"this model has one rate, lmbda {own}, and none for {', '.join(map(str, lmbdas))}")
    return [{"lmbda": own}]
