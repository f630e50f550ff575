"""The contract, held against every agent there is: a new file in rl/agents is found and tested by itself."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from core import trees
from core.catalogue import algorithms
from core.errors import UserError
from core.noise import Chance
from rl.agent import Agent, Networked, Spec, Tabular, Transition
from rl.build import module_of
from rl.environments import Envs
from rl.playing import scores
from rl.task import Task

AGENTS = [name for name, found in algorithms().items() if found.suite == "rl" and not name.startswith("sb3-")]
WORLDS = ("CartPole-v1", "FrozenLake-v1", "Pendulum-v1")
FAMILIES = ("loss/", "policy/", "value/", "grad_norm")
SMALL = {"rollout": 8, "batch": 16, "hidden": (8, 8), "epochs": 2}  # where an agent has such settings


def build(name: str, env: str, seeds: list[int], path: str = "loop") -> tuple[Agent, Envs]:
    module = module_of(name)
    config = module.Config()
    config = replace(config, **{key: value for key, value in SMALL.items() if hasattr(config, key)})
    envs = Envs(Task(env=env), seeds, 2)
    spaces = (envs.observation_space, envs.action_space)
    return module.AGENT(Spec(*spaces, tuple(seeds), 2, steps=400, path=path), config), envs  # type: ignore[arg-type]


def served() -> Iterator[Any]:
    """Every agent in every world that it says it can serve."""
    for name in AGENTS:
        worlds = []
        for world in WORLDS:
            try:
                build(name, world, [0])[1].close()
            except UserError:
                continue
            worlds.append(world)
        assert worlds, f"{name} serves none of {WORLDS}"
        yield from (pytest.param(name, world, id=f"{name}-{world}") for world in worlds)


EVERY = pytest.mark.parametrize(("name", "env"), list(served()))


class Life:
    """An agent at work, step by step."""

    def __init__(self, name: str, env: str, seeds: list[int], path: str = "loop") -> None:
        self.agent, self.envs = build(name, env, seeds, path)
        self.chance = Chance(seeds, "acting")
        self.obs, self.memory = self.envs.reset(), self.agent.memory(2)
        self.taken: list[Any] = []
        self.metrics: list[dict[str, torch.Tensor]] = []

    def run(self, steps: int) -> "Life":
        for _ in range(steps):
            action, memory = self.agent.act(self.obs, self.memory, start=self.envs.start, explore=self.chance)
            landed = self.envs.step(self.agent.executed(action))
            ends = (landed.terminated, landed.truncated)
            self.metrics.append(
                self.agent.learn(Transition(self.obs, action, landed.reward, *ends, landed.next_obs))
            )
            self.taken.append(action.copy())
            self.obs, self.memory = landed.obs, memory
        return self


def same(one: Any, two: Any) -> bool:
    """Equal trees, to the bit."""
    left, right = trees.leaves(one), trees.leaves(two)
    return len(left) == len(right) and all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


@EVERY
def test_a_seed_lives_the_same_alone_and_in_company(name: str, env: str) -> None:
    together, alone = Life(name, env, [3, 9]).run(60), Life(name, env, [9]).run(60)
    assert all(np.array_equal(a[1], b[0]) for a, b in zip(together.taken, alone.taken, strict=True))
    assert same(together.agent.state_dict()[1], alone.agent.state_dict()[0])
    assert any(not np.array_equal(action[0], action[1]) for action in together.taken)


@EVERY
def test_learning_changes_it_and_its_metrics_have_names_of_the_vocabulary(name: str, env: str) -> None:
    fresh, life = build(name, env, [0])[0], Life(name, env, [0]).run(400)
    assert not same(fresh.state_dict(), life.agent.state_dict())
    names = {metric for metrics in life.metrics for metric in metrics}
    assert all(metric.startswith(FAMILIES) for metric in names)
    assert all(value.shape == (1,) for metrics in life.metrics for value in metrics.values())


@EVERY
def test_saved_and_loaded_it_goes_on_to_the_bit(name: str, env: str) -> None:
    life = Life(name, env, [1, 2]).run(37)
    other = Life(name, env, [1, 2])
    for part in ("agent", "envs", "chance"):
        getattr(other, part).load_state_dict(getattr(life, part).state_dict())
    other.obs, other.memory = other.envs.obs, life.memory
    life.taken, other.taken = life.run(40).taken[-40:], other.run(40).taken
    assert all(np.array_equal(a, b) for a, b in zip(life.taken, other.taken, strict=True))
    assert same(life.agent.state_dict(), other.agent.state_dict())


@EVERY
def test_evaluation_leaves_everything_as_it_was(name: str, env: str) -> None:
    life = Life(name, env, [1, 2]).run(21)
    before = (life.agent.state_dict(), life.envs.state_dict(), life.chance.state_dict())
    found = scores(life.agent, life.envs, episodes=2, max_steps=30, stream="eval")
    assert found["eval/return"].shape == (2,)
    assert same(before, (life.agent.state_dict(), life.envs.state_dict(), life.chance.state_dict()))
    again = scores(life.agent, life.envs, episodes=2, max_steps=30, stream="eval")
    assert all(np.array_equal(found[key], again[key]) for key in found)


@EVERY
def test_greedy_actions_have_no_chance_and_fit_the_space(name: str, env: str) -> None:
    life = Life(name, env, [0, 1]).run(30)
    act = lambda: life.agent.act(life.obs, life.memory, start=life.envs.start, explore=None)[0]  # noqa: E731
    assert np.array_equal(act(), act())
    executed = life.agent.executed(act())
    assert all(life.envs.action_space.contains(action) for row in executed for action in row)


@EVERY
def test_what_it_is_says_what_it_has(name: str, env: str) -> None:
    agent, envs = build(name, env, [0])
    if isinstance(agent, Networked):
        assert all(net.weights() for net in agent.nets.values())
    if isinstance(agent, Tabular):
        assert agent.greedy_table().shape == (1, envs.observation_space.n)
