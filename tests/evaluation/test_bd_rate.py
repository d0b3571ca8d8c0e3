"""BD-rate against cases with a known answer and against an independent integration; refusals with their reason."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import trapezoid
from scipy.interpolate import PchipInterpolator

from sccore.evaluation import bd_rate
from sccore.evaluation.records import complete, load_dataset
from sccore.utils.errors import InputError

LAMBDAS = np.array([0.0018, 0.0035, 0.0067, 0.013, 0.025])
RATES = np.array([0.1, 0.17, 0.28, 0.45, 0.7])
PSNRS = np.array([28.0, 30.5, 32.7, 34.6, 36.1])


def points(rates=RATES, psnrs=PSNRS):
    return pd.DataFrame({"bpp": rates, "psnr": psnrs})


def frame(codec="a", images=6, scale=lambda i: 1.0):
    """Measurements of images that are ever harder to code; `scale(i)` multiplies the rate of image i."""
    rows = [
        (codec, f"{i}.png", lmbda, bpp * (1 + 0.3 * i) * scale(i), psnr - 0.4 * i)
        for i in range(images)
        for lmbda, bpp, psnr in zip(LAMBDAS, RATES, PSNRS)
    ]
    return pd.DataFrame(rows, columns=["codec", "name", "lmbda", "bpp", "psnr"])


def test_a_curve_against_itself_saves_nothing():
    assert bd_rate.bd_rate(points(), points()) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("factor, percent", [(0.9, -10), (1.25, 25), (0.5, -50)])
def test_a_scaled_rate_is_the_saving(factor, percent):
    assert bd_rate.bd_rate(points(), points(factor * RATES)) == pytest.approx(percent, abs=1e-9)


def test_bd_rate_against_our_own_integration():
    test = points(RATES[:4] * [0.8, 0.95, 0.9, 1.02], PSNRS[:4] + [0.3, 0.1, -0.2, 0.4])  # and fewer points
    quality = np.linspace(max(PSNRS[0], test.psnr.iloc[0]), min(PSNRS[-1], test.psnr.iloc[-1]), 200_001)
    anchor_log = PchipInterpolator(PSNRS, np.log(RATES))(quality)
    test_log = PchipInterpolator(test.psnr, np.log(test.bpp))(quality)
    gap = trapezoid(test_log - anchor_log, quality)
    expected = 100 * np.expm1(gap / (quality[-1] - quality[0]))
    assert bd_rate.bd_rate(points(), test) == pytest.approx(expected, abs=1e-6)


def recorded():
    """Mean curves of the shipped records of the samples: codec -> table."""
    frame = complete(load_dataset("samples"))
    return {codec: bd_rate.curve(bd_rate.inexact(own)) for codec, own in frame.groupby("codec")}


def test_recorded_curves_agree_with_the_exact_integral_of_another_library():
    """scipy's piecewise cubic, integrated in closed form, for every two recorded curves that have a BD-rate: to 0.01 %."""
    curves, agreed = recorded(), []
    for a, b in permutations(curves, 2):
        try:
            ours = bd_rate.bd_rate(curves[a], curves[b])
        except InputError:
            continue
        low = max(curves[a]["psnr"].min(), curves[b]["psnr"].min())
        high = min(curves[a]["psnr"].max(), curves[b]["psnr"].max())
        area = [PchipInterpolator(c["psnr"], np.log(c["bpp"])).integrate(low, high) for c in (curves[a], curves[b])]
        assert ours == pytest.approx(100 * np.expm1((area[1] - area[0]) / (high - low)), abs=0.01), (a, b)
        agreed.append((a, b))
    assert len(agreed) >= 6


