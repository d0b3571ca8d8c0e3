"""Tables of speed: of the shipped records, and without any."""

import re

from sccore.paper import speed
from sccore.utils import paths


def test_each_record_is_a_table():
    for kind, made in (("gpu", speed.gpu()), ("training", speed.training()), ("split", speed.coding())):
        found = speed.records(kind)
        assert found and made.count(":::{table}") == len(found) == len(set(re.findall(r":name: (\S+)", made)))
        assert all(record["machine"] in made for record in found)
    assert "allocator" in speed.allocators() and "days for one stage" in speed.allocators()


def test_what_is_not_recorded_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    assert {speed.gpu(), speed.training(), speed.allocators(), speed.coding()} == {speed.NONE}
