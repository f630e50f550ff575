"""What can be said about the scores of several seeds on one task: intervals, tests, power and a verdict. All pure.

Scores are one number per seed. A NaN among them is refused, never dropped: the caller says what it means.
"""

import math
from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import nctdtr, ndtri, stdtr, stdtrit  # at a fraction of what importing scipy.stats takes

from core.coverage import caution
from core.draws import Draws
from core.tables import number

ENOUGH = 5  # seeds in each group below which no winner is named

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate and the ends of its confidence interval; the ends are NaN where n is too small for one."""

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """Mean of a less mean of b, the ends of its interval, and the two-sided p-value of "there is none".

    The last three are NaN where a group has fewer than two seeds.
    """

    mean: float
    low: float
    high: float
    p: float


def student_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """x̄ ± t(n−1, (1+level)/2) · s/√n for values [n], s with n−1 below (Student, 1908, Biometrika 6).

    Too narrow where the scores are skewed and few. Raises ValueError for none, and for values that are not finite.
    """
    scores = finite(values)
    mean, n = float(scores.mean()), len(scores)
    if n < 2:
        return Interval(mean, float("nan"), float("nan"))
    half = float(stdtrit(n - 1, (1 + level) / 2) * scores.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half)


def welch_interval(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Interval:
    """ā − b̄ ± t(ν, (1+level)/2) · √(u + v) for a [n], b [m] of unequal variance (Welch, 1947, Biometrika 34).

    u = s²ₐ/n, v = s²_b/m, ν = (u + v)² / (u²/(n−1) + v²/(m−1)) (Satterthwaite, 1946); one point where neither varies.
    """
    return Interval(*welch_test(a, b, level)[:3])


def welch_test(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Difference:
    """Welch's interval with his test: p = 2 F(−|t|; ν), t = (ā − b̄)/√(u + v); see `welch_interval`.

    Where neither group varies p is 1 for equal means and 0 for others. What rounding makes of equal scores is equal.
    """
    first, second = finite(a), finite(b)
    difference, of_a, of_b = _moments(first, second)
    u, v = of_a / len(first), of_b / len(second)
    if math.isnan(u):
        return Difference(difference, *[math.nan] * 3)
    if u + v == 0:
        return Difference(difference, difference, difference, float(difference == 0))
    degrees = (u + v) ** 2 / (u**2 / (len(first) - 1) + v**2 / (len(second) - 1))
    error = math.sqrt(u + v)
    half = float(stdtrit(degrees, (1 + level) / 2)) * error
    p = 2 * float(stdtr(degrees, -abs(difference) / error))
    return Difference(difference, difference - half, difference + half, p)


def seeds_to_settle(a: ArrayLike, b: ArrayLike, *, power: float = 0.8, level: float = 0.95) -> int | None:
    """How many seeds in each group would show the difference with probability `power`, were it and the spreads as seen.

    The smallest n for which Welch's test at `level` has that power: 1 − F(t; ν, δ) + F(−t; ν, δ) with F of the
    noncentral t, δ = (ā − b̄)/√((s²ₐ + s²_b)/n), ν of Welch with n each (Colas, Sigaud & Oudeyer, 2018); never under
    ENOUGH. What is seen in a few seeds is itself uncertain, so it is a guess of the right size and no promise.
    None when the means are equal, or a group of one seed does not show its spread.
    """
    difference, u, v = _moments(finite(a), finite(b))
    size = abs(difference)
    if math.isnan(u) or size == 0:
        return None
    if u + v == 0:
        return ENOUGH

    def enough(n: int) -> bool:
        degrees = (n - 1) * (u + v) ** 2 / (u**2 + v**2)
        shift, t = size / math.sqrt((u + v) / n), stdtrit(degrees, (1 + level) / 2)
        return bool(1 - nctdtr(degrees, shift, t) + nctdtr(degrees, shift, -t) >= power)

    normal = float(ndtri((1 + level) / 2) + ndtri(power)) ** 2 * (u + v) / size**2  # what many seeds tend to
    if normal > 10_000:  # where t and the normal are one
        return math.ceil(normal)
    n = max(ENOUGH, math.floor(normal) - 2)
    while not enough(n):
        n += 1
    return n


def _moments(first: Floats, second: Floats) -> tuple[float, float, float]:
    """Difference of the means and both variances, 0 where rounding alone makes them more; NaN of one score."""
    noise = _rounding(first, second)
    difference = float(first.mean() - second.mean())
    if min(len(first), len(second)) < 2:
        return difference, math.nan, math.nan
    u, v = (float(scores.var(ddof=1)) if np.ptp(scores) > noise else 0.0 for scores in (first, second))
    return difference if abs(difference) > noise else 0.0, u, v


def _rounding(first: Floats, second: Floats) -> float:
    """How far apart rounding may put scores that are equal: a mean taken in another order, say."""
    return 1e-12 * float(max(np.abs(first).max(), np.abs(second).max()))


# --- permutations


class _Splits(NamedTuple):
    """Ways to deal the scores out anew, and what each puts into the first group. Every field but `exact` is [P]."""

    own: Floats  # how many of it were in it before
    total: Floats  # Σ z
    own_total: Floats  # Σ z over those
    squares: Floats  # Σ z²
    exact: bool  # all ways there are, the one that was seen among them


def permutation_test(
    a: ArrayLike, b: ArrayLike, draws: Draws, *, rounds: int = 10_000, level: float = 0.95
) -> Difference:
    """How often scores dealt out anew to the two groups differ as much: a test that assumes no distribution.

    The statistic is Welch's t, so that the level is held exactly where the groups differ in nothing, and nearly
    where only the means agree, with enough seeds (Janssen, 1997; Chung & Romano, 2013, Annals of Statistics 41).
    All splits are taken where they are at most `rounds`; else `rounds` random ones, and
    p = (1 + as extreme)/(1 + rounds), which is never 0 (Phipson & Smyth, 2010).
    The interval is the test turned round: from the lowest to the highest shift of `a` that is not refused.
    With 3 seeds each no split is rarer than 1 in 10: the interval at 95 % is (−∞, ∞), nothing can be shown.
    Raises ValueError as `student_interval`.
    """
    first, second = np.sort(finite(a)), np.sort(finite(b))
    difference = float(first.mean() - second.mean())
    n, m = len(first), len(second)
    if min(n, m) < 2:
        return Difference(difference, *[float("nan")] * 3)
    if np.ptp(np.concatenate([first, second])) <= (noise := _rounding(first, second)):
        return Difference(0.0, 0.0, 0.0, 1.0)
    spread = float(np.sqrt((first.var() * n + second.var() * m) / (n + m)))
    spread = spread if spread > noise else abs(difference)
    z = (np.concatenate([first, second]) - second.mean()) / spread  # the unit of what follows
    splits, seen = _splits(z, n, draws, rounds), difference / spread

    def kept(away: ArrayLike) -> Floats:
        return _shares(splits, z, n, np.asarray(away, float) + seen)

    steps = np.concatenate([[0.0], np.geomspace(0.01, 1e4, 25)])  # how far shifts are looked for, in spreads
    low, high = (_end(kept, sign * steps, 1 - level) for sign in (-1, 1))
    return Difference(difference, difference + low * spread, difference + high * spread, float(kept(-seen)))


def permutation_p(
    a: ArrayLike, b: ArrayLike, draws: Draws, *, shift: float = 0.0, rounds: int = 10_000
) -> float:
    """The p-value alone, of "a stands `shift` above b": shifts where it is over 1 − level are in the interval."""
    first, second = np.sort(finite(a)), np.sort(finite(b))
    z = np.concatenate([first - shift, second])
    if np.ptp(z) <= _rounding(first, second):
        return 1.0
    z = (z - z.mean()) / (float(z.std()) or 1.0)
    return float(_shares(_splits(z, len(first), draws, rounds), z, len(first), np.zeros(())))


def _splits(z: Floats, n: int, draws: Draws, rounds: int) -> _Splits:
    """All ways to choose n of z, or `rounds` random ones where there are more."""
    exact = math.comb(len(z), n) <= rounds
    if exact:
        chosen = np.array(list(combinations(range(len(z)), n)))
        into = np.zeros((len(chosen), len(z)))
        np.put_along_axis(into, chosen, 1.0, 1)
    else:
        seen = (np.arange(len(z)) < n).astype(float)
        into = draws.permuted(np.tile(seen, (rounds, 1)), axis=1)
    own = into[:, :n]
    return _Splits(own.sum(1), into @ z, own @ z[:n], into @ z**2, exact)


def _shares(splits: _Splits, z: Floats, n: int, shift: Floats) -> Floats:
    """p of "a stands `shift` above b" for shifts [...]: the share of splits whose |t| is no smaller than the seen."""
    m, by = len(z) - n, shift[..., None]
    total, count = splits.total - by * splits.own, splits.own  # a is moved down by the shift
    squares = splits.squares - 2 * by * splits.own_total + by**2 * count
    all_total = z.sum() - by * n
    all_squares = (z**2).sum() - 2 * by * z[:n].sum() + by**2 * n
    gap = total / n - (all_total - total) / m
    u = (squares - total**2 / n).clip(0) / (n * (n - 1))
    v = (all_squares - squares - (all_total - total) ** 2 / m).clip(0) / (m * (m - 1))
    seen_gap = z[:n].mean() - z[n:].mean() - by
    seen = z[:n].var(ddof=1) / n + z[n:].var(ddof=1) / m
    rounding = 1e-13 * all_squares**2
    extreme = gap**2 * seen >= seen_gap**2 * (u + v) * (1 - 1e-9) - rounding
    found: Floats = extreme.mean(-1) if splits.exact else (1 + extreme.sum(-1)) / (1 + extreme.shape[-1])
    return found


def _end(kept: Callable[[ArrayLike], Floats], away: Floats, alpha: float) -> float:
    """The furthest shift whose p is above alpha, ±∞ when all are."""
    last = int(np.flatnonzero(kept(away) > alpha)[-1])
    if last == len(away) - 1:
        return math.copysign(math.inf, away[-1])
    inside, outside = float(away[last]), float(away[last + 1])
    for _ in range(40):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if kept(middle) > alpha else (inside, middle)
    return inside


# --- in words


def verdict(
    a: ArrayLike,
    b: ArrayLike,
    *,
    names: tuple[str, str] = ("a", "b"),
    higher_is_better: bool | None = True,
    level: float = 0.95,
    draws: Draws | None = None,
) -> str:
    """Which of two groups of scores is better, in words.

    "Better" only when the Welch interval of the difference excludes 0 and both have n ≥ 5; n is always said, and how
    many seeds would settle what is open, and where the interval is known to hold the truth too rarely.
    `higher_is_better` None: the metric has no good direction, so only "higher" is said. With `draws` the p-value of
    the permutation test stands beside Welch's, and where they disagree that is said.
    """
    mean, n = [float(finite(scores).mean()) for scores in (a, b)], [len(finite(scores)) for scores in (a, b)]
    difference = welch_test(a, b, level)
    order = [0, 1]
    if difference.mean and (difference.mean > 0) == (higher_is_better is False):
        order = [1, 0]
        difference = Difference(-difference.mean, -difference.high, -difference.low, difference.p)
    first, second = (names[i] for i in order)
    facts = ", ".join(f"{names[i]} {number(mean[i])} (n = {n[i]})" for i in order)
    ends = f"[{number(difference.low)}, {number(difference.high)}]"
    interval = f"{100 * level:g} % interval of the difference {ends}"
    if min(n) < ENOUGH:
        shown = f"; {interval}" if min(n) > 1 else ""
        return f"No winner is named with fewer than {ENOUGH} seeds each: {facts}{shown}."
    warning = f" {said}" if (said := caution("welch", min(n))) else ""
    by_chance, doubt = _by_chance(difference, permutation_p(a, b, draws) if draws else None, 1 - level)
    warning = f"{doubt}{warning}"
    if difference.low <= 0 <= difference.high:
        seeds = seeds_to_settle(a, b, level=level)
        more = (
            f" About {number(seeds)} seeds each would settle it, if it is as large as it looks."
            if seeds
            else ""
        )
        return f"No difference shown: {facts}; {interval} includes 0 ({by_chance}).{more}{warning}"
    word = "higher" if higher_is_better is None else "better"
    return f"{first} is {word} than {second}: {facts}; {interval} excludes 0 ({by_chance}).{warning}"


def _by_chance(difference: Difference, permuted: float | None, alpha: float) -> tuple[str, str]:
    """Both p-values in words, and what stands against them."""
    doubt, told = "", f"p {_p(difference.p)} by Welch"
    if difference.low == difference.high != 0:
        doubt = " No seed differs from the others of its group, so the interval has no width: that is no certainty."
    if permuted is None:
        return told, doubt
    if (permuted < alpha) != (difference.p < alpha):
        doubt += " The two tests disagree: more seeds are needed before either is believed."
    return f"{told}, {_p(permuted).removeprefix('= ')} by permutations", doubt


def _p(value: float) -> str:
    return f"= {value:.2g}" if value >= 0.001 else "< 0.001"


def finite(values: ArrayLike) -> Floats:
    """Scores [n] as floats; ValueError for none, and for any that is not finite."""
    scores = np.asarray(values, float).reshape(-1)
    if len(scores) == 0:
        raise ValueError("no scores")
    if not np.isfinite(scores).all():
        raise ValueError("scores that are not finite: decide what a failed seed means before comparing")
    return scores
