"""The weights and records in the repository: they load, belong together, and can be measured again."""

import pytest

import sccore
from sccore import checkpoint, data, evaluation, paths, results

CHECKPOINTS = sorted(paths.CHECKPOINTS.glob("*.safetensors"))
RECORDS = sorted(paths.RESULTS.glob("samples/*.json"))


def test_weights_are_there_and_travel_light():
    assert {"wacnn-variable", "sftip-variable", "sftip-uniform-variable"} <= {p.stem for p in CHECKPOINTS}
    assert sum(p.stat().st_size for p in CHECKPOINTS) < 40 * 2**20


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda p: p.stem)
def test_name_and_meta_say_what_the_weights_are(path):
    model = sccore.load_model(path.stem)
    assert results.codec_name(model.spec) == path.stem or model.meta["lmbda"]
    assert model.meta["steps"] > 0 and model.meta["data"] and model.meta["recipe"]["lr"] > 0
    assert path.with_suffix(".csv").exists()


def test_compared_models_had_the_same_training():
    metas = [checkpoint.read_header(p)["meta"] for p in CHECKPOINTS if p.stem.endswith("variable")]
    for key in ("steps", "recipe", "data", "lambdas"):
        assert all(meta[key] == metas[0][key] for meta in metas), key
    assert len({meta["history"][-1]["sha256"] for meta in metas}) == 1  # one warm start for all


@pytest.mark.parametrize("path", RECORDS, ids=lambda p: p.stem)
def test_records_are_of_the_shipped_weights_and_complete(path):
    record = results.load_record(path)
    assert record["checkpoint"]["sha256"] in {checkpoint.file_hash(p) for p in CHECKPOINTS}
    assert len(record["images"]) == 10 * len(record["lmbdas"]) and not record["failed"]


@pytest.mark.parametrize("path", RECORDS, ids=lambda p: p.stem)
def test_a_record_can_be_measured_again(path):
    """windows95 at one lambda: analysis in float32 may differ in last bits elsewhere, rate and quality may not."""
    record = results.load_record(path)
    old = next(r for r in record["images"] if r["name"] == "windows95.png" and r["lmbda"] in (0.0067, 0.0035))
    image = data.read_image(paths.SAMPLES / "images" / "windows95.png")
    mask = data.read_mask(paths.SAMPLES / "masks" / "windows95.png", image.shape[:2])
    model = sccore.load_model(checkpoint.by_identity(bytes.fromhex(record["checkpoint"]["sha256"])))
    new, _ = evaluation.measure(model, image, mask, old["lmbda"])
    assert new["bytes"] == pytest.approx(old["bytes"], rel=1e-3)
    assert new["psnr"] == pytest.approx(old["psnr"], abs=0.01)
    assert new["psnr_text"] == pytest.approx(old["psnr_text"], abs=0.02)
