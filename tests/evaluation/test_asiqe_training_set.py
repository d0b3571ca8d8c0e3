"""Training data of ASIQE-R: every distortion, scenes from folders and shards, runs that go on."""

import io
import json
import tarfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sccore.codecs import classical
from sccore.evaluation import asiqe_training, asiqe_training_set
from sccore.evaluation.asiqe import full_reference, index
from sccore.utils import paths
from sccore.utils.errors import InputError

CODECS = [kind for kind in asiqe_training_set.CLASSICAL if classical.CODECS[kind].missing()]


@pytest.mark.parametrize("kind", asiqe_training_set.DISTORTIONS)
def test_levels_are_ordered(kind, screen):
    if kind in CODECS:
        pytest.skip(classical.CODECS[kind].missing())
    image = screen(200, 320)[0]
    distort = asiqe_training_set.DISTORTIONS[kind][0]
    mild, strong = (distort(image, level, np.random.default_rng(0)) for level in (0.05, 0.95))
    assert mild.shape == strong.shape == image.shape and mild.dtype == strong.dtype == np.uint8
    assert 1 >= full_reference.sqms_like(image, mild) > full_reference.sqms_like(image, strong)


@pytest.fixture
def pages(tmp_path):
    """A folder and a shard of pages with large random blocks, a page that is too small and one that is empty."""
    rng, folder = np.random.default_rng(0), tmp_path / "pages"
    folder.mkdir()
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        for i in range(5):
            page = np.kron(rng.integers(0, 2, (60, 100)), np.ones((7, 7), int))[..., None] * 200 + 20
            Image.fromarray(np.repeat(page, 3, 2).astype(np.uint8)).save(folder / f"page{i}.png")
            file = io.BytesIO()
            Image.fromarray(np.repeat(255 - page, 3, 2).astype(np.uint8)).save(file, "PNG")
            entry = tarfile.TarInfo(f"images/shard{i}.png")
            entry.size = len(file.getvalue())
            tar.addfile(entry, io.BytesIO(file.getvalue()))
    Image.new("RGB", (700, 420)).save(folder / "empty.png")
    Image.new("RGB", (70, 42)).save(folder / "small.png")
    return [folder, tmp_path / "shard.tar"]


def test_scenes_come_from_each_source_in_turn(pages):
    found = list(asiqe_training_set.scenes(pages, seed=1))
    assert [source for _, source, _ in found] == ["pages", "shard.tar"] * 5
    assert len({name for name, _, _ in found}) == 10 and all(scene.shape == (*asiqe_training_set.SIZE, 3) for *_, scene in found)
    again = list(asiqe_training_set.scenes(pages, seed=1))
    assert all(np.array_equal(a[2], b[2]) for a, b in zip(found, again))


def test_a_run_goes_on_where_it_stopped(pages, tmp_path, monkeypatch):
    few = {"blur": (asiqe_training_set.blur, 2), "noise": (asiqe_training_set.noise, 1)}
    monkeypatch.setattr(asiqe_training_set, "DISTORTIONS", few)
    monkeypatch.setattr(asiqe_training_set, "CLASSICAL", {"jpeg": (4, 80)})
    monkeypatch.setattr(index, "features", lambda image: np.full(index.COUNT, image.mean()))
    work = tmp_path / "rows.jsonl"
    whole = asiqe_training_set.make(pages, work, 10, 0, progress=False)
    assert len(whole) == 10 * 4 and set(whole["type"]) == {"pristine", "blur", "noise"}
    lines = work.read_text(encoding="utf-8").splitlines(keepends=True)
    work.write_text("".join(lines[:5]) + lines[5][:40], encoding="utf-8")  # killed while it wrote the fifth scene
    made = []
    monkeypatch.setattr(
        asiqe_training_set, "distorted", lambda scene, seed, own=asiqe_training_set.distorted: made.append(seed) or own(scene, seed)
    )
    pd.testing.assert_frame_equal(asiqe_training_set.make(pages, work, 10, 0, progress=False), whole)
    assert made == [4, 5, 6, 7, 8, 9]
    with pytest.raises(InputError, match="another run"):
        asiqe_training_set.make(pages, work, 10, 0, seed=3, progress=False)
    work.write_bytes(b"")
    with pytest.raises(InputError, match="another run"):
        asiqe_training_set.make(pages, work, 10, 0, progress=False)


def table(scenes=12, seed=0):
    """Features of which some follow the label and the others do not."""
    rng, rows = np.random.default_rng(seed), []
    for scene in range(scenes):
        for kind in ("pristine", "blur", "blur", "blur", "noise", "noise"):
            quality = 1.0 if kind == "pristine" else rng.uniform()
            x = rng.normal(size=index.COUNT) * 0.1
            x[17:20] += quality * (1 if kind == "blur" else 0.7)
            rows.append(
                {"scene": f"s{scene}", "source": "a", "type": kind, "level": None, "sqms": quality, "gmsd": (1 - quality) / 3}
                | {f"x{i}": value for i, value in enumerate(x)}
            )
    return pd.DataFrame(rows)


def test_training_learns_what_is_there():
    pytest.importorskip("sklearn")
    found = asiqe_training.evaluate(table())
    assert found["held_out_scenes"]["srcc"] > 0.8 and found["held_out_scenes"]["images"] == 72
    assert found["ablation"]["sharpness alone"]["srcc"] > 0.8 > 0.4 > found["ablation"]["brightness alone"]["srcc"]
    assert set(found["held_out_types"]) == {"blur", "noise"} and found["by_type"]["pristine"]["srcc"] is None
    assert found["within_scene_by_type"]["blur"]["scenes"] == 12
    json.dumps(found)


def test_weights_seen_none_of_a_held_out_scene(monkeypatch):
    rows, seen = table(), []
    weights = type("W", (), {"score": lambda self, raw: np.zeros(len(raw))})()
    monkeypatch.setattr(asiqe_training, "fit", lambda part, *_: seen.append(part) or weights)
    assert asiqe_training.held_out(rows, without=["noise"]).notna().sum() == (rows["type"] == "noise").sum()
    assert len(seen) == asiqe_training.FOLDS and all("noise" not in set(part["type"]) for part in seen)
    assert all(part.groupby("scene").size().eq(4).all() for part in seen)  # scenes are seen as a whole or not at all


def test_the_shipped_record_belongs_to_the_shipped_weights():
    from sccore.utils.files import file_hash

    record = json.loads((paths.RESULTS / "asiqe" / "asiqe-r.json").read_text(encoding="utf-8"))
    assert record["weights"] == file_hash(paths.ASIQE) and record["vectors"] == len(index.shipped().dual)
    assert record["evaluation"]["held_out_scenes"] == index.shipped().meta["held_out_scenes"]
    assert sum(record["data"]["types"].values()) == record["data"]["images"]
