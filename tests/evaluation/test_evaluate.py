"""Evaluation of a real, untrained companion model on two small images: true sizes, true pictures, nothing lost."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from sccore import create_model, load_model, save_model
from sccore.codecs import sci
from sccore.codecs.container import varint
from sccore.evaluation import evaluate as evaluation
from sccore.evaluation import metrics
from sccore.evaluation.evaluate import evaluate
from sccore.evaluation.records import as_recorded, load_record, save_record
from sccore.utils.errors import InputError

LAMBDAS = (0.0018, 0.025)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """On images this small two threads only wait for each other, above all when the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    sizes = {"a.png": (40, 50, 3), "b.png": (30, 20, 3)}
    return {name: rng.integers(0, 256, size, dtype=np.uint8) for name, size in sizes.items()}


@pytest.fixture
def folders(images, tmp_path):
    """Two images; the first has text in a corner, the second none."""
    shots, masks = tmp_path / "shots" / "images", tmp_path / "shots" / "masks"
    for folder in (shots, masks):
        folder.mkdir(parents=True)
    for name, image in images.items():
        mask = np.zeros(image.shape[:2], np.uint8)
        mask[:8, :8] = 255 * (name == "a.png")
        Image.fromarray(image).save(shots / name)
        Image.fromarray(mask).save(masks / name)
    return shots, masks


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")

    def load(seed=0, **meta):
        torch.manual_seed(seed)
        path = folder / f"{seed}.safetensors"
        model = create_model("sftip", rate="fixed" if "lmbda" in meta else "variable")
        return load_model(save_model(model, path, **{"steps": 0, **meta}))

    return load


@pytest.fixture(scope="module")
def model(load):
    return load()


@pytest.fixture
def measured(monkeypatch):
    """What was measured, as (height, lambda), without coding it; after `measured.limit` times we are killed."""

    class Calls(list):
        limit = 99

    calls = Calls()

    def measure(model, image, mask, lmbda, latents, adapter_steps, palette):
        if len(calls) == calls.limit:
            raise KeyboardInterrupt
        calls.append((len(image), lmbda))
        return {"lmbda": lmbda, "bpp": 1.0, "psnr": float(len(calls))}, image

    monkeypatch.setattr(evaluation, "measure", measure)
    return calls


def test_rows_hold_the_true_size_and_the_true_picture(model, folders, images):
    record = evaluate(model, *folders, LAMBDAS, progress=False)
    assert [(row["name"], row["lmbda"]) for row in record["images"]] == [(n, l) for n in images for l in LAMBDAS]
    for row in record["images"]:
        image = images[row["name"]]
        mask = np.zeros(image.shape[:2], bool)
        mask[:8, :8] = row["name"] == "a.png"
        stream = sci.encode(image, model, row["lmbda"], mask)
        decoded = sci.decode(stream, model)
        pixels = row["height"] * row["width"]
        assert (row["height"], row["width"]) == image.shape[:2]
        assert row["bytes"] == len(stream) and row["bpp"] == as_recorded(8 * len(stream) / pixels)
        assert row["bpp_estimated"] == as_recorded(sci.estimate(image, model, row["lmbda"], mask)["bits"] / pixels)
        assert row["psnr"] == as_recorded(metrics.psnr(image, decoded))
        assert row["psnr_text"] == as_recorded(metrics.psnr_text(image, decoded, mask))
        assert row["ms_ssim"] is None and 0 < row["encode_s"] < 60 and 0 < row["decode_s"] < 60
    assert record["images"][0]["psnr_text"] is not None and record["images"][2]["psnr_text"] is None
    assert record["codec"] == "sftip" and record["failed"] == []
    assert record["checkpoint"]["sha256"] == model.checkpoint_hash
    assert record["dataset"]["name"] == "shots" and record["dataset"]["images"] == 2


def test_a_killed_evaluation_goes_on_where_it_stopped(model, folders, tmp_path, measured):
    out = tmp_path / "out.json"
    measured.limit = 3
    with pytest.raises(KeyboardInterrupt):
        evaluate(model, *folders, LAMBDAS, out, progress=False)
    kept = load_record(out)["images"]
    assert [row["name"] for row in kept] == ["a.png", "a.png"]
    measured.limit = 99
    record = evaluate(model, *folders, LAMBDAS, out, progress=False)
    assert measured[3:] == [(30, 0.0018), (30, 0.025)]
    assert record["images"][:2] == kept and len(record["images"]) == 4
    assert load_record(out) == record
    evaluate(model, *folders, LAMBDAS, out, progress=False)
    assert len(measured) == 5  # complete: nothing is measured again


@pytest.mark.parametrize("what", ["weights", "lambdas", "images", "masks", "code"])
def test_a_record_of_something_else_is_replaced(what, model, load, folders, tmp_path, measured):
    out = tmp_path / "out.json"
    before = evaluate(model, *folders, LAMBDAS[:1], out, progress=False)
    lmbdas = LAMBDAS[:1]
    if what == "weights":
        model = load(seed=1)
    elif what == "lambdas":
        lmbdas = LAMBDAS
    elif what == "code":
        before["versions"]["source"] = "older"
        save_record(out, before)
    else:
        folder, mode = (folders[0], "RGB") if what == "images" else (folders[1], "L")
        Image.new(mode, (20, 30)).save(folder / "b.png", compress_level=0)
    measured.clear()
    evaluate(model, *folders, lmbdas, out, progress=False)
    assert len(measured) == 2 * len(lmbdas)


