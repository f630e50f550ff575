"""Numbers worked by hand, scipy's own answers, and how often the intervals hold the truth."""

import math

import numpy as np
import pytest
from scipy import stats

from core.statistics import student_interval, verdict, welch_interval


def test_student_by_hand() -> None:
    # mean 3, s² = (4+1+0+1+4)/4 = 2.5, s/√5 = √0.5 = 0.70711, t(4, .975) = 2.77645: half = 1.96324
    assert student_interval([1, 2, 3, 4, 5]) == pytest.approx((3, 3 - 1.963243, 3 + 1.963243), abs=1e-6)


def test_student_is_scipys() -> None:
    scores = np.array([489.2, 500.0, 431.7])
    low, high = stats.t.interval(0.9, 2, scores.mean(), stats.sem(scores))
    assert student_interval(scores, 0.9) == pytest.approx((scores.mean(), low, high), rel=1e-12)


def test_one_seed_has_a_mean_and_no_interval() -> None:
    mean, low, high = student_interval([7.0])
    assert (mean, math.isnan(low), math.isnan(high)) == (7.0, True, True)


@pytest.mark.parametrize("scores", [[], [1.0, float("nan")], [1.0, float("inf")]])
def test_scores_that_are_none_are_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="scores"):
        student_interval(scores)
    with pytest.raises(ValueError, match="scores"):
        welch_interval([1.0, 2.0], scores)


def test_welch_by_hand() -> None:
    # means 1 and 6, s² 2 and 2, n 2: u = v = 1, ν = 2²/(1 + 1) = 2, t(2, .975) = 4.30265, √2 = 1.41421
    assert welch_interval([0, 2], [5, 7]) == pytest.approx((-5, -5 - 6.084871, -5 + 6.084871), abs=1e-5)
    # b: s² 8 now: u = 1, v = 4, ν = 25/(1 + 16) = 25/17; unequal variances give fewer degrees of freedom
    half = stats.t.ppf(0.975, 25 / 17) * math.sqrt(5)
    assert welch_interval([0, 2], [4, 8]) == pytest.approx((-5, -5 - half, -5 + half), rel=1e-9)


def test_welch_is_scipys() -> None:
    a, b = [1.0, 5.0, 2.5, 8.0], [0.5, 0.25, 0.75, 0.1, 0.2, 0.9]
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert welch_interval(a, b)[1:] == pytest.approx((interval.low, interval.high), rel=1e-10)


def test_welch_without_variance_is_a_point() -> None:
    assert welch_interval([500.0] * 5, [499.0] * 5) == (1.0, 1.0, 1.0)


GOOD, POOR = [10.0, 11.0, 12.0, 13.0, 14.0], [1.0, 2.0, 3.0, 4.0, 5.0]


def test_verdict_names_a_winner_only_when_it_may() -> None:
    said = verdict(GOOD, POOR, names=("ppo", "dqn"))
    assert said.startswith("ppo is better than dqn: ppo 12 (n = 5), dqn 3 (n = 5)")
    assert verdict(POOR, GOOD, names=("dqn", "ppo")) == said
    assert verdict(GOOD, POOR, names=("ppo", "dqn"), higher_is_better=False).startswith(
        "dqn is better than ppo"
    )
    assert "is higher than" in verdict(GOOD, POOR, higher_is_better=None)


def test_verdict_with_few_seeds_names_no_winner() -> None:
    said = verdict([100.0] * 4, POOR, names=("ppo", "dqn"))
    assert said.startswith("No winner is named with fewer than 5 seeds")
    assert "n = 4" in said
    assert "n = 5" in said
    assert "better" not in said
    assert "interval" not in verdict([1.0], POOR)


def test_verdict_without_a_difference() -> None:
    assert verdict(POOR, [1.5, 2.5, 2.0, 4.0, 5.0]).startswith("No difference shown")
    assert verdict([500.0] * 5, [500.0] * 5).startswith("No difference shown")


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.Generator(np.random.PCG64(7))
    trials = 4000
    scores = random.normal(3.0, 2.0, (trials, 5))
    held = [low <= 3.0 <= high for _, low, high in map(student_interval, scores)]
    others = random.normal(1.0, 0.5, (trials, 8))
    differ = [low <= 2.0 <= high for _, low, high in map(welch_interval, scores, others)]
    # the standard error of a share near .95 in 4000 trials is .0034
    assert np.mean(held) == pytest.approx(0.95, abs=0.012)
    assert np.mean(differ) == pytest.approx(0.95, abs=0.017)
