"""Models by name: shipped weights are found by what they are, and an error names what there is."""

import pytest

import sccore
from sccore.utils.errors import InputError


def test_pretrained_is_the_shipped_model():
    for name in ("sftip", "wacnn"):
        model = sccore.create_model(name, pretrained=True)
        assert model.checkpoint_hash == sccore.load_model(name).checkpoint_hash and not model.training
    assert sccore.create_model(rate="variable", pretrained=True).checkpoint_hash == sccore.load_model().checkpoint_hash


@pytest.mark.parametrize("asked", [{"preset": "paper"}, {"name": "cheng2020"}, {"rate": "fixed"}, {"sem": "sft"}])
def test_weights_that_are_not_shipped_are_refused_and_those_that_are_named(asked):
    with pytest.raises(InputError, match="no shipped weights of .*; shipped: sftip-interlaced, sftip, wacnn-base, wacnn"):
        sccore.create_model(**asked, pretrained=True)


def test_a_name_is_a_word():
    with pytest.raises(InputError, match=r"unknown name \['sftip'\]; known: wacnn, sftip"):
        sccore.create_model(["sftip"])


def test_a_model_made_by_hand_computes_but_is_neither_saved_nor_trained(tmp_path):
    model = sccore.SFTIP(sccore.PRESETS["companion"])
    for refused in (
        lambda: sccore.save_model(model, tmp_path / "x.safetensors"),
        lambda: sccore.fit(model, None, tmp_path / "run", lmbda=0.0067),
    ):
        with pytest.raises(InputError, match="only a model of create_model"):
            refused()
    assert not (tmp_path / "x.safetensors").exists()
