"""Records: complete, free of what names a machine or a person, never half-written; tables made from them."""

import gzip
import hashlib
import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import sccore
from sccore import create_model
from sccore.codecs.zoo import codec_name
from sccore.evaluation import provenance, records
from sccore.evaluation.records import load_dataset, load_record, save_record, settings, sweep
from sccore.utils import paths
from sccore.utils.errors import InputError


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "shots" / "images"
    folder.mkdir(parents=True)
    (folder / "b.png").write_bytes(b"two")
    (folder / "a.png").write_bytes(b"one")
    (folder / "notes.txt").write_bytes(b"no image")
    return folder


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "data" / "results")
    return tmp_path


def record(codec="a", names=("1.png", "2.png"), lmbdas=(0.0035, 0.013), **fields):
    row = {"bytes": 10, "bpp": 0.1, "psnr": 30.0, "psnr_text": None, "ms_ssim": None} | fields
    return {"codec": codec, "images": [{"name": name, "lmbda": lmbda} | row for name in names for lmbda in lmbdas]}


def test_folder_hash_is_that_of_the_files_names_and_bytes(folder):
    files = ("a.png", b"one"), ("b.png", b"two")
    listing = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files)
    before = provenance.folder_hash(folder)
    assert before == hashlib.sha256(listing.encode()).hexdigest()
    (folder / "a.png").rename(folder / "c.png")
    renamed = provenance.folder_hash(folder)
    (folder / "c.png").write_bytes(b"other")
    assert len({before, renamed, provenance.folder_hash(folder)}) == 3


def test_dataset_is_named_after_the_folder_that_holds_its_images(folder):
    entry = provenance.dataset(folder)
    assert (entry["name"], entry["images"], entry["masks_sha256"]) == ("shots", 2, None)
    assert provenance.dataset(folder, folder)["masks_sha256"] == entry["sha256"]
    with pytest.raises(InputError, match="nowhere: no such folder"):
        provenance.dataset("nowhere")


def test_provenance_says_what_ran_and_nothing_of_whose_machine(folder):
    model = create_model("sftip", rate="variable", prior="uniform")
    model.meta = {"steps": 100, "seconds": 5400, "lambdas": [0.0018, 0.025]}
    entry = provenance.provenance(model, folder, "python -m sccore evaluate")
    assert entry["codec"] == "sftip-uniform" and entry["model"] == model.spec
    assert [entry["checkpoint"][key] for key in ("steps", "hours", "sha256")] == [100, 1.5, None]
    assert {"python", "sccore", "source", "torch", "compressai"} <= entry["versions"].keys()
    assert entry["threads"] >= 1 and entry["date"].endswith("+00:00")
    text = json.dumps(entry)
    assert str(folder) not in text and str(Path.home()) not in text and str(paths.ROOT) not in text
    assert socket.gethostname() not in entry["machine"]


@pytest.mark.parametrize(
    "switches, name",
    [
        ({"name": "wacnn"}, "wacnn-fixed"),
        ({"name": "sftip", "rate": "tuned"}, "sftip-tuned"),
        ({"name": "wacnn", "rate": "variable"}, "wacnn"),
        ({"name": "sftip", "sem": "sft", "laplacian": "signed", "rate": "variable"}, "sftip-sft-signed"),
    ],
)
def test_codec_name_tells_the_departures_from_the_defaults(switches, name):
    assert codec_name(create_model(**switches).spec) == name


def test_paths_in_the_command_are_relative_to_the_project(root, monkeypatch):
    inside, outside = root / "data" / "x.json", "/home/someone/secret/shots"
    arguments = ["evaluate", f"--out={inside}", "--images", outside, "--masks", "../else/where/masks"]
    monkeypatch.setattr(sys, "argv", ["/some/where/sccore/__main__.py", *arguments])
    assert provenance.command_line() == "python -m sccore evaluate --out=data/x.json --images shots --masks masks"
    monkeypatch.setattr(sys, "argv", ["/env/ipykernel_launcher.py", "-f", "/home/someone/kernel-1.json"])
    assert provenance.command_line() == "in a notebook"


def test_a_record_comes_back_as_it_was(tmp_path):
    path = tmp_path / "new" / "folder" / "a.json"
    saved = record() | {"failed": []}
    save_record(path, saved)
    assert load_record(path) == saved
    assert os.listdir(path.parent) == ["a.json"]


def test_records_are_strict_json(tmp_path):
    path = tmp_path / "a.json"
    made = sweep(
        {"codec": "a", "images": []}, {"1.png": 1}, [{}], lambda *_: [{"bpp": 0.1, "psnr": math.inf, "gmsd": math.nan}], path, False
    )
    assert load_record(path) == made and (made["images"][0]["psnr"], made["images"][0]["gmsd"]) == (None, None)
    with pytest.raises(ValueError):
        save_record(path, {"codec": "a", "images": [{"psnr": math.inf}]})
    assert load_record(path) == made


def test_a_failed_write_leaves_the_old_record(tmp_path):
    path = tmp_path / "a.json"
    save_record(path, record())
    with pytest.raises(TypeError):
        save_record(path, {"codec": "a", "images": [object()]})
    assert load_record(path) == record()


@pytest.mark.parametrize(
    "content, reason",
    [
        (b'{"codec": "a", "ima', "damaged"),
        (b"\xff\xfe\x00", "damaged"),
        (b'{"codec": "a", "images": [{"name": "1", "bpp": 1, "psnr": Infinity}]}', "Infinity is no number"),
        (b"[1, 2]", "not a record"),
        (b'{"codec": "a", "images": 1}', "not a record"),
        (b"{}", "not a record"),
        (b'{"codec": "a", "images": [{"name": "1"}]}', "not a record"),
        (None, "No such file"),
    ],
)
def test_what_is_no_record_is_refused_by_name(tmp_path, content, reason):
    path = tmp_path / "broken.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"broken\.json: .*{reason}") as error:
        load_record(path)
    assert "\n" not in str(error.value)


