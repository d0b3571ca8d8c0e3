"""Short trainings: intervals are over images, the numbers of seeds stand beside them, and absence is said."""

import pandas as pd
import pytest

from sccore.evaluation.records import save_record
from sccore.paper import short_trainings
from sccore.paper.tables import MISSING
from sccore.utils import paths


@pytest.fixture
def short():
    """Two seeds of each; the full model needs 5 % less with the first and 15 % less with the other, whose control is 2 % off."""
    factor = {"sftip-uniform-seed1": 1.0, "sftip-uniform-seed2": 1.02, "sftip-seed1": 0.95, "sftip-seed2": 0.85 * 1.02}
    return pd.DataFrame(
        [
            {
                "codec": codec,
                "name": name,
                "lmbda": k,
                "bpp": f * k,
                "psnr": 20.0 + 3 * k,
                "psnr_text": 18.0 + 3 * k if name != "samples-a.png" else None,
            }
            for codec, f in factor.items()
            for name in [f"samples-{letter}.png" for letter in "abcdef"]
            for k in (1, 2, 3, 4)
        ]
    )


def test_several_seeds_are_compared_by_their_mean_and_each_is_shown(short):
    found = short_trainings.pooled(short, "sftip", "sftip-uniform")
    assert found["bd_rate"] == pytest.approx(100 * ((0.95 + 0.867) / 2.02 - 1)) and found["seeds"] == pytest.approx([-5, -15])
    assert short_trainings.pooled_cells(short) == ("−10.0 % (−10.0 to −10.0)", "−5.0, −15.0")
    assert short_trainings.pooled(short, "sftip", "sftip-uniform", "psnr_text")["images"] == 5
    assert short_trainings.pooled_cells(short.iloc[:0]) == (MISSING, None)


@pytest.fixture
def three(short):
    """A third seed, with which the full model needs 10 % less."""
    third = short[short["codec"].str.endswith("seed1")].assign(codec=lambda f: f["codec"].str.replace("seed1", "seed3"))
    third.loc[third["codec"] == "sftip-seed3", "bpp"] *= 0.9 / 0.95
    return pd.concat([short, third])


def test_the_interval_of_three_seeds_covers_them(three):
    found = short_trainings.pooled(three, "sftip", "sftip-uniform")
    half = 4.303 * 5 / 3**0.5  # Student's t of two degrees, and the standard error; all images agree
    assert (found["low"], found["high"]) == pytest.approx((found["bd_rate"] - half, found["bd_rate"] + half), rel=1e-3)
    assert short_trainings.pooled_cells(three) == ("−10.0 % (−22.5 to +2.4)", "−5.0, −15.0, −10.0")


def test_the_interval_of_three_seeds_covers_images_too(three, monkeypatch):
    plain = short_trainings.between
    wide = lambda *a: plain(*a) | {"low": -13.92, "high": -6.08}  # 1.96 standard errors of 2
    monkeypatch.setattr(short_trainings, "between", wide)
    found = short_trainings.pooled(three, "sftip", "sftip-uniform")
    half = 4.303 * (25 / 3 + 4) ** 0.5
    assert found["high"] - found["bd_rate"] == pytest.approx(half, rel=1e-3) == found["bd_rate"] - found["low"]


def test_what_seeds_move_is_their_standard_deviation(short, three):
    assert short_trainings.scatter(short, "sftip", "sftip-uniform") is short_trainings.undecided(short, "sftip", "sftip-uniform") is None
    assert short_trainings.scatter(three, "sftip", "sftip-uniform") == (pytest.approx(5), 3)
    assert short_trainings.undecided(three, "sftip", "sftip-uniform") == pytest.approx(4.303 * 5, rel=1e-3)


def test_a_seed_that_one_alone_has_is_left_out(short):
    one = short[short["codec"] != "sftip-uniform-seed2"]
    assert short_trainings.pooled(one, "sftip", "sftip-uniform")["seeds"] == pytest.approx([-5])
    assert short_trainings.pooled_cells(one) == ("−5.0 % (−5.0 to −5.0)", "−5.0")
    shown = short_trainings.by_seed(one)
    assert "| 2 |" not in shown and "| mean of the seeds | −5.0 % (−5.0 to −5.0) | −5.0 % (−5.0 to −5.0) |" in shown


def test_each_seed_has_its_row(short):
    shown = short_trainings.by_seed(short)
    assert "| 1 | −5.0 % (−5.0 to −5.0) | −5.0 %" in shown and "| 2 | −15.0 % (−15.0 to −15.0) |" in shown
    assert "| mean of the seeds | −10.0 % (−10.0 to −10.0) | −10.0 % (−10.0 to −10.0) |" in shown
    assert MISSING in short_trainings.by_seed(short.iloc[:0])


