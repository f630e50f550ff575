"""Stable-Baselines3 in our record: the same shape, the same numbers every time, training untouched by evaluation."""

import dataclasses
import inspect
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.buffers import NStepReplayBuffer
from torch import nn

from core import checkpoint
from core.cli import main as lab
from core.frames import metrics
from core.noise import Chance
from core.records import Record, scan
from rl import baselines
from rl.agents import dqn, ppo
from rl.baselines import Seed, model_of
from rl.build import module_of
from rl.evaluate import load
from rl.guest import GuestPolicy
from rl.playing import trial
from rl.recipes import RECIPES, dqn_arguments, ppo_arguments
from rl.task import Task

SMALL = {
    "a2c": "--rollout 32",
    "dqn": "--learning-starts 32 --train-every 32 --gradient-steps 2 --batch 16",
    "ppo": "--rollout 32 --batch 32 --epochs 2",
}
COMMON = "--preset none --steps 256 --envs 2 --hidden 16 --eval-every 128 --log-every 32"
SHORT = "--eval-episodes 2 --final-episodes 4 --eval-max-steps 50 --wandb disabled --quiet"
OURS_ALONE = {
    "a2c": {"grad_norm"},
    "dqn": {"grad_norm", "value/q"},
    "ppo": {"grad_norm"},
}  # theirs tell no such thing
LEARNED = {"a2c": "loss/policy", "dqn": "loss/td", "ppo": "loss/policy"}


def words(what: str, *more: str) -> list[str]:
    """The command of one tiny run of an agent or a baseline."""
    agent, _, rest = what.partition(" ")
    small = SMALL[agent.removeprefix("sb3-")]
    return ["train", agent, *rest.split(), *small.split(), *COMMON.split(), *SHORT.split(), *more]


def train(root: Path, what: str, *more: str) -> list[Record]:
    """The records of one tiny run, by seed."""
    assert lab(words(what, *more, "--root", str(root))) == 0
    return sorted(scan(root), key=lambda record: record.seed)


def rows(record: Record) -> list[dict[str, Any]]:
    """Its metrics without times, as the frame holds them."""
    frame = metrics(record)
    kept = frame[[name for name in frame if not name.startswith("time/")]]
    return [{k: v for k, v in row.items() if v == v} for row in kept.to_dict("records")]


def saved(record: Record) -> Any:
    return checkpoint.load(record.path / "checkpoints" / "last.safetensors")["state"]


