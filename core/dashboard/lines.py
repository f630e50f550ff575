"""What a figure of curves shows: an entry's seeds on the chosen axis, smoothed, and their mean or IQM. All pure."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import numpy as np

from core.comparison import Contest, Entry
from core.curves import Curves, align
from core.draws import draws
from core.jsonl import Floats
from core.records import Record
from core.seed_curve import Curve
from core.smoothing import smooth, thinned
from core.statistics import ENOUGH

LOST = ("failed", "crashed")
MOST_POINTS = 60_000  # of single seeds in one figure: beyond, each seed is drawn with fewer
IQM = {"points": 200, "rounds": 500}  # of the bootstrap: it is done while someone waits
AXES = {"env_step": "steps", "examples_seen": "examples"}  # what runs record -> what it is called here


@dataclass(frozen=True)
class Style:
    """How curves are drawn."""

    x: Literal["", "steps", "examples", "seconds"] = ""  # the horizontal axis; "": what a task's runs record
    statistic: Literal["mean", "iqm"] = "mean"  # what the line is of
    smoothing: float = 0.0  # how far to either side a smooth value looks, in percent of the axis
    seeds: bool = False  # every seed is drawn, not only where they are few
    log_x: bool = False
    log_y: bool = False


class Points(NamedTuple):
    """One seed's curve as it is drawn."""

    record: Record
    x: Floats
    y: Floats


class Line(NamedTuple):
    """One entry as it is drawn."""

    entry: Entry
    centre: Curves  # mean or IQM with its interval
    raw: Curves | None  # the same before smoothing
    seeds: tuple[Points, ...]  # those to draw one by one: all, or none
    lost: tuple[Points, ...]  # the last point of each seed that failed
    untold: int  # seeds that have values, but do not say where on this axis
    at_zero: int = 0  # points that a logarithmic axis has no place for


def axis_of(contest: Contest, x: str) -> str:
    """The axis a contest is drawn over: steps, examples or seconds. Only training runs count examples."""
    own = AXES.get(contest.axis, contest.axis)
    counted = contest.axis == "examples_seen"
    return "seconds" if x == "seconds" else "steps" if x == "steps" and counted else own


def placed(curve: Curve, axis: str) -> tuple[Floats, Floats]:
    """A seed's values over the axis; empty where its record cannot say.

    Seconds are those the row at the step gives, or the last row before it; they never fall. A training step is
    as many examples as `core.records` counts for it: a batch for each update of a critic.
    """
    x, y = curve.steps, curve.values
    if axis == "steps" and curve.record.axis == "examples_seen":
        per_step = _examples_per_step(curve.record.config)
        return (x / per_step, y) if per_step else (x[:0], y[:0])
    if axis != "seconds" or not len(x):
        return x, y
    steps, seconds = curve.record.series("time/seconds")
    told = np.isfinite(seconds)
    order = np.argsort(steps[told], kind="stable")
    steps, seconds = steps[told][order], np.maximum.accumulate(seconds[told][order])
    last = np.searchsorted(steps, x, side="right") - 1
    return seconds[last[last >= 0]], y[last >= 0]


def _examples_per_step(config: dict[str, Any]) -> float | None:
    counts = (config.get("batch", config.get("batch_size", 1)), config.get("critic_steps", 1))
    whole = all(isinstance(count, int) and count > 0 for count in counts)
    return float(counts[0] * counts[1]) if whole else None


def shared_wall(contest: Contest) -> bool:
    """Whether seeds of one process, trained together, stand among the runs: their seconds are of one wall."""
    runs = [curve.record for entry in contest.entries for curve in entry.curves]
    walls = [(record.group, record.run["pid"]) for record in runs if "pid" in record.run]
    return len(set(walls)) < len(walls)


class Drawer:
    """Makes lines, and keeps those made: an entry whose numbers are the same is not worked out again."""

    def __init__(self, kept: int = 2_000) -> None:
        self._kept, self._most = OrderedDict[bytes, tuple[Curves, Curves | None]](), kept

    def lines(self, contest: Contest, style: Style) -> list[Line]:
        """Every entry of a contest as a line."""
        axis = axis_of(contest, style.x)
        seeds = {e.label: [Points(c.record, *placed(c, axis)) for c in e.curves] for e in contest.entries}
        at_zero = {label: sum(int((p.x <= 0).sum()) for p in points) for label, points in seeds.items()}
        if style.log_x:
            seeds = {label: [_positive(p) for p in points] for label, points in seeds.items()}
        ends = [p.x[[0, -1]] for points in seeds.values() for p in points if len(p.x)]
        reach = np.log10(ends) if style.log_x and ends else np.array(ends)
        width = float(np.ptp(reach)) * style.smoothing / 100 if len(ends) else 0.0
        drawn = {e.label: len(e.curves) for e in contest.entries if style.seeds or len(e.curves) < ENOUGH}
        budget = MOST_POINTS // max(1, sum(drawn.values()))
        points = max(50, min(400, budget))
        return [
            self._line(e, seeds[e.label], style, width, points * (e.label in drawn))._replace(
                at_zero=at_zero[e.label] * style.log_x
            )
            for e in contest.entries
        ]

    def _line(self, entry: Entry, seeds: list[Points], style: Style, width: float, points: int) -> Line:
        """`points` for each seed drawn; 0 draws none."""
        centre, raw = self._centre(entry.label, seeds, style, width)
        with_values = [p for p in seeds if np.isfinite(p.y).any()]
        lost = [p for p in with_values if p.record.status in LOST]
        told = sum(bool(len(curve.steps)) for curve in entry.curves)
        alone = len(seeds) == 1
        drawn = [_smoothed(p, style, width, points) for p in with_values] if points and not alone else []
        ends = tuple(_last(p) for p in lost)
        return Line(entry, centre, raw, tuple(drawn), ends, told - sum(bool(len(p.x)) for p in seeds))

    def _centre(
        self, label: str, seeds: list[Points], style: Style, width: float
    ) -> tuple[Curves, Curves | None]:
        digest = blake2b(f"{label} {style.statistic} {style.log_x} {width}".encode(), digest_size=16)
        for part in (part for p in seeds for part in (p.x, p.y)):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(np.ascontiguousarray(part).data)
        key = digest.digest()
        if (found := self._kept.get(key)) is None:
            raw = _aligned(label, seeds, style)
            found = (raw, None)
            if width > 0:
                found = _aligned(label, [_smoothed(p, style, width, 400) for p in seeds], style), raw
            self._kept[key] = found
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return found


def _aligned(label: str, seeds: Sequence[Points], style: Style) -> Curves:
    pairs = [(p.x, p.y) for p in seeds]
    if style.statistic == "mean":
        return align(pairs)
    return align(pairs, statistic="iqm", draws=draws("interval of curves", label), **IQM)


def _smoothed(seed: Points, style: Style, width: float, points: int) -> Points:
    """Smooth over what the eye sees: over the logarithm where the axis shows that. Thinned to `points`."""
    if width > 0:
        seen = np.log10(seed.x) if style.log_x else seed.x
        _, y = smooth(seen, seed.y, width, points)
    else:
        y = seed.y[thinned(len(seed.x), points)]
    return Points(seed.record, seed.x[thinned(len(seed.x), points)], y)


def _positive(seed: Points) -> Points:
    return Points(seed.record, seed.x[seed.x > 0], seed.y[seed.x > 0])


def _last(seed: Points) -> Points:
    at = np.flatnonzero(np.isfinite(seed.y))[-1:]
    return Points(seed.record, seed.x[at], seed.y[at])
