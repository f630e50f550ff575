"""PPO's comparison of speeds: nothing but the training is counted."""

import time
from typing import Any

import pytest

from rl.agents import dqn
from rl.agents.ppo import Config
from rl.build import Machine
from rl.speed import PARTS, Ours
from rl.speed_dqn import contenders


def test_ours_trains_whole_rollouts_and_says_where_the_time_goes() -> None:
    machine: Any = Machine(compile="off", path="vmap")
    ours = Ours("ppo", Config(rollout=8, batch=16, epochs=1), 1000, 4, 2, "own", machine)
    before = ours.agent.state_dict()[0]
    assert ours(1) == 2 * 4 * 8  # seeds, environments, one rollout
    assert ours(200) == 3 * 64
    began = time.perf_counter()
    ours.seconds.update(dict.fromkeys(PARTS, 0.0))
    ours(640)
    assert sum(ours.seconds.values()) == pytest.approx(time.perf_counter() - began, rel=0.05)
    assert all(seconds > 0 for seconds in ours.seconds.values())
    after = ours.agent.state_dict()[0]
    assert after["step"] == 14 * 32
    assert before["step"] == 0


def test_dqn_counts_whole_stretches_between_two_times_of_learning() -> None:
    machine: Any = Machine(compile="off", path="vmap")
    config = dqn.Config(train_every=8, gradient_steps=2, learning_starts=0, hidden=(8,))
    ours = Ours("dqn", config, 1000, 1, 3, "sync", machine)
    assert ours(1) == 3 * 8
    assert ours(100) == 3 * 32
    assert ours.agent.state_dict()[0]["step"] == 40
    assert ours.agent.state_dict()[0]["net"]["t"] == 10


def test_dqn_names_the_contender_of_the_mark_behind_stable_baselines3() -> None:
    first, second, *others = contenders((2,))
    assert (first.name, first.seeds) == ("Stable-Baselines3", 1)
    assert (second.name, second.seeds, second.facts["compile"]) == ("ours", 1, True)
    assert [(other.seeds, other.facts["compile"]) for other in others] == [(1, False), (2, True)]
    assert first.run(1) == 256  # a whole stretch too