def test_unreadable_images_are_named_and_the_others_measured(model, folders, tmp_path, measured):
    (folders[0] / "a.png").write_bytes(b"not a picture")
    out = tmp_path / "out.json"
    record = evaluate(model, folders[0], None, LAMBDAS[:1], out, progress=False)
    assert [row["name"] for row in record["images"]] == ["b.png"]
    (failed,) = record["failed"]
    assert failed["name"] == "a.png" and "a.png" in failed["error"]
    assert json.loads(out.read_text(encoding="utf-8"))["failed"] == record["failed"]


def test_an_image_without_its_mask_is_named_and_the_others_measured(model, folders, measured):
    (folders[1] / "b.png").unlink()
    record = evaluate(model, *folders, LAMBDAS[:1], progress=False)
    assert [row["name"] for row in record["images"]] == ["a.png"]
    (failed,) = record["failed"]
    assert failed["name"] == "b.png" and "mask of b.png" in failed["error"]


def test_a_fixed_rate_model_is_measured_at_its_own_rate(load, folders, measured):
    fixed = load(seed=2, lmbda=0.0067)
    record = evaluate(fixed, *folders, progress=False, name="mine")
    assert [row["lmbda"] for row in record["images"]] == [0.0067] * 2 and record["codec"] == "mine"
    with pytest.raises(InputError, match="one rate, lmbda 0.0067"):
        evaluate(fixed, *folders, LAMBDAS, progress=False)


def test_a_name_a_folder_around_the_images_and_one_lambda_will_do(model, load, folders, measured, tmp_path):
    named = save_model(load(), tmp_path / "mine.safetensors")
    record = evaluate(str(named), folders[0].parent, lmbdas=np.float32(0.0035), out=tmp_path / "x.json", progress=False)
    assert [row["name"] for row in record["images"]] == ["a.png", "b.png"] and record["lmbdas"] == [pytest.approx(0.0035)]
    assert record["dataset"]["masks_sha256"] and load_record(tmp_path / "x.json") == record
    for first, lmbdas, message in (
        ("nosuch", None, "nosuch: no such checkpoint; shipped: "),
        (7, None, "a checkpoint by its name or path, not int"),
        (model, "small", "lmbdas is a number, not 'small'"),
    ):
        with pytest.raises(InputError, match=message):
            evaluate(first, folders[0], lmbdas=lmbdas, progress=False)


def test_progress_can_be_seen_and_silenced(model, folders, measured, capfd):
    evaluate(model, *folders, LAMBDAS[:1], progress=False)
    assert capfd.readouterr().err == ""
    evaluate(model, *folders, LAMBDAS[:1])
    assert "sftip: 100%" in capfd.readouterr().err


def test_adapters_are_a_codec_of_their_own(tmp_path, folders):
    torch.manual_seed(0)
    wacnn = load_model(save_model(create_model("wacnn"), tmp_path / "wacnn.safetensors", lmbda=0.025))
    record = evaluate(wacnn, *folders, progress=False, adapter_steps=2)
    assert record["codec"] == "Dec-Adapter (reconstruction)" and "wacnn-fixed, 2 steps" in record["settings"]
    plain = evaluate(wacnn, *folders, progress=False)["images"]
    for row, other in zip(record["images"], plain):
        extra = row["adapter_bytes"] and row["adapter_bytes"] + len(varint(row["adapter_bytes"]))
        assert row["bytes"] == other["bytes"] + extra


def test_adapters_need_wacnn(model, folders):
    with pytest.raises(InputError, match="wacnn's decoder; these weights are of"):
        evaluate(model, *folders, LAMBDAS, progress=False, adapter_steps=2)


def test_another_mask_is_told_and_the_ruler_stays(load, folders, monkeypatch):
    analyse, told = sci.analyse, []
    monkeypatch.setattr(sci, "analyse", lambda image, model, mask: told.append(mask) or analyse(image, model, mask))
    usual = evaluate(load(), *folders, lmbdas=LAMBDAS, progress=False)
    wrong = evaluate(load(), *folders, lmbdas=LAMBDAS, progress=False, coded_with="inverted")
    assert "coded_with" not in usual and wrong["coded_with"] == {"mask": "inverted"}
    assert len(told) == 4 and all((a != b).all() for a, b in zip(told[:2], told[2:]))
    assert [row["psnr_text"] is None for row in usual["images"]] == [row["psnr_text"] is None for row in wrong["images"]]


def test_files_with_palettes_are_measured_on_demand(folders, screen, tmp_path):
    """What the command writes, under a name of its own; a model's record is never gone on with as one of palettes."""
    shots, masks = folders
    for name in ("a.png", "b.png"):
        Image.fromarray(screen(96, 112)[0]).save(shots / name)
        Image.fromarray(screen(96, 112)[1].astype(np.uint8) * 255).save(masks / name)
    shipped, out = load_model(), tmp_path / "r.json"
    plain, record = (evaluate(shipped, shots, masks, [0.0067], out, progress=False, palette=palette) for palette in (False, True))
    assert record["palette"] and "palette" not in plain and record["codec"] == plain["codec"] + "-palette"
    for row, before in zip(record["images"], plain["images"]):
        assert row["palette_bytes"] > 0 and row["bytes"] == before["bytes"] + row["palette_bytes"] + 1 and row["psnr"] > before["psnr"]
        assert row["bpp_estimated"] > before["bpp_estimated"] and "palette_bytes" not in before
    assert load_record(out)["codec"] == record["codec"]
