"""ASIQE-R: weights as plain arrays, its score against rate on the samples, damaged files."""

import io

import numpy as np
import pytest
from PIL import Image

from sccore.data.images import read_image
from sccore.evaluation.asiqe import index
from sccore.evaluation.asiqe.index import Weights
from sccore.evaluation.asiqe_scores import busiest
from sccore.utils import paths
from sccore.utils.errors import InputError

SAMPLES = sorted((paths.SAMPLES / "images").glob("*.png"))


def some_weights(n=5):
    rng = np.random.default_rng(0)
    return Weights(
        rng.normal(size=12),
        rng.normal(size=12),
        np.zeros(index.COUNT),
        np.ones(index.COUNT),
        rng.normal(size=(n, index.COUNT)).astype(np.float32),
        rng.normal(size=n),
        np.array(0.1),
        np.array(0.5),
        {"format": index.FORMAT, "step": 7},
    )


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.stem)
def test_the_score_falls_with_the_rate(path):
    image = busiest(read_image(path), (360, 640))
    scores = [index.asiqe_r(image)]
    for quality in (70, 30, 10):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        scores.append(index.asiqe_r(np.array(Image.open(file))))
    assert scores == sorted(scores, reverse=True)


def test_shipped_weights_are_small_plain_and_say_what_they_are():
    assert paths.ASIQE.stat().st_size < 500_000
    with np.load(paths.ASIQE, allow_pickle=False) as file:
        assert all(file[name].dtype.kind in "fU" for name in file.files)
    meta = index.shipped().meta
    assert meta["name"] == "ASIQE-R (reconstructed, re-trained)" and meta["label"] == "SQMS-like"
    assert {"data", "sklearn", "svr", "held_out_scenes"} <= meta.keys()


def test_features(screen):
    image = screen(120, 160)[0]
    found = index.features(image)
    assert found.shape == (index.COUNT,) and np.isfinite(found).all()
    assert np.isfinite(index.features(np.zeros((50, 50, 3), np.uint8))).all()
    assert isinstance(index.asiqe_r(image, some_weights()), float)


def test_weights_survive_saving(tmp_path):
    weights = some_weights()
    index.save(weights, tmp_path / "w.npz")
    raw = np.random.default_rng(1).uniform(size=(4, index.COUNT))
    assert index.load(tmp_path / "w.npz").score(raw) == pytest.approx(weights.score(raw))


def test_the_score_is_scikit_learns():
    svm = pytest.importorskip("sklearn.svm")
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (60, index.COUNT)), rng.uniform(size=60)
    fitted = svm.SVR(gamma=0.2, epsilon=0.05).fit(x, y)
    zero = np.zeros(12)
    weights = Weights(
        zero,
        zero,
        -np.ones(index.COUNT),
        np.ones(index.COUNT),
        fitted.support_vectors_,
        fitted.dual_coef_[0],
        np.array(0.2),
        fitted.intercept_[0],
        {},
    )
    x[:, 0] = 0
    x[:, index.FAMILIES["statistics"]] = 0  # alpha * S + beta - F
    assert weights.score(x) == pytest.approx(fitted.predict(x))


def test_noise_turns_the_structure_terms():
    raw = np.ones((2, index.COUNT))
    raw[:, 0] = 1, 6
    assert index.signed(raw)[:, 0].tolist() == [1, -1]


def test_damaged_and_foreign_files_are_named(tmp_path):
    path = tmp_path / "w.npz"
    with pytest.raises(InputError, match="no such file"):
        index.load(path)
    index.save(some_weights(), path)
    whole = path.read_bytes()
    for content in (b"", b"nothing", whole[:100], whole[: len(whole) // 2], whole[:200] + b"\xff" * 50 + whole[250:]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="w.npz: damaged"):
            index.load(path)
    arrays = {name: np.zeros(3) for name in ("alpha", "beta", "low", "high", "vectors", "dual", "gamma", "intercept")}
    np.savez(path, **arrays, meta=np.array('{"format": "asiqe-r-1", "step": 7}'))
    with pytest.raises(InputError, match="damaged, or not weights"):
        index.load(path)
    np.savez(path, **arrays, meta=np.array([{}], dtype=object))  # a pickle is not opened
    with pytest.raises(InputError, match="allow_pickle=False"):
        index.load(path)


def test_images_too_small_or_of_another_kind_are_refused():
    with pytest.raises(InputError, match="needs 50 pixels"):
        index.features(np.zeros((49, 100, 3), np.uint8))
    with pytest.raises(InputError, match="8-bit RGB"):
        index.features(np.zeros((100, 100, 4), np.uint8))