def test_load_dataset_gives_a_row_an_image_and_lambda(root):
    save_record(paths.RESULTS / "shots" / "a.json", record("a"))
    save_record(paths.RESULTS / "shots" / "b.json", record("b", psnr_text=25))
    frame = load_dataset("shots")
    assert len(frame) == 8 and set(frame["codec"]) == {"a", "b"}
    assert frame.groupby("codec")["psnr_text"].mean().to_dict() == pytest.approx({"a": math.nan, "b": 25}, nan_ok=True)
    assert frame["ms_ssim"].dtype == float and settings(frame) == ["lmbda"]


def test_load_dataset_refuses_a_point_measured_twice(root):
    save_record(paths.RESULTS / "shots" / "one.json", record("a"))
    save_record(paths.RESULTS / "shots" / "two.json", record("a", names=["2.png"]))
    with pytest.raises(InputError, match="one.json and two.json in data/results/shots"):
        load_dataset("shots")


def test_load_dataset_without_records_says_which_there_are(root):
    save_record(paths.RESULTS / "kodak" / "a.json", {"codec": "a", "images": []})
    (paths.RESULTS / "empty").mkdir()
    with pytest.raises(InputError, match="'shots' in data/results; there are: kodak$"):
        load_dataset("shots")
    with pytest.raises(InputError, match="no measurements in data/results/kodak"):
        load_dataset("kodak")


def test_code_version_is_that_of_the_clone(root, monkeypatch):
    def git(*command):
        return subprocess.run(["git", "-C", root, *command], check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.setattr(paths, "PACKAGE", root / "sccore")
    assert provenance.versions()["sccore"] == sccore.__version__  # no clone: the package's version
    git("init", "-q")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "first")
    assert provenance.versions()["sccore"] == git("rev-parse", "--short", "HEAD")


def test_a_record_belongs_to_one_process_at_a_time(tmp_path):
    out = tmp_path / "r.json"
    fill = lambda: sweep({"codec": "a", "images": []}, {"1.png": None}, [{}], lambda *_: [{"bpp": 1.0, "psnr": 30.0}], out, False)
    with records.alone(out):
        with pytest.raises(InputError, match=f"r.json: process {os.getpid()} on .* measures for it; wait"):
            fill()
    assert len(fill()["images"]) == 1 and os.listdir(tmp_path) == ["r.json"]
    with pytest.raises(KeyError):
        sweep({"codec": "a", "images": []}, {"1.png": None}, [{}], lambda *_: {}["x"], out, False)
    assert os.listdir(tmp_path) == ["r.json"]


def test_what_is_of_something_else_is_kept_where_it_must_not_be_replaced(tmp_path):
    own = {"codec": "a", "dataset": {"name": "x", "sha256": "1"}, "lmbdas": [0.1], "images": [{"name": "x", "bpp": 0.5, "psnr": 30.0}]}
    records.save_record(tmp_path / "a.json", own)
    for change, said in (({"dataset": {"sha256": "2"}}, "images"), ({"codec": "b"}, "codecs"), ({"lmbdas": [0.2]}, "settings")):
        other = own | change | {"images": []}
        assert records.resume(other, tmp_path / "a.json", ("codec",)) == (other if "codec" in change else own)  # as it was asked
        with pytest.raises(InputError, match=f"holds a record of other {said}; choose another file, or delete it"):
            records.resume(other, tmp_path / "a.json", ("codec",), replace=False)
    trained_anew = own | {"checkpoint": "c", "images": []}
    assert records.resume(trained_anew, tmp_path / "a.json", ("checkpoint",), replace=False) == trained_anew


def test_data_sets_without_records_are_told_from_those_with_some():
    assert records.with_records("samples") == "samples"
    with pytest.raises(InputError, match="no records of data set 'nope' in .*; there are: .*samples"):
        records.with_records("nope")


def test_each_row_is_a_line(tmp_path):
    record = {"codec": "a", "images": [{"name": "x", "bpp": 0.5}, {"name": '\n "images": []', "bpp": None}], "failed": []}
    records.save_record(tmp_path / "a.json", record)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == record and list(json.loads(text)) == list(record) and '\n  {"name":"x","bpp":0.5},\n' in text
    records.save_record(tmp_path / "b.json", record | {"images": []})
    assert json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))["images"] == []


def test_records_may_be_compressed(tmp_path):
    path, record = tmp_path / "a.json.gz", {"codec": "a", "images": [{"name": "x", "bpp": 0.5, "psnr": 30.25}], "failed": []}
    records.save_record(path, record)
    assert records.load_record(path) == record and gzip.decompress(path.read_bytes()).startswith(b"{\n")
    first = path.read_bytes()
    records.save_record(path, record)
    assert path.read_bytes() == first  # no date in it
    for damaged in (first[:40], b"{}", first[:30] + b"\0\0\0\0" + first[34:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="a.json.gz: damaged"):
            records.load_record(path)


def test_both_kinds_of_records_belong_to_a_data_set(tmp_path, monkeypatch):
    monkeypatch.setattr(records.paths, "RESULTS", tmp_path)
    for name in ("a.json", "b.json.gz"):
        records.save_record(tmp_path / "some" / name, {"codec": name[0], "images": [{"name": "x", "lmbda": 0.1, "bpp": 0.5, "psnr": 30.0}]})
    assert set(records.load_dataset("some")["codec"]) == {"a", "b"} and records.recorded("b", "some")["codec"] == "b"
