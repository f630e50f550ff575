"""Exact resume, proven by killing: what was killed and resumed equals what ran through."""

import random
from pathlib import Path

import pytest

from core.run_folder import load
from tests.core.recorded import history
from tests.killing import assert_equal_runs, different, kill_and_resume

UNPICKLABLE = '''
import threading

import gymnasium as gym
import numpy as np


class Walk(gym.Env):
    """Five steps to either side; neither its lock nor its generator can be pickled."""

    def __init__(self):
        self.observation_space = gym.spaces.Box(-5, 5, (2,), np.float32)
        self.action_space = gym.spaces.Discrete(2)
        self.lock = threading.Lock()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.gusts = 0.0, (self.np_random.normal() for _ in iter(int, 1))
        return self._seen(), {}

    def step(self, action):
        self.place += (2 * action - 1) * 0.5 + 0.1 * next(self.gusts)
        return self._seen(), self.place, abs(self.place) > 5, False, {}

    def _seen(self):
        return np.array([self.place, self.place**2 / 5], np.float32).clip(-5, 5)
'''

SMALL = "--rollout 16 --batch 16 --epochs 2 --hidden 8 --compile off"
CASES = {
    "a table": "q-learning --env FrozenLake-v1 --steps 3000 --log-every 20 --checkpoint-every 300",
    "all seeds at once": f"ppo --env CartPole-v1 --preset none --envs 2 --steps 1600 {SMALL} --path vmap",
    "seed after seed": f"ppo --env CartPole-v1 --preset none --envs 2 --steps 1600 {SMALL} --path loop",
    "normalised and continuous": f"ppo --env Pendulum-v1 --preset none --envs 3 --steps 1500 {SMALL} "
    "--normalise-obs --normalise-reward",
    "not to be pickled": f"ppo --env walk.py:Walk --envs 2 --steps 1600 {SMALL} --max-episode-steps 50",
    "with a physics engine": f"ppo --env LunarLander-v3 --preset none --envs 2 --steps 1000 {SMALL}",
}
OFTEN = "--log-every 40 --checkpoint-every 96 --eval-every 500 --eval-episodes 2 --final-episodes 3"


def argv(case: str) -> list[str]:
    return [*f"{CASES[case]} --seeds 3 1".split(), *(OFTEN.split() if case != "a table" else [])]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "walk.py").write_text(UNPICKLABLE)
    return tmp_path


@pytest.mark.parametrize("case", CASES)
def test_a_killed_run_resumed_equals_one_that_ran_through(case: str, folder: Path) -> None:
    if "LunarLander" in CASES[case]:
        pytest.importorskip("Box2D")
    killed = kill_and_resume([*argv(case), "--wandb", "disabled"], folder, chance=random.Random(case))
    assert_equal_runs(killed.cut, killed.whole)
