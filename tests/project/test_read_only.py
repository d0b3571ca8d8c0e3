"""A checkout that cannot be written, as on a shared disk: everything works into other folders, caches lie elsewhere."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import sccore
from sccore.utils import files, paths
from sccore.utils.errors import InputError

MOUNT = f"mount --bind {paths.ROOT} {paths.ROOT} && mount -o remount,ro,bind {paths.ROOT} && "
ALONE = ["unshare", "--mount", "sh", "-c"]  # what is mounted there nobody else sees


def possible():
    return shutil.which("unshare") and subprocess.run([*ALONE, MOUNT + "true"], capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not possible(), reason="needs the right to mount")
def test_every_command_works_from_a_read_only_checkout(tmp_path, screen):
    (tmp_path / "in").mkdir()
    Image.fromarray(screen(64, 80)[0]).save(tmp_path / "in" / "x.png")
    run, line = f"{sys.executable} -m sccore", "--model wacnn --initial noise --steps 1 --batch 1 --crop 64 --device cpu"
    commands = (
        f"{run} encode in/x.png x.sci --lossy --detector none",
        f"{run} decode x.sci y.png",
        f"{run} evaluate --model wacnn --images in --lmbda 0.0067 --out record.json",
        f"{run} train --stream {line} --data in --out run",
        f"! {run} suite --budget 1s --device cpu --data in 2> suite",
        f"! touch {paths.ROOT}/data/x",
    )
    env = os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(paths.ROOT)}
    result = subprocess.run([*ALONE, MOUNT + " && ".join(commands)], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    assert np.array_equal(np.array(Image.open(tmp_path / "y.png")), sccore.decode(tmp_path / "x.sci"))
    assert len(json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))["images"]) == 1
    assert (tmp_path / "run/model.safetensors").exists() and len(list((tmp_path / "cache/sccore/index").iterdir())) == 1
    said = (tmp_path / "suite").read_text(encoding="utf-8")
    assert "is read-only; SCCORE_ROOT names another folder" in said and len(said.splitlines()) == 1


def test_a_cache_lies_where_it_can_be_written(tmp_path, monkeypatch):
    """A file that is there is taken, wherever; a new one goes to the first folder that can be written."""
    places = [tmp_path / name for name in ("runs", "cache", "tmp")]
    monkeypatch.setattr(paths, "RUNS", places[0])
    monkeypatch.setattr(paths, "TEMPORARY", places[2])
    monkeypatch.setattr(paths, "user_folder", lambda kind: places[1])
    for place in places:
        place.mkdir()
        assert files.cached("x") == places[0] / "index" / "x"
    for i, place in enumerate(places):
        assert files.cached("x") == places[i] / "index" / "x"
        place.chmod(0o555)
    with pytest.raises(InputError, match="cannot be written; TMPDIR names another folder"):
        files.cached("x")
    places[1].chmod(0o755)
    (places[1] / "index").mkdir()
    (places[1] / "index" / "x").touch()
    for place in places[:2]:
        place.chmod(0o755)
    assert files.cached("x") == places[1] / "index" / "x"
