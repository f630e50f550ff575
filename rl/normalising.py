"""Running statistics of observations and rewards, per seed, as Stable-Baselines3's VecNormalize keeps them.

Observations become (x − mean) / sqrt(variance + ε), rewards r / sqrt(variance of the discounted return + ε),
both clipped.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.noise import State, States

EPSILON = 1e-8  # added to every variance before the root
CLIP = 10.0  # bound of what comes out
FIRST_COUNT = 1e-4  # weight of the prior (mean 0, variance 1) against one observation


class Moments:
    """Mean and variance of everything seen, per seed.

    Attributes:
        mean, var: ``[S, *shape]`` float64; count: ``[S]`` float64.
    """

    def __init__(self, seeds: int, shape: Sequence[int] = ()) -> None:
        self.mean = np.zeros((seeds, *shape))
        self.var = np.ones((seeds, *shape))
        self.count = np.full(seeds, FIRST_COUNT)

    def update(self, batch: NDArray[np.float64]) -> None:
        """Take in ``batch`` ``[S, E, *shape]``: the parallel form of Welford's sum (Chan et al. 1979)."""
        size = batch.shape[1]
        mean = batch.mean(1)
        var = np.square(batch - mean[:, None]).mean(1)
        column = (-1, *(1,) * (self.mean.ndim - 1))
        total = self.count + size
        old, new = (self.count / total).reshape(column), (size / total).reshape(column)
        gap = mean - self.mean
        self.mean = self.mean + gap * new
        self.var = old * self.var + new * var + old * new * np.square(gap)
        self.count = total

    def state_dict(self) -> States:
        return [
            {"mean": mean.copy(), "var": var.copy(), "count": float(count)}
            for mean, var, count in zip(self.mean, self.var, self.count, strict=True)
        ]

    def load_state_dict(self, states: States) -> None:
        """Take over saved statistics, in place: whoever shares this object sees them too."""
        self.mean = np.stack([np.asarray(state["mean"]) for state in states]).reshape(self.mean.shape)
        self.var = np.stack([np.asarray(state["var"]) for state in states]).reshape(self.var.shape)
        self.count = np.array([float(state["count"]) for state in states])


def standardise(value: NDArray[np.float64], moments: Moments) -> NDArray[np.float32]:
    """(x − mean) / sqrt(var + ε), clipped; ``[S, E, *shape]`` in and out."""
    centred = (value - moments.mean[:, None]) / np.sqrt(moments.var + EPSILON)[:, None]
    return np.clip(centred, -CLIP, CLIP).astype(np.float32)


class RewardScale:
    """Rewards divided by the deviation of the running discounted return.

    Args:
        seeds, envs: how many.
        gamma: discount of the running return.
    """

    def __init__(self, seeds: int, envs: int, gamma: float) -> None:
        self.gamma = gamma
        self.moments = Moments(seeds)
        self.running = np.zeros((seeds, envs))

    def __call__(self, reward: NDArray[np.float64], done: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Scaled rewards ``[S, E]``; the return starts afresh after ``done``."""
        self.running = self.running * self.gamma + reward
        self.moments.update(self.running)
        self.running[done] = 0.0
        scaled = reward / np.sqrt(self.moments.var + EPSILON)[:, None]
        return np.clip(scaled, -CLIP, CLIP).astype(np.float32)

    def state_dict(self) -> States:
        return [
            {**moments, "running": running.copy()}
            for moments, running in zip(self.moments.state_dict(), self.running, strict=True)
        ]

    def load_state_dict(self, states: Sequence[State]) -> None:
        self.moments.load_state_dict(list(states))
        self.running = np.stack([np.asarray(state["running"]) for state in states])
