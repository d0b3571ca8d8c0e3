"""Forms of the spatial context compared at equal training: how many passes, which slices, and the colours by way of z instead.

    python benchmarks/context_variants.py --data train-01.tar train-02.tar --validation DIR --out data/runs/context-variants

The transforms are those of a finished model and no form changes a picture, so that bits alone are compared. All forms see the same
crops, rates and noise, step by step. What is measured are the central crops of the validation images and of the samples, and pages
of one colour. Bytes are estimated, of symbols that are whole numbers; those of z are the length of its string. A second call goes
on where one was stopped.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from context_forms import FORMS, Form, begun, bits, train
from torch import Tensor, nn
from tqdm import tqdm

from sccore.codecs import tensors
from sccore.codecs.checkpoint import load_model
from sccore.data import samples as data
from sccore.data.samples import Samples
from sccore.entropy import SliceEntropyModel
from sccore.evaluation import provenance
from sccore.evaluation.records import save_record
from sccore.fixed_point import fixed_point, to_grid
from sccore.paper.context import FLAT, VARIANTS
from sccore.symbols import encode_z
from sccore.training import spatial
from sccore.utils import paths
from sccore.utils.files import replacing
from sccore.utils.json_files import load_json

MOST, ROUNDS = 3, 3  # slices that a form may have; repetitions of what is timed
MORE_FLAT = 15  # crops of one colour that are added to every 100


def trained(source, form: Form, chunks: list, out: Path, name: str, steps: int, batch: int, seed: int) -> tuple:
    """The model and what it has beside the context, and the seconds that it took; from `out` if they are there."""
    model, colours = begun(source, form, seed)
    parts = nn.ModuleList([model.contexts, *([colours] if colours else [])])
    if not (path := out / f"{name}.pt").exists():
        seconds = train(model, colours, form, chunks[form.flat], steps, batch, seed, name)
        with replacing(path) as part:
            torch.save((parts.state_dict(), seconds), part)
    state, seconds = torch.load(path, weights_only=True)
    parts.load_state_dict(state)
    model.eval()
    if colours:
        colours.bottleneck.update(force=True, update_quantiles=True)
    return model, colours, seconds


@torch.no_grad()
def held_out(model: SliceEntropyModel, validation: Samples, samples: Samples) -> list[tuple[str, Tensor, Tensor]]:
    """Name, y and z of what is measured; the validation crops share a name. The last is a larger crop, whose decoding is timed."""
    crops = lambda pictures, size: data.centre_crops(pictures, size, 1)
    inputs = [("validation", *crop) for crop in crops(validation, spatial.SIZE)]
    inputs += [(name, *crop) for name, crop in zip(samples.names, crops(samples, spatial.SIZE))]
    inputs += [(colour, *tensors.to_tensors(page(bytes.fromhex(colour[1:])), None, model)) for colour in FLAT]
    inputs += [("timed", *crops(samples, 2 * spatial.SIZE)[0])]
    return [(name, *model.analysis(x, mask)) for name, x, mask in tqdm(inputs, desc="held out")]


def page(colour) -> np.ndarray:
    return np.full((spatial.SIZE, spatial.SIZE, 3), list(colour), np.uint8)


def levels(model) -> list[Tensor]:
    """The lowest, the middle and the highest rate."""
    return [model.level(lmbda) for lmbda in model.lambdas[:: len(model.lambdas) // 2]]


@torch.no_grad()
def whole(source: SliceEntropyModel, pictures: list) -> tuple[dict, dict]:
    """Bytes of the model without context, at each rate: of all there is, and of its first slices each."""
    everything: dict[str, list[float]] = {}
    first: dict[str, list[list[float]]] = {}
    for name, y, z in tqdm(pictures, desc="without context"):
        for k, level in enumerate(levels(source)):
            own = -source.code_latents(y, z, level)[2]["y"].log2().sum((0, 2, 3)) / 8
            z_bytes = len(encode_z(source.entropy_bottleneck, z * source.gain_z(level)[0].float()))
            everything.setdefault(name, [0.0] * 3)[k] += own.sum().item() + z_bytes
            for i, part in enumerate(own.split(source.slice_ch)[:MOST]):
                first.setdefault(name, [[0.0] * 3 for _ in range(MOST)])[i][k] += part.sum().item()
    rounded = lambda rows: {name: np.round(row, 1).tolist() for name, row in rows.items()}
    return rounded(everything), rounded(first)


@torch.no_grad()
def saved(model, colours, form: Form, pictures: list, slices: dict) -> dict[str, list[float]]:
    """Bytes that are saved at each rate, less what is coded beside y."""
    found: dict[str, list[float]] = {}
    for name, y, z in pictures:
        before = found.setdefault(name, np.sum(slices[name][: len(model.contexts)], 0).tolist())
        for k, level in enumerate(levels(model)):
            total, coded = bits(model, colours, form, spatial.predicted(model, y, z, level))
            before[k] -= total.item() / 8 + (0 if coded is None else len(encode_z(colours.bottleneck, coded)))
    return {name: [round(value, 1) for value in values] for name, values in found.items()}


@torch.no_grad()
def decoding(source, model, colours, form: Form, y: Tensor, z: Tensor) -> float:
    """Processor time of decoding these latents at the middle rate, in units of that without context: a median."""
    level = levels(source)[1]
    if not form.slices:
        model.contexts = nn.ModuleList()
    model.update(force=True)
    both = [(each, each.encode_latents(y, z, level)) for each in (source, model)]
    ratios = []
    for _ in range(ROUNDS):
        without, own = (clocked(lambda: each.decode_latents(file, z.shape[-2:], level)) for each, file in both)
        if colours:
            net, seen = fixed_point(colours.net), to_grid(torch.zeros(1, colours.net[0].in_channels, *y.shape[-2:]))
            own += clocked(lambda: net(seen))
        ratios.append(own / without)
    return round(float(np.median(ratios)), 3)


def clocked(call: Callable) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def with_flat(model, chunks: list[dict[str, Tensor]], seed: int) -> list[dict[str, Tensor]]:
    """The crops, and among them more pages of one colour."""
    colours = np.random.default_rng((seed, 3)).integers(256, size=(MORE_FLAT, 3))
    made = [spatial.latents(model, x, torch.zeros_like(mask)) for x, mask in (tensors.to_tensors(page(c), None, model) for c in colours)]
    return [{key: torch.cat([chunk[key], *(one[key] for one in made)]) for key in chunk} for chunk in chunks]


def compare(base, training: Samples, validation: Samples, samples: Samples, out: Path, path: Path, origin: dict, **settings) -> dict:
    """Trains and measures every form that the record does not have yet; `settings` are crops, steps, batch and seed."""
    source = load_model(base).eval()
    steps, batch, seed = (settings[key] for key in ("steps", "batch", "seed"))
    settings |= {"base": source.checkpoint_hash, "data": training.sha256, "size": spatial.SIZE}
    record = origin | {"settings": settings, "lambdas": [*source.lambdas[:: len(source.lambdas) // 2]], "forms": {}}
    if path.exists() and (before := load_json(path))["settings"] == settings:
        record = before
    out.mkdir(parents=True, exist_ok=True)
    if not (cache := out / "held-out.pt").exists():
        with replacing(cache) as part:
            torch.save(held_out(source, validation, samples), part)
    *pictures, (_, *timed) = torch.load(cache, weights_only=True)
    if "bytes" not in record:
        record["bytes"], record["slices"] = whole(source, pictures)
    analysing, _ = begun(source, Form(slices=MOST), seed)
    chunks = spatial.analysed(analysing, training, settings["crops"], out, seed)
    chunks = [chunks, with_flat(analysing, chunks, seed)]
    form_of = lambda name: trained(source, FORMS[name], chunks, out, name, steps, batch, seed)
    for name, form in FORMS.items():
        if name not in record["forms"]:
            model, colours, seconds = form_of(name)
            passes = 1 + 2 * int(np.log2(form.lattice)) if form.slices else 1
            weights = sum(p.numel() for p in [*model.contexts[: form.slices].parameters(), *(colours.parameters() if colours else ())])
            found = {"passes": passes, "weights": weights, "seconds": seconds}
            record["forms"][name] = asdict(form) | found | {"saved": saved(model, colours, form, pictures, record["slices"])}
            save_record(path, record)
    for name, form in FORMS.items():
        if "decoding" not in record["forms"][name]:
            record["forms"][name]["decoding"] = decoding(source, *form_of(name)[:2], form, *timed)
            save_record(path, record)
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default="sftip", help="checkpoint, file or name of a shipped one; default sftip")
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="folders or tar shards")
    parser.add_argument("--validation", type=Path, required=True, help="folder with images/ and masks/")
    parser.add_argument("--samples", type=Path, default=paths.SAMPLES, help="the same; default the project's")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    spatial.whole_numbers(parser, crops=200, steps=800, batch=2, seed=0)
    a = vars(parser.parse_args())
    origin = provenance.surroundings(a["validation"] / "images", masks_dir=a["validation"] / "masks")
    origin["samples"] = provenance.dataset(a["samples"] / "images", a["samples"] / "masks")
    sources = data.load(*a.pop("data")), data.load(a.pop("validation")), data.load(a.pop("samples"))
    record = compare(a.pop("base"), *sources, a.pop("out"), VARIANTS, origin, **a)
    print(json.dumps({name: form["saved"]["validation"] for name, form in record["forms"].items()}))


if __name__ == "__main__":
    main()
