"""`lab bench coverage`: how often the lab's intervals hold the truth, for scores whose truth is known.

Each cell draws the scores of one experiment, asks the lab's own function for its 95 % interval, looks whether
the truth is in it, and repeats. What it finds is what core/coverage.py warns with.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core import config as settings_file
from core.aggregates import STATISTICS, VECTORISED, aggregate, probability_of_improvement, strata
from core.coverage import KINDS, LEAST
from core.draws import Draws, Size, draws
from core.errors import UserError
from core.statistics import Floats, permutation_p, student_interval, welch_interval
from core.tables import between, markdown, write_between

SIZES = (3, 5, 10, 20)  # seeds, in each group and on each task
LEVEL = 0.95
BOOTSTRAP = 1_000  # rounds of the bootstraps and splits of the permutations inside
LEVELS = (-0.5, -0.25, 0.0, 0.25, 0.5)  # what is added on each of five tasks
MANY = 400_000  # seeds per task that stand for all there are

Shares = Mapping[str, Mapping[str, Mapping[str, float]]]
"""interval -> kind of scores -> n -> share of the experiments whose interval held the truth."""


class Kind(NamedTuple):
    """How the scores of seeds fall."""

    draw: Callable[[Draws, Size], Floats]
    mean: float
    spread: float  # standard deviation


def _failing(chance: Draws, size: Size) -> Floats:
    return np.where(chance.random(size) < 0.2, 0.0, 1.0) + 0.1 * chance.standard_normal(size)


SCORES: dict[str, Kind] = {
    "normal": Kind(lambda chance, size: chance.standard_normal(size), 0.0, 1.0),
    "skewed": Kind(lambda chance, size: -np.log1p(-chance.random(size)), 1.0, 1.0),  # exponential, skewness 2
    "failing": Kind(_failing, 0.8, math.sqrt(0.2 * 0.8 + 0.1**2)),
}


# --- one experiment each: is the truth in the interval?


def _student(kind: str, n: int, chance: Draws) -> bool:
    low, high = student_interval(SCORES[kind].draw(chance, n), LEVEL)[1:]
    return low <= SCORES[kind].mean <= high


def _bootstrap(kind: str, n: int, chance: Draws) -> bool:
    """The percentile bootstrap of one task's mean: what `aggregate` does where there is one task."""
    low, high = aggregate([SCORES[kind].draw(chance, n)], "mean", chance, rounds=BOOTSTRAP, level=LEVEL)[1:]
    return low <= SCORES[kind].mean <= high


def _pair(kind: str, n: int, chance: Draws) -> tuple[Floats, Floats, float]:
    """A group of this kind, one of normal scores that hardly vary, and the true difference of their means.

    A steady rival is the hard case: of two groups of one kind what makes both lean the same way falls out.
    """
    scores = SCORES[kind]
    rivals = scores.spread / 10 * chance.standard_normal(n)
    return scores.draw(chance, n), rivals, scores.mean


def _welch(kind: str, n: int, chance: Draws) -> bool:
    a, b, truth = _pair(kind, n, chance)
    low, high = welch_interval(a, b, LEVEL)[1:]
    return low <= truth <= high


def _permutation(kind: str, n: int, chance: Draws) -> bool:
    a, b, truth = _pair(kind, n, chance)
    return permutation_p(a, b, chance, shift=truth, rounds=BOOTSTRAP) > 1 - LEVEL


def _tasks(kind: str, n: int, chance: Draws, above: float = 0.0) -> list[Floats]:
    return [SCORES[kind].draw(chance, n) + level + above for level in LEVELS]


@cache
def _all_there_are(kind: str) -> list[Floats]:
    return strata(_tasks(kind, MANY, draws("coverage", "truth", kind)))


@cache
def _truth(statistic: str, kind: str) -> float:
    return float(VECTORISED[statistic](_all_there_are(kind)))


@cache
def _true_improvement(kind: str) -> float:
    """Of scores one spread above others of the same kind, P(above) + P(equal)/2."""
    y = np.sort(SCORES[kind].draw(draws("coverage", "rivals", kind), MANY))
    x = SCORES[kind].draw(draws("coverage", "better", kind), MANY) + SCORES[kind].spread
    return float((np.searchsorted(y, x, "left") + np.searchsorted(y, x, "right")).mean() / (2 * MANY))


