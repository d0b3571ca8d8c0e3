"""Scores beside rates: measured and gone on with, or read from another program's table."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sccore.evaluation import asiqe_scores, bd_rate
from sccore.evaluation.records import load_dataset, save_record
from sccore.utils import paths
from sccore.utils.errors import InputError


@pytest.fixture
def records(tmp_path, monkeypatch):
    """Two codecs on two images at four points each, one by lambda and one by quality."""
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    for codec, setting, points, shift in (("ours", "lmbda", (0.0018, 0.0035, 0.0067, 0.013), 1), ("jpeg", "quality", (5, 10, 20, 40), 2)):
        rows = [
            {"name": name, setting: point, "bpp": shift * 0.1 * 2**i, "psnr": 30 + 3 * i}
            for name in ("a.png", "b.png")
            for i, point in enumerate(points)
        ]
        save_record(tmp_path / "samples" / f"{codec}.json", {"codec": codec, "images": rows})
    return load_dataset("samples")


def table(frame, path, **changes):
    rows = frame.rename(columns={"name": "image"})[["image", "codec", "lmbda", "quality"]]
    rows = rows.assign(score=np.log(frame["bpp"] * np.where(frame["codec"] == "jpeg", 0.5, 1)), **changes)
    rows.to_csv(path, index=False)
    return rows


def test_scores_of_another_program_take_the_place_of_ours(records, tmp_path):
    table(records, tmp_path / "s.csv")
    read = asiqe_scores.read_scores(tmp_path / "s.csv")
    assert len(read) == len(records)
    ours, jpeg = (read[read["codec"] == codec] for codec in ("ours", "jpeg"))
    assert bd_rate.compare(jpeg, ours, "score")["bd_rate"] == pytest.approx(-50)  # half the bits at every score
    one = records[records["codec"] == "ours"].rename(columns={"name": "image"}).assign(score=1.0)
    one.assign(image="a")[["image", "codec", "lmbda", "score"]].drop_duplicates().to_csv(tmp_path / "s.csv", index=False)
    assert set(asiqe_scores.read_scores(tmp_path / "s.csv")["name"]) == {"a.png"}  # without suffix, and no column quality


@pytest.mark.parametrize(
    "text, message",
    [
        ("image,codec,lmbda\na.png,ours,0.0018", "no column score"),
        ("codec,score\nours,1", "no column image, lmbda or quality"),
        ("image,codec,lmbda,score\nc.png,ours,0.0018,1", "unknown image c.png"),
        ("image,codec,lmbda,score\na.png,theirs,0.0018,1", "unknown codec theirs"),
        ("image,codec,lmbda,score\na.png,ours,0.0018,good", "line 2 has no number"),
        ("image,codec,lmbda,score\na.png,ours,0.5,1", "a.png by ours at lmbda 0.5 is not in"),
        ("image,codec,lmbda,score\na.png,ours,0.0018,1\na,ours,0.0018,2", "scored twice"),
        ("", "not a CSV table"),
    ],
)
def test_bad_tables_are_refused_with_the_reason(records, tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        asiqe_scores.read_scores(tmp_path / "s.csv")


def test_a_missing_table_is_named():
    with pytest.raises(InputError, match="nowhere.csv: no such file"):
        asiqe_scores.read_scores("nowhere.csv")


def test_measuring_goes_on_and_reads_back(tmp_path, screen, monkeypatch):
    (tmp_path / "shots").mkdir()
    Image.fromarray(screen(120, 200)[0]).save(tmp_path / "shots" / "a.png")
    out = tmp_path / "s.json"
    record = asiqe_scores.measure(tmp_path / "shots", ["jpeg"], out, limit=(100, 160), progress=False)
    frame = pd.DataFrame(asiqe_scores.load_record(out)["images"])
    assert len(frame) == 6 and set(frame["width"]) == {160} and "a.png" in record["originals"]
    assert set(frame.columns) == {"name", "codec", "quality", "width", "height", "bpp", "psnr", "asiqe_r"}
    monkeypatch.setattr(asiqe_scores, "asiqe_r", None)  # nothing is scored again
    assert asiqe_scores.measure(tmp_path / "shots", ["jpeg"], out, limit=(100, 160), progress=False)["images"] == record["images"]


def test_what_is_no_record_of_scores_is_refused(tmp_path):
    (tmp_path / "s.json").write_text(json.dumps({"images": [{"name": "a"}], "originals": {}}), encoding="utf-8")
    with pytest.raises(InputError, match="has no asiqe_r"):
        asiqe_scores.load_record(tmp_path / "s.json")


def test_the_busiest_part():
    image = np.zeros((200, 300, 3), np.uint8)
    image[100:150, 90:200:2] = 255
    part = asiqe_scores.busiest(image, (60, 120))
    assert np.array_equal(part, image[80:140, 80:200])
    assert asiqe_scores.busiest(image, (900, 100)).shape == (200, 100, 3) and asiqe_scores.busiest(image, None) is image
