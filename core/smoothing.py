"""Curves made smooth without a lag: what is drawn at a step is of the points on both sides of it. All pure."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.jsonl import Floats

FINEST = (
    100  # points on either side that a line is fitted to: where there are more, neighbours are averaged first
)


def smooth(x: ArrayLike, y: ArrayLike, width: float, points: int = 400) -> tuple[Floats, Floats]:
    """A line fitted around each point, near points counting most, read off at that point.

    x [n] rises, y [n] -> the same x (thinned evenly to `points` when there are more, both ends kept) and the
    smooth values there. Points up to `width` away on either side count, with tricube weights (Cleveland, 1979,
    JASA 74). A straight line comes back as it is, at its ends too, and a symmetric bump keeps its place. Where y
    is not finite there stays a gap, and its neighbours are fitted without it.
    """
    steps, values = np.asarray(x, float), np.asarray(y, float)
    kept = thinned(len(steps), points)
    steps_kept, out = steps[kept], np.where(np.isfinite(values[kept]), values[kept], np.nan)
    known, places = np.isfinite(values), np.isfinite(out)
    if width > 0 and known.sum() > 1 and places.any():
        span = steps[known][-1] - steps[known][0]
        near = known.sum() * min(1.0, width / span) if span > 0 else 1
        together = max(1, int(near / FINEST))
        of = _means(steps[known], together), _means(values[known], together)
        out[places] = _fitted(steps_kept[places], *of, width)
    return steps_kept, out


def thinned(n: int, points: int) -> NDArray[np.int64]:
    """At most `points` indices of n, evenly apart, the first and the last among them."""
    if n <= points:
        return np.arange(n)
    return np.unique(np.linspace(0, n - 1, points).round().astype(np.int64))


def _means(values: Floats, together: int) -> Floats:
    """The mean of each `together` neighbours; the last is of those that are left."""
    starts = np.arange(0, len(values), together)
    means: Floats = np.add.reduceat(values, starts) / np.diff([*starts, len(values)])
    return means


def _fitted(places: Floats, x: Floats, y: Floats, width: float) -> Floats:
    """The line around each place [T] through points x, y [n], at that place."""
    reach = np.maximum(width, _two_nearest(places, x))[:, None]
    first = np.searchsorted(x, places - reach[:, 0])
    last = np.searchsorted(x, places + reach[:, 0], side="right")
    index = first[:, None] + np.arange(max(1, int((last - first).max())))
    inside = index < last[:, None]
    index = np.minimum(index, len(x) - 1)
    apart = np.where(inside, x[index] - places[:, None], 0.0)
    share = np.abs(apart) / reach
    weight = np.maximum(1 - share * share * share, 0)
    weight = np.where(inside, weight * weight * weight, 0.0)
    weight /= weight.sum(1, keepdims=True)
    middle = (weight * apart).sum(1, keepdims=True)
    level = (weight * y[index]).sum(1)
    weight *= apart - middle
    spread, rise = (weight * apart).sum(1), (weight * y[index]).sum(1)
    tilted = spread > 1e-12 * reach[:, 0] ** 2  # else all weight is on one place: its mean
    fitted: Floats = level - np.where(tilted, middle[:, 0] * rise / np.where(tilted, spread, 1), 0.0)
    return fitted


def _two_nearest(places: Floats, x: Floats) -> Floats:
    """A reach for each place in which there is a point of its own, or else two of others."""
    if len(x) < 2:
        alone: Floats = np.abs(x[0] - places) * 2 + 1e-300
        return alone
    right = np.clip(np.searchsorted(x, places), 1, len(x) - 1)
    left, further = np.abs(x[right - 1] - places), np.abs(x[right] - places)
    own = np.minimum(left, further) == 0
    reach: Floats = np.where(own, 1e-300, np.maximum(left, further) * 1.5)
    return reach
