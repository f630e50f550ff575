"""Numbers that change over training, as functions of the fraction of training that is done.

A schedule depends on the steps alone, never on when a run was started or resumed.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

from core.errors import UserError, nearest

Schedule: TypeAlias = Callable[[float], float]
"""Fraction of training done, in [0, 1], to value."""


def constant(start: float, end: float) -> Schedule:
    return lambda done: start


def linear(start: float, end: float) -> Schedule:
    """start + (end − start) · done."""
    return lambda done: start + (end - start) * min(max(done, 0.0), 1.0)


def cosine(start: float, end: float) -> Schedule:
    """Half a cosine from start to end (Loshchilov & Hutter 2017, eq. 5, one cycle)."""
    return lambda done: end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * min(max(done, 0.0), 1.0)))


def exponential(start: float, end: float) -> Schedule:
    """start · (end / start)^done; both must be positive."""
    if start <= 0 or end <= 0:
        raise UserError(f"an exponential schedule needs positive ends, got {start} and {end}")
    return lambda done: start * (end / start) ** min(max(done, 0.0), 1.0)


def steps(start: float, end: float) -> Schedule:
    """Three steps of equal ratio: start, √(start · end) from half of training on, end from three quarters on.

    With end = start/100 this is the division by 10, twice, of He et al. (2016, section 4.2).
    """
    if start <= 0 or end <= 0:
        raise UserError(f"a schedule in steps needs positive ends, got {start} and {end}")
    return lambda done: (start, math.sqrt(start * end), end)[(done >= 0.5) + (done >= 0.75)]


def epochs(inner: Schedule, count: int) -> Schedule:
    """The inner schedule looked at once an epoch: with ``linear(0.2, 0)`` and 100, lr = 0.2 · (100 − e) / 100."""
    return lambda done: inner(math.floor(done * count + 1e-9) / count)


def warmed_up(inner: Schedule, fraction: float) -> Schedule:
    """The inner schedule, times what rises from 0 to 1 over the first ``fraction`` of training."""
    return lambda done: inner(done) * min(done / fraction, 1.0) if fraction > 0 else inner(done)


SCHEDULES: dict[str, Callable[[float, float], Schedule]] = {
    "constant": constant,
    "linear": linear,
    "cosine": cosine,
    "exponential": exponential,
    "steps": steps,
    "hundredths": lambda start, end: epochs(linear(start, end), 100),
}


def schedule(name: str, start: float, end: float = 0.0) -> Schedule:
    """The schedule of that name from ``start`` to ``end``."""
    if name not in SCHEDULES:
        raise UserError(f"unknown schedule {name!r}{nearest(name, SCHEDULES)}")
    return SCHEDULES[name](start, end)


def first_part(start: float, end: float, fraction: float) -> Schedule:
    """Linear from start to end over the first ``fraction`` of training, then ``end`` (ε-greedy's usual one)."""
    inner = linear(start, end)
    return lambda done: inner(done / fraction) if fraction > 0 else end
