"""Images read as they are needed give the batches that images in memory do, and memory does not grow with the set."""

import csv
import os
import shutil
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

import sccore
from sccore.data import streaming
from sccore.data.samples import load
from sccore.data.streaming import stream
from sccore.training.fit import fit
from sccore.training.recipe import Recipe
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.paths import SAMPLES

NAMES = "graph", "gui", "windows95"


@pytest.fixture
def screens(tmp_path, monkeypatch):
    """A folder with three screens, one smaller than a crop of 64, and a shard with two of them."""
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    for kind in ("images", "masks"):
        folder = tmp_path / "set" / kind
        folder.mkdir(parents=True)
        for name in NAMES:
            shutil.copy(SAMPLES / kind / f"{name}.png", folder)
        Image.open(SAMPLES / kind / "gui.png").crop((0, 0, 50, 40)).save(folder / "small.png")
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        for name in NAMES[:2]:
            for kind in ("images", "masks"):
                tar.add(SAMPLES / kind / f"{name}.png", f"{kind}/{name}.png")
    return tmp_path


@pytest.mark.parametrize("options", [{}, {"invert": 0.5, "seed": 3}, {"part": slice(2, 4)}])
def test_batches_are_those_in_memory(screens, options):
    sources = screens / "set", screens / "shard.tar"
    memory, files = load(*sources, progress=False), stream(*sources, progress=False)
    assert files.sha256 == memory.sha256 and len(files) == len(memory) == 6
    ways = [source.batches(64, 4, **options) for source in (memory, files)]
    for step in (0, 1, 2, 3, 40, 41, 7):  # in their order, and with jumps
        (x, mask), (same_x, same_mask) = (way(step) for way in ways)
        assert torch.equal(x, same_x) and torch.equal(mask, same_mask), step


def test_images_without_masks_are_text_everywhere(screens):
    (x, mask), memory = stream(screens / "set/images", progress=False).batches(64, 4)(0), load(screens / "set/images", progress=False)
    assert mask.min() == 1 and torch.equal(x, memory.batches(64, 4)(0)[0])


def test_training_from_files_is_training_from_memory_and_goes_on(narrow, screens):
    recipe = Recipe(steps=6, batch=2, crop=64, lr=1e-3, schedule="decay")

    def train(name, samples, steps=6):
        torch.manual_seed(0)
        options = dict(recipe=recipe, progress=False)
        with pytest.MonkeyPatch.context() as patch:
            if steps < 6:  # a kill, and the same line again
                patch.setattr("sccore.training.fit.Training.over", lambda self, stop: self.run.step >= steps)
            fit(sccore.create_model("wacnn", rate="variable"), samples, screens / name, **options)
        with open(screens / name / "log.csv", encoding="utf-8") as file:
            return [row["loss"] for row in csv.DictReader(file) if row["loss"]]

    whole = train("memory", load(screens / "set", progress=False))
    files = stream(screens / "set", progress=False)
    train("files", files, steps=3)
    assert train("files", files) == whole and len(whole) == 6


def test_the_index_is_made_once_and_anew_when_files_change(screens, monkeypatch):
    first = stream(screens / "set", progress=False)
    with monkeypatch.context() as patch:
        patch.setattr(streaming, "make_index", None)  # must not be asked
        assert np.array_equal(stream(screens / "set", progress=False).sizes, first.sizes)
    (screens / "set/images/broken.png").write_bytes((screens / "set/images/gui.png").read_bytes()[:3000])
    shutil.copy(screens / "set/masks/gui.png", screens / "set/masks/broken.png")
    again, memory = stream(screens / "set", progress=False), load(screens / "set", progress=False)
    assert len(again) == 4 and again.failed == memory.failed and "broken" in again.failed and again.sha256 == memory.sha256


def test_what_cannot_be_trained_on_is_refused(screens):
    with pytest.raises(InputError, match="not a readable tar shard"):
        (screens / "bad.tar").write_bytes(b"x" * 2000)
        stream(screens / "bad.tar", progress=False)
    Image.new("L", (3, 3)).save(screens / "set/masks/gui.png")
    assert not list((screens / "runs").rglob("*.npz*"))
    rest = stream(screens / "set", progress=False)
    assert len(rest) == 3 and rest.failed == {"gui": "mask of gui: mask is 3x3, its image 1356x1132"}
    (nothing := screens / "nothing").mkdir()
    (nothing / "x.png").write_bytes(b"x")
    with pytest.raises(InputError, match="no readable image in .*nothing: x: damaged image"):
        stream(nothing, progress=False)


MEMORY = """
import sys
from sccore.data.streaming import stream
crops = stream(sys.argv[1], progress=False).batches(256, 8)
for step in range(6):
    crops(step)
print(next(int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith("Pss:")) / 2**20)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="memory is read from Linux's /proc")
def test_memory_is_bounded_whatever_the_size_of_the_set(tmp_path):
    """As many links to one screen as are 5 GB of pixels and masks."""
    side = 2048
    for kind in ("images", "masks"):
        (tmp_path / "set" / kind).mkdir(parents=True)
        plain = Image.new("L" if kind == "masks" else "RGB", (side, side), "white")
        plain.save(first := tmp_path / "set" / kind / "0.png", compress_level=1)  # quick to read
        for i in range(1, count := 5 * 2**30 // (4 * side**2)):
            os.link(first, first.with_name(f"{i}.png"))
    assert count * 4 * side**2 == 5 * 2**30
    env = os.environ | {"SCCORE_ROOT": str(tmp_path), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(paths.ROOT)}
    result = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path / "set")], env=env, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) < 1.0  # GiB
