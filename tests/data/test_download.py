"""Data sets arrive whole and checked: from a local server that stands for the public one, and from a user's folder."""

import csv
import hashlib
import http.server
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sccore.cli import command_line
from sccore.data import datasets, download
from sccore.data.images import pair, read_image
from sccore.utils import paths
from sccore.utils.errors import InputError

HEAD = "stem repository commit path licence width height rgb_sha256 stored".split()


def noise(seed, size=(12, 20)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def sha256(image):
    return hashlib.sha256(image.tobytes()).hexdigest()


@pytest.fixture
def server(tmp_path):
    """A folder that is served on this machine, the address, and the paths that were asked for."""
    root, asked = tmp_path / "served", []
    root.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=root)) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield root, f"http://127.0.0.1:{listening.server_address[1]}", asked
        listening.shutdown()


@pytest.fixture
def little(server, tmp_path, monkeypatch):
    """A data set of four rows: plain, transparent, lossy at half size, and with a blank in its path."""
    root, address, asked = server
    folder = root / "some/where/abc"
    folder.mkdir(parents=True)
    Image.fromarray(noise(0)).save(folder / "plain.png")
    alpha = np.full((12, 20, 1), 255, np.uint8)
    alpha[:6] = 0
    Image.fromarray(np.concatenate([noise(1), alpha], 2)).save(folder / "clear.png")
    white = np.where(alpha == 0, np.uint8(255), noise(1))
    Image.fromarray(noise(2, (24, 40))).save(folder / "big.png")
    Image.fromarray(noise(2, (24, 40))).resize((20, 12), Image.LANCZOS).save(tmp_path / "half.webp", quality=95)
    Image.fromarray(noise(3)).save(folder / "with blank #1.png")
    rows = [
        ("plain", "plain.png", noise(0), "lossless WebP"),
        ("clear", "clear.png", white, "alpha flattened on white"),
        ("big", "big.png", read_image(tmp_path / "half.webp"), "half size (Lanczos), WebP quality 95"),
        ("blank", "with blank #1.png", noise(3), "lossless WebP"),
    ]
    with open(tmp_path / "little.tsv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(HEAD)
        writer.writerows((stem, "some/where", "abc", path, "CC0-1.0", 20, 12, sha256(image), how) for stem, path, image, how in rows)
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    little = datasets.Dataset("little", "for tests", "nowhere", 4, "CC0-1.0", tmp_path / "little.tsv")
    monkeypatch.setitem(datasets.DATASETS, "little", little)
    return folder, address, asked, {stem: image for stem, _, image, _ in rows}


def test_a_catalogue_is_rebuilt_pixel_by_pixel(little, capsys):
    _, address, asked, expected = little
    assert command_line.main(["fetch", "little", "--mirror", address]) == 0
    images, masks = datasets.place("little")
    assert images == paths.DATA / "little/images" and masks is None
    got = {stem: path for stem, path, _ in pair(images)}
    assert {stem: sha256(read_image(path)) for stem, path in got.items()} == {s: sha256(i) for s, i in expected.items()}
    assert Image.open(got["clear"]).mode == "RGB" and got["big"].suffix == ".webp"
    assert "4 images, 4 of them new" in capsys.readouterr().out
    count = len(asked)
    assert command_line.main(["fetch", "little", "--mirror", address]) == 0 and len(asked) == count  # nothing is asked for again
    assert "4 images, 0 of them new" in capsys.readouterr().out


def test_what_is_wrong_is_named_and_the_rest_arrives_and_goes_on(little, capsys, monkeypatch):
    monkeypatch.setattr(download, "IN_VAIN", 1)  # a server that has no such file answers
    folder, address, _, _ = little
    good = (folder / "plain.png").read_bytes()
    Image.fromarray(noise(9)).save(folder / "plain.png")
    (folder / "clear.png").unlink()
    (folder / "with blank #1.png").write_bytes(good[:100])
    assert command_line.main(["fetch", "little", "--mirror", address]) == 3
    out, err = capsys.readouterr()
    assert "1 images, 1 of them new" in out
    errors = sorted(line for line in err.splitlines() if line.startswith("error"))
    assert len(errors) == 3 and "404" in errors[1] and "clear.png" in errors[1]
    assert "blank" in errors[0] and "other pixels than the catalogue's hash" in errors[2] and "plain" in errors[2]
    assert [p.name for p in (paths.DATA / "little/images").iterdir()] == ["big.webp"]  # and no part of anything
    (folder / "plain.png").write_bytes(good)
    (paths.DATA / "little/images/big.webp").write_bytes(b"RIFF")  # damaged since
    done = download.fetch("little", base=address, progress=False)
    assert (done["new"], done["kept"], set(done["failed"])) == (2, 0, {"clear", "blank"})


def test_another_webp_encoder_is_told_apart_from_a_wrong_image(little, tmp_path, capsys):
    _, address, _, expected = little
    text = (tmp_path / "little.tsv").read_text(encoding="utf-8")
    (tmp_path / "little.tsv").write_text(text.replace(sha256(expected["big"]), "0" * 64), encoding="utf-8")
    assert command_line.main(["fetch", "little", "--mirror", address]) == 0
    assert "note: 1 of the right source and size" in capsys.readouterr().out


def test_no_server_and_no_catalogue_are_one_line(little, capsys, monkeypatch):
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    assert command_line.main(["fetch", "little", "--mirror", "http://127.0.0.1:9"]) == 1
    assert capsys.readouterr().err.count("\nerror: ") == 4
    monkeypatch.setattr(download, "IN_VAIN", 3)  # the rest would fail, too
    assert command_line.main(["fetch", "little", "--mirror", "http://127.0.0.1:9"]) == 1
    said = capsys.readouterr().err
    assert (
        said.count("\nerror: ") == 1 and "3 in a row could not be fetched, the last: " in said and said.endswith("the same line goes on\n")
    )
    assert command_line.main(["fetch", "siqad"]) == 1
    said = capsys.readouterr().err
    assert "cannot be downloaded by a program" in said and "fetch siqad --from FOLDER" in said
    assert command_line.main(["fetch", "nothing"]) == 1 and "known: samples, kodak, open" in capsys.readouterr().err


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A user's copy as an archive unpacks: references, distorted images, and a text beside them."""
    folder = tmp_path / "SIQAD"
    (folder / "references").mkdir(parents=True)
    (folder / "DistortedImages").mkdir()
    for i in (1, 2, 3):
        Image.fromarray(noise(i)).save(folder / f"references/cim{i}.bmp")
        Image.fromarray(noise(i)).save(folder / f"DistortedImages/cim{i}_1_1.bmp")
    (folder / "readme.txt").write_text("cim1.bmp", encoding="utf-8")
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    return folder


def test_a_users_copy_is_taken_over_as_links(copy, capsys):
    assert command_line.main(["fetch", "siqad", "--from", str(copy)]) == 0
    images = paths.DATA / "siqad/images"
    assert sorted(p.name for p in images.iterdir()) == ["cim1.bmp", "cim2.bmp", "cim3.bmp"]
    assert (images / "cim1.bmp").samefile(copy / "references/cim1.bmp")
    out = capsys.readouterr().out
    assert "3 images, 3 of them new" in out and "siqad has 20 images, here are 3" in out
    assert command_line.main(["fetch", "siqad", "--from", str(copy)]) == 0 and "0 of them new" in capsys.readouterr().out
    assert datasets.place("siqad") == (images, None)


def test_a_copy_with_faults_is_taken_as_far_as_it_goes(copy, capsys):
    (copy / "references/cim2.bmp").write_bytes(b"BM")
    (copy / "references/cim9.bmp").mkdir()
    Image.fromarray(noise(5)).save(copy / "cim3.bmp")
    assert command_line.main(["fetch", "siqad", "--from", str(copy)]) == 3
    err = capsys.readouterr().err
    assert "error: cim2.bmp: " in err and "cim3.bmp: same stem" in err
    assert sorted(p.name for p in (paths.DATA / "siqad/images").iterdir()) == ["cim1.bmp", "cim3.bmp"]
    with pytest.raises(InputError, match=r"no images named as those of scid \(SCI"):
        download.take(copy, paths.DATA / "scid", "scid")
    with pytest.raises(InputError, match="nowhere: no such folder"):
        download.take("nowhere", paths.DATA / "scid", "scid")


def test_masks_come_with_their_images(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / "own" / kind).mkdir(parents=True)
    for i, size in enumerate([(12, 20), (12, 20), (9, 9)]):
        Image.fromarray(noise(i)).save(tmp_path / f"own/images/{i}.png")
        Image.fromarray(np.ones(size, bool)).save(tmp_path / f"own/masks/{i}.png")
    Image.fromarray(noise(7)).save(tmp_path / "own/images/bare.png")
    done = download.take(tmp_path / "own", tmp_path / "out", progress=False)
    assert done["new"] == 2 and "mask is 9x9, its image 20x12" in done["failed"]["2"] and "no mask bare.png" in done["failed"]["bare.png"]
    assert [stem for stem, *_ in pair(*datasets.place(tmp_path / "out"))] == ["0", "1"]


def test_a_folder_of_images_is_a_data_set(tmp_path):
    Image.fromarray(noise(0)).save(tmp_path / "a.png")
    assert datasets.place(tmp_path) == (tmp_path, None)
    assert datasets.place(tmp_path, "~/masks") == (tmp_path, Path("~/masks").expanduser())
    assert datasets.place("samples") == (paths.SAMPLES / "images", paths.SAMPLES / "masks")
    with pytest.raises(InputError, match="jpegai is not here yet: python -m sccore fetch jpegai --from FOLDER"):
        datasets.place("jpegai")
    with pytest.raises(InputError, match="nothing: no such folder, and no data set"):
        datasets.place("nothing")


def test_the_list_says_what_everything_is(capsys):
    assert command_line.main(["fetch", "--list"]) == 0
    shown = capsys.readouterr().out
    for name, dataset in datasets.DATASETS.items():
        assert f"\n{name} " in f"\n{shown}" and dataset.source in shown
    assert "10 here" in shown and "fetch siqad --from FOLDER" in shown


@pytest.mark.parametrize("name", [name for name, dataset in datasets.DATASETS.items() if dataset.catalogue])
def test_catalogues_are_complete(name):
    dataset = datasets.DATASETS[name]
    rows = dataset.rows().values()
    assert len(rows) == dataset.images == len({row["rgb_sha256"] for row in rows})
    for row in rows:
        assert len(row["commit"]) == 40 and len(row["rgb_sha256"]) == 64 and row["licence"] and "/" not in row["stem"]
        assert min(int(row["width"]), int(row["height"])) > 0 and row["repository"].count("/") == 1


def test_the_shipped_samples_are_those_of_their_source():
    for stem, row in datasets.DATASETS["samples"].rows().items():
        assert sha256(read_image(paths.SAMPLES / f"images/{stem}.png")) == row["rgb_sha256"]
