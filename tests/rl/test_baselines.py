"""Stable-Baselines3 in our record: the same shape, the same numbers every time, training untouched by evaluation."""

import inspect
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import PPO

from core import checkpoint
from core.cli import main as lab
from core.records import Record, scan
from rl.agents import ppo
from rl.baselines import model_of
from rl.recipes import ppo_arguments
from rl.task import Task

SMALL = "--steps 256 --envs 2 --rollout 32 --batch 32 --epochs 2 --hidden 16 --eval-every 128 --log-every 32"
SHORT = "--eval-episodes 2 --final-episodes 4 --eval-max-steps 50 --wandb disabled --quiet"


def train(root: Path, what: str, *more: str) -> list[Record]:
    """The records of one tiny run, by seed."""
    assert lab(["train", *what.split(), *SMALL.split(), *SHORT.split(), *more, "--root", str(root)]) == 0
    return sorted(scan(root), key=lambda record: record.seed)


def rows(record: Record) -> list[dict[str, Any]]:
    """Its metrics without times, as the frame holds them."""
    frame = record.metrics()
    kept = frame[[name for name in frame if not name.startswith("time/")]]
    return [{k: v for k, v in row.items() if v == v} for row in kept.to_dict("records")]


def saved(record: Record) -> Any:
    return checkpoint.load(record.path / "checkpoints" / "last.safetensors")["state"]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    return train(tmp_path_factory.mktemp("together"), "sb3-ppo --env CartPole-v1 --seeds 0 1")


def test_the_record_has_the_shape_of_our_own(together: list[Record], tmp_path: Path) -> None:
    (ours,) = train(tmp_path, "ppo --env CartPole-v1 --seeds 0")
    assert [record.seed for record in together] == [0, 1]
    for record in together:
        assert record.status == "finished"
        assert record.group == together[0].group
        assert set(record.metrics()) == set(ours.metrics()) - {"grad_norm"}
        assert set(ours.summary) - set(record.summary) == {"grad_norm"}
        assert set(record.config) == set(ours.config)
        assert len(record.summary["final/returns"]) == 4
        assert record.summary["final/return"] == pytest.approx(np.mean(record.summary["final/returns"]))
        scored, ours_scored = (
            [row["env_step"] for row in rows(r) if "eval/return" in row] for r in (record, ours)
        )
        assert scored == ours_scored == [128, 256]
        learned = [row["env_step"] for row in rows(record) if "loss/policy" in row]
        assert (
            learned == [row["env_step"] for row in rows(ours) if "loss/policy" in row] == [64, 128, 192, 256]
        )


def test_a_seed_is_the_same_every_time_alone_and_in_company(together: list[Record], tmp_path: Path) -> None:
    (alone,) = train(tmp_path, "sb3-ppo --env CartPole-v1 --seeds 1")
    assert rows(alone) == rows(together[1])
    assert rows(alone) != rows(together[0])
    weights = [saved(record)["agent"]["weights"] for record in (alone, *together)]
    same = [all((weights[0][name] == other[name]).all() for name in weights[0]) for other in weights]
    assert same == [True, False, True]


def test_evaluation_leaves_the_training_as_it_is(tmp_path: Path) -> None:
    task = "sb3-ppo --env Pendulum-v1 --normalise-obs --normalise-reward --seeds 3 --max-episode-steps 40"
    often, never = (train(tmp_path / every, task, "--eval-every", every)[0] for every in ("64", "0"))
    trained = [[row for row in rows(record) if "loss/policy" in row] for record in (often, never)]
    assert trained[0] == trained[1]
    assert len(trained[0]) == 4
    assert len(rows(often)) > len(rows(never))
    moments = [saved(record)["envs"]["moments"] for record in (often, never)]
    # one observation per environment and step, and one each at the first reset
    assert [m["count"] for m in moments] == [pytest.approx(256 + 2 + 1e-4)] * 2
    assert (np.asarray(moments[0]["mean"]) == np.asarray(moments[1]["mean"])).all()
    assert often.summary["final/returns"] == never.summary["final/returns"]