def test_many_at_once_are_what_each_is_alone():
    """Curves drawn at random, rising or not, that overlap or not, of different lengths: equal, and refused alike."""
    rng, refused = np.random.default_rng(0), 0
    for counts in ((4, 4), (5, 7), (4, 9), (2, 5)):
        curves = [np.cumsum(rng.uniform(-0.05, 1, (300, 2, count)), axis=2) + rng.uniform(0, 1, (300, 1, 1)) for count in counts]
        for curve in curves:
            curve[:, 1] *= 3  # dB
        curves[0][:3, 0, 1], curves[0][3:6, 1, 1] = np.inf, np.nan
        many = bd_rate.bd_rates(*curves)
        for value, anchor, test in zip(many, *curves):
            try:
                assert value == pytest.approx(bd_rate.bd_rate(*(dict(zip(("bpp", "psnr"), c)) for c in (anchor, test))), rel=1e-9, abs=1e-9)
            except InputError:
                assert np.isnan(value)
                refused += 1
    assert 300 < refused < 900
    curves = [c.to_numpy().T[None] for c in recorded().values() if len(c) > 3]
    pairs = [(a, b) for a, b in permutations(curves, 2) if not np.isnan(bd_rate.bd_rates(a, b)).any()]
    for a, b in pairs:
        alone = bd_rate.bd_rate(*(dict(zip(("bpp", "psnr"), c)) for (c,) in (a, b)))
        assert bd_rate.bd_rates(a, b)[0] == pytest.approx(alone, rel=1e-9)
    assert len(pairs) >= 6


@pytest.mark.parametrize(
    "test, reason",
    [
        (points(psnrs=PSNRS[[0, 2, 1, 3, 4]]), "test curve does not rise"),
        (points(psnrs=PSNRS[[0, 1, 1, 3, 4]]), "test curve does not rise"),
        (points(RATES[[0, 1, 1, 3, 4]]), "test curve does not rise"),
        (points(psnrs=PSNRS + 4.1), "share 49% of the narrower range in psnr, 50% are needed"),
        (points(psnrs=PSNRS + 20), "share 0%"),
        (points(RATES[:3], PSNRS[:3]), "3 of the 4 points"),
        (points(psnrs=np.append(PSNRS[:4], np.inf)), "not finite"),
    ],
)
def test_curves_that_have_no_bd_rate_are_refused(test, reason):
    with pytest.raises(InputError, match=reason):
        bd_rate.bd_rate(points(), test)


JPEG = {"bpp": [0.2, 0.4, 0.8, 1.6], "psnr": [30, 33, 36, 39]}


@pytest.mark.parametrize(
    "test, reason",
    [
        ({**JPEG, "psnr": [30, 33, 36]}, "the test curve differ in length: 4 of bpp and 3 of psnr"),
        ({**JPEG, "psnr": ["30", "33", "36", "39"]}, "psnr of the test curve is no list of numbers"),
        ({**JPEG, "psnr": [30, None, 36, 39]}, "psnr of the test curve is no list of numbers: .30, None"),
        ({**JPEG, "bpp": 0.2}, "bpp of the test curve is no list of numbers"),
        ({"bpp": JPEG["bpp"], "psnr-rgb": JPEG["psnr"]}, "the test curve has no 'psnr'; it has: bpp, psnr-rgb"),
        ({"codec": "a", "images": []}, r"the test is a record, .*curve_files.read"),
        ("webp.json", r"the test is a str, .*curve_files.read"),
        (("webp", JPEG), "the test is a tuple"),
        ({**JPEG, "psnr": [0.4, 0.3, 0.2, 0.1]}, "of which less is better is compared by its negative"),
    ],
)
def test_what_is_no_curve_is_refused(test, reason):
    with pytest.raises(InputError, match=reason):
        bd_rate.bd_rate(JPEG, test)


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda both: both, "no measurements of 'sftpi'; there are: a, b"),
        (lambda both: pd.concat([both, both]).replace("b", "sftpi"), "a: measured twice at the same point: 0.png, 1.png, 2.png$"),
        (lambda both: both.drop(columns="lmbda").replace("b", "sftpi"), "a: its rows have neither lmbda nor quality"),
        (lambda both: both.drop(columns="psnr").replace("b", "sftpi"), "the measurements have no 'psnr'; they have: codec, name"),
        (lambda both: both.assign(psnr="good").replace("b", "sftpi"), "a: psnr is not a number in every row"),
        (lambda both: both.to_dict("records"), "measurements are a table, .* not list"),
    ],
)
def test_measurements_that_make_no_curve_are_refused(change, reason):
    with pytest.raises(InputError, match=reason):
        bd_rate.between(change(pd.concat([frame("a"), frame("b")])), "sftpi", "a")


def test_overlap_at_its_limits():
    assert bd_rate.overlap(points(), points()) == 1
    assert bd_rate.overlap(points(), points(psnrs=PSNRS + 10)) == 0
    assert bd_rate.overlap(points(), points(psnrs=PSNRS + 8.1 / 4)) == pytest.approx(0.75)


