"""`lab bench SUITE`: the suites of reinforcement learning."""

import importlib
from collections.abc import Callable, Sequence

from core import suites
from rl import speed
from rl.cells import AGENTS

SUITES: dict[str, str] = {
    "agents": "every agent against what is published of it: --tier smoke (minutes), table (an hour and a half)",
    "speed": "PPO's steps per second beside Stable-Baselines3's, alternating in one run, one thread (minutes)",
    "speed-dqn": "the same of DQN with the zoo's settings, one seed and several (ten minutes)",
    "speed-tables": "q-learning's steps per second, step by step beside compiled on the known table (a minute)",
}
RUN: dict[str, Callable[[Sequence[str]], int]] = {
    "agents": lambda argv: suites.main(AGENTS, argv[1:]),
    "speed": speed.main,
    "speed-dqn": lambda argv: int(importlib.import_module("rl.speed_dqn").main(argv)),
    "speed-tables": lambda argv: int(importlib.import_module("rl.speed_tables").main(argv)),  # loads numba
}


def main(argv: Sequence[str]) -> int:
    """``argv`` is the suite's name and its options."""
    return RUN[argv[0]](argv)