@pytest.fixture(scope="module", params=SMALL)
def together(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    return train(tmp_path_factory.mktemp("together"), f"sb3-{request.param} --env CartPole-v1 --seeds 0 1")


def test_the_record_has_the_shape_of_our_own(together: list[Record], tmp_path: Path) -> None:
    agent = together[0].algorithm.removeprefix("sb3-")
    (ours,) = train(tmp_path, f"{agent} --env CartPole-v1 --seeds 0")
    assert [record.seed for record in together] == [0, 1]
    for record in together:
        assert record.status == "finished"
        assert record.group == together[0].group
        assert set(metrics(record)) == set(metrics(ours)) - OURS_ALONE[agent]
        assert set(ours.summary) - set(record.summary) == OURS_ALONE[agent]
        assert set(record.config) == set(ours.config)
        assert len(record.summary["final/returns"]) == 4
        assert record.summary["final/return"] == pytest.approx(np.mean(record.summary["final/returns"]))
        scored, ours_scored = (
            [row["env_step"] for row in rows(r) if "eval/return" in row] for r in (record, ours)
        )
        assert scored == ours_scored == [128, 256]
        learned, ours_learned = (
            [row["env_step"] for row in rows(r) if LEARNED[agent] in row] for r in (record, ours)
        )
        assert learned == ours_learned == list(range(64, 257, 32 if agent == "dqn" else 64))


def test_a_run_is_loaded_and_plays_as_it_was_evaluated(together: list[Record]) -> None:
    for record in together:
        player = load(record.path)
        played = trial(player.agent, player.envs, episodes=4, max_steps=50, stream="eval-last", explore=False)
        assert played.returns[0].tolist() == record.summary["final/returns"]
        env = player.environment()
        assert env.action_space.contains(player.act(env.reset(seed=0)[0]))
        assert load(record.path, checkpoint="best").step == record.summary["best"]["eval/return"]["step"]


def test_a_loaded_run_sees_observations_as_it_was_trained_to(tmp_path: Path) -> None:
    (record,) = train(tmp_path, "sb3-a2c --env Pendulum-v1 --normalise-obs --seeds 5 --sde-every 8")
    player = load(record.path)
    played = trial(player.agent, player.envs, episodes=4, max_steps=50, stream="eval-last", explore=False)
    assert played.returns[0].tolist() == record.summary["final/returns"]
    assert player.envs.see(np.full((1, 3), 0.5, np.float32)).ravel() != pytest.approx([0.5] * 3, abs=0.01)


def test_a_seed_is_the_same_every_time_alone_and_in_company(together: list[Record], tmp_path: Path) -> None:
    (alone,) = train(tmp_path, f"{together[0].algorithm} --env CartPole-v1 --seeds 1")
    assert rows(alone) == rows(together[1])
    assert rows(alone) != rows(together[0])
    weights = [saved(record)["agent"]["weights"] for record in (alone, *together)]
    same = [all((weights[0][name] == other[name]).all() for name in weights[0]) for other in weights]
    assert same == [True, False, True]


@pytest.mark.parametrize(
    ("agent", "env"), [("a2c", "Pendulum-v1"), ("dqn", "Acrobot-v1"), ("ppo", "Pendulum-v1")]
)
def test_evaluation_leaves_the_training_as_it_is(agent: str, env: str, tmp_path: Path) -> None:
    task = f"sb3-{agent} --env {env} --normalise-obs --normalise-reward --seeds 3 --max-episode-steps 40"
    often, never = (train(tmp_path / every, task, "--eval-every", every)[0] for every in ("64", "0"))
    trained = [[row for row in rows(record) if LEARNED[agent] in row] for record in (often, never)]
    assert trained[0] == trained[1]
    assert len(trained[0]) == (7 if agent == "dqn" else 4)
    assert len(rows(often)) > len(rows(never))
    moments = [saved(record)["envs"]["moments"] for record in (often, never)]
    # one observation per environment and step, and one each at the first reset
    assert [m["count"] for m in moments] == [pytest.approx(256 + 2 + 1e-4)] * 2
    assert (np.asarray(moments[0]["mean"]) == np.asarray(moments[1]["mean"])).all()
    assert often.summary["final/returns"] == never.summary["final/returns"]


OTHERWISE = {  # where our defaults are not theirs
    "sb3-a2c": {},
    "sb3-dqn": {"buffer_size": (100_000, 1_000_000), "target_update_interval": (1000, 10_000)},
    "sb3-ppo": {},
}


@pytest.mark.parametrize("name", RECIPES)
def test_our_defaults_are_theirs(name: str) -> None:
    recipe = RECIPES[name]
    theirs = {key: p.default for key, p in inspect.signature(recipe.model.__init__).parameters.items()}
    ours = recipe.arguments(recipe.Config(), 1, False)
    for scheduled in ("learning_rate", "clip_range"):
        if callable(ours.get(scheduled)):
            assert ours.pop(scheduled)(0.3) == theirs[scheduled]
    ours.pop("policy_kwargs")  # compared by the weights that come of it, below
    assert {k: (ours[k], theirs[k]) for k in ours if ours[k] != theirs[k]} == OTHERWISE[name]
    model = model_of(name, recipe.Config(), Task(env="CartPole-v1"), 1, 7)
    plain = recipe.model("MlpPolicy", "CartPole-v1", device="cpu")
    shapes = [{n: tuple(v.shape) for n, v in m.policy.state_dict().items()} for m in (model, plain)]
    assert shapes[0] == shapes[1]
    optimisers = [(type(m.policy.optimizer), m.policy.optimizer.defaults) for m in (model, plain)]
    assert optimisers[0] == optimisers[1]
    assert str(model.policy) == str(plain.policy)


class Read:
    """Settings that remember which of them were asked for."""

    def __init__(self, config: Any) -> None:
        self.config, self.names = config, set[str]()

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self.config, name)


