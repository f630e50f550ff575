"""Environments whose numbers are known beforehand, as a person would keep them in a file of their own.

The tests copy this file into the working directory and train in `worlds.py:Steps` and the like.
"""

from typing import Any

import gymnasium as gym
import numpy as np

Result = tuple[Any, float, bool, bool, dict[str, Any]]


class Steps(gym.Env[Any, Any]):
    """Three steps with a reward of 1 each; what is seen is the number of steps taken, counted from 10."""

    def __init__(self, length: int = 3) -> None:
        self.length = length
        self.observation_space = gym.spaces.Discrete(length + 1, start=10)
        self.action_space = gym.spaces.Discrete(2, start=5)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.taken = 0
        return self._seen(), {}

    def step(self, action: Any) -> Result:
        assert self.action_space.contains(action), action
        self.taken += 1
        return self._seen(), self._reward(), self.taken == self.length, False, {}

    def _reward(self) -> float:
        return 1.0

    def _seen(self) -> Any:
        return np.int64(10 + self.taken)


class Line(Steps):
    """The same, seen as a vector."""

    def __init__(self, length: int = 3) -> None:
        super().__init__(length)
        self.observation_space = gym.spaces.Box(0, 1, (2,), np.float32)  # type: ignore[assignment]

    def _seen(self) -> Any:
        return np.array([self.taken / self.length, 1], np.float32)


class Sick(Line):
    """Rewards that are no numbers in the one episode that is begun with the seed ``sick``."""

    def __init__(self, sick: int = -1) -> None:
        super().__init__()
        self.sick = sick

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.ill = seed == self.sick
        return super().reset(seed=seed, options=options)

    def _reward(self) -> float:
        return float("nan") if self.ill else 1.0


if "Line-v0" not in gym.registry:
    gym.register("Line-v0", Line, max_episode_steps=100)
