"""What a user installs who has no clone: one wheel with weights and samples, which works from any folder and writes to the user's own."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from sccore.data.images import read_image
from sccore.utils.json_files import load_json
from sccore.utils.paths import CHECKPOINTS, ROOT, SAMPLES

NO_HOME = {name: value for name, value in os.environ.items() if name not in ("HOME", "PYTHONPATH", "SCCORE_ROOT", "XDG_DATA_HOME")}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel that is made of it alone."""
    folder = tmp_path_factory.mktemp("dist")

    def build(kind, source):
        code = f"import sys; from hatchling import build; print(build.build_{kind}(sys.argv[1]))"
        return (
            folder
            / subprocess.run([sys.executable, "-c", code, folder], cwd=source, capture_output=True, text=True, check=True).stdout.strip()
        )

    sdist = build("sdist", ROOT)
    shutil.unpack_archive(sdist, folder, filter="data")
    return {"sdist": sdist, "wheel": build("wheel", folder / sdist.name.removesuffix(".tar.gz"))}


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The folder of programs of an environment with nothing but the wheel; all it depends on is this environment's."""
    folder = tmp_path_factory.mktemp("installed") / "environment"
    venv.create(folder, with_pip=False, symlinks=os.name == "posix")
    variables = {"base": str(folder), "platbase": str(folder)}
    library, programs = (Path(sysconfig.get_path(name, "venv", variables)) for name in ("purelib", "scripts"))
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, built["wheel"]], check=True)
    (library / "others.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return programs


def files(folder: Path) -> set[tuple[str, float]]:
    return {(str(p), p.stat().st_mtime) for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts}


def test_a_wheel_brings_weights_and_samples_and_only_what_is_meant(built):
    with ZipFile(built["wheel"]) as wheel:
        brought = {name.removeprefix("sccore/shipped/") for name in wheel.namelist() if name.startswith("sccore/shipped/")}
        assert wheel.read("sccore/paper/paper.yml") == (ROOT / "sccore/paper/paper.yml").read_bytes()  # the tables need no checkout
        scripts = wheel.read(next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))).decode()
        assert wheel.read("sccore/shipped/checkpoints/sftip.safetensors") == (CHECKPOINTS / "sftip.safetensors").read_bytes()
        code = {name for name in wheel.namelist() if name.endswith((".py", ".pyi", "py.typed"))}
    assert code == {p.relative_to(ROOT).as_posix() for p in (ROOT / "sccore").rglob("*") if p.suffix in (".py", ".pyi", ".typed")}
    assert {name for name in brought if name.startswith("samples")} == {
        p.relative_to(ROOT / "data").as_posix() for p in SAMPLES.rglob("*") if p.is_file()
    }
    assert {name.split("/")[0] for name in brought} == {"asiqe", "catalogue.tsv.gz", "checkpoints", "detectors", "kodak.tsv", "samples"}
    assert "sccore = sccore.__main__:main" in scripts
    assert built["wheel"].stat().st_size < 32 * 2**20 and built["sdist"].stat().st_size < 32 * 2**20


@pytest.mark.parametrize("as_module", [False, True], ids=["sccore", "python -m sccore"])
def test_installed_it_works_without_a_checkout_and_without_a_home(installed, tmp_path, as_module):
    """In a folder with a blank and an umlaut, to an output that knows ASCII alone."""
    folder = tmp_path / "Bildschirm fotos \u00fc"
    (folder / "images").mkdir(parents=True)
    Image.fromarray(read_image(SAMPLES / "images" / "windows95.png")[:128, :192]).save(folder / "images" / "gr\u00fcn.png")
    before = files(ROOT / "data") if (ROOT / "data").is_dir() else set()
    program = [installed / "python", "-m", "sccore"] if as_module else [installed / "sccore"]
    variables = NO_HOME | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "OMP_NUM_THREADS": "1", "XDG_DATA_HOME": str(tmp_path / "own")}

    def run(*arguments):
        done = subprocess.run([*program, *map(str, arguments)], cwd=folder, env=variables, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("ascii")

    run("encode", "images/gr\u00fcn.png", "gr\u00fcn.sci", "--detector", "none", "--lossy")
    assert "192x128" in run("decode", "gr\u00fcn.sci", "zur\u00fcck.png")
    assert (
        np.abs(read_image(folder / "zur\u00fcck.png").astype(int) - read_image(folder / "images" / "gr\u00fcn.png")).mean() < 16
    )  # a dithered picture
    run("evaluate", "--images", "images", "--lmbda", "0.0067", "--out", "\u00fc.json")
    assert len(load_json(folder / "\u00fc.json")["images"]) == 1
    if as_module:
        options = "--steps 2 --batch 1 --crop 64 --device cpu --stream"
        run("train", "--data", "images", "--out", "lauf \u00fc", *options.split())
        assert (folder / "lauf \u00fc" / "model.safetensors").exists()
        assert list((tmp_path / "own").rglob("index/*.npz"))  # what it keeps for itself
    else:
        assert "parameters" in run("info") and "10 here" in run("fetch", "--list")
        assert "usage: sccore" in run("--help")
    assert before == (files(ROOT / "data") if (ROOT / "data").is_dir() else set())


def test_without_a_home_a_folder_is_found_all_the_same(installed, tmp_path):
    """The folder of a user whom nobody knows lies among the temporary files, not in a folder called ~."""
    code = "import os; os.path.expanduser = lambda path: path; from sccore.utils import paths; print(paths.ROOT, paths.INSTALLED)"
    done = subprocess.run(
        [installed / "python", "-c", code],
        cwd=tmp_path,
        env=NO_HOME | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{tmp_path / 'sccore'} True\n"
