"""The weights and records in the repository: they load, belong together, and can be measured again."""

import json
import subprocess

import numpy as np
import pandas as pd
import pytest
import torch

import sccore
from sccore.codecs import checkpoint_files, dec_adapter
from sccore.codecs.classical import CODECS
from sccore.codecs.zoo import create_model
from sccore.data.images import read_image, read_mask
from sccore.evaluation import evaluate, provenance
from sccore.evaluation.records import as_recorded, load_record
from sccore.paper import character_errors, context, readme, seeds, table_6, tables_2_5
from sccore.training import suite
from sccore.training.plan import BASE, RUNS
from sccore.utils import paths
from sccore.utils.files import file_hash
from sccore.utils.json_files import load_json

CODEC, LIGHT = CONTEXTS = [paths.CHECKPOINTS / f"{name}.safetensors" for name in (checkpoint_files.DEFAULT, checkpoint_files.LIGHT)]
CHECKPOINTS = sorted(set(paths.CHECKPOINTS.glob("*.safetensors")) - {*CONTEXTS})
ALL = sorted(paths.RESULTS.glob("samples/*.json"))
CLASSICAL = [path for path in ALL if path.stem in CODECS]
RECORDS = [path for path in ALL if path.stem in {p.stem for p in [*CHECKPOINTS, *CONTEXTS]}]
ADAPTED = paths.RESULTS / "samples" / "dec-adapter.json"
LENGTH = 2  # bytes, of what kind of chunk the adapters are and how long
WRITTEN = paths.RESULTS / "samples" / f"{checkpoint_files.CODEC}.json"  # by the command
ABLATIONS = [path for path in ALL if path not in [*CLASSICAL, *RECORDS, ADAPTED, WRITTEN]]


def test_weights_are_there_and_travel_light():
    assert {"wacnn", "sftip", BASE} == {p.stem for p in CHECKPOINTS}
    assert sum(p.stat().st_size for p in CHECKPOINTS) < 64 * 2**20


def test_the_tree_is_under_its_limit():
    if not (paths.ROOT / ".git").exists():
        pytest.skip("not a clone: the list of tracked files is git's")
    files = subprocess.run(["git", "-C", paths.ROOT, "ls-files", "-z"], capture_output=True, text=True, check=True).stdout.split("\0")
    assert sum((paths.ROOT / name).stat().st_size for name in files if name and (paths.ROOT / name).exists()) < 75 * 2**20


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda p: p.stem)
def test_weights_are_what_the_plan_says(path):
    """Of a planned run, with its recipe and all of its steps."""
    run = next(run for run in RUNS if run.name == path.stem)
    meta = checkpoint_files.read_header(path)["meta"]
    assert suite.Suite({}).fits(run, meta)
    assert sccore.load_model(path.stem).spec == create_model(**run.spec).spec and meta["lmbda"] == run.lmbda
    assert path.with_suffix(".csv").exists()


@pytest.mark.parametrize("path, of", [(CODEC, "sftip"), (LIGHT, "wacnn")], ids=lambda p: getattr(p, "stem", p))
def test_the_codec_s_weights_are_those_of_a_model_and_a_context(path, of):
    """Every weight but those of the context is the base's, so that every picture is, too."""
    base, model = sccore.load_model(of), sccore.load_model(path)
    header = checkpoint_files.read_header(path)
    assert header["base"] == base.checkpoint_hash == header["meta"]["recipe"]["base"] and header["meta"]["trained"] == "context"
    assert header["meta"]["steps"] == header["meta"]["recipe"]["steps"] and path.with_suffix(".csv").exists()
    own = {name: value for name, value in model.named_parameters() if not name.startswith("contexts.")}
    assert own.keys() == dict(base.named_parameters()).keys()
    assert all(torch.equal(own[name], value) for name, value in base.named_parameters())


def test_both_contexts_were_trained_alike():
    """But for the model behind which they stand."""
    recipes = [checkpoint_files.read_header(path)["meta"]["recipe"] | {"base": None} for path in CONTEXTS]
    assert recipes[0] == recipes[1]


@pytest.mark.parametrize("colour", context.FLAT)
def test_a_page_of_one_colour_takes_a_few_bytes(colour):
    image = np.full((512, 512, 3), list(bytes.fromhex(colour[1:])), np.uint8)
    file = sccore.encode(image, lmbda=0.0067, detector="none")
    assert len(file) < 100 and np.abs(sccore.decode(file).astype(int) - image).max() == 0


def test_the_context_s_record_is_of_these_weights_and_clean_pages_gain_most():
    record = load_record(context.RECORD, ("lmbda", "before", "bytes"))
    assert record["checkpoint"]["sha256"] == file_hash(CODEC)
    assert record["without"] == load_json(context.VARIANTS)["settings"]["base"] == file_hash(paths.CHECKPOINTS / "sftip.safetensors")
    rows = pd.DataFrame(record["images"])
    assert (rows["bytes"] <= rows["before"]).all() and rows["name"].nunique() == 10 + len(context.FLAT)


