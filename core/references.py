"""What a score of 0 and of 1 means on a task: reference scores, as data with their sources."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from core.statistics import Floats


class Reference(NamedTuple):
    """A task's scores that count as 0 and as 1 when normalised."""

    low: float
    high: float
    low_source: str
    high_source: str


REFERENCES: dict[str, Reference] = {}  # by task; of its return per episode
RETURNS = ("return", "return_stochastic")  # the metrics they are of, by the last word of the name


def normalised(task: str, metric: str, scores: ArrayLike) -> Floats | None:
    """(score − low)/(high − low) by the task's reference; None where there is none, or the metric is no return."""
    known = REFERENCES.get(task)
    if known is None or metric.rpartition("/")[2] not in RETURNS:
        return None
    return np.asarray((np.asarray(scores, float) - known.low) / (known.high - known.low), float)
