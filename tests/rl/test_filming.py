"""Films made while training: which, of what, and that training does not notice."""

import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest

from core import checkpoint
from core.cli import main as lab
from core.stopping import Stopped
from rl import filming
from rl.filming import quarterly
from tests.killing import different

QUICK = "--preset none --normalise-obs --eval-episodes 2 --final-episodes 2 --wandb disabled --quiet"
SMALL = {
    "ppo": "--rollout 64 --batch 64 --epochs 1 --hidden 8 --envs 2 --compile off",
    "sb3-ppo": "--rollout 64 --batch 64 --epochs 1 --hidden 8 --envs 2",
}


def train(root: Path, agent: str, *more: str, env: str = "CartPole-v1") -> int:
    words = ["train", agent, "--env", env, *SMALL[agent].split(), *QUICK.split(), "--seeds", "3", "4"]
    return lab([*words, "--steps", "512", "--eval-every", "64", "--root", str(root), "--name", "g", *more])


def films(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "media").glob("*.mp4"))


def rows(run: Path) -> list[dict[str, Any]]:
    read = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if not name.startswith("time/")} for row in read]


@pytest.mark.parametrize("agent", SMALL)
def test_training_does_not_notice_that_it_is_filmed(agent: str, tmp_path: Path) -> None:
    assert train(tmp_path / "filmed", agent, "--video") == 0
    assert train(tmp_path / "plain", agent) == 0
    for seed in ("3", "4"):
        ours, theirs = (tmp_path / which / "g" / seed for which in ("filmed", "plain"))
        assert rows(ours) == rows(theirs)
        states = [
            checkpoint.load(run / "checkpoints" / "last.safetensors")["state"] for run in (ours, theirs)
        ]
        assert different(*states) == []
    assert films(tmp_path / "filmed" / "g" / "3") == [f"episode-{n}.mp4" for n in (128, 256, 384, 512)]
    assert films(tmp_path / "filmed" / "g" / "4") == ["episode-512.mp4"]
    assert films(tmp_path / "plain" / "g" / "3") == []
    index = (tmp_path / "filmed" / "g" / "3" / "media" / "index.jsonl").read_text().splitlines()
    noted = [entry["env_step"] for entry in map(json.loads, index) if entry["kind"] == "video"]
    assert noted == [128, 256, 384, 512]


def test_the_film_is_the_episode_the_trained_policy_plays(tmp_path: Path) -> None:
    """At the end, the same pictures as `lab eval --video`, which loads the last checkpoint."""
    assert train(tmp_path, "ppo", "--video") == 0
    for seed in ("3", "4"):
        run = tmp_path / "g" / seed
        assert lab(["eval", str(run), "--episodes", "1", "--video", "--root", str(tmp_path)]) == 0
        assert _pictures(run / "media" / "episode-512.mp4") == _pictures(run / "media" / "eval.mp4")
    pair = [_pictures(tmp_path / "g" / seed / "media" / "episode-512.mp4") for seed in ("3", "4")]
    assert pair[0] != pair[1]


def test_a_film_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filming, "LONGEST", 4)
    assert train(tmp_path, "ppo", "--video") == 0
    assert len(_pictures(tmp_path / "g" / "3" / "media" / "episode-512.mp4")) == 1 + 4


@pytest.mark.parametrize("agent", SMALL)
def test_what_cannot_be_filmed_is_said_once_and_trained_all_the_same(
    agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "maze.py").write_text(BLIND)
    monkeypatch.chdir(tmp_path)
    assert train(tmp_path, agent, "--video", env="maze.py:Blind") == 0
    said = capsys.readouterr().out + (tmp_path / "g" / "4" / "console.log").read_text()
    assert len(re.findall("no film: maze.py:Blind cannot be filmed: .*; training goes on", said)) == 1
    assert films(tmp_path / "g" / "3") == []
    assert rows(tmp_path / "g" / "4")[-1]["eval/length"] == 3


def test_a_driver_that_is_missing_does_not_end_training_but_being_stopped_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(error: Exception) -> Any:
        def film(*_: Any, **__: Any) -> int:
            raise error

        return film

    monkeypatch.setattr(filming, "film", broken(RuntimeError("no display\nat line 3")))
    assert train(tmp_path / "a", "ppo", "--video") == 0
    log = (tmp_path / "a" / "g" / "3" / "console.log").read_text()
    assert "no film: RuntimeError: no display; training goes on" in log
    monkeypatch.setattr(filming, "film", broken(Stopped()))
    train(tmp_path / "b", "ppo", "--video")
    run = json.loads((tmp_path / "b" / "g" / "3" / "run.json").read_text())
    assert run["status"] == "stopped"


def test_stopped_between_two_films_a_run_is_resumed_and_has_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = filming.film, list[str]()

    def film(path: Path, *args: Any, **more: Any) -> int:
        calls.append(path.name)
        if len(calls) == 5:  # seed 3's were four; this is seed 4's
            raise Stopped
        return real(path, *args, **more)

    monkeypatch.setattr(filming, "film", film)
    train(tmp_path, "ppo", "--video")
    assert calls == ["3.mp4"] * 4 + ["4.mp4"]
    assert films(tmp_path / "g" / "3") == [f"episode-{n}.mp4" for n in (128, 256, 384)]
    assert lab(["resume", "g", "--root", str(tmp_path), "--quiet"]) == 0
    for seed, steps in (("3", [128, 256, 384, 512]), ("4", [512])):
        index = (tmp_path / "g" / seed / "media" / "index.jsonl").read_text().splitlines()
        assert [e["env_step"] for e in map(json.loads, index) if e["kind"] == "video"] == steps
        assert films(tmp_path / "g" / seed) == [f"episode-{n}.mp4" for n in steps]


def test_a_quarter_is_filmed_at_the_first_evaluation_after_it() -> None:
    def filmed(steps: int, stride: int, every: int) -> list[int]:
        due = quarterly(steps, stride, every)
        evaluated = [n for n in range(stride, steps, stride) if n // every > (n - stride) // every]
        return [n for n in evaluated if due(n)]

    assert filmed(1000, 1, 50) == [250, 500, 750]
    assert filmed(4096, 1, 204) == [1224, 2244, 3264]
    assert filmed(1000, 16, 50) == [256, 512, 752]
    assert filmed(1000, 64, 50) == [256, 512, 768]  # every update evaluates
    assert filmed(1000, 10, 400) == [400, 800]  # seldom: each stands for its quarter
    assert not quarterly(1000, 1, 0)(500)


def _pictures(path: Path) -> list[bytes]:
    with closing(imageio_ffmpeg.read_frames(str(path))) as read:
        next(read)
        return list(read)


BLIND = """
import gymnasium as gym
import numpy as np

class Blind(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(2, np.float32), {}
    def step(self, action):
        self.t += 1
        return np.zeros(2, np.float32), 1.0, self.t == 3, False, {}
"""