def test_compared_models_had_the_same_training():
    """The shipped ones, and the control, whose weights its record describes."""
    base, *others = sorted(CHECKPOINTS, key=lambda path: path.stem != BASE)
    base_meta = checkpoint_files.read_header(base)["meta"]
    metas = {p.stem: checkpoint_files.read_header(p)["meta"] for p in others}
    metas |= {p.stem: load_record(p)["checkpoint"] for p in ABLATIONS if "seed" not in p.stem}
    changes = {run.name: run.change for run in RUNS}
    for name, meta in metas.items():  # they differ in what the plan says and in nothing else
        assert meta["recipe"] == metas["wacnn"]["recipe"] | changes[name], name
        assert all(meta[key] == metas["wacnn"][key] for key in ("data", "steps")), name
        trained = lambda stage: {key: stage[key] for key in ("steps", "recipe", "data", "model")}
        assert list(map(trained, meta["history"])) == list(map(trained, metas["wacnn"]["history"])), name
        assert meta["history"][-1]["sha256"] in (base_meta["converted_from"], file_hash(base)), name


def test_runs_of_different_loops_are_told_apart():
    """Compared models saw their crops in one order, or the page of the ablations says which did not."""
    engines = {p.stem: load_record(p)["checkpoint"].get("engine") for p in ALL if p.stem in tables_2_5.runs()}
    said = seeds.loops(tables_2_5.runs())
    for row in tables_2_5.chosen("2 3 4"):
        assert engines[row.codec] == engines[row.anchor] or f"`{row.codec}`" in said


