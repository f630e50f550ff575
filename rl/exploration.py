"""Choosing among values with given chance. Pure NumPy; any leading axes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def greedy(values: NDArray[Any], chance: NDArray[np.float32] | None = None) -> NDArray[np.int64]:
    """The best action; among equals the one with the largest ``chance`` (each equally often), or the first.

    Args:
        values: ``[…, action]``.
        chance: uniform on [0, 1), of the same shape.
    """
    if chance is None:
        return np.asarray(values.argmax(-1))
    best = values == values.max(-1, keepdims=True)
    return np.asarray(np.where(best, chance, -1.0).argmax(-1))


def epsilon_greedy(values: NDArray[Any], epsilon: float, chance: NDArray[np.float32]) -> NDArray[np.int64]:
    """A uniformly random action with probability ε, else a greedy one, ties broken at random.

    Args:
        values: ``[…, action]``.
        chance: uniform on [0, 1), ``[…, 1 + action]``: the first column decides whether to explore.
    """
    explore = chance[..., 0] < epsilon
    return np.where(explore, chance[..., 1:].argmax(-1), greedy(values, chance[..., 1:]))
