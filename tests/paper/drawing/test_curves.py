"""Figures say what was measured: their axes, lines and titles hold the numbers they were given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from sccore.evaluation import asiqe_scores
from sccore.paper.drawing import curves, style
from sccore.utils.errors import InputError


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    yield
    assert not plt.get_fignums()


@pytest.fixture
def frame():
    rows = [
        {"codec": codec, "name": name, "lmbda": lmbda, "bpp": factor * bpp, "psnr": 30 + 10 * bpp, "psnr_text": text}
        for codec, factor in (("sftip", 0.9), ("wacnn", 1.0), ("another", 1.1))
        for name, text in (("a.png", 25.0), ("b.png", None))
        for lmbda, bpp in ((0.0035, 0.2), (0.013, 0.4))
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8)


def lines(figure):
    return {line.get_label(): line for line in figure.axes[0].lines}


def test_rd_curves_draw_each_codec_where_it_was_measured(frame):
    figure = curves.rd_curves(frame)
    assert isinstance(figure, Figure)
    assert list(lines(figure)) == ["WACNN", "SFTIP", "another"]
    x, y = lines(figure)["SFTIP"].get_data()
    assert list(x) == pytest.approx([0.18, 0.36]) and list(y) == pytest.approx([32, 34])
    assert figure.axes[0].get_xlabel() == "bpp (real file)" and figure.axes[0].get_ylabel() == "PSNR [dB], 8-bit RGB"
    assert figure.axes[0].get_legend().get_title().get_text() == "mean of 2 images"


def test_a_codec_keeps_its_colour(frame):
    everyone = lines(curves.rd_curves(frame))
    alone = lines(curves.rd_curves(frame[frame.codec == "sftip"]))
    label = "SFTIP"
    assert alone[label].get_color() == everyone[label].get_color()
    assert len({to_hex(line.get_color()) for line in everyone.values()}) == 3


def test_a_codec_without_the_metric_is_named(frame):
    frame.loc[frame["codec"] == "another", "psnr_text"] = None
    title = curves.rd_curves(frame, "psnr_text").axes[0].get_legend().get_title().get_text()
    assert title == "1 image\nnot measured: another"


def test_a_codec_that_keeps_an_image_exactly_is_named(frame):
    first = frame["lmbda"] == frame["lmbda"].min()
    frame.loc[(frame["codec"] == "another") & (frame["name"] == "a.png") & first, "psnr"] = None
    figure = curves.rd_curves(frame)
    title = figure.axes[0].get_legend().get_title().get_text()
    assert title == "mean of 2 images\nexact on some images: another" and set(lines(figure)) == {"SFTIP", "WACNN"}
    with pytest.raises(InputError, match="another stores an image without loss"):
        curves.rd_curves(frame[frame["codec"] == "another"])


def test_text_region_curves_are_of_the_images_with_text(frame):
    figure = curves.rd_curves(frame, "psnr_text", log_rate=True)
    assert figure.axes[0].get_xscale() == "log" and "text-region" in figure.axes[0].get_ylabel()
    assert figure.axes[0].get_legend().get_title().get_text() == "1 image"


def test_means_over_different_images_are_not_compared(frame):
    with pytest.raises(InputError, match="not measured on the same images: another, sftip, wacnn"):
        curves.rd_curves(frame[(frame.codec != "another") | (frame.name == "a.png")])


def test_without_measurements_there_is_an_error_or_a_frame_with_the_reason(frame):
    for empty in (frame[:0], frame.drop(columns="psnr"), frame.assign(psnr=None)):
        with pytest.raises(InputError, match="no psnr to draw"):
            curves.rd_curves(empty)
    assert style.nothing("not recorded yet").axes[0].texts[0].get_text() == "not recorded yet"


def test_training_curves_show_training_and_held_out_values(tmp_path):
    log = tmp_path / "wacnn" / "log.csv"
    log.parent.mkdir()
    log.write_text("step,loss,bpp,psnr,val_loss,val_bpp,val_psnr\n0,,,,9,2,15\n1,8,2,16,,,\n2,4,1,20,,,\n2,,,,5,1,19\n", encoding="utf-8")
    line, dots, _ = curves.training_curves([log]).axes[0].lines
    assert dots.get_label() == "WACNN" and list(line.get_ydata()) == [8, 4]
    assert list(dots.get_ydata()) == [9, 5]


def test_priors_show_the_guided_response_beside_the_plain_one(image):
    mask = np.zeros(image.shape[:2], bool)
    mask[:, :40] = True
    shown = [np.asarray(axes.images[0].get_array()) for axes in curves.priors(image, mask).axes]
    assert (shown[0] == image).all() and (shown[1] == mask).all()
    assert shown[3][:, :40] == pytest.approx(shown[2][:, :40])
    assert shown[3][:, 40:] == pytest.approx(shown[2][:, 40:] * 2 / 3)


def test_a_flat_image_has_a_blank_prior():
    shown = curves.priors(np.full((64, 32, 3), 7, np.uint8), np.ones((64, 32), bool)).axes[2].images[0]
    assert np.asarray(shown.norm(shown.get_array())) == pytest.approx(0, abs=1e-3)  # rounding is not blown up


def test_figures_can_be_saved(frame, image, tmp_path):
    curves.rd_curves(frame).savefig(tmp_path / "curves.svg")
    curves.decoded({"a": (image, image, 1)}).savefig(tmp_path / "crops.png")
    assert (tmp_path / "curves.svg").stat().st_size > 5000 and (tmp_path / "crops.png").stat().st_size > 5000


def test_colours_never_run_out():
    names = [f"{codec}" for codec in style.CODECS] + [f"codec {i}" for i in range(30)]
    found = style.colours(names)
    assert len(found) == len(names) and len(set(found[: len(style.CODECS) + 10])) == len(style.CODECS) + 10


def test_the_linear_bound_stands_beside_what_was_reached():
    images = [{"name": name, "psnr": [20.0 + shift, 30.0 + shift]} for name, shift in (("a", 0), ("b", 2))]
    record = {"counts": [10, 80], "sets": [{"dataset": {"name": "samples"}, "images": images}]}
    found = lines(curves.linear_bound(record, {"companion": 80, "paper": 320}, {"samples": 28.5}))
    assert list(found["linear, samples"].get_ydata()) == [21.0, 31.0] and list(found["linear, samples"].get_xdata()) == [10, 80]
    assert list(found["the network, samples"].get_xydata()[0]) == [80, 28.5]


def test_the_part_with_most_detail_is_found():
    image = np.zeros((60, 80, 3), np.uint8)
    image[30:40, 50:60] = np.random.default_rng(0).integers(0, 255, (10, 10, 3))
    rows, columns = asiqe_scores.busiest_window(image, (20, 24), grid=4)
    assert rows.start <= 30 and rows.stop >= 40 and columns.start <= 50 and columns.stop >= 60
    assert asiqe_scores.busiest_window(image, (100, 100)) == (slice(0, 60), slice(0, 80))


def test_decoded_pictures_stand_beside_their_originals():
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    axes = curves.decoded({"a": (image, image // 2, 1234), "b": (image, image, 5)}, (20, 30)).axes
    assert len(axes) == 4 and axes[0].get_title() == "a, original" and axes[1].get_title().startswith("1,234 bytes, ")
    assert axes[0].images[0].get_array().shape[:2] == (20, 30)