def test_a_narrow_curve_is_compared_where_a_wide_one_is_too():
    """The same line in log rate, of which the one curve has a fifth and the other all, at 10 % less rate."""
    quality = np.linspace(30, 40, 11)
    wide, narrow = (points(scale * 2.0 ** (q - 30), q) for q, scale in ((quality, 0.9), (np.linspace(33, 35, 5), 1.0)))
    assert bd_rate.overlap(narrow, wide) == bd_rate.overlap(wide, narrow) == 1
    assert bd_rate.bd_rate(narrow, wide) == pytest.approx(-10, abs=1e-6)


def test_curve_is_the_mean_over_images_by_hand():
    rows = [("1", 0.1, 1.0, 30.0), ("1", 0.2, 2.0, 34.0), ("2", 0.2, 4.0, 36.0), ("2", 0.1, 2.0, 31.0)]
    rows += [("3", 0.1, 9.0, None), ("3", 0.2, 9.9, None)]
    table = pd.DataFrame(rows, columns=["name", "lmbda", "bpp", "psnr_text"]).assign(codec="a")
    mean = bd_rate.curve(table, "psnr_text")  # image 3 has no such metric and must not count for the rate either
    assert mean.index.tolist() == [0.1, 0.2]
    assert mean["bpp"].tolist() == [1.5, 3.0]
    assert mean["psnr_text"].tolist() == [30.5, 35.0]


def test_curve_refuses_gaps_and_mixtures():
    with pytest.raises(InputError, match="a: not measured at every point of the curve: 2.png"):
        bd_rate.curve(frame().drop(index=12))
    with pytest.raises(InputError, match="one codec, these measurements to a, b"):
        bd_rate.curve(pd.concat([frame("a"), frame("b")]))


def test_compare_equal_savings_leave_no_doubt():
    result = bd_rate.compare(frame(), frame("b", scale=lambda i: 0.9), resamples=50)
    assert [result[key] for key in ("bd_rate", "low", "high", "per_image_mean")] == pytest.approx([-10] * 4)
    assert result["per_image"] == pytest.approx({f"{i}.png": -10 for i in range(6)})
    assert (result["overlap"], result["resamples"], result["refused"]) == (1, 1, {})


def test_compare_mean_curve_and_mean_of_images_differ():
    result = bd_rate.compare(frame(), frame("b", scale=lambda i: 0.5 if i == 5 else 1), resamples=200)
    assert result["per_image_mean"] == pytest.approx(-50 / 6)
    assert result["bd_rate"] < -10  # the image with the most bits weighs most in the mean curve
    assert -50 < result["low"] < result["bd_rate"] < result["high"] <= 1e-9
    assert result == bd_rate.compare(frame(), frame("b", scale=lambda i: 0.5 if i == 5 else 1), resamples=200)


def test_the_mean_of_images_has_an_interval_of_its_own():
    result = bd_rate.compare(frame(), frame("b", scale=lambda i: 0.5 if i == 5 else 1), resamples=200)
    assert -50 <= result["per_image_low"] < result["per_image_mean"] < result["per_image_high"] <= 1e-9
    same = bd_rate.compare(frame(), frame("b", scale=lambda i: 0.9), resamples=20)
    assert same["per_image_low"] == pytest.approx(same["per_image_high"])


def test_what_was_computed_before_is_not_computed_again(monkeypatch):
    first = bd_rate.compare(frame(), frame("b", scale=lambda i: 0.7), resamples=20)
    monkeypatch.setattr(bd_rate, "bd_rate", None)
    assert bd_rate.compare(frame(), frame("b", scale=lambda i: 0.7), resamples=20) == first


def test_compare_names_images_without_a_bd_rate():
    test = frame("b")
    test.loc[(test.name == "2.png") & (test.lmbda == 0.025), "psnr"] = 33.5
    result = bd_rate.compare(frame(), test, resamples=20)
    assert list(result["refused"]) == ["2.png"] and "does not rise" in result["refused"]["2.png"]
    assert "2.png" not in result["per_image"] and len(result["per_image"]) == 5


def test_compare_needs_the_same_images():
    with pytest.raises(InputError, match="not measured with both codecs: 5.png"):
        bd_rate.compare(frame(), frame("b", images=5))


