"""Training of detectors: it lowers the loss, is the seed's, and goes on after a kill; the files it makes."""

import json

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sccore.text import east, inference, training
from sccore.text.weights import Detector, load
from sccore.utils.errors import InputError, OtherRun


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pages with drawn words."""
    path, rng = tmp_path_factory.mktemp("pages"), np.random.default_rng(0)
    for page in range(3):
        image, rows = np.full((160, 240, 3), 255, np.uint8), []
        for y in range(25, 160, 24):
            for x in (10, 90, 160):
                word = "".join(rng.choice(list("abcdefgh"), rng.integers(2, 6)))
                (w, h), below = cv2.getTextSize(word, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
                cv2.putText(image, word, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
                rows.append({"text": word, "box": [x, y - h, x + w, y + below]})
        Image.fromarray(image).save(path / f"{page}.png")
        (path / f"{page}.json").write_text(json.dumps(rows), encoding="utf-8")
    return path


def train(name, folder, out, **options):
    given = {"steps": 12, "batch": 2, "size": 96, "progress": False, "licence": "CC0"}
    return training.train(name, [folder], out, **given | options)


@pytest.mark.parametrize("name", ["east", "rrd"])
def test_training_lowers_the_loss(name, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "WARMUP", 5)
    first = train(name, folder, tmp_path / "first.safetensors", steps=2)
    last = train(name, folder, tmp_path / "last.safetensors", steps=60)
    assert first["finished"] and last["loss"] < 0.8 * first["loss"]
    net, meta = load(name, tmp_path / "last.safetensors")
    assert meta["steps"] == 60 and meta["plans"] == [[0, 60]] and meta["licence"] == "CC0" and meta["pages"] == 3
    assert len(meta["data"]) == 64 and meta["recipe"]["seed"] == 0
    assert not (tmp_path / "last.safetensors.run").exists() and not net.training


def test_killed_it_goes_on_as_if_it_had_not_been(folder, tmp_path, monkeypatch):
    train("east", folder, tmp_path / "whole.safetensors")
    count, make = iter(range(100)), training.make_batch

    def dies(*arguments):
        if next(count) == 7:
            raise KeyboardInterrupt
        return make(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "make_batch", dies)
        with pytest.raises(KeyboardInterrupt):
            train("east", folder, tmp_path / "parts.safetensors", save_every=0)
    assert train("east", folder, tmp_path / "parts.safetensors")["step"] == 12
    (a, _), (b, _) = (load("east", tmp_path / f"{name}.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


def test_stopped_by_the_clock_it_can_be_given_more_steps(folder, tmp_path):
    out = tmp_path / "east.safetensors"
    summary = train("east", folder, out, minutes=1e-9)
    assert not summary["finished"] and load("east", out)[1]["steps"] == 0
    with pytest.raises(OtherRun, match="recipe"):
        train("east", folder, out, seed=1)
    assert train("east", folder, out, steps=3)["finished"] and load("east", out)[1]["plans"] == [[0, 12], [0, 3]]


def test_unknown_detectors_and_damaged_states_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="unknown detector 'craft'; those that are trained: east, rrd"):
        train("craft", folder, tmp_path / "x")
    (tmp_path / "east.run").write_bytes(b"half")
    with pytest.raises(InputError, match="east.run: damaged"):
        train("east", folder, tmp_path / "east")


def test_files_are_whole_or_refused(folder, tmp_path):
    out = tmp_path / "east.safetensors"
    train("east", folder, out, steps=1)
    assert out.stat().st_size < 3 * 2**20
    detector = Detector("east", out)
    assert len(detector.weights) == 64 and detector.label == "east"
    with pytest.raises(InputError, match="not weights of rrd"):
        Detector("rrd", out)
    (tmp_path / "half.safetensors").write_bytes(out.read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged"):
        Detector("east", tmp_path / "half.safetensors")
    with pytest.raises(InputError, match="no such file"):
        Detector("east", tmp_path / "none.safetensors")
    foreign = tmp_path / "foreign.safetensors"
    for header in ("no JSON", "[1]", '{"format": "x"}'):
        save_file({"a": torch.zeros(1)}, foreign, {"sccore": header})
        with pytest.raises(InputError, match="foreign.safetensors: (damaged or not weights of a detector|not weights of east)"):
            Detector("east", foreign)


def test_folding_changes_nothing(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(inference, "native_bf16", lambda device: False)
    train("east", folder, tmp_path / "east.safetensors", steps=3)
    plain, _ = load("east", tmp_path / "east.safetensors")
    folded = Detector("east", tmp_path / "east.safetensors").net
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    assert np.allclose(east.answer(plain, image), east.answer(folded, image), atol=1e-4, rtol=1e-4)
