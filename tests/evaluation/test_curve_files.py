"""Curves come from records and from CompressAI's files alike, and go to what CompressAI's own reader takes."""

import json

import pytest
from compressai.utils.plot.__main__ import parse_json_file

from sccore.cli import command_line
from sccore.evaluation import bd_rate, records
from sccore.evaluation.curve_files import read, read_all
from sccore.utils.errors import InputError
from sccore.utils.paths import RESULTS

RECORDS = [RESULTS / "validation" / f"{name}.json" for name in ("jpeg", "webp")]


@pytest.fixture
def theirs(tmp_path):
    """A file as CompressAI writes it, its points in another order."""
    path = tmp_path / "theirs.json"
    results = {"bpp": [0.8, 0.2, 0.4, 1.6], "psnr-rgb": [36.0, 30.0, 33.0, 39.0], "ms-ssim-rgb": [0.99, 0.9, 0.95, 0.995]}
    path.write_text(json.dumps({"name": "mine", "description": "", "results": results}), encoding="utf-8")
    return path


def run(*words):
    return command_line.main(list(map(str, words)))


def test_both_forms_are_read(theirs):
    name, points = read(theirs)
    assert name == "mine" and points["psnr"].tolist() == [30, 33, 36, 39] and points["bpp"].is_monotonic_increasing
    assert read(theirs, "ms_ssim")[1]["ms_ssim"].iloc[0] == 0.9
    frame = records.load_dataset("validation")
    for path in RECORDS:
        codec, points = read(path)
        assert points.equals(bd_rate.curve(records.of_codec(frame, codec)))
    assert len(read_all([theirs, theirs])) == 2


def test_bd_rate_and_plot(theirs, tmp_path, capsys):
    assert run("bd-rate", *RECORDS) == 0
    found, expected = json.loads(capsys.readouterr().out), bd_rate.bd_rate(read(RECORDS[0])[1], read(RECORDS[1])[1])
    assert found == {"anchor": "jpeg", "metric": "psnr", "bd_rate": {"webp": round(expected, 2)}} and expected < -10
    assert run("bd-rate", RECORDS[0], theirs) == 0 and '"mine"' in capsys.readouterr().out  # whose images nobody knows
    assert run("bd-rate", RECORDS[0], RESULTS / "samples" / "webp.json") == 1
    assert "webp and jpeg were measured on different images" in capsys.readouterr().err
    assert run("plot", *RECORDS, theirs, "--out", tmp_path / "x.svg") == 0 and "mine" in (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert not capsys.readouterr().err and run("plot", RECORDS[0], RESULTS / "samples" / "webp.json", "--out", tmp_path / "x.svg") == 0
    assert "note: these records are of different images" in capsys.readouterr().err
    assert run("plot", theirs, "--out", tmp_path / "x.xyz") == 1 and "unknown format of a figure" in capsys.readouterr().err


def test_only_measures_of_quality_are_compared(tmp_path, capsys):
    rows = [{"name": "x.png", "lmbda": i, "bpp": 0.1 * i, "psnr": 30 + i, "cer": 1 / i, "cer_weight": 7} for i in range(1, 6)]
    (worse := tmp_path / "worse.json").write_text(json.dumps({"codec": "worse", "images": rows}), encoding="utf-8")
    better = [row | {"bpp": row["bpp"] / 2} for row in rows]
    (half := tmp_path / "half.json").write_text(json.dumps({"codec": "half", "images": better}), encoding="utf-8")
    for metric in ("psnr", "cer"):  # of the second, less is better
        assert run("bd-rate", worse, half, "--metric", metric) == 0
        assert json.loads(capsys.readouterr().out)["bd_rate"]["half"] == pytest.approx(-50)
    for metric in ("bpp", "lmbda", "cer_weight"):
        assert run("bd-rate", worse, half, "--metric", metric) == 1 and f"{metric} is no measure" in capsys.readouterr().err
        assert run("plot", worse, "--metric", metric, "--out", tmp_path / "x.svg") == 1 and not (tmp_path / "x.svg").exists()


def test_what_is_exported_is_read_by_compressai(tmp_path, capsys):
    out = tmp_path / "x.json"
    assert run("export", RECORDS[0], "--out", out) == 0
    again, (_, points) = parse_json_file(out, "psnr"), read(RECORDS[0])
    assert again["name"] == "jpeg" and again["xs"] == points["bpp"].tolist() and again["ys"] == points["psnr"].tolist()
    assert read(out)[1].equals(points.reset_index(drop=True))
    assert run("export", out) == 1 and "not a record" in capsys.readouterr().err
    (mine := tmp_path / "mine.json").write_bytes(RECORDS[0].read_bytes())
    assert run("export", mine, "--out", mine) == 1 and "is the input" in capsys.readouterr().err
    assert mine.read_bytes() == RECORDS[0].read_bytes()
    out.write_text("3", encoding="utf-8")
    assert run("export", out) == 1 and "not a record" in capsys.readouterr().err


def test_records_of_one_s_own_are_read_or_told_what_they_lack(tmp_path, capsys):
    rows = [
        {"name": name, "lmbda": i, "bpp": 0.1 * i, "psnr": 30 + i, "note": "by hand"} for name in ("x.png", "y.png") for i in range(1, 5)
    ]
    paths = [tmp_path / "whole.json", tmp_path / "no-points.json", tmp_path / "twice.json"]
    for path, images in zip(paths, (rows, [{k: v for k, v in row.items() if k != "lmbda"} for row in rows], rows + rows)):
        path.write_text(json.dumps({"codec": "mine", "images": images}), encoding="utf-8")
    assert read(paths[0])[1]["psnr"].tolist() == [31, 32, 33, 34]
    assert run("bd-rate", paths[0], paths[1]) == 1
    assert "no-points.json: mine: its rows have neither lmbda nor quality" in capsys.readouterr().err
    assert run("bd-rate", paths[0], paths[2]) == 1 and "twice.json: mine: measured twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"bpp": [1]}', '{"bpp": [1, 2], "psnr": [1]}', '{"bpp": ["x"], "psnr": [1]}', '{"images": [1]}']
)
def test_other_files_are_one_line(tmp_path, content):
    (tmp_path / "x.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="x.json: (has no|neither)"):
        read(tmp_path / "x.json")
