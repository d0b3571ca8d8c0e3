"""The curves to hover over hold what was measured, without scripts too."""

import re

import numpy as np
import pandas as pd
import pytest

from sccore.paper.drawing.interactive import rd_plot


@pytest.fixture
def frame():
    rows = [
        {"codec": codec, "name": name, key: setting, "bytes": bpp * 1000, "bpp": bpp, "psnr": 30 + 10 * bpp + shift}
        for codec, key in (("sftip", "lmbda"), ("jpeg", "quality"), ("sftip-tuned", "lmbda"))
        for name, shift in (("a.png", 0), ("b.png", 2))
        for setting, bpp in ((0.0035, 0.2), (0.013, 0.4))
    ]
    return pd.DataFrame(rows)


def test_every_point_says_setting_bytes_and_quality(frame):
    html = rd_plot(frame)
    said = re.findall(r"<title>(.*?)</title>", html)
    assert len(said) == 6 and said[0] == "SFTIP, λ = 0.0035: 0.200 bits per pixel, 0.2 kB, 33.00 dB in the mean."
    assert "JPEG, quality 0.0035" in html and html.count('type="checkbox"') == 3 and html.count('stroke-dasharray="') == 1
    assert "http" not in html and "data-picture" not in html


def test_more_bits_are_further_right_and_better_is_higher(frame):
    points = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', rd_plot(frame))
    (x, y), (next_x, next_y) = points[0], points[1]
    assert float(x) < float(next_x) and float(y) > float(next_y)


def test_a_point_brings_the_picture_that_was_coded_so(frame):
    asked = []

    def picture(codec, setting):
        asked.append((codec, setting))
        return (np.zeros((8, 8, 3), np.uint8), "A crop of 9 bytes.") if codec == "jpeg" else None

    html = rd_plot(frame, picture=picture)
    assert html.count("data-picture") == 2 and "A crop of 9 bytes." in html and ("sftip", 0.013) in asked


def test_a_codec_that_keeps_an_image_exactly_is_left_out(frame):
    frame.loc[(frame["codec"] == "jpeg") & (frame["name"] == "b.png") & (frame["bpp"] > 0.3), "psnr"] = np.nan
    assert "JPEG" not in (html := rd_plot(frame)) and html.count('type="checkbox"') == 2