@pytest.mark.parametrize("name", RECIPES)
def test_no_setting_of_ours_is_passed_over(name: str) -> None:
    recipe = RECIPES[name]
    told = Read(recipe.Config())
    recipe.arguments(told, 1, False)
    idle = {"alpha", "beta"} if name == "sb3-dqn" else set()  # of the priorities it has not
    assert told.names == {field.name for field in dataclasses.fields(recipe.Config)} - idle


CLASSIC = ("CartPole-v1", "Acrobot-v1", "MountainCar-v0", "Pendulum-v1", "MountainCarContinuous-v0")


@pytest.mark.parametrize("name", RECIPES)
def test_the_presets_are_those_of_our_agent(name: str) -> None:
    recipe, built = RECIPES[name], 0
    assert vars(module_of(name.removeprefix("sb3-")))["PRESETS"] is recipe.PRESETS
    fields = {field.name for field in dataclasses.fields(recipe.Config)}
    for env, preset in recipe.PRESETS["zoo"].items():
        if env in CLASSIC:
            config = recipe.Config(**{key: value for key, value in preset.items() if key in fields})
            model = model_of(name, config, Task(env=env), preset.get("envs", 1), 0)
            assert (model.gamma, model.lr_schedule(1)) == (config.gamma, config.lr)
            built += 1
    assert built >= 3


def test_dqn_is_told_what_zoo_says_of_cartpole() -> None:
    """rl-baselines3-zoo, hyperparams/dqn.yml, by hand; beside two environments learning is as often per transition."""
    config = dqn.Config(
        **{key: value for key, value in dqn.PRESETS["zoo"]["CartPole-v1"].items() if key != "steps"}
    )
    told = dqn_arguments(config, 1, False)
    assert told == {
        "learning_rate": 2.3e-3,
        "buffer_size": 100_000,
        "learning_starts": 1000,
        "batch_size": 64,
        "tau": 1.0,
        "gamma": 0.99,
        "train_freq": 256,
        "gradient_steps": 128,
        "n_steps": 1,
        "target_update_interval": 10,
        "exploration_fraction": 0.16,
        "exploration_initial_eps": 1.0,
        "exploration_final_eps": 0.04,
        "max_grad_norm": 10.0,
        "policy_kwargs": {"net_arch": [256, 256], "activation_fn": nn.ReLU},
    }
    assert [dqn_arguments(config, envs, False)["train_freq"] for envs in (2, 3, 512)] == [128, 86, 1]
    assert dqn_arguments(dqn.Config(max_grad_norm=0), 1, False)["max_grad_norm"] == float("inf")
    model = model_of("sb3-dqn", dqn.Config(n_step=3, gamma=0.9), Task(env="CartPole-v1"), 2, 0)
    assert isinstance(model.replay_buffer, NStepReplayBuffer)  # type: ignore[union-attr]
    assert (model.replay_buffer.n_steps, model.replay_buffer.gamma) == (3, 0.9)  # type: ignore[union-attr]


def test_a_dqn_explores_at_its_own_rate_when_it_is_evaluated() -> None:
    model = model_of("sb3-dqn", dqn.Config(), Task(env="Acrobot-v1"), 1, 0)
    policy, obs = GuestPolicy([model]), np.zeros((1, 2000, 6), np.float32)
    greedy, _ = policy.act(obs, (), start=np.ones((1, 2000), bool), explore=None)
    best = greedy[0, 0]
    assert (greedy == best).all()
    for rate in (0.0, 0.3, 1.0):
        model.exploration_rate = rate  # type: ignore[union-attr]
        drawn, _ = policy.act(obs, (), start=np.ones((1, 2000), bool), explore=Chance([1], "test"))
        assert (drawn != best).mean() == pytest.approx(rate * 2 / 3, abs=0.04)  # of three actions


