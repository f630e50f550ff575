"""Returns and advantages. Pure: time is the first axis, any others follow; NumPy arrays or tensors alike.

None of them takes a ``done``: ``discount`` is γ where the world went on and 0 where it ended; ``trace`` is γλ within
an episode and 0 where it was cut, for whichever reason.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Series = TypeVar("Series", Tensor, NDArray[np.float32])


def gae(reward: Series, discount: Series, trace: Series, value: Series, next_value: Series) -> Series:
    """Generalised advantage estimates (Schulman et al. 2016, eq. 16), ``[T, …]``.

    δ_t = r_t + d_t v(s'_t) − v(s_t);  A_t = δ_t + trace_t A_{t+1}, with A_T = 0.

    Args:
        reward: r, ``[T, …]``.
        discount: d: γ, or 0 where the step terminated.
        trace: γλ, or 0 where the episode ended or was truncated.
        value: v(s), of the observation acted on.
        next_value: v(s'), of where the step truly landed.
    """
    delta = reward + discount * next_value - value
    advantage = delta + 0.0  # a copy: its last row is already right
    for t in range(len(delta) - 2, -1, -1):
        advantage[t] += trace[t] * advantage[t + 1]
    return advantage


def discounted(reward: Series, discount: Series, last: Series) -> Series:
    """G_t = r_t + d_t G_{t+1}, with G_T = ``last`` ``[…]``; ``[T, …]`` (Sutton & Barto 2018, eq. 3.9)."""
    total = reward + 0.0
    following = last
    for t in range(len(reward) - 1, -1, -1):
        total[t] += discount[t] * following
        following = total[t]
    return total


def places(ended: NDArray[np.bool_], first: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """t: how many steps of its episode came before each step, ``[T, …]``, and before the one to come, ``[…]``.

    Args:
        ended: where a step was its episode's last.
        first: t of the first row.
    """
    t = np.empty(ended.shape, np.int64)
    for row, last in enumerate(ended):
        t[row] = first
        first = np.where(last, 0, first + 1)
    return t, first
