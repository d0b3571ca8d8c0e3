"""The commands that people use most: encode, decode, and what a file or a model is; files come one by one or many at a time.

Imports wait until a command runs, as in :mod:`sccore.cli.commands`.
"""

import json
from functools import lru_cache
from pathlib import Path

from sccore.cli.batch import left_out
from sccore.utils.errors import InputError


def info(a) -> int:
    if a.file and a.file.suffix == ".safetensors":
        a.checkpoint = a.file
    elif a.file:
        from sccore.cli import ends
        from sccore.codecs import coding

        with ends.named(a.file):
            found = coding.info(ends.content(a.file))
        print(json.dumps(found, indent=2))
        return 0
    from sccore.codecs.checkpoint import load_model
    from sccore.codecs.zoo import count_parameters, create_model, kmac_per_pixel

    switches = dict(sem=a.sem, prior=a.prior, laplacian=a.laplacian, rate=a.rate)
    model = load_model(a.checkpoint) if a.checkpoint else create_model(a.model, a.preset, **switches)
    report = {"model": model.spec, "parameters": count_parameters(model), "kmac_per_pixel": kmac_per_pixel(model)}
    if a.checkpoint:
        report |= {"meta": model.meta, "sha256": model.checkpoint_hash}
    print(json.dumps(report, indent=2))


def encode(a) -> int:
    from sccore.cli import batch, ends
    from sccore.codecs import checkpoint_files, inputs, refine, sci
    from sccore.data.images import is_image

    files = batch.pairs(a.image, a.file, ".sci", "pictures", lambda path: is_image(path.name))
    if a.mask and len(files) > 1:
        raise InputError("--mask is of one picture; for several, a detector makes it")
    for source, target in files:
        ends.check_target(target, source, a.mask, a.checkpoint, made=target != a.file)
        if is_image(target.name):  # perhaps a pattern that the shell has filled in, and the name of the file forgotten
            raise InputError(f"{target}: is the name of a picture; name the file .sci")
    a.checkpoint = a.checkpoint or checkpoint_files.find(a.model, a.lmbda)
    model = weights(a.checkpoint)
    sci.pick_lmbda(model, inputs.default_lmbda(model, a.lmbda))  # refuses what the model cannot do
    refine.steps_of(a.effort, model)
    return left_out(*batch.run(encode_one, a, files, ends.say))


def encode_one(a, source, target) -> str:
    """Encodes one picture; the line that says what it became."""
    from sccore.cli import ends
    from sccore.codecs import coding, container, inputs
    from sccore.data.images import read_picture

    picture = read_picture(ends.source(source), ends.name(source), not a.no_alpha, a.keep_metadata)
    model = weights(a.checkpoint)
    mask, origin = inputs.text_mask(picture, model, a.mask, a.detector)
    wishes = dict(lmbda=a.lmbda, size=a.target_size, bpp=a.bpp, psnr=a.psnr, adapter_steps=a.adapter_steps, effort=a.effort)
    wishes |= dict(fallback=not a.lossy, palette=not a.no_palette, few_colours=a.few_colours, progress=a.jobs == 1)
    data = coding.encode(picture, model, mask=mask, **wishes)
    ends.write(target, data)
    what = container.described(data)
    return f"{target}: {what}" + (f", mask: {origin}" if "learned" in what else "")


def decode(a) -> int:
    from sccore.cli import batch, ends

    suffix = "." + a.format.lstrip(".")
    ends.picture_format(Path(f"--format {suffix}"))
    ours = lambda path: path.suffix.lower() == ".sci" and not path.name.startswith(".")
    files = batch.pairs(a.file, a.image, suffix, ".sci files", ours)
    for source, target in files:
        ends.picture_format(target)
        ends.check_target(target, source, a.checkpoint, made=target != a.image)
    return left_out(*batch.run(decode_one, a, files, ends.say))


def decode_one(a, source, target) -> str:
    """Decodes one file; the line that says what it became."""
    from sccore.cli import ends
    from sccore.codecs import coding, container

    with ends.named(source):
        file = container.unpack(ends.content(source), a.max_pixels)
        model = weights(a.checkpoint, decoder=True) if a.checkpoint and not file.lossless else None
        image = coding.pixels(file, model, a.precision, a.preview)
    ends.write(target, ends.picture(image, ends.picture_format(target), target, file.exif, file.xmp))
    return f"{target}: {image.shape[1]}x{image.shape[0]}"


@lru_cache(maxsize=1)
def weights(path, decoder=False):
    """A model, or its decoder alone, kept for the files that follow."""
    from sccore.codecs.checkpoint import load_model

    return load_model(path, decoder=decoder)