def _aggregated(statistic: str) -> Callable[[str, int, Draws], bool]:
    def held(kind: str, n: int, chance: Draws) -> bool:
        scores = _tasks(kind, n, chance)
        low, high = aggregate(scores, statistic, chance, rounds=BOOTSTRAP, level=LEVEL)[1:]
        return low <= _truth(statistic, kind) <= high

    return held


def _improvement(kind: str, n: int, chance: Draws) -> bool:
    x, y = _tasks(kind, n, chance, above=SCORES[kind].spread), _tasks(kind, n, chance)
    low, high = probability_of_improvement(x, y, chance, rounds=BOOTSTRAP, level=LEVEL)[1:]
    return low <= _true_improvement(kind) <= high


INTERVALS: dict[str, Callable[[str, int, Draws], bool]] = {
    "student": _student,
    "bootstrap": _bootstrap,
    "welch": _welch,
    "permutation": _permutation,
    **{name: _aggregated(name) for name in STATISTICS},
    "improvement": _improvement,
}
TITLES = {
    "student": "mean, Student",
    "bootstrap": "mean, percentile bootstrap",
    "welch": "difference, Welch",
    "permutation": "difference, permutation",
    "iqm": "IQM of 5 tasks, stratified bootstrap",
    "mean": "mean of 5 tasks, stratified bootstrap",
    "median": "median of 5 tasks, stratified bootstrap",
    "optimality gap": "optimality gap of 5 tasks, stratified bootstrap",
    "improvement": "P(improvement) on 5 tasks, stratified bootstrap",
}


def coverage(interval: str, kind: str, n: int, rounds: int, chance: Draws) -> float:
    """The share of `rounds` experiments whose interval holds the truth."""
    return sum(INTERVALS[interval](kind, n, chance) for _ in range(rounds)) / rounds


# --- the command


@dataclass(frozen=True)
class Options:
    rounds: int = 2_000  # experiments per cell; a share near 95 % is then right to about 1 %
    out: str = ""  # a Markdown file whose part between the marks `bench coverage` is rewritten with the table
    data: str = ""  # a JSON file for the shares; the lab warns with those in core/coverage.json


def main(argv: Sequence[str]) -> int:
    """``argv`` is the suite's name and its options."""
    options: Options = settings_file.parse([Options], argv[1:], prog="lab bench coverage").values[0]
    if options.rounds < 1:
        raise UserError(f"--rounds is {options.rounds}; it must be at least 1")
    if options.out:
        between(Path(options.out), "bench coverage")  # or it is refused when all is done
    begun, shares = time.perf_counter(), {}
    for interval in INTERVALS:
        shares[interval] = {kind: _row(interval, kind, options.rounds) for kind in KINDS}
        print(f"{TITLES[interval]}: done after {time.perf_counter() - begun:.0f} s", flush=True)
    drawn = table(shares)
    print("\n" + drawn)
    if options.data:
        found = {"level": LEVEL, "rounds": options.rounds, "coverage": shares}
        Path(options.data).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.out:
        write_between(Path(options.out), "bench coverage", drawn)
    return 0


def _row(interval: str, kind: str, rounds: int) -> dict[str, float]:
    return {str(n): coverage(interval, kind, n, rounds, draws("coverage", interval, kind, n)) for n in SIZES}


def table(shares: Shares) -> str:
    """Percent of the experiments, as Markdown; bold where the lab warns."""
    rows = []
    for interval, kinds in shares.items():
        for kind, by_size in kinds.items():
            cells = [f"{100 * share:.1f}" for share in by_size.values()]
            cells = [f"**{c}**" if s < LEAST else c for c, s in zip(cells, by_size.values(), strict=True)]
            rows.append([TITLES[interval], kind, *cells])
    return markdown(
        ["interval", "scores", *(f"n = {n}" for n in SIZES)], rows, right=range(2, 2 + len(SIZES))
    )
