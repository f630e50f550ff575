"""Curves of several seeds: means and IQMs at common steps, areas, thresholds. All pure.

Nothing is extrapolated: before its first and after its last point a seed has no value, and neither where its value
is NaN; at every step it is counted how many have one.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, stdtrit

from core.aggregates import trimmed
from core.draws import Draws
from core.statistics import Floats

Pairs = Sequence[tuple[ArrayLike, ArrayLike]]
"""(steps, values) of each seed."""


class Curves(NamedTuple):
    """Curves of several seeds at common steps; every field is [T]."""

    steps: Floats
    mean: Floats  # or IQM, as was asked
    low: Floats  # NaN where fewer than two seeds have a value
    high: Floats
    seeds: NDArray[np.int64]  # how many have a value at that step


class Crossing(NamedTuple):
    """The median over runs of what it took to a threshold, ∞ for a run that never got there."""

    median: float
    low: float  # NaN where n is too small for an interval
    high: float
    reached: int
    n: int


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

    ∞ keeps unfinished seeds in a median, where leaving them out would flatter the algorithm. `steps` may be anything
    that never falls: see `seconds_to_threshold`.
    """
    x, y = _curve(steps, values)
    reached = y >= threshold if higher_is_better else y <= threshold
    return float(x[np.argmax(reached)]) if reached.any() else float("inf")


def seconds_to_threshold(
    steps: ArrayLike,
    values: ArrayLike,
    threshold: float,
    clock: tuple[ArrayLike, ArrayLike],
    *,
    higher_is_better: bool = True,
) -> float:
    """The seconds it took: the first reading of `clock` (steps, seconds) at or after the first step at the threshold.

    ∞ when it was never reached; NaN when the clock stopped before it was.
    """
    step = steps_to_threshold(steps, values, threshold, higher_is_better=higher_is_better)
    at, seconds = _curve(*clock)
    if np.isinf(step):
        return step
    index = int(np.searchsorted(at, step))
    return float(seconds[index]) if index < len(at) else float("nan")


