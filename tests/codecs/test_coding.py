"""Coding as one uses it: the command's bytes from any kind of image, the default mask, and one line for what cannot be used."""

import io
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

import sccore
from sccore.cli import command_line
from sccore.codecs import container, sci, webp, without_loss
from sccore.codecs.checkpoint_files import DEFAULT
from sccore.codecs.inputs import as_picture, text_mask
from sccore.data.alpha import on_white, with_hidden_filled
from sccore.data.images import Picture
from sccore.text import craft_weights, masks
from sccore.utils.device import native_bf16
from sccore.utils.errors import InputError


@pytest.fixture(autouse=True)
def without_craft(monkeypatch):
    def missing(*_):
        raise InputError("no CRAFT weights")

    monkeypatch.setattr(craft_weights, "find_weights", missing)
    monkeypatch.delenv(craft_weights.VARIABLE, raising=False)


@pytest.mark.filterwarnings("ignore:text mask by heuristic")
def test_same_bytes_as_the_command_from_a_path_an_array_and_a_pillow_image(tmp_path, screen, monkeypatch):
    monkeypatch.setattr("warnings.showwarning", None)  # main() replaces it
    path, file = tmp_path / "x.png", tmp_path / "x.sci"
    Image.fromarray(screen(80, 96)[0]).save(path)
    assert command_line.main(["encode", str(path), str(file), "--lossy"]) == 0
    pixels, data = sccore.read_image(path), file.read_bytes()
    encode = partial(sccore.encode, fallback=False)
    assert encode(pixels) == encode(str(path)) == encode(Image.open(path)) == data
    assert encode(pixels, DEFAULT, 0.0067, masks.mask(pixels, "heuristic")) == data != encode(pixels, detector="none")
    model = sccore.load_model(DEFAULT)
    options = dict(bf16=native_bf16("cpu"))
    assert encode(pixels, model, detector="none") == sci.encode(pixels, model, 0.0067, palette=True, **options)
    assert encode(pixels, model, detector="none", palette=False) == sci.encode(pixels, model, 0.0067, **options)
    assert command_line.main(["encode", str(path), str(tmp_path / "plain.sci"), "--lossy", "--no-palette"]) == 0
    assert encode(pixels, palette=False) == (tmp_path / "plain.sci").read_bytes() != data
    assert np.array_equal(sccore.decode(file), sccore.decode(memoryview(data), model))
    for option, precision in (("--float64", "float64"), ("--fast", "bfloat16")):
        assert command_line.main(["decode", str(file), str(tmp_path / "y.png"), option]) == 0
        assert np.array_equal(sccore.read_image(tmp_path / "y.png"), sccore.decode(data, model, precision=precision))


def test_a_rate_is_no_model_and_a_stream_no_file(screen):
    with pytest.raises(InputError, match="not float; a rate is named: lmbda="):
        sccore.encode(screen(16, 16)[0], 0.0067, detector="none")
    for wrong in (io.BytesIO(b"SCI"), None, 3):
        with pytest.raises(InputError, match=f"the bytes of a file are decoded, or the file of a path, not {type(wrong).__name__}"):
            sccore.decode(wrong)


def test_a_weights_hint_is_given_where_no_detector_is_and_none_was_asked_for(screen, recwarn):
    image = screen(64, 96)[0]
    with pytest.warns(UserWarning, match=r"heuristic.*pip install"):
        mask, label = text_mask(image)
    assert mask.shape == (64, 96) and label.startswith("heuristic")
    recwarn.clear()
    assert text_mask(image, detector="heuristic")[1] == label and not recwarn.list
    assert text_mask(image, sccore.load_model("wacnn"))[1] == "not used by this model" and not recwarn.list
    assert text_mask(image, mask=~mask)[1] == "given"


@pytest.mark.parametrize(
    "image, options, message",
    [
        (np.zeros((8, 8)), {}, r"uint8 \(H, W, 3\) or \(H, W, 4\), this array float64 \(8, 8\)"),
        (np.zeros((0, 8, 3), np.uint8), {}, "uint8"),
        (7, {}, "an array, the path of a file or an image of Pillow, not int"),
        ("none.png", {}, "none.png: no such file"),
        (np.zeros((8, 8, 3), np.uint8), {"model": "none"}, "none: no such checkpoint; shipped: .*sftip"),
        (np.zeros((8, 8, 3), np.uint8), {"mask": np.ones((9, 8), bool)}, "mask is 8x9, its image 8x8"),
        (np.zeros((8, 8, 3), np.uint8), {"mask": np.ones((8, 8), bool), "detector": "craft"}, "exclude each other"),
        (np.zeros((8, 8, 3), np.uint8), {"detector": "nope"}, "unknown detector 'nope'; known: craft, .*, none"),
        (np.zeros((8, 8, 3), np.uint8), {"detector": "none", "lmbda": 3.0}, "outside"),
        (np.zeros((8, 8, 3), np.uint8), {"size": "50k"}, "size is a number, not '50k'"),
        (np.zeros((8, 8, 3), np.uint8), {"mask": np.full((8, 8), np.nan)}, "mask: has numbers that are not finite"),
    ],
)
def test_what_cannot_be_used_is_one_line(image, options, message):
    with pytest.raises(InputError, match=message):
        sccore.encode(image, **options)