def test_our_defaults_are_theirs() -> None:
    theirs = {name: p.default for name, p in inspect.signature(PPO.__init__).parameters.items()}
    ours = ppo_arguments(ppo.Config(), 1, pixels=False)
    assert (ours.pop("learning_rate")(0.3), ours.pop("clip_range")(0.3)) == (3e-4, 0.2)
    ours.pop("policy_kwargs")  # compared by the weights that come of it, below
    assert ours == {name: theirs[name] for name in ours}
    env = Task(env="CartPole-v1")
    model, plain = model_of("sb3-ppo", ppo.Config(), env, 1, 7), PPO("MlpPolicy", "CartPole-v1", device="cpu")
    shapes = [{n: tuple(v.shape) for n, v in m.policy.state_dict().items()} for m in (model, plain)]
    assert shapes[0] == shapes[1]
    assert model.policy.optimizer.defaults["eps"] == plain.policy.optimizer.defaults["eps"]
    assert str(model.policy) == str(plain.policy)


def test_schedules_run_from_the_first_step_to_the_last() -> None:
    config = ppo.Config(lr=0.01, lr_schedule="linear", clip=0.4, clip_schedule="linear", clip_value=True)
    arguments = ppo_arguments(config, 1, pixels=False)
    assert [arguments["learning_rate"](left) for left in (1, 0.25, 0)] == pytest.approx([0.01, 0.0025, 0])
    assert [arguments["clip_range"](left) for left in (1, 0.25, 0)] == pytest.approx([0.4, 0.1, 0])
    assert arguments["clip_range_vf"](0.25) == pytest.approx(0.1)


def test_neighbouring_seeds_share_no_episode() -> None:
    starts = []
    for seed in (0, 1):
        vector = model_of("sb3-ppo", ppo.Config(), Task(env="CartPole-v1"), 3, seed).get_env()
        assert vector is not None
        starts += [tuple(first) for first in np.asarray(vector.reset())]
    assert len(set(starts)) == 6


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--env CartPole-v1 --learning-rat 1", "unknown option --learning-rat"),
        ("--env CartPole-v", "did you mean 'CartPole-v1'"),
        ("--env CartPole-v1 --vector own", "--vector own is not for sb3-ppo; use --vector sync or async"),
        ("--env CartPole-v1 --compile on", "are not for sb3-ppo; leave them out"),
        ("--env CartPole-v1 --device cuda", "use --device cpu"),
        ("--env CartPole-v1 --rollout 1 --preset none", "must be greater than 1"),
        ("--env CartPole-v1 --activation tan", "did you mean 'tanh'"),
        ("--env CartPole-v1 --seeds 1 1", "each once"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    flags: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab(["train", "sb3-ppo", *flags.split(), "--root", str(tmp_path / "runs")]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert (err.count("\n"), out) == (1, "")
    assert not (tmp_path / "runs").exists()


def test_sigterm_stops_within_a_long_update_and_cannot_be_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The update of this run alone would take minutes."""
    flags = f"--env CartPole-v1 --preset none --rollout 64 --batch 2 --epochs 100000 {SHORT} --seeds 0 1 --name long"
    began = time.monotonic()
    timer = threading.Timer(3.0, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        assert lab(["train", "sb3-ppo", *flags.split(), "--root", str(tmp_path)]) == 128 + signal.SIGTERM
    finally:
        timer.cancel()
    assert time.monotonic() - began < 3 + 10
    assert [record.status for record in scan(tmp_path)] == ["stopped"] * 2
    capsys.readouterr()
    assert lab(["resume", "long", "--root", str(tmp_path)]) == 2
    assert "cannot be resumed; train it anew" in capsys.readouterr().err


def test_a_policy_that_is_not_finite_fails_its_seed_alone(tmp_path: Path) -> None:
    """A learning rate that overflows: the seed ends, and the other one is tried all the same."""
    words = ["train", "sb3-ppo", "--env", "CartPole-v1", *SMALL.split(), *SHORT.split(), "--preset", "none"]
    assert lab([*words, "--lr", "1e30", "--seeds", "0", "1", "--root", str(tmp_path)]) == 1
    found = scan(tmp_path)
    assert [record.status for record in found] == ["failed"] * 2
    assert all("not finite" in record.run["error"] or "loss/" in record.run["error"] for record in found)
