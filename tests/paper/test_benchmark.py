"""Table 1 on a folder, measured in one go or from records: who is in it, who is missing and why, and what is behind a number."""

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from sccore.evaluation import bd_rate
from sccore.evaluation.records import load_record
from sccore.paper import benchmark, results, table_1
from sccore.paper.drawing.html import trace, traced_table
from sccore.paper.tables import paper_numbers
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.paths import ROOT


@pytest.fixture
def shots(tmp_path, monkeypatch, screen):
    """Three small screenshots without masks, and a file that is no image."""
    folder = tmp_path / "shots"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(screen(96, 128 + 64 * i)[0][:, 64 * i :]).save(folder / f"{i}.png")
    (folder / "broken.png").write_bytes(b"nothing")
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(bd_rate, "compare", partial(bd_rate.compare, resamples=20))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("SCCORE_VTM", raising=False)
    return folder


def plain(html):
    """What a reader sees of it before a click."""
    seen = re.sub(r"<details.*?<summary>(.*?)</summary>.*?</details>", r"\1", html.split("</style>")[1], flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " ", seen)


def test_a_folder_is_measured_with_what_is_here_and_gone_on_with(shots, capsys):
    found = benchmark.collect(str(shots), codecs="jpeg avif bpg", detector="heuristic")
    assert set(found.records) == {"jpeg", "avif"} and found.frame.groupby("codec")["name"].nunique().tolist() == [3, 3]
    assert list(found.missing) == ["bpg"] and "put bpgenc" in found.missing["bpg"]
    assert found.failed == {"broken.png": "broken.png: not an image"}
    assert found.frame["psnr_text"].notna().any()  # masks were made
    shown = results.absent(found.missing, found.failed)
    assert "- `bpg` is not in the table: no bpgenc" in shown and "- image `broken.png` is left out" in shown
    dates = {codec: own[0]["date"] for codec, own in found.records.items()}
    again = benchmark.collect(str(shots), codecs="jpeg avif bpg", detector="heuristic")
    assert {codec: own[0]["date"] for codec, own in again.records.items()} == dates
    assert again.frame.equals(found.frame)


def test_the_table_gives_both_averages_seconds_and_reasons(shots):
    found = benchmark.collect(str(shots), codecs="jpeg webp avif", detector="heuristic")
    jpeg, webp, avif = table_1.rows(found, anchor="jpeg", other="webp")
    assert jpeg["psnr"] == "the reference" and avif["images"] == 3
    assert avif["psnr"]["bd_rate"] < -20 and table_1.with_interval(avif["psnr"]).endswith("\nno interval:\n3 images")
    assert avif["psnr"]["bd_rate"] != avif["psnr"]["per_image_mean"] and 0.5 < avif["overlap"] <= 1
    assert avif["encode_s"] > jpeg["encode_s"] > 0
    shown = plain(table_1.html(found, "jpeg", "webp"))
    assert (
        table_1.with_interval(avif["psnr"]).split("\n")[0] in shown
        and table_1.with_interval(avif["psnr"], "per_image_").split("\n")[0] in shown
    )
    assert "Dec-Adapter" in shown and "not measured" in shown  # a row of the paper that is not here


def test_a_codec_on_some_images_is_compared_on_these_and_a_refusal_says_why(shots):
    found = benchmark.collect(str(shots), codecs="jpeg avif", detector="heuristic")
    found.frame = found.frame[(found.frame["codec"] == "jpeg") | (found.frame["name"] != "2.png")]
    assert table_1.rows(found, "jpeg", "jpeg")[1]["images"] == 2
    found.frame = found.frame[(found.frame["codec"] == "jpeg") | (found.frame["quality"] < 14)]
    assert table_1.rows(found, "jpeg", "jpeg")[1]["psnr"] == "the test curve has 2 of the 4 points that are needed"
    assert "No BD-rate: the test curve has 2 of the 4" in plain(table_1.html(found, "jpeg", "jpeg"))
    assert table_1.compare(found.frame, "jpeg", "wacnn") == "no image with both jpeg and wacnn"


def test_the_paper_stands_beside_ours_and_its_own_data_set_is_chosen(shots):
    everything = benchmark.collect("samples").records
    assert {"wacnn", "sftip", "jpeg", "vtm"} <= everything.keys() and "sftip-mse" not in everything
    found = benchmark.collect("samples", codecs="wacnn sftip jpeg")
    assert set(found.records) == {"wacnn", "sftip", "jpeg"} and not found.missing
    ours = paper_numbers()["table1"]["rows"]["Ours"]
    shown = plain(table_1.html(found))
    assert f"{ours[-1]:.1f}".replace("-", "−") in shown and "paper, Average" in shown
    found.name = "siqad"
    html = table_1.html(found)
    assert f"{ours[1]:.1f}".replace("-", "−") in plain(html) and "paper, SIQAD" in plain(html)
    assert re.search(r"row Ours: JPEGAI .*, SIQAD", html)


def test_behind_a_number_are_its_records(shots):
    html = table_1.html(benchmark.collect("samples", codecs="wacnn sftip"))
    for codec in ("wacnn", "sftip"):
        record = load_record(paths.RESULTS / "samples" / f"{codec}.json")
        for value in (
            record["checkpoint"]["sha256"],
            record["dataset"]["sha256"],
            record["dataset"]["masks_sha256"],
            record["machine"],
            record["date"],
            record["command"].split(" --")[0],
        ):
            assert value in html
    assert "<script" not in html and "http" not in html


