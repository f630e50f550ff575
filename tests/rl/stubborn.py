"""Environments that make a runner's life hard; loaded by name from the tests."""

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Walk(gym.Env[Any, Any]):
    """A random walk that cannot be pickled; every step draws; an episode ends at ±3 or, rarely, anywhere."""

    def __init__(self, size: float = 1.0) -> None:
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
        self.action_space = spaces.Box(-1, 1, (1,), np.float32)
        self.draw = lambda: size * self.np_random.normal()  # a lambda holds it back from pickle

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.at = np.array([self.draw(), 0.0])
        return self.at.copy(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.at = self.at + [float(action[0]) + 0.3 * self.draw(), 1.0]
        out = abs(self.at[0]) > 3
        return self.at.copy(), float(-abs(self.at[0])), bool(out), bool(self.np_random.random() < 0.02), {}


class Count(gym.Env[Any, Any]):
    """Counts steps, each paid 1; after the third it is both terminated and truncated, and shows 100."""

    def __init__(self) -> None:
        self.observation_space = spaces.Box(0, 200, (1,), np.float32)
        self.action_space = spaces.Discrete(2, start=5)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        self.steps += 1
        end = self.steps == 3
        return np.array([100 if end else self.steps], np.float32), 1.0, end, end, {}


class Forgetful(Walk):
    """Pays no heed to its seed: no two are alike."""

    born = itertools.count()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        return super().reset(seed=next(self.born))


class Pictures(gym.Env[Any, Any]):
    """Noise in three colours."""

    def __init__(self) -> None:
        self.observation_space = spaces.Box(0, 255, (12, 10, 3), np.uint8)
        self.action_space = spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self.observation_space.low + self.np_random.integers(0, 256, (12, 10, 3), np.uint8), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        shown = self.np_random.integers(0, 256, (12, 10, 3), np.uint8)
        return shown, 0.0, bool(self.np_random.random() < 0.1), False, {}


if "stubborn/Count-v0" not in gym.registry:  # this file is loaded as a file and as a module
    gym.register("stubborn/Count-v0", entry_point=Count, max_episode_steps=2)
