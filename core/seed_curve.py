"""One seed's metric over its run, as a comparison takes it from the record."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core import jsonl
from core.records import Record, Series
from core.statistics import Floats


@dataclass(frozen=True)
class Curve:
    """One seed's metric over its run, and its final score (NaN when it has none)."""

    record: Record
    steps: Floats
    values: Floats
    final: float

    @cached_property
    def reached(self) -> int:
        """How far the run got on its axis."""
        return self.record.step()

    @property
    def told(self) -> bool:
        """Whether the run wrote the metric at all, were it NaN."""
        return bool(len(self.steps)) or bool(np.isfinite(self.final))


def curve_of(record: Record, metric: str) -> Curve:
    """The metric's points by rising steps; its final score is the summary's, else the last point."""
    steps, values = _in_order(record.series(metric))
    final = (
        record.summary.get(f"final/{metric.removeprefix('eval/')}") if metric.startswith("eval/") else None
    )
    if final is None:
        final = values[-1] if len(values) else float("nan")
    return Curve(record, steps, values, jsonl.as_float(final))


def _in_order(series: Series) -> Series:
    """Rising steps; of points at one step the last written, for a step repeated after a resume."""
    steps, values = series
    if (np.diff(steps) > 0).all():
        return series
    unique, first_from_the_end = np.unique(steps[::-1], return_index=True)
    return unique, values[::-1][first_from_the_end]
