"""What an option may be is checked before any work; what cannot be written is refused, and what is there stays as it was."""

import os
import resource
import shutil
import stat
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sccore.cli import command_line, ends, values
from sccore.data import datasets
from sccore.data.samples import load
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.files import replacing, writable

CASES = Path(__file__).parents[1] / "fixtures" / "cases"


@pytest.mark.parametrize("text, minutes", [("90s", 1.5), ("25m", 25), ("2h", 120), ("0.5", 0.5)])
def test_a_time_has_a_unit_or_is_in_minutes(text, minutes):
    assert values.minutes(text) == pytest.approx(minutes)


@pytest.mark.parametrize(
    "line, why",
    [
        ("encode x.png y.sci --lmbda nan", "--lmbda: must be finite"),
        ("encode x.png y.sci --lmbda 0", "--lmbda: must be more than 0"),
        ("encode x.png . ", ".: is a folder"),
        ("evaluate --images samples --lmbda 0.0067 --lmbda 0.0067", "--lmbda 0.0067 is given twice"),
        ("anchors --images samples --out r --codec jpeg --quality 101", "jpeg: quality 101 is outside its scale, 1 to 100"),
        ("suite --budget xyz", "--budget: 'xyz' is no number"),
        ("suite --jobs 0", "--jobs: must be 1 or more"),
        ("suite --validation nowhere", "nowhere: no such folder"),
        *(
            (f"train --data samples --out r --{option}", f"--{option.split()[0]}")
            for option in (
                "steps 0",
                "batch -1",
                "crop 0",
                "lr nan",
                "lr inf",
                "min-lr -1",
                "decay 2",
                "seed -1",
                "minutes nan",
                "lmbda -inf",
                "steps 1.5",
            )
        ),
        ("train --data samples --out /dev/null/r", "--out"),
        ("masks samples --out m --scale 0", "--scale: must be more than 0"),
        ("score --images samples --codec jpeg --out r.json --limit 0 5", "--limit: must be 1 or more"),
        ("encode x.png y.sci --target-size 5q", "'5q' is no size; a size is 50000, 50k, 0.05M or 48KiB"),
        ("encode x.png y.sci --bpp 1 --psnr 30", "not allowed with"),
        ("encode x.png y.png - out", "for one picture alone"),
        ("encode a/x.png b/x.png out", "b/x.png: would be written over what a/x.png becomes, out/x.sci"),
        ("encode *.png out", "*.png: no such files"),
        ("nonsense", "invalid choice"),
        ("evaluate --images samples --out -", "nothing is written to standard output here; name a file"),
        (["encode", "", "y.sci"], "is empty; name a file or folder"),
        (["masks", "samples", "--out", ""], "is empty; name a file or folder"),
        (f"encode x.png {300 * 'y'}.sci", "file name too long"),
        (f"decode {300 * 'y'}.sci x.png", "file name too long"),
        (f"evaluate --images {300 * 'y'}", "file name too long"),
        ("train", "required: --data, --out"),
    ],
)
def test_options_are_checked_before_any_work(line, why, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command_line.main(line.split() if isinstance(line, str) else line) == 1
    error = capsys.readouterr().err
    assert why in error and error.count("\n") == 1 and not list(tmp_path.iterdir())


def test_sizes_have_units():
    texts = {"50000": 50000, "50k": 50000, "50kB": 50000, "50K": 50000, "0.05M": 50000, "48KiB": 49152, "48 kiB": 49152, "1Mi": 2**20}
    assert {text: values.size(text) for text in texts} == texts


def test_files_are_replaced_with_care(tmp_path):
    old = tmp_path / "old"
    old.write_text("old", encoding="utf-8")
    old.chmod(0o640)
    (tmp_path / "link").symlink_to("old")
    with replacing(tmp_path / "link") as part:
        part.write_text("new", encoding="utf-8")
    assert (tmp_path / "link").is_symlink() and old.read_text(encoding="utf-8") == "new" and stat.S_IMODE(old.stat().st_mode) == 0o640
    with replacing("/dev/null") as part:
        part.write_text("x", encoding="utf-8")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    old.chmod(0o440)
    (tmp_path / "shut").mkdir(mode=0o555)
    (tmp_path / "round").symlink_to("round")
    for path, why in (
        (old, "is read-only"),
        (tmp_path / "shut/x", "is read-only"),
        (tmp_path, "is a folder"),
        (old / "x", "is a file"),
        (tmp_path / "round", "symbolic links"),
    ):
        with pytest.raises(InputError, match=why):
            writable(path)


def test_a_full_disk_leaves_the_old_file(tmp_path):
    (tmp_path / "x").write_text("old", encoding="utf-8")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(InputError, match="x: cannot be written .File too large"):
            ends.write(tmp_path / "x", bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "x").read_text(encoding="utf-8") == "old" and len(list(tmp_path.iterdir())) == 1


def test_pictures_say_what_they_lose(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (40, 300, 3), dtype=np.uint8)
    for name in ("x.png", "x.webp", "x.tif", "x.bmp", "x.PPM"):
        (tmp_path / name).write_bytes(ends.picture(image, ends.picture_format(Path(name)), name))
        assert np.array_equal(np.array(Image.open(tmp_path / name)), image)
    for name in ("x.jpg", "x.gif"):
        with pytest.warns(UserWarning, match="is lossy here, pixels differ by up to"):
            ends.picture(image, ends.picture_format(Path(name)), name)
    with pytest.raises(InputError, match="WEBP cannot hold 1x17000"):
        ends.picture(np.zeros((17000, 1, 3), np.uint8), "WEBP", "x.webp")
    for name in ("x.ico", "x.icns", "x.pdf", "x.eps", "x.xyz", "x"):
        with pytest.raises(InputError, match="name it .png"):
            ends.picture_format(Path(name))
    shutil.copy(CASES / "good.png", tmp_path / "in.png")
    os.link(tmp_path / "in.png", tmp_path / "hard.png")
    with pytest.raises(InputError, match="hard.png: is the input"):
        ends.check_target(tmp_path / "hard.png", tmp_path / "in.png")


def test_shards_are_read_as_folders_are(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    for kind, source in (("images", "good.png"), ("masks", "good_mask.png")):
        (tmp_path / "set" / kind).mkdir(parents=True)
        for name in ("a.PNG", "\udcff.png"):
            shutil.copy(CASES / source, tmp_path / "set" / kind / name)
    memory = load(tmp_path / "set", progress=False)
    for name, mode in (("plain.tar", "w"), ("SHARD.TGZ", "w:gz"), ("x.tar.xz", "w:xz")):
        with tarfile.open(tmp_path / name, mode) as tar:
            tar.add(tmp_path / "set", "./set")
        assert load(tmp_path / name, progress=False).sha256 == memory.sha256
    for name in ("dot.tar", "apple.tar"):
        assert load(CASES / name, progress=False).names == ["a"]
    whole = (tmp_path / "plain.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: whole.rindex(b"\x89PNG") + 20])
    cut = load(tmp_path / "cut.tar", progress=False)
    assert cut.names == ["a"] and set(cut.failed) == {"\udcff", "cut.tar"}
    (tmp_path / "set/images/c.png").mkdir()
    (tmp_path / "set/images/l.png").symlink_to("nowhere")
    for name in ("c.png", "l.png"):
        shutil.copy(CASES / "good_mask.png", tmp_path / "set/masks" / name)
    rest = load(tmp_path / "set", progress=False)
    assert rest.names == memory.names and set(rest.failed) == {"c", "l"}


def test_the_bare_name_is_the_data_set(tmp_path, monkeypatch):
    (tmp_path / "samples/x").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning, match="./samples is the folder beside you"):
        assert datasets.place("samples")[0] == datasets.lies("samples") / "images"
    assert datasets.place("./samples")[0] == Path("samples") and datasets.place("samples/x")[0] == Path("samples/x")