def test_schedules_run_from_the_first_step_to_the_last() -> None:
    config = ppo.Config(lr=0.01, lr_schedule="linear", clip=0.4, clip_schedule="linear", clip_value=True)
    arguments = ppo_arguments(config, 1, pixels=False)
    assert [arguments["learning_rate"](left) for left in (1, 0.25, 0)] == pytest.approx([0.01, 0.0025, 0])
    assert [arguments["clip_range"](left) for left in (1, 0.25, 0)] == pytest.approx([0.4, 0.1, 0])
    assert arguments["clip_range_vf"](0.25) == pytest.approx(0.1)


def test_a_norm_of_nothing_means_that_gradients_are_not_clipped() -> None:
    assert ppo_arguments(ppo.Config(max_grad_norm=0), 1, pixels=False)["max_grad_norm"] == float("inf")


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


@pytest.mark.parametrize("switch", ["--double", "--dueling", "--prioritised", "--loss mse"])
def test_a_switch_that_theirs_has_not_is_refused(
    switch: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        lab(["train", "sb3-dqn", "--env", "CartPole-v1", *switch.split(), "--root", str(tmp_path / "r")]) == 2
    )
    assert capsys.readouterr().err.endswith(f"{switch} is not for sb3-dqn; leave it out\n")
    assert lab(["train", "sb3-dqn", "--env", "Pendulum-v1", "--root", str(tmp_path / "r")]) == 2
    assert "sb3-dqn cannot train on Pendulum-v1" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_stopped_in_a_later_seed_the_earlier_ones_are_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(Seed):
        def train(self) -> None:
            if self.recorder.index == 1:
                os.kill(os.getpid(), signal.SIGINT)
            super().train()

    monkeypatch.setattr(baselines, "Seed", Interrupted)
    argv = words("sb3-dqn --env CartPole-v1 --seeds 0 1 2 --name cut", "--root", str(tmp_path))
    assert lab(argv) == 128 + signal.SIGINT
    found = sorted(scan(tmp_path), key=lambda record: record.seed)
    assert [record.status for record in found] == ["finished", "stopped", "stopped"]
    assert len(found[0].summary["final/returns"]) == 4
    assert load(found[0].path).step == 256
    assert not list((found[1].path / "checkpoints").iterdir())
    assert lab(["eval", "cut/0", "--episodes", "2", "--root", str(tmp_path)]) == 0
    assert "greedy return, mean over seeds" in capsys.readouterr().out


LONG = {
    "dqn": "--preset none --learning-starts 10 --train-every 20 --gradient-steps 10000000 --batch 2",
    "ppo": "--preset none --rollout 64 --batch 2 --epochs 100000",
}


@pytest.mark.parametrize("agent", LONG)
def test_sigterm_stops_within_a_long_update_and_cannot_be_resumed(
    agent: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The update of this run alone would take minutes."""
    flags = f"--env CartPole-v1 {LONG[agent]} {SHORT} --seeds 0 1 --name long"
    began = time.monotonic()
    timer = threading.Timer(3.0, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        assert lab(["train", f"sb3-{agent}", *flags.split(), "--root", str(tmp_path)]) == 128 + signal.SIGTERM
    finally:
        timer.cancel()
    assert time.monotonic() - began < 3 + 10
    assert [record.status for record in scan(tmp_path)] == ["stopped"] * 2
    capsys.readouterr()
    assert lab(["resume", "long", "--root", str(tmp_path)]) == 2
    assert "cannot be resumed; train it anew" in capsys.readouterr().err


@pytest.mark.parametrize("agent", SMALL)
def test_a_policy_that_is_not_finite_fails_its_seed_alone(agent: str, tmp_path: Path) -> None:
    """A learning rate that overflows: the seed ends, and the other one is tried all the same."""
    argv = words(f"sb3-{agent} --env CartPole-v1 --lr 1e30 --seeds 0 1", "--root", str(tmp_path))
    assert lab(argv) == 1
    found = scan(tmp_path)
    assert [record.status for record in found] == ["failed"] * 2
    assert all("not finite" in record.run["error"] or "loss/" in record.run["error"] for record in found)
