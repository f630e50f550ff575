"""`lab bench SUITE`: the suites of reinforcement learning."""

from collections.abc import Callable, Sequence

from rl import speed

SUITES: dict[str, str] = {
    "speed": "PPO's steps per second beside Stable-Baselines3's, alternating in one run, one thread (minutes)",
}
RUN: dict[str, Callable[[Sequence[str]], int]] = {"speed": speed.main}


def main(argv: Sequence[str]) -> int:
    """``argv`` is the suite's name and its options."""
    return RUN[argv[0]](argv)
