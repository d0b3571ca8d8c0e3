"""Coding as one uses it: the command's bytes from any kind of image, the default mask, and one line for what cannot be used."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import sccore
from sccore.cli import parser
from sccore.codecs import sci
from sccore.codecs.coding import text_mask
from sccore.text import craft_weights, masks
from sccore.utils.errors import InputError


@pytest.fixture(autouse=True)
def without_craft(monkeypatch):
    def missing(*_):
        raise InputError("no CRAFT weights")

    monkeypatch.setattr(craft_weights, "find_weights", missing)
    monkeypatch.delenv(craft_weights.VARIABLE, raising=False)


@pytest.mark.filterwarnings("ignore:text mask by heuristic")
def test_same_bytes_as_the_command_from_a_path_an_array_and_a_pillow_image(tmp_path, screen, monkeypatch):
    monkeypatch.setattr("warnings.showwarning", None)  # main() replaces it
    path, file = tmp_path / "x.png", tmp_path / "x.sci"
    Image.fromarray(screen(80, 96)[0]).save(path)
    assert parser.main(["encode", str(path), str(file)]) == 0
    pixels, data = sccore.read_image(path), file.read_bytes()
    assert sccore.encode(pixels) == sccore.encode(str(path)) == sccore.encode(Image.open(path)) == data
    assert sccore.encode(pixels, "sftip", 0.0067, masks.mask(pixels, "heuristic")) == data != sccore.encode(pixels, detector="none")
    model = sccore.load_model()
    assert sccore.encode(pixels, model, detector="none") == sci.encode(pixels, model, 0.0067)
    assert np.array_equal(sccore.decode(file), sccore.decode(memoryview(data), model))


def test_a_weights_hint_is_given_where_no_detector_is_and_none_was_asked_for(screen, recwarn):
    image = screen(64, 96)[0]
    with pytest.warns(UserWarning, match=r"heuristic.*pip install"):
        mask, label = text_mask(image)
    assert mask.shape == (64, 96) and label.startswith("heuristic")
    recwarn.clear()
    assert text_mask(image, detector="heuristic")[1] == label and not recwarn.list
    assert text_mask(image, sccore.load_model("wacnn"))[1] == "not used by this model" and not recwarn.list
    assert text_mask(image, mask=~mask)[1] == "given"


@pytest.mark.parametrize(
    "image, options, message",
    [
        (np.zeros((8, 8)), {}, r"uint8 \(H, W, 3\), this array float64 \(8, 8\)"),
        (np.zeros((0, 8, 3), np.uint8), {}, "uint8"),
        (7, {}, "an array, the path of a file or an image of Pillow, not int"),
        ("none.png", {}, "none.png: no such file"),
        (np.zeros((8, 8, 3), np.uint8), {"model": "none"}, "none: no such checkpoint; shipped: .*sftip"),
        (np.zeros((8, 8, 3), np.uint8), {"mask": np.ones((9, 8), bool)}, "mask is 8x9, its image 8x8"),
        (np.zeros((8, 8, 3), np.uint8), {"mask": np.ones((8, 8), bool), "detector": "craft"}, "exclude each other"),
        (np.zeros((8, 8, 3), np.uint8), {"detector": "other"}, "unknown detector 'other'"),
        (np.zeros((8, 8, 3), np.uint8), {"detector": "none", "lmbda": 3.0}, "outside"),
    ],
)
def test_what_cannot_be_used_is_one_line(image, options, message):
    with pytest.raises(InputError, match=message):
        sccore.encode(image, **options)


NEVER = {
    "pandas",
    "matplotlib",
    "torchvision",
    "torch_geometric",
    "torch._dynamo",
    "scipy.stats._stats_py",
    "sympy",
    "compressai.models.base",
    "sccore.evaluation.records",
}


@pytest.mark.parametrize("command, more", [("encode", set()), ("decode", {"cv2", "sccore.text.masks"})])
def test_coding_imports_nothing_that_it_does_not_need(command, more, tmp_path, screen):
    """Seconds of every call; what is put off is a part of CompressAI in name alone (see sccore.utils.late_compressai)."""
    Image.fromarray(screen(16, 16)[0]).save(tmp_path / "x.png")
    (tmp_path / "x.sci").write_bytes(sccore.encode(tmp_path / "x.png", detector="none"))
    names = ("x.png", "y.sci") if command == "encode" else ("x.sci", "y.png")
    code = f"import sys; from sccore.cli.parser import main; print(main(sys.argv[1:]), {NEVER | more!r} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code, command, *(tmp_path / name for name in names)], capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "0 set()", result.stdout + result.stderr
