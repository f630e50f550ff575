"""Curves worked by hand: what is held, what is counted, and that nothing is extrapolated."""

import math

import numpy as np
import pytest

from core.curves import align, area_under_curve, steps_to_threshold
from core.statistics import student_interval


def test_area_by_hand() -> None:
    # trapezoids 10·(0+2)/2 = 10 and 30·(2+4)/2 = 90 over a span of 40
    assert area_under_curve([10, 20, 50], [0, 2, 4]) == pytest.approx(2.5)
    assert area_under_curve([10], [3]) == 3
    assert math.isnan(area_under_curve([0, 1, 2], [1, float("nan"), 1]))
    with pytest.raises(ValueError, match="cannot fall"):
        area_under_curve([0, 2, 1], [1, 1, 1])


def test_threshold() -> None:
    steps, values = [0, 10, 20, 30], [1.0, 5.0, 3.0, 9.0]
    assert (
        steps_to_threshold(steps, values, 5.0) == 10
    )  # equal counts, and falling back later does not undo it
    assert steps_to_threshold(steps, values, 9.5) == math.inf
    assert steps_to_threshold(steps, values, 0.5, higher_is_better=False) == math.inf
    assert steps_to_threshold(steps, [9.0, 5.0, 3.0, 2.0], 3.0, higher_is_better=False) == 20
    assert steps_to_threshold([0, 1], [float("nan"), 2.0], 1.0) == 1


def test_align_holds_values_and_never_extrapolates() -> None:
    curves = align([([0, 10, 20], [0.0, 2.0, 4.0]), ([5, 20, 30], [10.0, 20.0, 30.0])])
    assert curves.steps.tolist() == [0, 5, 10, 20, 30]
    assert curves.seeds.tolist() == [1, 2, 2, 2, 1]
    # at 5 the first still holds 0; at 10 the second still holds 10; at 30 the first has ended
    assert curves.mean.tolist() == [0.0, 5.0, 6.0, 12.0, 30.0]
    assert np.isnan(curves.low[[0, 4]]).all()
    assert (curves.low[3], curves.high[3]) == pytest.approx(student_interval([4.0, 20.0])[1:])


def test_align_counts_a_nan_as_no_value() -> None:
    curves = align([([0, 1], [1.0, float("nan")]), ([0, 1], [3.0, 5.0])])
    assert curves.mean.tolist() == [2.0, 5.0]
    assert curves.seeds.tolist() == [2, 1]


def test_align_thins_but_keeps_the_ends() -> None:
    steps = np.arange(10_000.0)
    curves = align([(steps, steps)], points=100)
    assert len(curves.steps) == 100
    assert (curves.steps[0], curves.steps[-1]) == (0, 9999)
    assert (curves.mean == curves.steps).all()
    assert len(align([]).steps) == 0
