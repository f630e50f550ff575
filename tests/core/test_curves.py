"""Curves worked by hand: what is held, what is counted, and that nothing is extrapolated."""

import math

import numpy as np
import pytest
from scipy import stats

from core.aggregates import aggregate
from core.curves import (
    align,
    area_under_curve,
    crossing,
    sample_efficiency,
    seconds_to_threshold,
    steps_to_threshold,
)
from core.draws import draws
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


def test_curves_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="not one curve"):
        align([([0, 1], [1.0])])
    with pytest.raises(ValueError, match="cannot fall"):
        align([([1, 0], [1.0, 2.0])])
    with pytest.raises(ValueError, match="say draws"):
        align([([0, 1], [1.0, 2.0])], statistic="iqm")


# --- to a threshold


def test_seconds_to_a_threshold() -> None:
    steps, values, clock = [0, 10, 20, 30], [1.0, 5.0, 3.0, 9.0], ([0, 8, 15, 25], [0.5, 1.0, 2.0, 4.0])
    assert seconds_to_threshold(steps, values, 5.0, clock) == 2.0  # step 10, first read at 15
    assert seconds_to_threshold(steps, values, 1.0, clock) == 0.5
    assert seconds_to_threshold(steps, values, 10.0, clock) == math.inf
    assert math.isnan(seconds_to_threshold(steps, values, 9.0, clock))  # the clock stopped before step 30
    falling = [9.0, 5.0, 3.0, 2.0]
    assert seconds_to_threshold(steps, falling, 3.0, clock, higher_is_better=False) == 4.0


def test_crossing_counts_runs_that_never_got_there() -> None:
    found = crossing([30, math.inf, 10, 20, math.inf])
    assert (found.median, found.reached, found.n) == (30, 3, 5)
    assert math.isnan(found.low)  # 1 − 2/2⁵ = 94 % for the whole range of five
    assert crossing([10.0, math.inf]).median == math.inf
    assert crossing([math.inf]) == pytest.approx((math.inf, math.nan, math.nan, 0, 1), nan_ok=True)
    # six: 1 − 2/2⁶ = 97 % between the first and the last
    assert crossing([1, 2, 3, 4, 5, math.inf]) == (3.5, 1, math.inf, 5, 6)
    # nine: P(Binomial(9, ½) < 2) = 10/512, between the second and the eighth 96 %
    assert crossing([9, 8, 7, 6, 5, 4, 3, 2, 1]) == (5, 2, 8, 9, 9)
    for bad in ([], [1.0, math.nan]):
        with pytest.raises(ValueError, match="no runs"):
            crossing(bad)


def test_the_interval_of_a_crossing_holds_the_median() -> None:
    chance = draws("crossing")
    times = np.where(chance.random((2000, 15)) < 0.3, math.inf, -np.log1p(-chance.random((2000, 15))))
    truth = -math.log(1 - 0.5 / 0.7)  # where 70 % of an exponential reach one half
    held = [low <= truth <= high for _, low, high, _, _ in map(crossing, times)]
    assert np.mean(held) == pytest.approx(
        stats.binom.cdf(11, 15, 0.5) - stats.binom.cdf(3, 15, 0.5), abs=0.015
    )


# --- IQM


SEEDS = [([0, 10, 20], [float(k), 2.0 * k, 3.0 * k]) for k in range(8)]


def test_iqm_curves_by_hand() -> None:
    curves = align(SEEDS, statistic="iqm", draws=draws("x"))
    # of 0 … 7 the middle four are 2 3 4 5
    assert curves.mean == pytest.approx([3.5, 7.0, 10.5])
    assert curves.seeds.tolist() == [8, 8, 8]
    assert (curves.low < curves.mean).all()
    assert (curves.mean < curves.high).all()
    # whole seeds are drawn: these curves are multiples of one, so their bands are
    assert curves.low / curves.mean == pytest.approx([curves.low[0] / 3.5] * 3)
    again = align(SEEDS, statistic="iqm", draws=draws("x"))
    assert all(np.array_equal(a, b) for a, b in zip(curves, again, strict=True))


def test_iqm_bands_are_the_aggregates() -> None:
    curves = align(SEEDS, statistic="iqm", draws=draws("x"), rounds=20_000)
    interval = aggregate([np.arange(8.0)], "iqm", draws("y"), rounds=20_000)
    assert (curves.mean[0], curves.low[0], curves.high[0]) == pytest.approx(interval, abs=0.1)


def test_iqm_curves_count_what_is_there() -> None:
    nan = math.nan
    curves = align(
        [([0, 1, 2], [1.0, nan, 5.0]), ([0, 1], [3.0, 4.0]), ([1], [8.0])], statistic="iqm", draws=draws("x")
    )
    assert curves.seeds.tolist() == [2, 2, 1]
    assert curves.mean.tolist() == [2.0, 6.0, 5.0]
    assert np.isfinite(curves.low).tolist() == [True, True, False]
    assert (curves.low[0], curves.high[0]) == (1.0, 3.0)
    assert len(align([], statistic="iqm", draws=draws("x")).steps) == 0


# --- several tasks


def test_sample_efficiency_by_hand() -> None:
    one = [([0, 10, 20, 30], [0.0, 1.0, 1.0, 1.0]), ([0, 10, 20, 30], [0.0, 0.2, 0.4, 0.6])]
    two = [([5, 20], [0.5, 0.9]), ([10, 20], [0.1, 0.3])]
    curves = sample_efficiency([one, two], draws("x"))
    # before 5 the second task has no value, after 20 neither: nothing is said there
    assert curves.steps.tolist() == [5, 10, 20]
    assert curves.seeds.tolist() == [3, 4, 4]
    # at 10: .1 | .2 .5 | 1; at 20: .3 | .4 .9 | 1; at 5 weights ½ ½ 1 of 0 0 .5: a zero falls out (a quarter is ½),
    # .5 cannot as it weighs more, so ½·0 + 1·.5 over 1½
    assert curves.mean == pytest.approx([1 / 3, 0.35, 0.65])
    assert np.isfinite(curves.low).tolist() == [False, True, True]  # one seed of the second task at 5


def test_sample_efficiency_ends_with_the_shortest_task_and_needs_them_all() -> None:
    long = [(np.arange(0, 1000.0, 10), np.arange(100) / 100)] * 3
    short = [(np.arange(0, 300.0, 10), np.arange(30) / 30)] * 3
    curves = sample_efficiency([long, short], draws("x"), points=7)
    assert len(curves.steps) == 7
    assert (curves.steps[0], curves.steps[-1]) == (0, 290)
    assert len(sample_efficiency([long, []], draws("x")).steps) == 0
    assert len(sample_efficiency([], draws("x")).steps) == 0
    apart = [(np.arange(2000, 2010.0), np.arange(10.0))] * 3
    assert len(sample_efficiency([long, apart], draws("x")).steps) == 0


def test_the_order_of_seeds_does_not_matter_to_a_curve() -> None:
    chance = draws("order")
    seeds = [(np.arange(5.0), chance.standard_normal(5)) for _ in range(6)]
    assert np.array(align(seeds[::-1])) == pytest.approx(np.array(align(seeds)))
    straight, turned = (
        align(s, statistic="iqm", draws=draws("x"), rounds=9_000) for s in (seeds, seeds[::-1])
    )
    assert turned.mean == pytest.approx(straight.mean)
    assert turned.low == pytest.approx(straight.low, abs=0.1)  # other seeds are drawn
