"""What the tests of tabular agents share: small tables, transitions one by one, and whole lives."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete

from core.noise import Chance
from rl.agent import Spec, Transition
from rl.build import module_of
from rl.environments import Envs
from rl.tabular import Table
from rl.task import Task


def table(
    name: str, states: int = 4, actions: int = 2, seeds: int = 1, envs: int = 1, **config: Any
) -> Table:
    """α = 0.5 and γ = 0.9 throughout, unless told otherwise."""
    module = module_of(name)
    spec = Spec(Discrete(states), Discrete(actions), tuple(range(seeds)), envs, steps=100)
    settings = {"lr": 0.5, "lr_schedule": "constant", "gamma": 0.9, **config}
    made: Table = module.AGENT(spec, module.Config(**settings))
    return made


def transition(
    s: int, a: int, r: float, s2: int, terminated: bool = False, truncated: bool = False
) -> Transition:
    """One seed, one environment."""
    return Transition(*(np.array([[x]]) for x in (s, a, r, terminated, truncated, s2)))


def trained(name: str, env: str, seeds: Sequence[int], steps: int, **config: Any) -> tuple[Table, Envs]:
    """Step by step in the environment itself."""
    module, envs = module_of(name), Envs(Task(env=env), seeds, 1)
    spec = Spec(envs.observation_space, envs.action_space, tuple(seeds), steps=steps)
    agent: Table = module.AGENT(spec, module.Config(**config))
    chance, obs = Chance(seeds, "acting"), envs.reset()
    for _ in range(steps):
        action, _ = agent.act(obs, (), start=envs.start, explore=chance)
        landed = envs.step(agent.executed(action))
        ends = (landed.terminated, landed.truncated)
        agent.learn(Transition(obs, action, landed.reward, *ends, landed.next_obs))
        obs = landed.obs
    envs.close()
    return agent, envs