def crossing(taken: ArrayLike, level: float = 0.95) -> Crossing:
    """The median of what each run took, ∞ for those that never got there, and how many did.

    The interval is between two order statistics, x₍ₖ₎ and x₍ₙ₊₁₋ₖ₎ with the largest k whose coverage
    1 − 2·P(Binomial(n, ½) < k) is at least `level`: it holds for any distribution, ∞ included (Conover, 1999, 3.2).
    At 95 % it takes six runs; with fewer the ends are NaN. Raises ValueError for none, or a NaN.
    """
    times = np.sort(np.asarray(taken, float).reshape(-1))
    n = len(times)
    if n == 0 or np.isnan(times).any():
        raise ValueError("no runs, or some whose time to the threshold is not known")
    known = [k for k in range(1, n // 2 + 1) if 1 - 2 * float(bdtr(k - 1, n, 0.5)) >= level]
    low, high = (float(times[known[-1] - 1]), float(times[n - known[-1]])) if known else (float("nan"),) * 2
    return Crossing(float(np.median(times)), low, high, int(np.isfinite(times).sum()), n)


def align(
    curves: Pairs,
    *,
    level: float = 0.95,
    points: int = 400,
    statistic: Literal["mean", "iqm"] = "mean",
    draws: Draws | None = None,
    rounds: int = 1_000,
) -> Curves:
    """Mean with its Student interval over seeds at common steps, or IQM with a bootstrap over the seeds.

    A seed's value at a step is its last at or before that step. Before its first and after its last point
    it has none: nothing is extrapolated; `seeds` says how many each mean is of. The common steps are all that
    occur, thinned evenly to `points` when there are more, the first and the last kept.
    The bootstrap draws whole seeds with `draws`, which IQM needs (ValueError); its bands are pointwise.
    """
    if statistic == "iqm" and draws is None:
        raise ValueError("the bands of an IQM are drawn: say draws")
    pairs = [pair for pair in (_curve(*curve) for curve in curves) if len(pair[0])]
    grid = _grid(pairs, points)
    held = np.stack([_hold(x, y, grid) for x, y in pairs]) if pairs else np.empty((0, 0))  # [S, T]
    if statistic == "mean" or draws is None or not pairs:
        return Curves(grid, *_across(held, level))
    return Curves(grid, *_bootstrapped([held], draws, rounds, level))


def sample_efficiency(
    curves_per_task: Sequence[Pairs],
    draws: Draws,
    *,
    points: int = 200,
    rounds: int = 1_000,
    level: float = 0.95,
) -> Curves:
    """IQM over tasks and seeds of normalised scores against steps, with a stratified bootstrap (Agarwal et al., 2021).

    Only the steps at which every task has a value: where one has none, the others would speak for something else.
    So the curve ends with the shortest task. Every task weighs the same at every step; `seeds` counts the runs of
    all tasks that have a value. Bands are NaN where a task has fewer than two. Empty when the tasks never overlap.
    """
    tasks = [
        [pair for pair in (_curve(*curve) for curve in curves) if len(pair[0])] for curves in curves_per_task
    ]
    if not tasks or not all(tasks):
        return _nothing()
    grid = np.unique(np.concatenate([x for pairs in tasks for x, _ in pairs]))
    held = [np.stack([_hold(x, y, grid) for x, y in pairs]) for pairs in tasks]  # [S, T] each
    common = np.flatnonzero(np.all([np.isfinite(each).any(0) for each in held], 0))
    if len(common) == 0:
        return _nothing()
    common = common[_thinned(len(common), points)]
    return Curves(grid[common], *_bootstrapped([each[:, common] for each in held], draws, rounds, level))


# --- the pieces


def _nothing() -> Curves:
    none = np.empty(0)
    return Curves(none, none, none, none, np.empty(0, np.int64))


def _curve(steps: ArrayLike, values: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(steps, float), np.asarray(values, float)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"steps {x.shape} and values {y.shape} are not one curve")
    if (np.diff(x) < 0).any():
        raise ValueError("the steps of a curve cannot fall")
    return x, y


def _thinned(count: int, points: int) -> NDArray[np.int64]:
    """At most `points` of the indices 0 … count − 1, evenly, the first and the last kept."""
    if count <= points:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, points).round().astype(np.int64))


def _grid(pairs: Sequence[tuple[Floats, Floats]], points: int) -> Floats:
    """All steps that occur, thinned."""
    every = np.unique(np.concatenate([x for x, _ in pairs])) if pairs else np.empty(0)
    return every[_thinned(len(every), points)]


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


def _bootstrapped(
    tasks: Sequence[Floats], draws: Draws, rounds: int, level: float
) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """IQM, low, high and count at each step, of tasks [S, T] whose whole seeds are drawn anew within their task."""
    tasks = [np.where(np.isfinite(task), task, np.nan) for task in tasks]
    chosen = [draws.integers(0, len(task), (rounds, len(task))) for task in tasks]
    counts = np.stack([np.isfinite(task).sum(0) for task in tasks])  # [tasks, T]
    seen, low, high = (np.full(counts.shape[1], np.nan) for _ in range(3))
    for step in range(counts.shape[1]):  # one at a time: all at once would not fit in memory
        at = [task[:, step] for task in tasks]
        seen[step] = _weighed(at)
        if counts[:, step].min() > 1:
            drawn = _weighed([scores[rows] for scores, rows in zip(at, chosen, strict=True)])
            low[step], high[step] = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return seen, low, high, counts.sum(0)


def _weighed(at: Sequence[Floats]) -> Floats:
    """IQM of scores [..., n] per task, NaN where a seed has none: a score weighs 1 / the known ones of its task."""
    weights = [np.broadcast_to(1 / np.maximum(np.isfinite(x).sum(-1, keepdims=True), 1), x.shape) for x in at]
    return trimmed(np.concatenate(at, -1), np.concatenate(weights, -1))
