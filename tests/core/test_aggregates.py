"""Aggregates over tasks by hand, by scipy, and by enumerating every resample there is."""

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy import stats

from core.aggregates import (
    STATISTICS,
    aggregate,
    iqm,
    mean,
    median,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
    resampled,
    strata,
    times,
    trimmed,
)
from core.draws import draws

TASKS = [[0.1, 0.9, 0.5], [1.2, 0.3, 0.6], [0.0, 0.2, 2.0], [0.4, 0.7, 0.8]]
UNEQUAL = [[1.0, 2.0], [3.0, 4.0, 5.0, 6.0]]


def test_by_hand() -> None:
    # sorted: 0 .1 .2 | .3 .4 .5 .6 .7 .8 | .9 1.2 2: the middle six have the mean 3.3 / 6
    assert iqm(TASKS) == pytest.approx(0.55)
    # means .5, .7, 2.2/3, 1.9/3
    assert mean(TASKS) == pytest.approx((0.5 + 0.7 + 2.2 / 3 + 1.9 / 3) / 4)
    assert median(TASKS) == pytest.approx((0.7 + 1.9 / 3) / 2)
    # with what is over 1 cut to it: .5, 1.9/3, 1.2/3, 1.9/3
    assert optimality_gap(TASKS) == pytest.approx(1 - (0.5 + 1.9 / 3 + 1.2 / 3 + 1.9 / 3) / 4)


@pytest.mark.parametrize(("tasks", "seeds"), [(1, 1), (1, 3), (1, 8), (3, 5), (5, 5), (7, 3), (26, 10)])
def test_iqm_is_scipys_trimmed_mean_of_all_runs(tasks: int, seeds: int) -> None:
    scores = draws("iqm", tasks, seeds).standard_normal((tasks, seeds))
    assert iqm(list(scores)) == pytest.approx(stats.trim_mean(scores.ravel(), 0.25), rel=1e-12)


def test_tasks_weigh_the_same_whatever_their_seeds() -> None:
    # weights ½ ½ ¼ ¼ ¼ ¼, a quarter of them together is ½: 1 falls out below, 5 and 6 above; 2·½ + 3·¼ + 4·¼ over 1
    assert iqm(UNEQUAL) == pytest.approx(2.75)
    assert mean(UNEQUAL) == pytest.approx((1.5 + 4.5) / 2)
    assert median(UNEQUAL) == pytest.approx(3)
    doubled = [UNEQUAL[0] * 2, UNEQUAL[1]]  # every run of the first task twice: equal sizes, nothing else
    assert (
        iqm(doubled)
        == pytest.approx(iqm(UNEQUAL))
        == pytest.approx(stats.trim_mean(np.concatenate(doubled), 0.25))
    )


def test_trimming_counts_no_nan() -> None:
    values = np.array([[3.0, math.nan, 1.0, 2.0, 100.0], [math.nan] * 5, [1.0, 1.0, 1.0, 1.0, 2.0]])
    found = trimmed(values, np.ones(5))
    assert found[0] == pytest.approx(2.5)  # of 1 2 3 100
    assert math.isnan(found[1])
    assert found[2] == 1


@pytest.mark.parametrize("bad", [[], [[]], [[1.0], [math.nan]], [[math.inf, 1.0]]])
@pytest.mark.parametrize("statistic", [iqm, mean, median, optimality_gap])
def test_scores_that_are_none_are_refused(bad: list[list[float]], statistic: Callable[[Any], float]) -> None:
    with pytest.raises(ValueError, match=r"scores|tasks"):
        statistic(bad)


def test_an_unknown_statistic_is_refused() -> None:
    with pytest.raises(ValueError, match="iqm, mean, median, optimality gap"):
        aggregate(TASKS, "mode", draws("x"))


def every_resample(scores: list[list[float]]) -> list[list[list[float]]]:
    """All equally likely outcomes of drawing each task's seeds anew."""
    return [
        list(map(list, one)) for one in product(*(list(product(task, repeat=len(task))) for task in scores))
    ]


@pytest.mark.parametrize("statistic", STATISTICS)
def test_the_bootstrap_draws_within_tasks(statistic: str) -> None:
    scores = [[0.0, 0.7], [0.9, 0.2, 1.4]]
    exact = [STATISTICS[statistic](outcome) for outcome in every_resample(scores)]  # 4 · 27 of them
    found = aggregate(scores, statistic, draws("exact"), rounds=20_000, level=0.8)
    assert found.mean == pytest.approx(STATISTICS[statistic](scores))
    assert found.low == pytest.approx(np.quantile(exact, 0.1), abs=0.02)
    assert found.high == pytest.approx(np.quantile(exact, 0.9), abs=0.02)
    drawn = resampled(strata(scores), draws("strata"), 500)
    assert [set(np.unique(task)) for task in drawn] == [{0.0, 0.7}, {0.2, 0.9, 1.4}]


