"""Environments that are each wrong in one way, and one that is right."""

import random
import time
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

Result = tuple[Any, float, bool, bool, dict[str, Any]]


class Right(gym.Env[Any, Any]):
    """A walk on a line, pushed by chance; it ends at either end."""

    observation_space, action_space = gym.spaces.Box(-6, 6, (1,), np.float32), gym.spaces.Discrete(2)

    def __init__(self) -> None:
        self.place = 0.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = float(self.np_random.uniform(-1, 1))
        return self.seen(), {}

    def step(self, action: Any) -> Result:
        self.place += (1 if action else -1) + self.push()
        over = abs(self.place) > 4
        return self.seen(), float(over), over, False, {}

    def push(self) -> float:
        return float(self.np_random.uniform(-0.5, 0.5))

    def seen(self) -> Any:
        return np.array([self.place], np.float32)


class Clock(Right):
    """Ends after ten steps, and says that the world did."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.time = 0
        return super().reset(seed=seed)

    def step(self, action: Any) -> Result:
        self.time += 1
        self.place = float(np.clip(self.place + (1 if action else -1) * 0.1 + self.push(), -5, 5))
        return self.seen(), 0.0, self.time == 10, False, {}


class Unseeded(Right):
    """Begins anywhere."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = random.uniform(-1, 1)
        return self.seen(), {}


class Dice(Right):
    """Steps by chance of its own."""

    def push(self) -> float:
        return random.uniform(-0.5, 0.5)


class Shared(Right):
    """All copies walk on one line."""

    line: ClassVar = [0.0]

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        found = super().reset(seed=seed)
        Shared.line[0] = self.place
        return found

    def step(self, action: Any) -> Result:
        self.place = Shared.line[0]
        found = super().step(action)
        Shared.line[0] = self.place
        return found


class Outside(Right):
    """Sees further than it says."""

    observation_space = gym.spaces.Box(-2, 2, (1,), np.float32)


class Huge(Right):
    """Sees millimetres."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)

    def seen(self) -> Any:
        return np.array([self.place * 1e5], np.float32)


class Leaky(Right):
    """The wind of one episode blows on in the next."""

    wind = 0.0

    def step(self, action: Any) -> Result:
        self.wind = min(self.wind + 0.01, 0.3)
        self.place += self.wind
        return super().step(action)


class Slow(Right):
    """Thinks long."""

    def step(self, action: Any) -> Result:
        time.sleep(0.015)
        return super().step(action)


class Promising(gym.Env[Any, Any]):
    """One step to the end, for a reward of 1; registered with a threshold of 2."""

    observation_space, action_space = gym.spaces.Discrete(2), gym.spaces.Discrete(1)
    P: ClassVar = {0: {0: [(1.0, 1, 1.0, True)]}, 1: {0: [(1.0, 1, 0.0, True)]}}
    initial_state_distrib = np.array([1.0, 0.0])

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return 0, {}

    def step(self, action: Any) -> Result:
        return 1, 1.0, True, False, {}