def test_rate_at_a_quality_lies_on_the_curve():
    points = pd.DataFrame({"bpp": [0.1, 0.2, 0.4, 0.8], "psnr": [30.0, 32.0, 34.0, 36.0]})  # log-linear
    assert bd_rate.rate_at(points, 32.0) == pytest.approx(0.2) and bd_rate.rate_at(points, 33.0) == pytest.approx(0.08**0.5)
    with pytest.raises(InputError, match="from 30.00 to 36.00"):
        bd_rate.rate_at(points, 29.0)
    with pytest.raises(InputError, match="does not rise"):
        bd_rate.rate_at(points.assign(psnr=[30, 29, 34, 36]), 32.0)


def test_the_bootstrap_holds_the_mean_and_narrows():
    values = np.random.default_rng(0).normal(5, 1, 200)
    interval = lambda some: bd_rate.bootstrap(lambda draws: some[draws].mean(1), len(some), 500)
    (low, high, share), (few_low, few_high, _) = interval(values), interval(values[:10])
    assert low < values.mean() < high and high - low < few_high - few_low and share == 1
    assert interval(np.full(10, 3.0)) == (3, 3, 1)


@pytest.mark.parametrize("images, with_number, share", [(3, 100, 1), (4, 100, 1), (9, 94, 0.94), (9, 0, 0), (0, 0, 0)])
def test_there_is_no_interval_of_few_images_or_of_the_lucky_resamples(images, with_number, share):
    numbers = lambda draws: np.where(np.arange(len(draws)) < with_number, 1.0, np.nan)
    low, high, found = bd_rate.bootstrap(numbers, images, 100)
    assert np.isnan(low) and np.isnan(high) and found == share
    if images == 9:
        assert bd_rate.bootstrap(lambda draws: np.where(np.arange(len(draws)) < 95, 1.0, np.nan), images, 100) == (1, 1, 0.95)


def test_there_is_no_bd_rate_that_most_mixtures_of_the_images_do_not_have(monkeypatch):
    monkeypatch.setattr(bd_rate, "bootstrap", lambda numbers, count, resamples: (np.nan, np.nan, 0.49))
    with pytest.raises(InputError, match="no BD-rate: 49% of the mixtures of these images have one, 50% are needed"):
        bd_rate.compare(frame(), frame("b", scale=lambda i: 0.93), resamples=31)


def test_curves_that_share_less_than_a_decibel_have_no_bd_rate():
    points = {"bpp": [0.1, 0.2, 0.3, 0.4], "psnr": [22.0, 22.3, 22.6, 22.9]}
    with pytest.raises(InputError, match="share 0.9 dB, 1 is needed"):
        bd_rate.bd_rate(points, points)
    pair = np.array([[points["bpp"], points["psnr"]]])
    assert np.isnan(bd_rate.bd_rates(pair, pair)) and bd_rate.bd_rates(pair, pair, "ms_ssim") == 0
    assert bd_rate.bd_rate({**points, "ms_ssim": points["psnr"]}, {**points, "ms_ssim": points["psnr"]}, "ms_ssim") == 0


def test_an_exact_picture_is_named():
    frame = pd.DataFrame(
        [
            {"codec": "a", "name": name, "lmbda": i, "bpp": 0.1 * i, "psnr": None if name == "blank.png" else 30.0 + i}
            for name in ("blank.png", "b.png")
            for i in range(1, 5)
        ]
    )
    with pytest.raises(InputError, match="at every point of the curve: blank.png .the PSNR of an exact"):
        bd_rate.curve(frame)


def test_images_that_a_codec_stores_exactly_are_left_out_of_a_comparison_and_named():
    a, b = frame(), frame("b", scale=lambda i: 0.8)
    b.loc[(b["name"] == "2.png") & (b["lmbda"] > 0.01), "psnr"] = np.nan
    found, rest = bd_rate.compare(a, b, resamples=50), lambda one: one[one["name"] != "2.png"]
    assert found["exact"] == ["2.png"] and found["images"] == 5 and "2.png" not in found["per_image"]
    plain = bd_rate.compare(rest(a), rest(b), resamples=50)
    assert {**found, "exact": []} == plain and plain["exact"] == [] and found["bd_rate"] == pytest.approx(-20)
    b["psnr"] = np.nan
    with pytest.raises(InputError, match="the PSNR of an exact picture is infinite"):
        bd_rate.compare(a, b)
