"""Exact resume, proven by killing: what was killed and resumed equals what ran through."""

import random
from pathlib import Path

import pytest

from tests.core.recorded import history
from tests.killing import Command, assert_equal_runs, finished, kill_and_resume

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
    "a table": "q-learning --env FrozenLake-v1 --steps 1500 --log-every 20 --checkpoint-every 150",
    "all seeds at once": f"ppo --env CartPole-v1 --preset none --envs 2 --steps 800 {SMALL} --path vmap",
    "seed after seed": f"ppo --env CartPole-v1 --preset none --envs 2 --steps 800 {SMALL} --path loop",
    "normalised and continuous": f"ppo --env Pendulum-v1 --preset none --envs 3 --steps 900 {SMALL} "
    "--normalise-obs --normalise-reward",
    "not to be pickled": f"ppo --env walk.py:Walk --envs 2 --steps 800 {SMALL} --max-episode-steps 50",
    "an action that waits to be followed": "sarsa --env CliffWalking-v1 --max-episode-steps 40 --steps 800 --envs 2",
    "a replay with priorities": "dqn --env CartPole-v1 --preset none --envs 2 --steps 700 --learning-starts 50 "
    "--hidden 8 --batch 8 --capacity 200 --target-every 40 --double --dueling --n-step 3 --prioritised --compile off",
    "noise that is held": "a2c --env Pendulum-v1 --preset none --envs 2 --steps 700 --hidden 8 --sde-every 4 "
    "--compile off",
    "episodes cut by rollouts": "reinforce --env CartPole-v1 --preset none --envs 2 --steps 700 --rollout 30 "
    "--hidden 8 --discount-state --compile off",
    "with a physics engine": f"ppo --env LunarLander-v3 --preset none --envs 2 --steps 600 {SMALL}",
}
OFTEN = "--log-every 20 --checkpoint-every 72 --eval-every 250 --eval-episodes 2 --final-episodes 3"


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


def test_wandb_is_told_the_same_by_a_killed_and_resumed_run(folder: Path) -> None:
    """As typed in a shell; read back with W&B's own reader."""
    often = [*argv("all seeds at once"), "--wandb", "offline"]
    killed = kill_and_resume(often, folder, chance=random.Random(5), start=Command)
    assert_equal_runs(killed.cut, killed.whole)
    for seed in "13":
        told = history(killed.cut / seed)
        assert told == history(killed.whole / seed)
        assert len([row for row in told if "episode/return" in row]) > 10
        assert len([row for row in told if "eval/return" in row]) == 4
        assert sum(any(name.startswith("weights/") for name in row) for row in told) == 4


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_run_killed_twenty_times_equals_one_that_ran_through(case: str, folder: Path) -> None:
    chance, happened, groups = random.Random(case), 0, 0
    often = [*argv(case), "--wandb", "disabled"]
    while happened < 20:
        groups += 1
        left = 20 - happened
        killed = kill_and_resume(often, folder, name=f"cut{groups}", kills=left, chance=chance)
        assert_equal_runs(killed.cut, killed.whole)
        happened += killed.kills


def test_killed_between_its_last_checkpoint_and_its_end_it_ends_once(folder: Path) -> None:
    """The last evaluation is recorded after the last checkpoint; going on from there records it once more."""
    often = [*argv("a table"), "--wandb", "disabled"]
    killed = kill_and_resume(often, folder)
    for file in killed.cut.glob("*/run.json"):
        file.write_text(file.read_text().replace('"status": "finished"', '"status": "crashed"'))
    assert finished(["resume", "cut", "--quiet"], folder) == 0
    assert_equal_runs(killed.cut, killed.whole)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["loop", "vmap"])
def test_a_compiled_run_killed_and_resumed_equals_one_that_ran_through(path: str, folder: Path) -> None:
    """As long runs are computed by default; compiled anew by every process."""
    often = [*argv("all seeds at once"), "--compile", "on", "--path", path, "--wandb", "disabled"]
    killed = kill_and_resume(often, folder, chance=random.Random(path), start=Command, kills=3)
    assert_equal_runs(killed.cut, killed.whole)
