"""Previews: near the reduced picture, of any file, at any size; and what they are made of is refused where it is damaged."""

import numpy as np
import pytest
from PIL import Image

import sccore
from sccore.cli import command_line
from sccore.codecs import checkpoint, checkpoint_files, container, preview
from sccore.data.images import read_image
from sccore.evaluation.metrics import psnr
from sccore.training import preview as training
from sccore.utils import paths
from sccore.utils.errors import InputError


@pytest.fixture(scope="module")
def shot():
    return np.ascontiguousarray(read_image(paths.SAMPLES / "images" / "gmessages.png")[:301, :402])


@pytest.fixture(scope="module")
def learned(shot):
    return sccore.encode(shot, detector="none", fallback=False)


def test_it_is_near_the_reduced_picture(shot, learned):
    small = sccore.decode(learned, preview=True)
    assert small.shape == (76, 101, 3) and small.dtype == np.uint8
    assert psnr(preview.reduced(shot), small) > 28


def test_it_reads_the_first_slices_alone(learned, monkeypatch):
    """Bytes behind them may be anything; the picture itself could not be decoded from such a file."""
    file = container.unpack(learned)
    cut = file.y[: len(file.y) * 3 // 4]
    other = container.File(file.width, file.height, file.identity, file.lmbda, file.z, cut + bytes(len(file.y) - len(cut)))
    assert np.array_equal(preview.preview(other), preview.preview(file))
    monkeypatch.setattr("sccore.sftip.SFTIP.synthesis", None)
    preview.preview(file)


@pytest.mark.parametrize("size", [(1, 1), (3, 70), (64, 5)])
def test_small_pictures(size):
    image = np.full((*size, 3), (200, 30, 90), np.uint8)
    small = sccore.decode(sccore.encode(image, detector="none", fallback=False), preview=True)
    assert small.shape == (-(-size[0] // 4), -(-size[1] // 4), 3) and np.abs(small.astype(int) - image[0, 0]).max() < 30


def test_alpha_lossless_files_and_other_weights(shot, tmp_path):
    alpha = np.dstack([shot, np.tile(np.arange(402, dtype=np.uint8) // 2, (301, 1))])
    small = sccore.decode(sccore.encode(alpha, detector="none", fallback=False), preview=True)
    assert small.shape == (76, 101, 4) and np.array_equal(small[..., 3], preview.reduced(alpha[..., 3]))
    flat = np.full((40, 50, 3), 7, np.uint8)
    assert (sccore.decode(sccore.encode(flat, detector="none"), preview=True) == 7).all()
    part = shot[:64, :64]
    other = sccore.encode(part, "wacnn", fallback=False)
    assert np.array_equal(sccore.decode(other, preview=True), preview.reduced(sccore.decode(other)))


def test_the_command_says_the_size(learned, tmp_path, capsys):
    (tmp_path / "a.sci").write_bytes(learned)
    assert command_line.main(["decode", str(tmp_path / "a.sci"), str(tmp_path / "a.png"), "--preview"]) == 0
    assert "101x76" in capsys.readouterr().out and Image.open(tmp_path / "a.png").size == (101, 76)


def test_the_map_is_fitted_to_pictures_and_kept(shot, tmp_path, monkeypatch):
    model = checkpoint.load_model(checkpoint_files.DEFAULT)
    from sccore.codecs import tensors

    pictures = [tensors.to_tensors(np.ascontiguousarray(shot[:192, i : i + 192]), None, model) for i in range(0, 200, 8)]
    own = training.fit(model, pictures, training.weights_with_this_y(paths.CHECKPOINTS / f"{checkpoint_files.DEFAULT}.safetensors"))
    assert (
        own.kernel.shape == preview.shipped().kernel.shape and set(own.weights) == set(preview.shipped().weights) and len(own.weights) == 2
    )
    preview.save(own, tmp_path / preview.FILE)
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path)
    preview.shipped.cache_clear()
    again = preview.shipped()
    assert again.weights == own.weights and np.abs(again.kernel - own.kernel).max() < 1e-2
    (tmp_path / preview.FILE).write_bytes(b"PK\3\4 no archive")
    preview.shipped.cache_clear()
    with pytest.raises(InputError, match="damaged"):
        preview.shipped()
    (tmp_path / preview.FILE).unlink()
    preview.shipped.cache_clear()
    assert preview.shipped() is None
    preview.shipped.cache_clear()
