"""Classical codecs: real round trips of what is installed, forged programs for what is not, records that compare."""

import json
import os
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sccore.cli import command_line
from sccore.codecs import classical, programs, without_loss
from sccore.codecs.programs import BPG, VTM
from sccore.evaluation import bd_rate, metrics, provenance
from sccore.evaluation.evaluate import evaluate_classical
from sccore.evaluation.records import load_dataset, load_record
from sccore.utils import paths
from sccore.utils.errors import InputError

RED, BLACK = (255, 0, 0), (0, 0, 0)
FULL_COLOUR = (
    "jpeg",
    "webp-colours",
    "jxl",
    "avif",
    "avif-plain",
    "hevc",
    "bpg",
    "vtm",
    "vtm-scc",
    "vtm-rgb",
    "vtm-scc-rgb",
)  # all but webp


@pytest.fixture(params=list(classical.CODECS))
def codec(request):
    """Every codec; one that is not there is skipped with its name and the hint."""
    found = classical.CODECS[request.param]
    if why := found.missing():
        pytest.skip(f"{found.name}: {why}")
    return found


@pytest.fixture
def crop(screen):
    return screen(96, 144)[0]


def checker(size=48):
    """One pixel red, one black: at half the colour resolution it would be a dull red everywhere."""
    red = np.indices((size, size)).sum(0) % 2 == 1
    return np.where(red[..., None], np.uint8(RED), np.uint8(BLACK))


def coded(codec, image, quality):
    data = codec.encode(image, quality)
    return len(data), codec.decode(data, image.shape[:2])


def test_more_quality_is_more_bytes_and_a_closer_picture(codec, crop):
    sizes, decoded = zip(*(coded(codec, crop, quality) for quality in codec.qualities))
    psnrs = [metrics.psnr(crop, image) for image in decoded]
    assert list(sizes) == sorted(set(sizes)) and psnrs == sorted(set(psnrs))
    assert all(image.shape == crop.shape and image.dtype == np.uint8 for image in decoded)
    assert psnrs[0] > 18 and psnrs[-1] > (30 if codec.name == "webp" else 38)
    assert sizes[-1] < crop.size / 2


def test_the_same_bytes_again(codec, crop):
    quality = codec.qualities[2]
    assert codec.encode(crop, quality) == codec.encode(crop, quality)


def test_colour_keeps_its_resolution(codec):
    quality, image = codec.qualities[-1], checker()
    psnr = metrics.psnr(image, coded(codec, image, quality)[1])
    assert psnr > 24 if codec.name in FULL_COLOUR else psnr < 15
    if codec.name == "jpeg":
        assert metrics.psnr(image, coded(replace(codec, options={"subsampling": 2}), image, quality)[1]) < 15


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (33, 17)])
def test_any_size(codec, screen, size):
    image = screen(*size)[0]
    assert coded(codec, image, codec.qualities[-1])[1].shape == image.shape


def test_pixels_that_do_not_compress_are_coded_too():
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    for name in ("jpeg", "webp", "avif"):
        codec = classical.CODECS[name]
        assert coded(codec, noise[:64, :64] if name == "avif" else noise, codec.qualities[-1])[0] > 0


def test_avif_is_tuned_for_screens_and_for_this_ruler(crop):
    """The encoder finds by itself that a screenshot is one; of a text in a blurred picture it has to be told."""
    avif = classical.CODECS["avif"]

    def variant(**advanced):
        return replace(avif, options=avif.options | {"advanced": advanced})

    told, untold = avif, variant(tune="psnr")
    plain = variant(**{"tune": "psnr", "enable-palette": "0", "enable-intrabc": "0"})
    assert metrics.psnr(crop, coded(told, crop, 40)[1]) > metrics.psnr(crop, coded(plain, crop, 40)[1])
    ramp = np.add.outer(np.arange(96), np.arange(144))[..., None] + 13 * np.sin(np.arange(96) / 5)[:, None, None]
    picture = np.repeat((ramp + np.random.default_rng(0).normal(0, 3, ramp.shape)).clip(0, 255), 3, 2).astype(np.uint8)
    assert told.encode(picture, 40) != untold.encode(picture, 40) == plain.encode(picture, 40)
    with pytest.raises(InputError, match="avif cannot code 144x96: .*option"):
        variant(nonsense="1").encode(picture, 40)


