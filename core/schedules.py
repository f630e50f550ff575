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


SCHEDULES: dict[str, Callable[[float, float], Schedule]] = {
    "constant": constant,
    "linear": linear,
    "cosine": cosine,
    "exponential": exponential,
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
