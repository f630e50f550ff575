"""What can be said about scores of several seeds: intervals, curves, thresholds and a verdict. All pure.

Scores are one number per seed. A NaN among them is refused, never dropped: the caller says what it means.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit  # Student's inverse, at a fraction of what importing scipy.stats takes

from core.tables import number

ENOUGH = 5  # seeds in each group below which no winner is named

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate and the ends of its confidence interval; the ends are NaN where n is too small for one."""

    mean: float
    low: float
    high: float


class Curves(NamedTuple):
    """Curves of several seeds at common steps; every field is [T]."""

    steps: Floats
    mean: Floats
    low: Floats  # NaN where fewer than two seeds have a value
    high: Floats
    seeds: NDArray[np.int64]  # how many have a value at that step


def student_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """x̄ ± t(n−1, (1+level)/2) · s/√n for values [n], s with n−1 below (Student, 1908, Biometrika 6).

    It covers as promised where the scores are about normal, and too rarely where they are skewed and few.
    Raises ValueError for no values or values that are not finite.
    """
    scores = _scores(values)
    mean, n = float(scores.mean()), len(scores)
    if n < 2:
        return Interval(mean, float("nan"), float("nan"))
    half = float(stdtrit(n - 1, (1 + level) / 2) * scores.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half)


def welch_interval(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Interval:
    """ā − b̄ ± t(ν, (1+level)/2) · √(u + v) for a [n], b [m] of unequal variance (Welch, 1947, Biometrika 34).

    u = s²ₐ/n, v = s²_b/m, ν = (u + v)² / (u²/(n−1) + v²/(m−1)) (Satterthwaite, 1946). Where neither varies
    the interval is one point. Raises ValueError as `student_interval`.
    """
    first, second = _scores(a), _scores(b)
    difference = float(first.mean() - second.mean())
    if min(len(first), len(second)) < 2:
        return Interval(difference, float("nan"), float("nan"))
    u, v = (float(scores.var(ddof=1)) / len(scores) for scores in (first, second))
    if u + v == 0:
        return Interval(difference, difference, difference)
    degrees = (u + v) ** 2 / (u**2 / (len(first) - 1) + v**2 / (len(second) - 1))
    half = float(stdtrit(degrees, (1 + level) / 2) * np.sqrt(u + v))
    return Interval(difference, difference - half, difference + half)


def area_under_curve(steps: ArrayLike, values: ArrayLike) -> float:
    """∫ value d step / (last step − first step), by trapezoids: the mean height of the curve.

    steps [n] never fall, values [n]; one point is its own mean. A NaN value makes the area NaN.
    Raises ValueError for no points or steps that fall.
    """
    x, y = _curve(steps, values)
    if len(x) == 0:
        raise ValueError("a curve without points has no area")
    if x[-1] == x[0]:
        return float(y.mean())
    return float(np.sum((y[1:] + y[:-1]) / 2 * np.diff(x)) / (x[-1] - x[0]))


def steps_to_threshold(
    steps: ArrayLike, values: ArrayLike, threshold: float, *, higher_is_better: bool = True
) -> float:
    """The first step whose value is at least `threshold` (at most, when lower is better); ∞ when none is.

    ∞ keeps unfinished seeds in a median, where leaving them out would flatter the algorithm.
    """
    x, y = _curve(steps, values)
    reached = y >= threshold if higher_is_better else y <= threshold
    return float(x[np.argmax(reached)]) if reached.any() else float("inf")


def align(curves: Sequence[tuple[ArrayLike, ArrayLike]], *, level: float = 0.95, points: int = 400) -> Curves:
    """Mean and Student interval over seeds at common steps, from one (steps, values) per seed.

    A seed's value at a step is its last at or before that step. Before its first and after its last point
    it has none: nothing is extrapolated; `seeds` says how many each mean is of. The common steps are all that
    occur, thinned evenly to `points` when there are more, the first and the last kept.
    """
    pairs = [_curve(steps, values) for steps, values in curves]
    pairs = [(x, y) for x, y in pairs if len(x)]
    if not pairs:
        none = np.empty(0)
        return Curves(none, none, none, none, np.empty(0, np.int64))
    grid = np.unique(np.concatenate([x for x, _ in pairs]))
    if len(grid) > points:
        grid = grid[np.unique(np.linspace(0, len(grid) - 1, points).round().astype(int))]
    held = np.stack([_hold(x, y, grid) for x, y in pairs])  # [S, T]
    return Curves(grid, *_across(held, level))


def verdict(
    a: ArrayLike,
    b: ArrayLike,
    *,
    names: tuple[str, str] = ("a", "b"),
    higher_is_better: bool | None = True,
    level: float = 0.95,
) -> str:
    """Which of two groups of scores is better, in words.

    "Better" only when the Welch interval of the difference excludes 0 and both have n ≥ 5; n is always said.
    `higher_is_better` None: the metric has no good direction, so only "higher" is said.
    """
    mean = [float(_scores(scores).mean()) for scores in (a, b)]
    n = [len(_scores(scores)) for scores in (a, b)]
    difference = welch_interval(a, b, level)
    order = [0, 1]
    if (difference.mean > 0) == (higher_is_better is False):
        order = [1, 0]
        difference = Interval(-difference.mean, -difference.high, -difference.low)
    first, second = (names[i] for i in order)
    facts = ", ".join(f"{names[i]} {number(mean[i])} (n = {n[i]})" for i in order)
    interval = (
        f"{100 * level:g} % interval of the difference [{number(difference.low)}, {number(difference.high)}]"
    )
    if min(n) < ENOUGH:
        shown = f"; {interval}" if min(n) > 1 else ""
        return f"No winner is named with fewer than {ENOUGH} seeds each: {facts}{shown}."
    if difference.low <= 0 <= difference.high:
        return f"No difference shown: {facts}; {interval} includes 0."
    word = "higher" if higher_is_better is None else "better"
    return f"{first} is {word} than {second}: {facts}; {interval} excludes 0."


def _scores(values: ArrayLike) -> Floats:
    scores = np.asarray(values, float).reshape(-1)
    if len(scores) == 0:
        raise ValueError("no scores")
    if not np.isfinite(scores).all():
        raise ValueError("scores that are not finite: decide what a failed seed means before comparing")
    return scores


def _curve(steps: ArrayLike, values: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(steps, float), np.asarray(values, float)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"steps {x.shape} and values {y.shape} are not one curve")
    if (np.diff(x) < 0).any():
        raise ValueError("the steps of a curve cannot fall")
    return x, y


def _hold(x: Floats, y: Floats, grid: Floats) -> Floats:
    """y at the last x at or before each grid point; NaN outside [first x, last x]."""
    last = np.searchsorted(x, grid, side="right") - 1
    return np.where((last >= 0) & (grid <= x[-1]), y[np.maximum(last, 0)], np.nan)


def _across(held: Floats, level: float) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """Mean, low, high and count over the seeds [S, T] that have a finite value at each step."""
    known = np.isfinite(held)
    count = known.sum(0)
    filled = np.where(known, held, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(0) / np.where(count > 0, count, np.nan)
        squares = np.where(known, (held - mean) ** 2, 0.0).sum(0)
        deviation = np.sqrt(squares / np.where(count > 1, count - 1, np.nan))
        half = stdtrit(np.maximum(count - 1, 1), (1 + level) / 2) * deviation / np.sqrt(count)
    return mean, mean - half, mean + half, count
