"""What tables are made of."""

import pytest

from sccore.paper.tables import anchor_among
from sccore.utils.errors import InputError


def test_the_anchor_is_one_that_is_recorded():
    assert anchor_among(["jpeg", "wacnn"], "jpeg") == "jpeg" and anchor_among(["jpeg", "wacnn"]) == anchor_among([]) == "wacnn"
    assert anchor_among(["sftip-3f2a", "webp"]) == "sftip-3f2a"
    with pytest.raises(InputError, match="no codec 'nosuch' is recorded on all images; there are: jpeg, wacnn"):
        anchor_among(["jpeg", "wacnn"], "nosuch")
