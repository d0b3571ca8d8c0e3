"""How far SEM sites have moved: not at all at first, and then where they were changed."""

import numpy as np
import pytest
import torch

from sccore import create_model
from sccore.paper import sem_activity


@pytest.fixture
def model():
    torch.manual_seed(0)
    return create_model("sftip", "companion").eval()


@pytest.fixture
def picture(screen):
    return screen(96, 160)


def test_sites_begin_as_the_identity(model, picture):
    found = sem_activity.moved(model, *picture)
    assert list(found) == [
        "encoder 0, H/2",
        "encoder 2, H/4",
        "encoder 5, H/8",
        "encoder 8, H/16",
        "hyper-encoder 0, H/16",
        "hyper-encoder 2, H/16",
        "hyper-encoder 4, H/32",
        "hyper-encoder 6, H/32",
        "decoder start, H/16",
        "decoder 2, H/8",
        "decoder 5, H/4",
        "decoder 7, H/2",
    ]
    assert not any(found.values())


def test_a_picture_of_many_strips_is_seen_as_a_whole(model, screen):
    """Coding goes strip by strip; a site of a larger picture is still one site, and its change that of all of the picture."""
    site = model.sem_a["0"]
    with torch.no_grad():
        site.affine.bias[: len(site.affine.bias) // 2] = 1.0  # gamma
    found = sem_activity.moved(model, *screen(640, 64))
    assert len(found) == 12 and found["encoder 0, H/2"] == pytest.approx(1.0, rel=1e-5)


def test_a_site_that_doubles_its_input_has_moved_by_as_much_as_it(model, picture):
    affine = model.sem_a["2"].affine
    with torch.no_grad():
        affine.bias[: len(affine.bias) // 2] = 1.0  # gamma
    found = sem_activity.moved(model, *picture)
    assert found["encoder 2, H/4"] == pytest.approx(1.0, rel=1e-5) and np.count_nonzero([*found.values()]) == 1
    assert "`mine`: most at encoder 2, H/4 (100.0 %), in the median over its sites 0.0 %." in sem_activity.extremes(
        {"mine": model}, *picture
    )
    assert len(sem_activity.bars({"mine": model}, *picture).axes[0].patches) == 12


def test_only_weights_that_are_here_are_shown():
    assert sem_activity.shipped(["sftip-nonsense"]) == {} and sem_activity.extremes({}, None, None) == "No weights are here."