def test_a_trace_is_text_not_markup():
    record = {"codec": "a<b", "command": "x & y", "date": None, "checkpoint": {"file": None, "sha256": "0f"}}
    shown = trace("1\n2 to 3", [record], "a > b")
    assert "a&lt;b" in shown and "x &amp; y" in shown and "a &gt; b" in shown and "not noted" in shown
    assert "<summary>1<br><small>2 to 3</small></summary>" in shown and "a file of its own, sha256 0f" in shown
    assert "<td>–</td>" in traced_table(["a"], [[None]])


def test_names_that_lead_nowhere(shots):
    with pytest.raises(InputError, match="data set mlscid is not here yet: .* --from FOLDER"):
        benchmark.collect("mlscid")
    with pytest.raises(InputError, match="no records of vtm-rgb in data/results/samples"):
        benchmark.collect("samples", codecs="vtm-rgb")
    found = benchmark.collect("samples", codecs="wacnn nothing")
    assert found.missing == {"nothing": "not recorded; data/results/samples has no record of that name"}
    assert "Of nothing there is no record here" in table_1.html(found, "nothing", "wacnn")
    with pytest.raises(InputError, match="no such checkpoint"):
        benchmark.codecs_of(["nothing"])


def test_the_notebook_measures_a_folder_in_one_go(shots, tmp_path):
    papermill = Path(sys.executable).with_name("papermill")
    out = tmp_path / "out.ipynb"
    done = subprocess.run(
        [
            papermill,
            ROOT / "notebooks/table-1.ipynb",
            out,
            "-p",
            "dataset",
            shots,
            "-p",
            "codecs",
            "jpeg avif bpg",
            "-p",
            "anchor",
            "jpeg",
            "-p",
            "other",
            "jpeg",
            "-p",
            "records",
            tmp_path / "records",
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outputs = [o for cell in nbformat.read(out, 4).cells for o in cell.get("outputs", [])]
    said = "".join(o.data.get("text/markdown", "") + o.data.get("text/html", "") for o in outputs if "data" in o)
    assert "`bpg` is not in the table" in said and "image `broken.png` is left out" in said and "AVIF" in said
    assert sum("image/png" in o.get("data", {}) for o in outputs) == 2 and said.count('<div class="rd">') == 2
    assert {p.name for p in (tmp_path / "records").glob("*.json")} == {"jpeg.json", "avif.json"}


def test_seconds_are_a_megapixel(shots):
    frame = benchmark.pd.DataFrame({"encode_s": [1.0, 3.0], "width": [1000, 1000], "height": [1000, 2000]})
    assert table_1.seconds(frame, "encode_s") == pytest.approx(1.25)
    assert table_1.seconds(frame, "decode_s") is None and table_1.seconds(frame.assign(encode_s=np.nan), "encode_s") is None


def test_a_model_stands_beside_classical_codecs_from_records_or_measured_now(monkeypatch):
    from sccore.data.samples import load

    samples = load(paths.SAMPLES, progress=False)
    samples = samples.part([samples.names.index("graph")])
    row = {"codec": "sftip-tuned", "name": "graph", "lmbda": 0.0035, "bpp": 0.2, "psnr": 34.0}
    recorded = benchmark.beside([row], samples, "jpeg webp")
    assert set(recorded["codec"]) == {"sftip-tuned", "jpeg", "webp"} and recorded["name"].unique().tolist() == ["graph"]
    samples.names = ["mine"]
    measured = benchmark.beside([row | {"name": "mine"}], samples, "jpeg")
    old, new = (frame.query("codec == 'jpeg'")["psnr"].to_numpy() for frame in (recorded, measured))
    assert measured["name"].unique().tolist() == ["mine"] and new == pytest.approx(old, abs=0.5)


def test_weights_of_ones_own_have_a_name_of_their_own(saved, parts, tmp_path, monkeypatch):
    """And take the place of no shipped record."""
    path = saved("wacnn")[1]
    name = benchmark.called(path)
    assert name.startswith(f"{path.stem}-") and benchmark.called(paths.CHECKPOINTS / "sftip.safetensors") == "sftip"
    assert set(benchmark.codecs_of([str(path), "wacnn"])[0]) == {name, "wacnn"}
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    monkeypatch.setattr("sccore.evaluation.evaluate.evaluate", lambda *a, out, name, replace: out.parent.mkdir() or out.write_text(name))
    own = benchmark.add(str(path), str(parts))
    assert own.startswith(f"{parts.name}-") and [p.stem for p in (tmp_path / own).iterdir()] == [name]
    assert benchmark.add(str(path)) == "samples"


def test_a_codec_that_keeps_an_image_exactly_is_compared_on_the_others(shots):
    found = benchmark.collect(str(shots), codecs="jpeg webp-colours", detector="heuristic")
    found.frame.loc[(found.frame["codec"] == "webp-colours") & (found.frame["name"] == "1.png") & (found.frame["quality"] > 20), "psnr"] = (
        np.nan
    )
    jpeg, few = table_1.rows(found, anchor="jpeg", other="jpeg")
    assert few["images"] == 2 and "infinite" not in str(few["psnr"]) and few["overlap"] is not None and jpeg["images"] == 3
    assert "WebP of few colours" in plain(table_1.html(found, "jpeg", "jpeg"))
