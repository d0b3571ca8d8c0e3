"""Shared by the tests: one thread (small tensors are slower on two), small real models made once."""

import os

import numpy as np
import pytest
import torch
from models import NARROW, lively
from PIL import Image

import sccore
from sccore.codecs import checkpoint
from sccore.presets import PRESETS
from sccore.utils import allocator


def pytest_configure():
    os.environ.update(allocator.environment())  # of all processes that begin from here on, xdist's workers first


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)  # all others stay in their order


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk():
    """Files are moved into place as ever; that they would outlive a power cut no test sees."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture
def narrow(monkeypatch):
    """In this process the companion's preset is that of a smaller model, which is trained and coded with in less time."""
    monkeypatch.setitem(PRESETS, "companion", NARROW)


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """(name, rate) -> a companion that was saved and loaded, and its file."""
    folder, made = tmp_path_factory.mktemp("checkpoints"), {}

    def get(name: str, rate: str = "variable"):
        key = name, rate, PRESETS["companion"]
        if key not in made:
            path = folder / f"{name}-{rate}-{PRESETS['companion'].M}.safetensors"
            lmbda = 0.0035 if rate == "fixed" else None
            checkpoint.save_model(lively(name, rate=rate), path, lmbda=lmbda)
            made[key] = sccore.load_model(path), path
        return made[key]

    return get


@pytest.fixture(scope="session")
def screen():
    """(height, width) -> a part of a real screenshot, repeated if it is smaller, and its text mask."""
    from sccore.data.images import read_image, read_mask
    from sccore.utils.paths import SAMPLES

    image = read_image(SAMPLES / "images" / "codec_wiki.png")
    mask = read_mask(SAMPLES / "masks" / "codec_wiki.png", image.shape[:2])
    return lambda height, width: (
        np.ascontiguousarray(image[400 : 400 + height, 1000 : 1000 + width]),
        np.ascontiguousarray(mask[400 : 400 + height, 1000 : 1000 + width]),
    )


@pytest.fixture(scope="session")
def parts(tmp_path_factory):
    """A folder with parts of two screens and their masks, 192 x 160 pixels each: quick to read and to measure on."""
    from sccore.utils.paths import SAMPLES

    folder = tmp_path_factory.mktemp("parts")
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
        for name in ("windows95.png", "graph.png"):
            Image.open(SAMPLES / kind / name).crop((64, 64, 256, 224)).save(folder / kind / name)
    return folder