def test_models_of_one_lambda_are_one_curve(short, tmp_path, monkeypatch):
    monkeypatch.setattr("sccore.utils.paths.RESULTS", tmp_path)
    assert short_trainings.fixed() == MISSING
    (tmp_path / "fixed").mkdir()
    recipe = {"recipe": {"steps": 300, "batch": 4, "crop": 192}}
    save_record(tmp_path / "fixed/wacnn-seed1.json.gz", {"codec": "x", "checkpoint": recipe, "images": [], "held_out_loss": [1.0, 0.98765]})
    whole = short[short["codec"] == "sftip-uniform-seed1"].assign(codec="wacnn-seed1")
    each = whole.assign(bpp=0.98 * whole["bpp"], codec=[f"wacnn-0.{k}-seed1" for k in whole["lmbda"]])
    monkeypatch.setattr(short_trainings, "measured", lambda dataset: pd.concat([whole, each]))
    shown = short_trainings.fixed()
    assert "300 steps of 4 crops of 192 × 192" in shown and "`wacnn` 1.0000 to 0.9877" in shown and "6 pictures (6 of the samples)" in shown
    assert (
        "| `wacnn`: one for each λ against one for all | 1 | −2.0 % (−2.0 to −2.0) | −2.0 % (−2.0 to −2.0) |" in shown
        and "sftip" not in shown
    )
    save_record(tmp_path / "fixed/sftip-seed1.json.gz", {"codec": "x", "checkpoint": recipe, "images": [], "held_out_loss": [1.0, 0.9]})
    better = [frame.assign(bpp=0.9 * frame["bpp"], codec=frame["codec"].str.replace("wacnn", "sftip")) for frame in (whole, each)]
    monkeypatch.setattr(short_trainings, "measured", lambda dataset: pd.concat([whole, each, *better]))
    for which in ("each λ", "all"):
        assert f"| `sftip` against `wacnn`: one for {which} | 1 | −10.0 % (−10.0 to −10.0) |" in short_trainings.fixed()


def test_short_trainings_are_missing_until_they_are_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr("sccore.utils.paths.RESULTS", tmp_path)
    assert short_trainings.chance() == short_trainings.scratch() == MISSING
    assert short_trainings.systems() == short_trainings.masks() == MISSING
    assert MISSING in short_trainings.briefly("scratch", "From scratch")


def test_models_from_scratch_are_compared_with_one_another(short, monkeypatch):
    wacnn = short[short["codec"] == "sftip-seed1"].assign(codec="wacnn-seed1", bpp=lambda frame: 1.1 * frame["bpp"])
    frame = pd.concat([short[short["codec"].str.endswith("seed1")], wacnn])
    monkeypatch.setattr(short_trainings, "measured", lambda dataset: frame)
    assert short_trainings.briefly("scratch", "Trained from scratch, briefly") == (
        "Trained from scratch, briefly (one seed): picture −5.0 % (−5.0 to −5.0). Text regions: −5.0 % (−5.0 to −5.0)."
    )


def test_curves_that_cannot_be_compared_say_why(short):
    flat = short[short["codec"] == "sftip-seed1"].assign(codec="cheng2020-seed1", psnr=20.0)
    frame = pd.concat([short, flat])
    assert "does not rise in quality" in short_trainings.pooled_cells(frame, "cheng2020", "sftip")[0]
    assert short_trainings.pooled_cells(frame, "ms2020", "sftip") == (MISSING, None)


def test_trainings_alike_say_what_they_were(monkeypatch):
    """The records in the repository."""
    monkeypatch.setattr(short_trainings, "pooled", lambda *a, **k: {"bd_rate": -1.0, "low": -2.0, "high": 3.0, "seeds": [-1.0]})
    recipes = {
        short_trainings.scratch: (2000, 4, 192, ("sftip", "wacnn")),
        short_trainings.systems: (2000, 4, 192, ("cheng2020", "wacnn")),
        short_trainings.masks: (600, 4, 256, ("sftip-rrd", "sftip-east")),
    }
    for made, (steps, batch, crop, (codec, anchor)) in recipes.items():
        shown = made()
        assert shown.startswith(
            f"Each run took {steps:,} steps of {batch} crops of {crop} × {crop}. Held-out loss from before the first step to the end"
        )
        assert f": `{codec}` " in shown.splitlines()[0]
        row = f"| `{codec}` against `{anchor}` | −1.0 % (−2.0 to +3.0) | −1.0 | −1.0 % (−2.0 to +3.0) | −1.0 |"
        assert row in shown and "40 pictures" in shown
        assert ("It rose in all" in shown) == (made is short_trainings.masks)
    assert "Some runs computed in bfloat16 and others in single precision, all of a seed alike." in short_trainings.scratch()


@pytest.mark.parametrize(
    "kinds, said", [((True,), " × 192, in bfloat16."), ((False, False), " × 192, in single precision."), ((True, False), " × 192.")]
)
def test_the_precision_is_said_where_all_runs_have_one(tmp_path, monkeypatch, kinds, said):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    recipe = {"steps": 300, "batch": 4, "crop": 192}
    for i, bf16 in enumerate(kinds):
        save_record(
            tmp_path / "some" / f"sftip-seed{i}.json.gz",
            {"codec": f"sftip-seed{i}", "checkpoint": {"recipe": recipe, "bf16": bf16}, "images": []},
        )
    assert short_trainings.described("some").endswith(said)
