"""What can be said over several tasks at once: Agarwal et al. (2021), Deep RL at the edge of the statistical precipice.

`scores` are normalised and stand in one array [n] per task, one number per seed; the number of seeds may differ from
task to task, and every task weighs the same. Intervals are percentiles of a stratified bootstrap: in each round
every task's seeds are drawn anew from its own, with replacement. Seeds are taken for unrelated, tasks for given.
A score that is not finite is refused with ValueError, never dropped: the caller says what a failed seed means.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from core.draws import Draws
from core.statistics import Floats, Interval, finite

Statistic = Callable[[Sequence[Floats]], Floats]
"""Of scores [..., n] per task, one number [...] each."""


class Profile(NamedTuple):
    """A performance profile: for each τ the share of runs above it, and the ends of its interval at that τ."""

    taus: Floats
    share: Floats
    low: Floats
    high: Floats


def trimmed(values: Floats, weights: Floats) -> Floats:
    """The 25 % trimmed mean over the last axis, [..., N] -> [...], of values that weigh differently; NaN weigh nothing.

    From each end as many whole values are dropped as weigh at most a quarter of all together; the rest is averaged
    by weight. With equal weights that is scipy.stats.trim_mean(values, 0.25). NaN where no value is known.
    """
    weights = np.where(np.isnan(values), 0.0, weights)
    if weights.size and weights.min() == weights.max() > 0:  # the same, quicker
        cut = values.shape[-1] // 4
        middle: Floats = np.sort(values, -1)[..., cut : values.shape[-1] - cut].mean(-1)
        return middle
    order = np.argsort(values, -1)  # NaN come last
    x = np.take_along_axis(values, order, -1)
    w = np.take_along_axis(np.broadcast_to(weights, values.shape), order, -1)
    upto, whole = w.cumsum(-1), w.sum(-1, keepdims=True)
    rounding = 1e-9 * whole
    inside = (upto > whole / 4 + rounding) & (whole - upto + w > whole / 4 + rounding)
    w = np.where(inside, w, 0.0)
    with np.errstate(invalid="ignore"):
        mean: Floats = (np.where(w > 0, x, 0.0) * w).sum(-1) / w.sum(-1)
    return mean


def _iqm(tasks: Sequence[Floats]) -> Floats:
    sizes = [scores.shape[-1] for scores in tasks]
    return trimmed(np.concatenate(tasks, -1), np.repeat(1 / np.array(sizes), sizes))


def _means(tasks: Sequence[Floats]) -> Floats:
    return np.stack([scores.mean(-1) for scores in tasks], -1)


def _mean(tasks: Sequence[Floats]) -> Floats:
    mean: Floats = _means(tasks).mean(-1)
    return mean


def _median(tasks: Sequence[Floats]) -> Floats:
    median: Floats = np.median(_means(tasks), -1)
    return median


def _gap(tasks: Sequence[Floats]) -> Floats:
    return 1 - _mean([np.minimum(scores, 1.0) for scores in tasks])


def iqm(scores: Sequence[ArrayLike]) -> float:
    """The interquartile mean: the mean of the middle half of all runs of all tasks, see `trimmed`.

    Outliers move it less than the mean, and it is surer than the median. A run weighs 1/n of its task.
    """
    return float(_iqm(strata(scores)))


def mean(scores: Sequence[ArrayLike]) -> float:
    """The mean over tasks of their means over seeds."""
    return float(_mean(strata(scores)))


def median(scores: Sequence[ArrayLike]) -> float:
    """The median over tasks of their means over seeds: half the tasks could fail and it would not tell."""
    return float(_median(strata(scores)))


def optimality_gap(scores: Sequence[ArrayLike]) -> float:
    """How far runs fall short of 1 on average, 1 − mean of min(score, 1): what is above 1 makes up for nothing."""
    return float(_gap(strata(scores)))


STATISTICS: dict[str, Callable[[Sequence[ArrayLike]], float]] = {
    "iqm": iqm,
    "mean": mean,
    "median": median,
    "optimality gap": optimality_gap,
}
VECTORISED: dict[str, Statistic] = {"iqm": _iqm, "mean": _mean, "median": _median, "optimality gap": _gap}


def aggregate(
    scores: Sequence[ArrayLike], statistic: str, draws: Draws, *, rounds: int = 2_000, level: float = 0.95
) -> Interval:
    """One of STATISTICS, by name, and its interval by the stratified bootstrap.

    The ends are NaN where a task has one seed, which does not show its spread.
    """
    if statistic not in VECTORISED:
        raise ValueError(f"no statistic {statistic!r}; there are {', '.join(VECTORISED)}")
    tasks, of = strata(scores), VECTORISED[statistic]
    if min(map(len, tasks)) < 2:
        return Interval(float(of(tasks)), float("nan"), float("nan"))
    low, high = _ends(of(resampled(tasks, draws, rounds)), level)
    return Interval(float(of(tasks)), float(low), float(high))


def performance_profile(
    scores: Sequence[ArrayLike],
    taus: ArrayLike,
    draws: Draws,
    *,
    rounds: int = 2_000,
    level: float = 0.95,
) -> Profile:
    """For every τ the share of runs that score above it, the mean over tasks of their shares, with pointwise bands."""
    tasks, at = strata(scores), np.asarray(taus, float).reshape(-1)
    above = [(task[:, None] > at).astype(float) for task in tasks]  # [n, K] each
    share = np.mean([each.mean(0) for each in above], 0)
    if min(map(len, tasks)) < 2:
        return Profile(at, share, np.full_like(share, np.nan), np.full_like(share, np.nan))
    drawn = [
        times(len(task), draws, rounds) @ each / len(task) for task, each in zip(tasks, above, strict=True)
    ]
    return Profile(at, share, *_ends(np.mean(drawn, 0), level))


def probability_of_improvement(
    x: Sequence[ArrayLike],
    y: Sequence[ArrayLike],
    draws: Draws,
    *,
    rounds: int = 2_000,
    level: float = 0.95,
) -> Interval:
    """How likely a run of x scores above one of y on a task taken at random, ties counted half.

    The mean over tasks of U/(nm), Mann and Whitney's U of the task's n runs of x and m of y, over the same tasks in
    the same order. It says how often, not by how much. Both groups are drawn anew in the bootstrap.
    """
    first, second = strata(x), strata(y)
    if len(first) != len(second):
        raise ValueError(f"{len(first)} tasks of one and {len(second)} of the other: they must be the same")
    wins = [
        (a[:, None] > b) + (a[:, None] == b) / 2 for a, b in zip(first, second, strict=True)
    ]  # [n, m] each
    estimate = float(np.mean([each.mean() for each in wins]))
    if min(map(len, [*first, *second])) < 2:
        return Interval(estimate, float("nan"), float("nan"))
    drawn = [
        ((times(len(each), draws, rounds) @ each) * times(each.shape[1], draws, rounds)).sum(-1) / each.size
        for each in wins
    ]
    low, high = _ends(np.mean(drawn, 0), level)
    return Interval(estimate, float(low), float(high))


def strata(scores: Sequence[ArrayLike]) -> list[Floats]:
    """The scores of each task, sorted, so that their order says nothing; ValueError for none or not finite ones."""
    if len(scores) == 0:
        raise ValueError("no tasks")
    return [np.sort(finite(task)) for task in scores]


def resampled(tasks: Sequence[Floats], draws: Draws, rounds: int) -> list[Floats]:
    """Each task's scores [n] drawn anew from themselves: [rounds, n] each."""
    return [task[draws.integers(0, len(task), (rounds, len(task)))] for task in tasks]


def times(n: int, draws: Draws, rounds: int) -> Floats:
    """How often each of n seeds is drawn in a round of the bootstrap, [rounds, n]: rows sum to n."""
    drawn = draws.integers(0, n, (rounds, n)) + n * np.arange(rounds)[:, None]
    return np.bincount(drawn.ravel(), minlength=rounds * n).reshape(rounds, n).astype(float)


def _ends(drawn: Floats, level: float) -> Floats:
    """Percentiles over the rounds, [rounds, ...] -> [2, ...]."""
    ends: Floats = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return ends
