"""The first sentence of a finding says no more than its interval carries."""

import pandas as pd
import pytest

from sccore.paper import short_answers


def over(monkeypatch, *ends):
    found = [
        {"bd_rate": sum(pair) / 2, "low": pair[0], "high": pair[1], "seeds": [1, 2, 3], "images": 9, "resamples": 0.6} for pair in ends
    ]
    monkeypatch.setattr(short_answers.short_trainings, "pooled", lambda *a: found[a[3] == "psnr_text"])


@pytest.mark.parametrize(
    "picture, text, said",
    [
        ((-2, 1), (-1, 1), "Not shown."),
        ((-2, -1), (-1, 1), "Yes."),
        ((1, 2), (-1, 1), "No."),
        ((1, 2), (-2, -1), "No."),
        ((float("nan"),) * 2, (-2, -1), "Not shown."),
    ],
)
def test_seeds_decide_only_what_leaves_out_zero(monkeypatch, picture, text, said):
    over(monkeypatch, picture, text)
    assert short_answers.over_seeds("sftip", "wacnn").startswith(f"{said} From scratch, over images and 3 seeds: ")


@pytest.mark.parametrize("value, said", [(1.9, "Undecided: one run of each"), (2.1, "Decided in part: one run of each")])
def test_one_run_decides_what_is_larger_than_chance(monkeypatch, value, said):
    monkeypatch.setattr(short_answers.short_trainings, "undecided", lambda *a: 2.0)
    monkeypatch.setattr(short_answers, "compared", lambda *a: {"bd_rate": -value})
    assert short_answers.one_run(("a", "b")).startswith(said)


def test_every_answer_is_made_of_the_records():
    for answer in (short_answers.with_text, short_answers.mask_needed, short_answers.weighted_loss, short_answers.against_classical):
        assert answer().endswith(".") and "not recorded" not in answer()
    assert short_answers.lossy_pays().split(":")[0] in ("Usually", "Seldom") and short_answers.additions_save().startswith("Fewer")
    assert short_answers.start_decides().startswith("The start does.")


def test_codecs_are_named_on_the_side_that_both_data_sets_put_them(monkeypatch):
    ends = {"jpeg": (-9, -8), "avif": (8, 9), "hevc": (1, 2), "webp": (-1, 1)}
    one = lambda frame, codec, anchor: dict(zip(("low", "high"), ends[anchor])) if anchor in ends else "no record"
    monkeypatch.setattr(short_answers.results, "compared", one)
    monkeypatch.setattr(short_answers, "measured", lambda name: pd.DataFrame())
    monkeypatch.setattr(short_answers, "complete", lambda frame: frame)
    assert short_answers.against_classical() == "On both sets JPEG. On both it loses to AVIF and HEVC."