@pytest.mark.parametrize("statistic", STATISTICS)
def test_one_seed_does_not_show_its_spread(statistic: str) -> None:
    found = aggregate([[1.0, 2.0], [3.0]], statistic, draws("x"))
    assert math.isfinite(found.mean)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_what_does_not_matter(statistic: str) -> None:
    first = np.array(aggregate(TASKS, statistic, draws("a")))
    assert (np.array(aggregate(TASKS, statistic, draws("a"))) == first).all()
    assert tuple(aggregate(TASKS, statistic, draws("b"))) != tuple(first)
    turned = [task[::-1] for task in TASKS]
    assert np.array(aggregate(turned, statistic, draws("a"))) == pytest.approx(first)
    if statistic != "optimality gap":
        moved = [[3 * score - 2 for score in task] for task in TASKS]
        assert np.array(aggregate(moved, statistic, draws("a"))) == pytest.approx(3 * first - 2)


def test_intervals_narrow_with_seeds_and_contain_the_estimate() -> None:
    chance = draws("narrow")
    few, many = (aggregate(list(chance.standard_normal((4, n))), "iqm", draws("x")) for n in (5, 80))
    assert few.low < few.mean < few.high
    assert 2 < (few.high - few.low) / (many.high - many.low) < 8  # about √16


# --- profiles


def test_profile_by_hand() -> None:
    # above 1: none of 2, then 3 of 4; above 3: none and 3 of 4; a run at τ is not above it
    profile = performance_profile([[0.0, 1.0], [4.0, 5.0, 6.0, 1.0]], [-1, 1, 3, 9], draws("x"))
    assert profile.taus.tolist() == [-1, 1, 3, 9]
    assert profile.share == pytest.approx([1, 0.375, 0.375, 0])
    assert profile.low[0] == profile.high[0] == 1
    assert (profile.low <= profile.share).all()
    assert (profile.high >= profile.share).all()


def test_profile_bands_are_the_bootstraps() -> None:
    # one task: the share above τ of n resampled runs is Binomial(n, share)/n
    scores, n = np.arange(30.0), 30
    profile = performance_profile([scores], [8.5, 20.5], draws("band"), rounds=20_000)
    for k, share in enumerate((21 / 30, 9 / 30)):
        assert profile.share[k] == pytest.approx(share)
        assert profile.low[k] == pytest.approx(stats.binom.ppf(0.025, n, share) / n, abs=1e-9)
        assert profile.high[k] == pytest.approx(stats.binom.ppf(0.975, n, share) / n, abs=1e-9)
    assert np.isnan(performance_profile([[1.0]], [0.0], draws("x")).low).all()


# --- probability of improvement


def test_improvement_by_hand() -> None:
    # 1: pairs (1,0) (3,0) above, (1,2) below, (3,2) above: 3/4; 2: one tie of one: 1/2
    found = probability_of_improvement([[1, 3], [5, 5]], [[0, 2], [5, 5]], draws("x"))
    assert found.mean == pytest.approx((0.75 + 0.5) / 2)
    assert probability_of_improvement([[2, 3, 4]], [[0, 1]], draws("x")) == (1, 1, 1)
    assert math.isnan(probability_of_improvement([[2, 3]], [[0]], draws("x")).low)


def test_improvement_is_mann_and_whitneys() -> None:
    chance = draws("u")
    x, y = chance.integers(0, 9, 12), chance.integers(0, 7, 9)  # with ties
    u = stats.mannwhitneyu(x, y).statistic
    assert probability_of_improvement([x], [y], draws("x")).mean == pytest.approx(u / (12 * 9))


def test_improvement_draws_both_groups_anew() -> None:
    x, y = [[1.0, 1.5]], [[0.0, 1.2, 2.0, 3.0]]  # were y not drawn anew, all would lie in ¼ … ½

    def share(a: ArrayLike, b: ArrayLike) -> float:
        return probability_of_improvement([a], [b], draws("x"), rounds=1).mean

    exact = [share(a[0], b[0]) for a in every_resample(x) for b in every_resample(y)]
    found = probability_of_improvement(x, y, draws("x"), rounds=20_000, level=0.8)
    assert found.low == pytest.approx(np.quantile(exact, 0.1), abs=0.05)
    assert found.high == pytest.approx(np.quantile(exact, 0.9), abs=0.05)


def test_improvement_turns_with_its_groups_and_keeps_with_any_rising_map() -> None:
    x, y = TASKS, [[score + 0.2 for score in task[::-1]] for task in TASKS]
    found = probability_of_improvement(x, y, draws("a"))
    assert probability_of_improvement(y, x, draws("a")).mean == pytest.approx(1 - found.mean)
    cubed = probability_of_improvement([np.power(t, 3) for t in x], [np.power(t, 3) for t in y], draws("a"))
    assert cubed == pytest.approx(found)
    with pytest.raises(ValueError, match="the same"):
        probability_of_improvement(x, y[:2], draws("a"))


def test_times_count_the_draws() -> None:
    drawn = times(4, draws("times"), 3000)
    assert (drawn.sum(1) == 4).all()
    assert drawn.mean(0) == pytest.approx([1, 1, 1, 1], abs=0.07)  # s² = 3/4: four standard errors
    assert drawn.var(0) == pytest.approx([0.75] * 4, abs=0.1)