@pytest.mark.parametrize("path", sorted(paths.RESULTS.rglob("*.json*")), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_no_record_is_of_unknown_code(path):
    record = load_json(path)
    assert "-dirty" not in json.dumps(record.get("versions", {}))


def test_the_model_card_shows_the_records():
    card = (paths.CHECKPOINTS / "README.md").read_text(encoding="utf-8")
    assert card == readme.with_card(card), "run: python -m sccore.paper.readme"
    for path in [*CHECKPOINTS, *CONTEXTS]:
        stages = [*(meta := checkpoint_files.read_header(path)["meta"])["history"], meta]
        assert all(f"| {stage['steps']:,} | {stage['seconds']} |" in card for stage in stages)


@pytest.mark.parametrize("path", RECORDS, ids=lambda p: p.stem)
def test_records_are_of_the_shipped_weights_and_complete(path):
    record = load_record(path)
    assert record["checkpoint"]["sha256"] in {file_hash(p) for p in [*CHECKPOINTS, *CONTEXTS]}
    assert len(record["images"]) == 10 * len(record["lmbdas"]) and not record["failed"]


def test_the_codec_s_record_is_of_the_default_weights_and_palettes_pay():
    record, plain = load_record(WRITTEN), load_record(WRITTEN.with_stem(checkpoint_files.DEFAULT))
    assert record["checkpoint"]["sha256"] == plain["checkpoint"]["sha256"] and record["palette"] and not record["failed"]
    with_them, without = (pd.DataFrame(r["images"]).set_index(["name", "lmbda"]).sort_index() for r in (record, plain))
    sent = with_them["palette_bytes"] > 0
    assert len(with_them) == len(without) == 50 and sent.any()
    assert (
        abs(with_them["bytes"] - without["bytes"] - (with_them["palette_bytes"] + 1) * sent) <= 4
    ).all()  # an analysis elsewhere may differ in last bits
    assert (with_them["psnr"] >= without["psnr"] - 1e-3).all()


@pytest.mark.parametrize("path", RECORDS, ids=lambda p: p.stem)
def test_files_are_as_large_as_estimated(path):
    """A little smaller they may be: the estimate takes up to 30 bits for a symbol that the coder escapes with fewer.

    The longer a model is trained, the surer it is of flat areas, and the more often one of its few surprises there counts so.
    """
    images = pd.DataFrame(load_record(path)["images"])
    means = images.groupby("lmbda")[["bpp", "bpp_estimated"]].mean()
    assert (means["bpp"] / means["bpp_estimated"]).between(0.975, 1.005).all()


@pytest.mark.parametrize("path", ABLATIONS, ids=lambda p: p.stem)
def test_records_without_weights_are_of_planned_runs(path, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path)  # as in a fresh clone: what was trained here does not count
    run = next(run for run in RUNS if run.name == path.stem)
    planned = suite.Suite({"samples": paths.SAMPLES})
    assert not run.ships and planned.fits(run, load_record(path)["checkpoint"])
    assert planned.state(run) == ("done", "") and (paths.CHECKPOINTS / f"{run.name}.csv").exists()


def test_the_record_of_adapters_is_over_the_shipped_baseline_and_they_pay_wherever_they_are_sent():
    record, plain = (load_record(ADAPTED.with_stem(name)) for name in (ADAPTED.stem, "wacnn"))
    assert record["codec"] == dec_adapter.NAME and record["checkpoint"]["sha256"] == plain["checkpoint"]["sha256"]
    assert record["dataset"] == plain["dataset"] and not record["failed"]
    with_them, without = (pd.DataFrame(r["images"]).set_index(["name", "lmbda"]).sort_index() for r in (record, plain))
    sent = with_them["adapter_bytes"] > 0
    assert len(with_them) == len(without) == 50
    assert (with_them["bytes"] - without["bytes"] == (with_them["adapter_bytes"] + LENGTH) * sent).all()
    cost = lambda rows: rows.index.get_level_values("lmbda") * 255**2 * 10 ** (-rows["psnr"] / 10) + rows["bpp"]
    assert sent.any() and (cost(with_them) < cost(without))[sent].all()
    assert with_them["psnr"][~sent].to_numpy() == pytest.approx(
        without["psnr"][~sent].to_numpy(), abs=2e-3
    )  # in one picture a symbol lay on the edge of rounding


@pytest.mark.parametrize("path", RECORDS, ids=lambda p: p.stem)
def test_a_record_can_be_measured_again(path):
    """windows95 at one lambda: analysis in float32 may differ in last bits elsewhere, rate and quality may not."""
    record = load_record(path)
    old = next(r for r in record["images"] if r["name"] == "windows95.png" and r["lmbda"] in (0.0067, 0.0035))
    image = read_image(paths.SAMPLES / "images" / "windows95.png")
    mask = read_mask(paths.SAMPLES / "masks" / "windows95.png", image.shape[:2])
    model = sccore.load_model(checkpoint_files.by_identity(bytes.fromhex(record["checkpoint"]["sha256"])))
    new, _ = evaluate.measure(model, image, mask, old["lmbda"])
    assert new["bytes"] == pytest.approx(old["bytes"], rel=1e-3)
    assert new["psnr"] == pytest.approx(old["psnr"], abs=0.01)
    assert new["psnr_text"] == pytest.approx(old["psnr_text"], abs=0.02)


@pytest.mark.parametrize("path", CLASSICAL, ids=lambda p: p.stem)
def test_records_of_classical_codecs_are_complete_or_say_what_they_are_of(path):
    record = load_record(path)
    assert record["codec"] == path.stem and record["settings"] and not record["failed"]
    assert record["dataset"]["sha256"] == provenance.folder_hash(paths.SAMPLES / "images")
    points = {(row["name"], row["quality"]) for row in record["images"]}
    assert len(points) == len(record["images"]) == record.get("measured", 10) * len(record["qualities"])
    assert "measured" not in record or f"{record['measured']} of the 10 images" in record["origin"]
    assert record.get("origin") or record["command"].startswith("python -m sccore anchors")
    for row in record["images"]:
        assert row["bpp"] == as_recorded(8 * row["bytes"] / (row["width"] * row["height"]))


@pytest.mark.parametrize("path", CLASSICAL, ids=lambda p: p.stem)
def test_a_classical_record_can_be_measured_again(path):
    """graph at one quality: another version of the encoder may do a little better or worse."""
    classical, record = CODECS[path.stem], load_record(path)
    if why := classical.missing():
        pytest.skip(f"{classical.name}: {why}")
    quality = record["qualities"][len(record["qualities"]) // 2]
    old = next(r for r in record["images"] if r["name"] == "graph.png" and r["quality"] == quality)
    image = read_image(paths.SAMPLES / "images" / "graph.png")
    new, _ = evaluate.measure_classical(classical, image, None, quality, ms_ssim=False)
    assert new["bytes"] == pytest.approx(old["bytes"], rel=0.05)
    assert new["psnr"] == pytest.approx(old["psnr"], abs=0.5)


@pytest.mark.parametrize("codec", [table_6.WEIGHTED, table_6.PLAIN])
def test_asiqe_r_rises_with_rate(codec):
    """At nearly every step of every sample; it is no distance to the original that had to."""
    rows = table_6.collect().frame.query("codec == @codec").sort_values("bpp")
    assert rows["asiqe_r"].notna().all() and rows["name"].nunique() == 10
    assert (rows.groupby("name")["asiqe_r"].diff().dropna() > 0).mean() > 0.95


def test_the_error_rate_of_the_paper_s_model_falls_with_rate():
    """From the lowest rate to the highest; between the higher ones a few characters decide."""
    rates = character_errors.curve(table_6.collect().frame, table_6.WEIGHTED)["cer"]
    assert rates.iloc[-1] < rates.iloc[0] / 2 and rates[:3].is_monotonic_decreasing
