"""The comparison of speeds: who is compared with whom, and that nothing but the training is counted."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from rl.agents.ppo import Config
from rl.build import Machine
from rl.speed import PARTS, Contender, Ours, measure, table


def paced(seconds_per_step: float, first: float = 0.0) -> Callable[[int], int]:
    """Something that takes so long for a step, and longer the first time."""
    late = [first]

    def run(steps: int) -> int:
        time.sleep(steps * seconds_per_step + (late.pop() if late else 0.0))
        return steps

    return run


def test_ratios_are_to_the_first_of_the_same_round_without_its_warm_up() -> None:
    slow = Contender("slow", 1, paced(1e-3, first=0.3), {}, {})
    quick = Contender("quick", 2, paced(0.25e-3), {"path": "vmap"}, {})
    found = measure([slow, quick], rounds=3, steps=40)
    assert [row["ratio"]["median"] for row in found] == [1.0, pytest.approx(4.0, rel=0.3)]
    assert found[0]["steps_per_second"]["median"] == pytest.approx(1000, rel=0.3)
    assert found[1]["facts"] == {"path": "vmap"}
    assert [len(row["ratio"]["all"]) for row in found] == [3, 3]
    lines = table(found).splitlines()
    assert len(lines) == 4
    assert "1.0 [1.0, 1.0]" in lines[2]


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
