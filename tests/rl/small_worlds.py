"""Worlds with an optimum that is worked out by hand, and an agent at work in them."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from core.noise import Chance
from rl.agent import Spec, Transition
from rl.environments import Envs
from rl.task import Task

HERE = Path(__file__).parent  # tests work in this folder, so that "small_worlds.py:Endless" is found

Result = tuple[Any, float, bool, bool, dict[str, Any]]


class Endless(gym.Env[Any, Any]):
    """A reward of 1 for ever: v = 1 / (1 − γ), whoever stops watching when."""

    observation_space, action_space = gym.spaces.Discrete(1), gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return 0, {}

    def step(self, action: Any) -> Result:
        return 0, 1.0, False, False, {}


class Paid(Endless):
    """The same, and it says so."""

    P = {0: {action: [(1.0, 0, 1.0, False)] for action in (0, 1)}}  # noqa: RUF012
    initial_state_distrib = (1.0,)


class Corridor(gym.Env[Any, Any]):
    """Four rooms. Action 0 leaves at once for 0.2, action 1 goes on; behind the last room waits 1.

    With γ = 0.9 going on is best everywhere: v = 0.9³, 0.9², 0.9, 1.
    """

    observation_space, action_space = gym.spaces.Discrete(4), gym.spaces.Discrete(2)
    optimum = (0.729, 0.81, 0.9, 1.0)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.room = int(self.np_random.integers(4))
        return self.room, {}

    def step(self, action: Any) -> Result:
        if action == 0:
            return self.room, 0.2, True, False, {}
        self.room += 1
        return min(self.room, 3), float(self.room == 4), self.room == 4, False, {}


class Aim(gym.Env[Any, Any]):
    """One shot at a point that is seen: the reward is minus the squared miss, at best 0."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Box(-2, 2, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.point = self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return self.point, {}

    def step(self, action: Any) -> Result:
        return self.point, -float((action[0] - self.point[0]) ** 2), True, False, {}


def make(
    kind: Any, task: Task, seeds: list[int], config: Any, envs: int = 2, **spec: Any
) -> tuple[Any, Envs]:
    """An agent of that kind and its environments."""
    made = Envs(task, seeds, envs, gamma=config.gamma)
    spaces = (made.observation_space, made.action_space)
    return kind(Spec(*spaces, tuple(seeds), envs, **{"steps": 10_000, **spec}), config), made


class Life:
    """An agent at work, which can be watched and interrupted."""

    def __init__(self, agent: Any, envs: Envs) -> None:
        self.agent, self.envs, self.chance = agent, envs, Chance(envs.seeds, "acting")
        self.obs, self.memory = envs.reset(), agent.memory(envs.envs)
        self.taken: list[Transition] = []

    def run(self, steps: int) -> list[dict[str, Any]]:
        """The metrics of every update."""
        found = []
        for _ in range(steps):
            action, self.memory = self.agent.act(
                self.obs, self.memory, start=self.envs.start, explore=self.chance
            )
            landed = self.envs.step(self.agent.executed(action))
            ends = (landed.terminated, landed.truncated)
            self.taken.append(Transition(self.obs, action, landed.reward, *ends, landed.next_obs))
            found.append(self.agent.learn(self.taken[-1]))
            self.obs = landed.obs
        return [metrics for metrics in found if metrics]