def test_what_a_format_cannot_hold_is_an_error_with_its_name():
    with pytest.raises(InputError, match="webp cannot code 16384x1"):
        classical.CODECS["webp"].encode(np.zeros((1, 16384, 3), np.uint8), 50)
    with pytest.raises(InputError, match="jpeg cannot decode"):
        classical.CODECS["jpeg"].decode(b"nothing", (1, 1))
    with pytest.raises(InputError, match="webp-colours cannot code 16384x1"):
        classical.CODECS["webp-colours"].encode(np.zeros((1, 16384, 3), np.uint8), 16)
    data = classical.CODECS["jpeg"].encode(checker(8), 50)
    with pytest.raises(InputError, match="8x8, not 9x8"):
        classical.CODECS["jpeg"].decode(data, (8, 9))


def test_missing_codecs_are_named_with_the_hint(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("SCCORE_VTM", raising=False)
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    usable, skipped = classical.usable()
    assert [codec.name for codec in usable if codec.name != "hevc"] == ["jpeg", "webp", "webp-colours", "avif", "avif-plain"]
    why = dict(line.split(": ", 1) for line in skipped)
    assert "no bpgenc and no bpgdec on the PATH" in why["bpg"] and "libbpg" in why["bpg"]
    assert "SCCORE_VTM" in why["vtm-scc"] and "pip install" in why["jxl"]
    lines = classical.listing().splitlines()
    assert len(lines) == len(classical.CODECS) and sum("missing: " in line for line in lines) == len(skipped)
    with pytest.raises(InputError, match="unknown codec vvc; known: jpeg"):
        classical.usable(["vvc"])


# Programs of other people, forged: what is tested is how they are called and what becomes of their failures.


def forge(folder, **scripts):
    folder.mkdir(parents=True, exist_ok=True)
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / name).chmod(0o755)


OPTION = 'last() { for word; do :; done; echo "$word"; }\nafter() { key=$1; shift; while [ "$1" != "$key" ]; do shift; done; echo "$2"; }\n'
BPGENC = OPTION + '[ "$1" = -h ] && { echo "BPG Image Encoder version 0.9.8"; exit 1; }\ncp "$(last "$@")" "$(after -o "$@")"'
COPY = OPTION + 'echo "$@" > "$0.call"; cp "$(after %s "$@")" "$(after %s "$@")"'


