"""Numbers worked by hand, scipy's own answers, and how often the intervals hold the truth."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from core.coverage import caution
from core.draws import draws
from core.statistics import (
    permutation_p,
    permutation_test,
    seeds_to_settle,
    student_interval,
    verdict,
    welch_interval,
    welch_test,
)


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
    assert verdict([500.0] * 5, [500.0] * 5).startswith("No difference shown: a 500 (n = 5), b 500 (n = 5)")


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


# --- tests of a difference


def test_welch_test_by_hand() -> None:
    # t = 2 / √(1 + 1) = √2 with ν = 2; F of t with 2 degrees is ½ + t/(2√(2 + t²)): p = 1 − √2/√4
    assert welch_test([0, 2], [-2, 0]).p == pytest.approx(1 - math.sqrt(2) / 2, rel=1e-12)
    assert welch_test([0, 2], [-2, 0])[:3] == welch_interval([0, 2], [-2, 0])


def test_welch_test_is_scipys() -> None:
    a, b = [1.0, 5.0, 2.5, 8.0], [0.5, 0.25, 0.75, 0.1, 0.2, 0.9]
    assert welch_test(a, b).p == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue, rel=1e-10)


def test_welch_test_at_the_edges() -> None:
    assert welch_test([500.0] * 5, [499.0] * 5).p == 0
    assert welch_test([500.0] * 5, [500.0] * 5).p == 1
    assert math.isnan(welch_test([500.0], [1.0, 2.0]).p)


def studentised(a: Any, b: Any, axis: int) -> Any:
    error = a.var(axis, ddof=1) / a.shape[axis] + b.var(axis, ddof=1) / b.shape[axis]
    return abs(a.mean(axis) - b.mean(axis)) / np.sqrt(error)


def scipys(a: Any, b: Any, shift: float = 0.0) -> float:
    moved = (np.asarray(a, float) - shift, np.asarray(b, float))
    found = stats.permutation_test(
        moved, studentised, n_resamples=10_000, alternative="greater", vectorized=True
    )
    return float(found.pvalue)


A, B = [3.1, 4.2, 5.0, 2.2, 6.1], [1.0, 2.1, 4.5, 3.3, 0.2]


def test_permutations_by_hand() -> None:
    # all six ways to deal 1 2 | 8 9 in pairs: only the one seen and its mirror differ as much
    assert permutation_test([1, 2], [8, 9], draws("test")).p == pytest.approx(2 / 6)


@pytest.mark.parametrize(("a", "b"), [(A, B), (A, B[:3]), ([1.0, 1.0, 2.0, 5.0], [0.0, 0.0, 1.0, 0.0])])
def test_permutations_are_scipys(a: list[float], b: list[float]) -> None:
    for shift in (0.0, 1.5, -2.0):
        found = permutation_test([x - shift for x in a], b, draws("test"))
        assert found.p == pytest.approx(scipys(a, b, shift), rel=1e-12)
        assert permutation_p(a, b, draws("test"), shift=shift) == found.p


def test_permutation_interval_is_the_test_turned_round() -> None:
    difference = permutation_test(A, B, draws("test"))
    assert difference.mean == pytest.approx(1.9)
    for end, inwards in ((difference.low, 1e-6), (difference.high, -1e-6)):
        assert scipys(A, B, end + inwards) > 0.05 >= scipys(A, B, end - inwards)


def test_with_three_seeds_no_split_is_rare_enough() -> None:
    mean, low, high, p = permutation_test([10, 11, 12], [0, 1, 2], draws("test"))
    assert (mean, low, high, p) == (10, -math.inf, math.inf, pytest.approx(2 / 20))
    assert permutation_test([10, 11, 12, 13], [0, 1, 2, 3], draws("test")).low > 0  # 2 / 70
    assert math.isnan(permutation_test([1.0], B, draws("test")).low)


def test_permutation_without_variance() -> None:
    assert permutation_test([500.0] * 5, [499.0] * 5, draws("t"))[:3] == pytest.approx((1, 1, 1), abs=1e-6)
    assert permutation_test([500.0] * 5, [499.0] * 5, draws("t")).p == pytest.approx(2 / 252)
    assert permutation_test([0.7] * 6, [0.1] * 5, draws("t"))[:3] == pytest.approx((0.6,) * 3, abs=1e-6)
    assert permutation_test([7.0] * 5, [7.0] * 6, draws("t")) == (0, 0, 0, 1)


def test_many_random_splits_agree_with_all_of_them() -> None:
    every = permutation_test(A, B, draws("test"))
    some = permutation_test(A, B, draws("test"), rounds=251)  # one fewer than there are
    assert some.p == pytest.approx(every.p, abs=0.06)  # three standard errors
    assert some.p * 252 == pytest.approx(round(some.p * 252))
    far = permutation_test(np.arange(20.0), np.arange(20.0) + 1000, draws("test"), rounds=999)
    assert far.p == 1 / 1000  # never 0


def test_permutations_of_many_normal_scores_are_welchs() -> None:
    chance = draws("many")
    a, b = chance.standard_normal(40), 2 * chance.standard_normal(30) + 0.5
    assert permutation_test(a, b, draws("test")) == pytest.approx(welch_test(a, b), abs=0.06)


@pytest.mark.parametrize("size", [5, 12])
def test_what_does_not_matter_to_a_difference(size: int) -> None:
    chance = draws("pairs", size)
    a, b = chance.standard_normal(size) + 1, chance.standard_normal(size)

    def found(x: Any, y: Any) -> Any:
        return np.array([*permutation_test(x, y, draws("t")), *welch_test(x, y)])

    first = found(a, b)
    assert found(a[::-1], np.roll(b, 2)) == pytest.approx(first, rel=1e-9)  # the order of seeds
    assert found(a + 1e4, b + 1e4) == pytest.approx(first, rel=1e-6, abs=1e-6)
    scaled = np.array([1e3] * 3 + [1]).tolist() * 2
    assert found(1e3 * a, 1e3 * b) == pytest.approx(first * scaled, rel=1e-6)
    if size == 5:  # all splits: the groups may change places
        assert found(b, a)[[0, 3]] == pytest.approx(first[[0, 3]] * [-1, 1], rel=1e-9)
        assert found(b, a)[1:3] == pytest.approx(-first[[2, 1]], abs=1e-6)


# --- power


def test_seeds_to_settle_are_those_of_the_tables() -> None:
    # s = 1 in both: Cohen's (1988) tables for two-sided 5 % and power .8 say 64 for d = .5, 26 for .8, 17 for 1
    for d, n in ((0.5, 64), (0.8, 26), (1.0, 17)):
        assert seeds_to_settle(np.array([-1, 0, 1]) + d, [-1, 0, 1]) == n
    assert seeds_to_settle([-1, 0, 1], np.array([-1, 0, 1]) + 0.5) == 64
    # d = .01: 2 (1.959964 + .841621)² / .01² = 156977.6 of the normal, one more of it where n is that large
    assert seeds_to_settle(np.array([-1, 0, 1]) + 0.01, [-1, 0, 1]) == 156_978
    assert seeds_to_settle([-1, 0, 1], np.array([-1, 0, 1]) + 0.5, power=0.9) == 86


def test_seeds_to_settle_have_the_power_they_promise() -> None:
    chance, n = draws("power"), seeds_to_settle(np.array([-1, 0, 1]) + 1, [-2, 0, 2])
    assert n is not None
    shown = [
        welch_test(chance.standard_normal(n) + 1, 2 * chance.standard_normal(n)).p < 0.05 for _ in range(2000)
    ]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.03)  # three standard errors


def test_seeds_to_settle_at_the_edges() -> None:
    assert seeds_to_settle([1, 2, 3], [1, 2, 3]) is None
    assert seeds_to_settle([1], [1, 2, 3]) is None
    assert seeds_to_settle([1, 1], [2, 2]) == 5  # fewer name no winner
    assert seeds_to_settle([100, 101], [1, 2]) == 5


def test_a_verdict_says_how_likely_chance_is() -> None:
    # Welch's t = 9 with ν = 8; of 252 splits the one seen and its mirror are as far apart
    assert "excludes 0 (p < 0.001 by Welch)." in verdict(GOOD, POOR)
    said = verdict(GOOD, POOR, draws=draws("x"))
    assert "excludes 0 (p < 0.001 by Welch, 0.0079 by permutations)." in said
    assert "disagree" not in said
    said = verdict(GOOD * 4, POOR * 4, draws=draws("x"))
    assert "excludes 0 (p < 0.001 by Welch, < 0.001 by permutations)." in said
    assert "includes 0 (p = 1 by Welch, 1 by permutations)." in verdict(POOR, POOR, draws=draws("x"))
    assert "p =" not in verdict(GOOD[:4], POOR, draws=draws("x"))


def test_a_verdict_says_where_the_two_tests_disagree() -> None:
    doubt = "The two tests disagree: more seeds are needed before either is believed."
    a, b = [4.0, 6.0, 7.0, 7.0, 7.0], [1.0, 2.0, 2.0, 4.0, 7.0]
    assert stats.ttest_ind(a, b, equal_var=False).pvalue < 0.05 < scipys(a, b)
    said = verdict(a, b, draws=draws("x"))
    assert said.startswith("a is better than b")
    assert doubt in said
    assert doubt not in verdict(a, b)
    a, b = [0.0, 1.0, 1.0, 1.0, 2.0], [2.0, 2.0, 3.0, 4.0, 8.0]
    assert stats.ttest_ind(a, b, equal_var=False).pvalue > 0.05 > scipys(a, b)
    said = verdict(a, b, draws=draws("x"))
    assert said.startswith("No difference shown")
    assert doubt in said


@pytest.mark.parametrize("score", [0.83, 0.7, 1 / 3, -123.456])
def test_what_rounding_leaves_of_equal_scores_is_no_difference(score: float) -> None:
    for n, m in ((5, 6), (5, 7), (6, 7), (10, 14), (20, 19)):
        a, b = [score] * n, [score] * m
        assert welch_test(a, b) == (0, 0, 0, 1)
        assert seeds_to_settle(a, b) is None
        assert verdict(a, b, draws=draws("x")).startswith("No difference shown")
    near = [score * (1 + 1e-15), *[score] * 4]  # a mean taken in another order
    assert welch_test(near, [score] * 5) == (0, 0, 0, 1)
    assert permutation_test(near, [score] * 5, draws("x")) == (0, 0, 0, 1)
    assert permutation_p(near, [score] * 5, draws("x")) == 1
    spread = [score - 1, score - 0.3, score, score + 0.1, score + 0.7]
    assert seeds_to_settle(spread, spread[::-1]) is None


def test_seeds_that_do_not_vary_are_said() -> None:
    alike = "No seed differs from the others of its group"
    assert alike in verdict([500.0] * 5, [498.0] * 5, draws=draws("x"))
    assert alike not in verdict([500.0] * 5, [500.0] * 5)
    assert alike not in verdict(GOOD, [1.0] * 5)


def test_an_open_verdict_says_what_would_settle_it() -> None:
    said = verdict([1.5, 0.5, 1.5, 0.5, 1.0], [0.5, -0.5, 0.5, -0.5, 0.0])  # d = 2, settled
    assert "would settle" not in said
    a = np.array([-1.0, -1, 0, 1, 1])  # s = 1
    assert "About 64 seeds each would settle it" in verdict(a + 0.5, a)
    assert "would settle" not in verdict(a, a)


def test_a_verdict_says_when_its_interval_is_known_to_fail() -> None:
    warning = caution("welch", 5)
    assert warning is not None
    assert verdict(GOOD, POOR).endswith(warning)
    assert verdict(POOR, POOR).endswith(warning)
    assert verdict(GOOD, POOR * 20).endswith(warning)  # the smaller group counts
    assert verdict(GOOD * 20, POOR).endswith(warning)
    assert "Caution" not in verdict(GOOD * 20, POOR * 20)
