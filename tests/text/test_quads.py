"""Rectangles around words: their two forms, suppression, groups."""

import numpy as np
import pytest

from sccore.text import quads


def test_sides_and_quads_are_inverse():
    rng = np.random.default_rng(0)
    sides = np.column_stack([rng.uniform(0, 500, (50, 2)), rng.uniform(5, 90, (50, 2)), rng.uniform(-0.7, 0.7, 50)])
    assert np.allclose(quads.to_sides(quads.to_quads(sides)), sides, atol=1e-2)
    assert quads.to_quads(np.zeros((0, 5))).shape == (0, 4, 2) and quads.to_sides(np.zeros((0, 4, 2))).shape == (0, 5)


def test_corners_run_clockwise_and_angles_turn_clockwise():
    (quad,) = quads.to_quads(np.float32([[10, 20, 8, 4, 0]]))
    assert quad.tolist() == [[6, 18], [14, 18], [14, 22], [6, 22]]
    (quad,) = quads.to_quads(np.float32([[0, 0, 8, 4, 0.1]]))
    assert quad[1, 1] > quad[0, 1]  # the reading direction goes down


def test_boxes_become_quads():
    assert quads.upright([[1, 2, 5, 4]]).tolist() == [[[1, 2], [5, 2], [5, 4], [1, 4]]]
    assert quads.upright([]).shape == (0, 4, 2)


def row(*xs, angle=0):
    return np.float32([[x, 10, 10, 6, angle] for x in xs])


def test_of_rectangles_that_overlap_the_best_stays():
    assert quads.suppress(row(10, 11, 40), np.float32([0.5, 0.9, 0.1]), np.zeros(3, int), 0.4).tolist() == [1, 2]
    assert quads.suppress(row(10, 10, 10), np.float32([0.9, 0.9, 0.9]), np.zeros(3, int), 0.4).size == 1


@pytest.mark.parametrize("angle", [0, 0.03])
@pytest.mark.parametrize("overlap, left", [(0.3, 1), (0.5, 2)])
def test_overlap_is_intersection_over_union(overlap, left, angle):
    sides = row(10, 14, angle=angle)  # IoU about 6 / 14
    assert len(quads.suppress(sides, np.float32([0.9, 0.8]), np.zeros(2, int), overlap)) == left


def test_groups_do_not_see_each_other_and_nothing_is_nothing():
    assert len(quads.suppress(row(10, 10), np.float32([0.9, 0.8]), np.array([7, 3]), 0.4)) == 2
    assert quads.suppress(np.zeros((0, 5), np.float32), np.zeros(0), np.zeros(0, int), 0.4).shape == (0,)


def test_what_agrees_is_averaged_by_score():
    sides = row(10, 12, 14, 60, 11)
    scores, groups = np.float32([0.5, 0.9, 0.1, 0.9, 0.9]), np.array([1, 1, 1, 1, 2])
    kept = np.array([1, 3, 4])
    means = quads.average(kept, sides, scores, groups, 0.5)
    assert np.allclose(means[:, 0], [(10 * 0.5 + 12 * 0.9 + 14 * 0.1) / 1.5, 60, 11])
    assert np.allclose(means[:, 1:], sides[kept, 1:])
    assert np.allclose(quads.average(kept, sides, scores, groups, 0.99), sides[kept])


def test_quads_that_touch_are_a_group():
    groups = quads.touching(quads.to_quads(row(10, 19, 60, -40)), (30, 70))
    assert groups[0] == groups[1] != groups[2]