@pytest.fixture
def bpg(tmp_path, monkeypatch):
    forge(tmp_path / "bin", bpgenc=BPGENC, bpgdec=OPTION + 'cp "$(last "$@")" "$(after -o "$@")"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "bin"


def test_bpg_is_called_with_files_and_its_file_is_the_rate(bpg, crop):
    codec = BPG()
    assert codec.missing() == "" and codec.versions() == {"bpgenc": "0.9.8"}
    data = codec.encode(crop, 30)
    assert data.startswith(b"\x89PNG") and np.array_equal(codec.decode(data, crop.shape[:2]), crop)  # the forged one copies
    with pytest.raises(InputError, match="144x96, not 96x144"):
        codec.decode(data, crop.shape[1::-1])


@pytest.mark.parametrize(
    "script, message",
    [
        ("echo broken pipe of dreams >&2; exit 3", "bpgenc failed with exit code 3: broken pipe of dreams"),
        ("exit 7", "bpgenc failed with exit code 7$"),
        ("exit 0", "bpgenc wrote no file"),
    ],
)
def test_a_program_that_fails_says_so(bpg, crop, script, message):
    forge(bpg, bpgenc=script)
    with pytest.raises(InputError, match=message):
        BPG().encode(crop, 30)


def test_a_program_that_is_there_and_cannot_run(bpg, crop):
    (bpg / "bpgenc").write_text("#!/no/such/shell\n", encoding="utf-8")
    with pytest.raises(InputError, match="bpgenc cannot be run"):
        BPG().encode(crop, 30)
    assert "unknown" in BPG().versions()["bpgenc"]


@pytest.fixture
def vtm(tmp_path, monkeypatch):
    banner = 'echo "VVCSoftware: VTM Encoder Version 10.0 [Linux]"\n[ $# = 0 ] && exit 1\n'
    forge(tmp_path / "bin", EncoderAppStatic=banner + COPY % ("-i", "-b"), DecoderAppStatic=COPY % ("-b", "-o"))
    (tmp_path / "cfg" / "per-class").mkdir(parents=True)
    (tmp_path / "cfg" / "encoder_intra_vtm.cfg").touch()
    monkeypatch.setenv("SCCORE_VTM", str(tmp_path))
    return tmp_path


def test_vtm_gets_planes_and_its_configurations(vtm, crop):
    plain, screen, rgb = (classical.CODECS[name] for name in ("vtm", "vtm-scc", "vtm-rgb"))
    assert plain.missing() == "" and plain.versions() == {"vtm": "10.0"} and "classSCC.cfg" in screen.missing()
    assert np.array_equal(coded(rgb, crop, 37)[1], crop)
    call = (vtm / "bin" / "EncoderAppStatic.call").read_text(encoding="utf-8").split()
    for option, value in {"-q": "37", "-wdt": "144", "-hgt": "96", "-f": "1"}.items():
        assert call[call.index(option) + 1] == value
    assert "--InputChromaFormat=444" in call and "--ColorTransform=1" in call and call.count("-c") == 1
    (vtm / "cfg" / "per-class" / "classSCC.cfg").touch()
    size, decoded = coded(screen, crop, 37)
    call = (vtm / "bin" / "EncoderAppStatic.call").read_text(encoding="utf-8").split()
    assert size == crop.size and call.count("-c") == 2 and "--ColorTransform=1" not in call
    assert np.abs(decoded.astype(int) - crop).max() <= 2  # rounding to 8-bit YCbCr and back
    with pytest.raises(InputError, match="wrote 41472 samples"):
        plain.decode(plain.encode(crop, 37), (96, 145))


def test_ycbcr_is_full_range_bt709_and_rounds():
    colours = np.uint8([[BLACK, (255, 255, 255), RED, (0, 255, 0), (0, 0, 255), (77, 77, 77)]])
    expected = [[0, 128, 128], [255, 128, 128], [54, 99, 255], [182, 30, 12], [18, 255, 116], [77, 128, 128]]
    assert programs.to_ycbcr(colours)[0].tolist() == expected  # Y = 0.2126 R + 0.7152 G + 0.0722 B
    every = np.stack(np.meshgrid(*[np.arange(0, 256, 5)] * 3), -1).reshape(-1, 52, 3).astype(np.uint8)
    error = programs.from_ycbcr(programs.to_ycbcr(every)).astype(int) - every
    assert np.abs(error).max() <= 2 and abs(error.mean()) < 0.1  # truncation would shift the mean by about a half


# Records


@pytest.fixture
def folders(tmp_path, screen):
    images, masks = tmp_path / "shots" / "images", tmp_path / "shots" / "masks"
    for folder in (images, masks):
        folder.mkdir(parents=True)
    image, mask = screen(112, 320)
    for i in range(2):
        part = slice(160 * i, 160 * i + 160)
        Image.fromarray(image[:, part]).save(images / f"{i}.png")
        Image.fromarray(mask[:, part]).save(masks / f"{i}.png")
    return images, masks


def test_the_command_writes_records_that_compare(folders, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setenv("PATH", "")
    images, masks = folders
    arguments = ["anchors", "--images", str(images), "--masks", str(masks), "--out", str(paths.RESULTS / "shots")]
    assert command_line.main([*arguments, "--codec", "jpeg", "avif"]) == 0
    captured = capsys.readouterr().err
    assert "jpeg: 100%" in captured and "avif: 100%" in captured and "skipped" not in captured
    record = load_record(paths.RESULTS / "shots" / "avif.json")
    assert record["versions"]["libavif"] and "tune=psnr" in record["settings"] and record["failed"] == []
    assert record["dataset"] == provenance.dataset(images, masks) and record["date"].endswith("+00:00") and record["machine"]
    assert {"name", "width", "height", "quality", "bytes", "bpp", "psnr", "psnr_text", "ms_ssim", "encode_s", "decode_s"} == record[
        "images"
    ][0].keys()
    frame = load_dataset("shots")
    found = bd_rate.compare(*(frame[frame["codec"] == name] for name in ("jpeg", "avif")), resamples=20)
    assert -90 < found["bd_rate"] < -20 and found["overlap"] > 0.5
    assert command_line.main([*arguments, "--codec", "bpg", "jpeg", "--quality", "50"]) == 1  # a quality needs one codec
    assert command_line.main([*arguments, "--codec", "bpg", "jpeg"]) == 1
    assert "skipped: bpg: no bpgenc" in capsys.readouterr().err
    assert load_dataset("shots").equals(frame)  # nothing was measured again


def test_an_unreadable_image_is_named_and_the_others_measured(folders, tmp_path, monkeypatch, capsys):
    (folders[0] / "0.png").write_bytes(b"nothing")
    arguments = [
        "anchors",
        "--codec",
        "jpeg",
        "--quality",
        "10",
        "--images",
        str(folders[0]),
        "--no-ms-ssim",
        "--out",
        str(tmp_path / "out"),
    ]
    monkeypatch.setattr(sys, "argv", ["/some/where/sccore/__main__.py", *arguments])
    assert command_line.main(arguments) == 3
    assert capsys.readouterr().err.splitlines()[-1] == "error: jpeg: 0.png: not an image"
    record = json.loads((tmp_path / "out" / "jpeg.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in record["images"]] == ["1.png"] and record["qualities"] == [10]
    assert record["images"][0]["ms_ssim"] is None and str(tmp_path) not in json.dumps(record)
    assert record["command"].startswith("python -m sccore anchors --codec jpeg --quality 10 --images images")


def test_a_codec_that_fails_on_one_image_goes_on_with_the_next(folders, tmp_path, bpg):
    forge(bpg, bpgenc=BPGENC.replace("cp ", '[ -e "$0.twice" ] || { touch "$0.twice"; echo no memory; exit 1; }; cp '))
    out = tmp_path / "bpg.json"
    record = evaluate_classical(BPG(), *folders, [40], out, progress=False)
    assert [row["name"] for row in record["images"]] == ["1.png"] and record["images"][0]["psnr"] is None  # infinite
    assert record["failed"] == [{"name": "0.png", "error": "0.png: bpgenc failed with exit code 1: no memory"}]
    again = evaluate_classical(BPG(), *folders, [40], out, progress=False)
    assert [row["name"] for row in again["images"]] == ["1.png", "0.png"] and again["failed"] == []
    assert again["images"][0] == record["images"][0]  # gone on with, not measured again


def test_vtm_is_one_of_them():
    assert isinstance(classical.CODECS["vtm"], VTM) and set(FULL_COLOUR) | {"webp"} == set(classical.CODECS)


def test_few_colours_are_few_and_a_picture_that_has_no_more_is_exact(screen):
    codec, image = classical.CODECS["webp-colours"], screen(96, 144)[0]
    count = lambda picture: len(np.unique(picture.reshape(-1, 3), axis=0))
    for colours in codec.qualities:
        decoded = codec.decode(codec.encode(image, colours), image.shape[:2])
        assert count(decoded) <= colours < count(image) and np.array_equal(decoded, without_loss.reduced(image, colours))
    assert count(without_loss.reduced(image, 8)) == 8
    few = without_loss.reduced(image, 8)
    assert np.array_equal(codec.decode(codec.encode(few, 16), few.shape[:2]), few)
