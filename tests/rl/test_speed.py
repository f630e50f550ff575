"""PPO's comparison of speeds: nothing but the training is counted."""

import time
from typing import Any

import pytest

from rl.agents.ppo import Config
from rl.build import Machine
from rl.speed import PARTS, Ours


def test_ours_trains_whole_rollouts_and_says_where_the_time_goes() -> None:
    machine: Any = Machine(compile="off", path="vmap")
    ours = Ours(Config(rollout=8, batch=16, epochs=1), 1000, 4, 2, "own", machine)
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