@pytest.mark.parametrize("kind", ["turned", "float", "big-endian", "profile", "premultiplied"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_image_of_pillow_is_read_as_its_file_is(tmp_path, screen, kind):
    rgb = Image.fromarray(screen(40, 60)[0])
    if kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        rgb.save(path := tmp_path / "x.jpg", exif=exif)
    elif kind == "float":
        Image.fromarray(np.linspace(0, 1, 2400, dtype=np.float32).reshape(40, 60)).save(path := tmp_path / "x.tif")
    elif kind == "big-endian":
        Image.fromarray(np.arange(0, 65280, 16, dtype=">u2").reshape(60, 68)).save(path := tmp_path / "x.tif")
    elif kind == "profile":
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        rgb.convert("LAB").save(path := tmp_path / "x.tif", icc_profile=lab.tobytes())
    else:
        path, image = None, Image.merge("La", (rgb.convert("L"),) * 2)
    found, expected = as_picture(Image.open(path) if path else image), as_picture(path or image.convert("LA"))
    assert np.array_equal(found.rgb, expected.rgb) and np.array_equal(found.alpha, expected.alpha)
    assert found.rgb.shape == ((60, 40, 3) if kind == "turned" else (60, 68, 3) if kind == "big-endian" else (40, 60, 3))


def test_floats_and_integers_of_pillow_that_mean_no_colour_are_refused():
    for mode, value in (("F", float("nan")), ("F", 300.0), ("I", -3), ("I", 70000)):
        with pytest.raises(InputError, match="stand for black to white"):
            sccore.encode(Image.new(mode, (8, 8), value))


def test_a_mask_may_be_an_image_of_pillow_and_nothing_odd(screen):
    image = screen(64, 96)[0]
    half = Image.new("1", (96, 64))
    half.paste(1, (0, 0, 48, 64))
    mask, label = text_mask(image, mask=half)
    assert mask[:, :48].all() and not mask[:, 48:].any() and label == "given"
    with pytest.warns(UserWarning, match="brighter than half"):
        assert np.array_equal(text_mask(image, mask=np.linspace(0, 1, image[..., 0].size).reshape(64, 96))[0][:, 0], np.arange(64) >= 32)
    with pytest.raises(InputError, match="a mask is an array, the path of a file or an image of Pillow, not int"):
        text_mask(image, mask=3)


@pytest.fixture
def page():
    """Flat fields and a few strokes, which a lossless codec likes."""
    image = np.full((120, 160, 3), 240, np.uint8)
    image[20:30, 10:90] = image[50:52, 10:150] = (20, 30, 40)
    return image


@pytest.fixture
def sticker(page):
    """The page as a round sticker with a soft rim, of another colour where nothing of it is seen."""
    y, x = np.mgrid[:120, :160]
    alpha = np.clip(3 * (55 - np.hypot(y - 60, x - 80)), 0, 255).astype(np.uint8)
    return np.dstack([np.where(alpha[..., None] > 0, page, (255, 0, 255)).astype(np.uint8), alpha])


encode = partial(sccore.encode, detector="none")


def test_a_file_is_never_larger_than_lossless_webp(page, screen):
    file = io.BytesIO()
    Image.fromarray(page).save(file, "WEBP", lossless=True, quality=100, method=6, exact=True)
    data = encode(page)
    assert np.array_equal(sccore.decode(data), page) and len(data) < len(file.getvalue())
    assert container.unpack(data).lossless and container.described(data).endswith("160x120, lossless")
    learned = encode(page, fallback=False)
    assert (
        not container.unpack(learned).lossless and len(learned) > len(data) and "learned at lambda 0.0067" in container.described(learned)
    )
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert not container.unpack(encode(noise)).lossless


@pytest.mark.parametrize("fallback", [True, False], ids=["lossless", "learned"])
def test_alpha_comes_back_exactly(sticker, fallback):
    data = encode(sticker, fallback=fallback)
    decoded, file = sccore.decode(data), container.unpack(data)
    assert file.has_alpha and bool(file.lossless) == fallback == (not file.alpha)
    assert decoded.shape == (120, 160, 4) and np.array_equal(decoded[..., 3], sticker[..., 3])
    seen = sticker[..., 3] > 0
    assert np.abs(decoded[seen].astype(int) - sticker[seen]).mean() < (0.01 if fallback else 8)
    flat = on_white(sticker[..., :3], sticker[..., 3])
    assert encode(sticker, alpha=False, fallback=fallback) == encode(flat, fallback=fallback)
    opaque = np.dstack([sticker[..., :3], np.full((120, 160), 255, np.uint8)])
    assert encode(opaque) == encode(np.ascontiguousarray(sticker[..., :3]))


def test_hidden_colours_are_a_smooth_continuation(sticker):
    rgb, alpha = sticker[..., :3], sticker[..., 3]
    filled = with_hidden_filled(rgb, alpha)
    assert np.array_equal(filled[alpha > 0], rgb[alpha > 0]) and filled[alpha == 0].std(0).max() < 40
    assert (np.abs(filled[0, 0].astype(int) - 240) < 60).all()
    assert (with_hidden_filled(rgb, np.zeros_like(alpha)) == 255).all()
    assert len(encode(sticker, fallback=False)) < len(encode(np.ascontiguousarray(rgb), fallback=False)) + 1500


def test_from_a_file_with_alpha_to_one(tmp_path, sticker, capsys):
    path, file = tmp_path / "in.png", tmp_path / "x.sci"
    Image.fromarray(sticker).save(path)
    assert command_line.main(["encode", str(path), str(file), "--detector", "none"]) == 0
    assert file.read_bytes() == encode(path) == encode(Image.open(path)) == encode(sticker)
    for name in ("y.png", "y.webp", "y.tif"):
        assert command_line.main(["decode", str(file), str(tmp_path / name)]) == 0
        again = np.array(Image.open(tmp_path / name))
        assert again.shape == (120, 160, 4) and np.array_equal(again[..., 3], sticker[..., 3])
    assert command_line.main(["decode", str(file), str(tmp_path / "y.bmp")]) == 0
    assert "BMP has no alpha, put on white" in capsys.readouterr().err
    assert np.array_equal(sccore.read_image(tmp_path / "y.bmp"), on_white(sticker[..., :3], sticker[..., 3]))


@pytest.mark.parametrize("kind, lossless", [("jpg", True), ("png", False), ("webp", True)])
def test_metadata_is_kept_on_demand(tmp_path, page, kind, lossless, capsys):
    exif, xmp = Image.Exif(), b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    exif[0x010E], exif[0x0112] = "a page", 6
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    options = {"pnginfo": text} if kind == "png" else {"xmp": xmp}
    Image.fromarray(page).save(tmp_path / f"in.{kind}", exif=exif, **options)
    line = ["encode", str(tmp_path / f"in.{kind}"), str(tmp_path / "x.sci"), "--detector", "none", *["--lossy"] * (not lossless)]
    assert command_line.main(line) == 0 and set(container.unpack((tmp_path / "x.sci").read_bytes()).chunks) <= {
        "y",
        "z",
        "palette",
        "lossless",
    }
    assert command_line.main([*line, "--keep-metadata"]) == 0
    assert encode(tmp_path / f"in.{kind}", fallback=lossless, metadata=True) == (tmp_path / "x.sci").read_bytes()
    for name in ("y.png", "y.webp", "y.jpg"):
        assert command_line.main(["decode", str(tmp_path / "x.sci"), str(tmp_path / name)]) == 0
        with Image.open(tmp_path / name) as again:
            again.load()
            assert dict(again.getexif()) == {0x010E: "a page"} and again.size == (120, 160) and again.info["xmp"] == xmp
    assert command_line.main(["decode", str(tmp_path / "x.sci"), str(tmp_path / "y.bmp")]) == 0
    assert "EXIF and XMP not written, BMP has no place for it" in capsys.readouterr().err


NEVER = {
    "pandas",
    "matplotlib",
    "torchvision",
    "torch_geometric",
    "torch._dynamo",
    "scipy.stats._stats_py",
    "sympy",
    "compressai.models.base",
    "sccore.evaluation.records",
}


@pytest.mark.parametrize(
    "command, more", [("encode", set()), ("decode", {"cv2", "sccore.text.masks"}), ("decode lossless", {"cv2", "torch"})]
)
def test_coding_imports_nothing_that_it_does_not_need(command, more, tmp_path, screen):
    """Seconds of every call; what is put off is a part of CompressAI in name alone (see sccore.utils.late_compressai)."""
    Image.fromarray(screen(16, 16)[0]).save(tmp_path / "x.png")
    (tmp_path / "x.sci").write_bytes(sccore.encode(tmp_path / "x.png", detector="none", fallback="lossless" in command))
    command = command.split()[0]
    names = ("x.png", "y.sci") if command == "encode" else ("x.sci", "y.png")
    code = f"import sys; from sccore.cli.command_line import main; print(main(sys.argv[1:]), {NEVER | more!r} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code, command, *(tmp_path / name for name in names)], capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "0 set()", result.stdout + result.stderr


def test_the_full_search_for_a_lossless_picture_runs_only_where_it_may_win(monkeypatch):
    encode, asked = webp.encode, []
    monkeypatch.setattr(webp, "encode", lambda image, quick=False: asked.append(quick) or encode(image, quick))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert without_loss.exact(Picture(noise), most=1000) is None and asked == [True]
    assert without_loss.exact(Picture(noise // 255), most=1000) and asked == [True, True, False]
