"""Real and broken files on the way into memory, and crops."""

import io
import tarfile
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from sccore.data.crops import Crops, extend
from sccore.data.images import as_mask, pair, read_image, read_mask
from sccore.data.samples import Samples, centre_crops, load
from sccore.utils.errors import InputError
from sccore.utils.paths import SAMPLES

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def write(path, array=RGB, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def folder(tmp_path, stems=("a", "b"), size=(20, 30)):
    for stem in stems:
        write(tmp_path / "images" / f"{stem}.png")
        write(tmp_path / "masks" / f"{stem}.png", np.full(size, 255, np.uint8))
    return tmp_path


def test_rgb_is_read_as_it_is(tmp_path):
    assert np.array_equal(read_image(write(tmp_path / "x.png")), RGB)


def test_conversions_are_stated(tmp_path):
    clear = np.dstack([RGB, np.zeros((20, 30), np.uint8)])
    with pytest.warns(UserWarning, match="transparency"):
        assert (read_image(write(tmp_path / "rgba.png", clear)) == 255).all()
    deep = np.full((4, 4), 65535, np.uint16)
    with pytest.warns(UserWarning, match="8 bits"):
        assert (read_image(write(tmp_path / "deep.png", deep)) == 255).all()
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    frames[0].save(tmp_path / "moving.png", save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match="first frame"):
        assert np.array_equal(read_image(tmp_path / "moving.png"), RGB)


def test_lossless_conversions_are_silent(tmp_path):
    palette = Image.fromarray(RGB).quantize(16)
    palette.save(tmp_path / "palette.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(read_image(tmp_path / "palette.png"), np.array(palette.convert("RGB")))
        assert read_image(write(tmp_path / "grey.png", RGB[..., 0])).shape == (20, 30, 3)
        opaque = np.dstack([RGB, np.full((20, 30), 255, np.uint8)])
        assert np.array_equal(read_image(write(tmp_path / "opaque.png", opaque)), RGB)


@pytest.mark.parametrize("content, message", [(None, "no such file"), (b"", "empty file"), (b"hello", "not an image")])
def test_what_is_no_image_is_named(tmp_path, content, message):
    path = tmp_path / "bad.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"bad.png: {message}"):
        read_image(path)


def test_truncated_image_is_damaged(tmp_path):
    path = write(tmp_path / "cut.png")
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(InputError, match="cut.png: damaged"):
        read_image(path)


def test_pairs_by_stem_whatever_the_suffix(tmp_path):
    folder(tmp_path)
    write(tmp_path / "images" / "c.jpg")
    with pytest.raises(InputError, match="c.jpg: no mask c.png"):
        pair(tmp_path / "images", tmp_path / "masks")
    assert [p[0] for p in pair(tmp_path / "images")] == ["a", "b", "c"]
    write(tmp_path / "images" / "a.jpg")
    with pytest.raises(InputError, match="same stem"):
        pair(tmp_path / "images")


def test_wrong_sized_mask_names_both_sizes(tmp_path):
    folder(tmp_path, size=(20, 31))
    with pytest.raises(InputError, match="mask of a: mask is 31x20, its image 30x20"):
        load(tmp_path, progress=False)


def test_corrupt_image_is_reported_and_left_out(tmp_path, capsys):
    folder(tmp_path)
    (tmp_path / "images" / "b.png").write_bytes(b"garbage")
    samples = load(tmp_path, progress=False)
    assert samples.names == ["a"] and "not an image" in samples.failed["b"]
    assert "left out: b" in capsys.readouterr().out


def test_no_images_at_all(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no images"):
        load(tmp_path)


def shard(path, names):
    with tarfile.open(path, "w") as tar:
        for name in names:
            content = io.BytesIO()
            Image.fromarray(RGB if "images/" in name else RGB[..., 0]).save(content, "PNG")
            member = tarfile.TarInfo(name)
            member.size = len(content.getvalue())
            content.seek(0)
            tar.addfile(member, content)
    return path


def test_shards_hold_the_same_as_folders(tmp_path):
    samples = load(shard(tmp_path / "t.tar", ["images/a.webp", "masks/a.png"]), progress=False)
    image, mask = samples[0]
    assert np.array_equal(image, RGB) and np.array_equal(mask, RGB[..., 0] > 127)
    assert len(load(shard(tmp_path / "z.tar", ["BZhang/images/a.png", "BZhang/masks/a.png"]), progress=False)) == 1  # begins like bzip2
    with pytest.raises(InputError, match="u.tar/images/b.webp: no mask b.png"):
        load(shard(tmp_path / "u.tar", ["images/a.webp", "images/b.webp", "masks/a.png"]), progress=False)
    (tmp_path / "v.tar").write_bytes(b"no tar")
    with pytest.raises(InputError, match="v.tar: not a readable tar"):
        load(tmp_path / "v.tar", progress=False)


def test_images_without_any_masks_are_text_everywhere(tmp_path):
    write(tmp_path / "images" / "a.png")
    assert load(tmp_path, progress=False)[0][1].all()
    path = shard(tmp_path / "t.tar", ["images/a.webp", "images/b.webp"])
    assert load(path, progress=False)[0][1].all()
    path.write_bytes(path.read_bytes()[:4000])  # what followed the first image is lost: perhaps the masks
    with pytest.raises(InputError, match="no mask a.png"):
        load(path, progress=False)


GREY = np.random.default_rng(1).integers(0, 256, (20, 30), dtype=np.uint8)


@pytest.mark.parametrize(
    "levels", [GREY, GREY.astype(np.uint16) * 257, (GREY / 255).astype(np.float32)], ids=["8 bits", "16 bits", "share"]
)
def test_a_grey_mask_means_the_same_as_an_array_and_as_a_file(tmp_path, levels):
    path = write(tmp_path / "mask.tif", levels)
    with pytest.warns(UserWarning, match="brighter than half"):
        found = as_mask(levels, (20, 30))
    with pytest.warns(UserWarning, match="brighter than half"):
        assert np.array_equal(found, read_mask(path, (20, 30))) and np.array_equal(found, GREY > 127)


@pytest.mark.parametrize(
    "mask, message",
    [
        (np.where(GREY > 3, GREY / 255, np.nan), "not finite"),
        (GREY.astype(float), "floats of 0 to 1, not float64 up to 255.0"),
        (GREY.astype(int), "floats of 0 to 1, not int64"),
        (GREY[..., None], r"a mask is \(H, W\) .* this array uint8 \(20, 30, 1\)"),
        (GREY.astype(str), r"a mask is \(H, W\) of bool or numbers"),
        (-(GREY > 127).astype(int), "below 0"),
    ],
)
def test_an_array_that_is_no_mask_is_refused(mask, message):
    with pytest.raises(InputError, match=f"^mask: .*{message}"):
        as_mask(mask, (20, 30))


def test_arrays_are_trained_on_as_files_are():
    text = GREY > 127
    for mask in (text, text.astype(np.uint8), text * np.uint8(255), text * 1.0):
        x, m = Samples.of([("x", RGB, mask)]).batches(16, 4)(0)
        assert 0.5 < x.max() <= 1 and set(m.unique().tolist()) == {0.0, 1.0}
    everywhere = Samples.of([("x", RGB, None)])
    assert everywhere[0][1].all() and everywhere.sha256 == Samples.of([("x", RGB, np.ones((20, 30)))]).sha256
    others = Samples.of([("x", RGB, text)]), Samples.of([("x", 255 - RGB, None)]), Samples.of([("x", RGB.reshape(30, 20, 3), None)])
    assert len({everywhere.sha256, *(other.sha256 for other in others)}) == 4 and Samples.of([("x", RGB, None)], sha256="0").sha256 == "0"


@pytest.mark.parametrize(
    "image, mask, message",
    [
        (RGB / 255, None, r"x: an image is uint8 \(H, W, 3\), not float64"),
        (RGB.transpose(2, 0, 1), None, r"not uint8 \(3, 20, 30\)"),
        (torch.zeros(20, 30, 3), None, "not Tensor"),
        (RGB, GREY, "mask of x: has more than two values"),
        (RGB, GREY[:-1] > 127, "mask of x is 30x19, its image 30x20"),
        (RGB, "masks/x.png", "mask of x: a mask is an array"),
    ],
)
def test_arrays_that_cannot_be_trained_on_are_refused(image, mask, message):
    with pytest.raises(InputError, match=message):
        Samples.of([("x", image, mask)])
    with pytest.raises(InputError, match="no images"):
        Samples.of([])
    with pytest.raises(InputError, match=r"as \(name, image, mask\) each, not as ndarray"):
        Samples.of([RGB])


@pytest.fixture(scope="module")
def samples():
    return load(SAMPLES, progress=False)


def test_samples_are_complete(samples):
    assert len(samples) == 10 and not samples.failed
    assert all(0.005 < m.mean() < 0.6 for _, m in samples)


def test_crops_depend_on_seed_and_step_alone(samples):
    crops = Crops(samples, 64, 4, seed=1)
    crops(0)
    x, mask = crops(7)
    again = Crops(samples, 64, 4, seed=1)(7)
    assert torch.equal(x, again[0]) and torch.equal(mask, again[1])
    assert not torch.equal(x, Crops(samples, 64, 4, seed=2)(7)[0])
    assert x.shape == (4, 3, 64, 64) and mask.shape == (4, 1, 64, 64)
    assert 0 <= x.min() and x.max() <= 1 and set(mask.unique().tolist()) <= {0.0, 1.0}


def test_mask_moves_with_its_image():
    """An image that is white exactly where its mask is 1 stays so in every crop and flip."""
    mask = np.random.default_rng(0).integers(0, 2, (90, 50)).astype(bool)
    one = Samples.of([("x", np.repeat(mask[..., None], 3, 2).astype(np.uint8) * 255, mask)])
    for step in range(5):
        x, m = Crops(one, 64, 4)(step)  # wider than the image: extended by its border
        assert torch.equal(x[:, :1], m)


def test_an_inverted_crop_has_its_own_mask():
    mask = np.random.default_rng(0).integers(0, 2, (90, 70)).astype(bool)
    image = np.random.default_rng(1).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    one = Samples.of([("x", image, mask)])
    (x, m), (inverted, same) = (Crops(one, 64, 4, invert=share)(0) for share in (0.0, 1.0))
    torch.testing.assert_close(inverted, 1 - x)
    assert torch.equal(same, m)


def test_the_central_crop_is_in_the_middle():
    image = np.arange(12 * 15 * 3, dtype=np.uint8).reshape(12, 15, 3)
    ((x, mask),) = centre_crops([(image, image[..., 0] > 99)], 8, 4)
    middle = image[2:10, 3:11]
    assert np.array_equal((x[0] * 255).round().byte().permute(1, 2, 0), middle) and np.array_equal(mask[0, 0].bool(), middle[..., 0] > 99)


def test_a_small_image_is_led_on_below_and_to_the_right():
    image, mask = RGB[:3, :4], GREY[:3, :4] > 127
    for larger, layer in zip(extend(image, mask, 6), (image, mask)):
        assert larger.shape[:2] == (6, 6) and np.array_equal(larger[:3, :4], layer)
        assert (larger[3:] == larger[2]).all() and (larger[:, 4:] == larger[:, 3:4]).all()


def test_crops_are_cut_from_the_images():
    """Pixels that name their image, row and column: every crop is a window of one image, as it is or flipped."""
    images = [np.stack(np.broadcast_arrays(*np.ogrid[: 120 + 30 * i, :200], i), axis=2).astype(np.uint8) for i in range(3)]
    masks = [(image[..., 0] + image[..., 1]) % 3 == 0 for image in images]
    seen = set()
    for step in range(20):
        x, mask = Crops(Samples.of(zip("abc", images, masks)), 64, 4)(step)
        for crop, m in zip((x * 255).round().int(), mask[:, 0].bool()):
            rows, columns, index = crop[0, :, :1], crop[1, :1], crop[2, 0, 0]
            assert (crop == torch.stack(torch.broadcast_tensors(rows, columns, index))).all()
            assert all((steps := set(line.flatten().diff().tolist())) in ({1}, {-1}) for line in (rows, columns)), steps
            assert torch.equal(m, (rows + columns) % 256 % 3 == 0)
            seen.add((int(index), int(rows[1] - rows[0]), int(columns[0, 1] - columns[0, 0])))
    assert len(seen) == 12  # every image, every flip
