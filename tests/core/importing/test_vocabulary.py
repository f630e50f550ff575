"""What foreign runs are called here."""

from typing import Any

import pytest

from core.importing.vocabulary import METRICS, Names, names, plain, renamed, settled
from core.measures import HIGHER_IS_BETTER

CLEANRL = {"exp_name": "ppo", "seed": 1, "env_id": "CartPole-v1", "track": True}
SB3 = {"algo": "PPO", "env": "<x.DummyVecEnv object at 0x7f>", "env_name": "CartPole-v1", "seed": "None"}


def named(config: dict[str, Any], metrics: tuple[str, ...] = (), **more: Any) -> Names:
    return names(config, metrics, **{"name": "", "project": "mine", "sb3": False, "given": {}, **more})


def test_cleanrl() -> None:
    found = named(CLEANRL, ("charts/episodic_return",))
    assert found[:4] == ("rl", "cleanrl-ppo", "CartPole-v1", 1)
    assert found.known == {"algorithm": "exp_name", "task": "env_id", "seed": "seed"}


def test_stable_baselines3() -> None:
    found = named(SB3, ("rollout/ep_rew_mean",), sb3=True)
    # sb3-ppo is an algorithm of this lab too: another word before it keeps the two apart
    assert found[:4] == ("rl", "mine-sb3-ppo", "CartPole-v1", None)
    assert named(SB3, ("rollout/ep_rew_mean",), project="sb3").algorithm == "imported-sb3-ppo"
    assert found.known["seed"] == "numbered"


@pytest.mark.parametrize(
    ("config", "more", "expected"),
    [
        ({"model": "resnet", "dataset": "cifar", "seed": 4}, {}, ("core", "resnet", "cifar", 4)),
        ({"model": "ppo", "task": "x"}, {}, ("core", "mine-ppo", "x", None)),
        ({"model": "vae", "data": "mnist"}, {}, ("generative", "mine-vae", "mnist", None)),
        ({"ALGO": "x", "Env-ID": "y", "trainer.seed": "7"}, {}, ("rl", "x", "y", 7)),
        ({}, {"name": "wgan-seed3"}, ("core", "wgan", "mine", 3)),
        ({}, {"name": "run 12"}, ("core", "mine-wide", "mine-wide", None)),
        ({"seed": True}, {"name": "a"}, ("core", "a", "mine", None)),
        ({"seed": 10**30}, {"name": "a"}, ("core", "a", "mine", None)),
        ({"seed": -1}, {"name": "a"}, ("core", "a", "mine", None)),
        ({"algo": "a\x1b[2Jb\nc", "env": "<script>"}, {"name": "n"}, ("core", "a [2Jb c", "mine", None)),
        ({"algo": 3, "env": None}, {"name": "n", "project": ""}, ("core", "n", "unknown", None)),
    ],
)
def test_settings_then_name_then_project(config: dict[str, Any], more: dict[str, Any], expected: Any) -> None:
    more = {"project": "mine-wide", **more} if more.get("name") == "run 12" else more
    assert named(config, **more)[:4] == expected


def test_what_a_person_gives_goes_first() -> None:
    given = {"algorithm": "ppo", "task": "T", "seed": "9", "suite": "generative"}
    found = named(CLEANRL, ("charts/episodic_return",), given=given)
    assert found == Names("generative", "ppo", "T", 9, dict.fromkeys(("algorithm", "task", "seed"), "--set"))


def test_returns_make_a_run_one_of_rl() -> None:
    assert named({}, ("rollout/ep_rew_mean",)).suite == "rl"
    assert named({}, ("episode/return",)).suite == "rl"
    assert named({}, ("val/loss",)).suite == "core"


def test_metrics_get_our_name_where_it_is_free() -> None:
    assert renamed({"rollout/ep_rew_mean", "eval/mean_reward", "time/fps"}, {}) == {
        "rollout/ep_rew_mean": "episode/return",
        "eval/mean_reward": "eval/return",
    }
    assert renamed({"PPO_1/rollout/ep_rew_mean"}, {}) == {"PPO_1/rollout/ep_rew_mean": "episode/return"}
    assert renamed({"val/acc", "test/acc", "loss"}, {}) == {"val/acc": "eval/accuracy", "loss": "train/loss"}
    assert renamed({"val.acc", "val.loss"}, {}) == {"val.acc": "eval/accuracy", "val.loss": "eval/loss"}
    assert renamed({"val_loss", "eval/loss"}, {}) == {}
    assert renamed({"my_loss", "myloss"}, {}) == {}
    assert renamed({"score", "eval/mean_reward"}, {"score": "eval/return", "no": "x"}) == {
        "score": "eval/return"
    }


def test_no_name_of_theirs_stands_for_two_of_ours() -> None:
    every = [name for others in METRICS.values() for name in others]
    assert len(every) == len(set(every))
    assert not set(every) & METRICS.keys()
    measured = {ours for ours in METRICS if ours.startswith(("eval/", "episode/", "train/"))} - {
        "episode/length",
        "eval/length",
    }
    assert {ours.rpartition("/")[2] for ours in measured} <= HIGHER_IS_BETTER.keys()


def test_settings_are_parted_from_the_occasion() -> None:
    config = {
        "lr": 1, "seed": 3, "start_time": 5, "_n": 1, "buffer": "<Buffer object at 0x7f00>", "dir": "runs/abcd1234",
        "run": "CartPole__ppo__1__99", "a.tensorboard_log": "x", "text": "plain",
    }  # fmt: skip
    kept, left = settled(config, "abcd1234", "CartPole__ppo__1__99")
    assert kept == {"lr": 1, "text": "plain"}
    assert {**kept, **left} == config


def test_the_name_of_a_part_is_a_setting_and_that_of_a_run_is_none() -> None:
    config = {
        "model.name": "cnn",
        "optim.id": 3,
        "name": "a",
        "wandb.name": "b",
        "x.run.id": "c",
        "x.log_dir": "d",
    }
    kept, left = settled(config, "abcd1234", "elsewhere")
    assert kept == {"model.name": "cnn", "optim.id": 3}
    assert {**kept, **left} == config


def test_nested_metrics_of_our_own_names() -> None:
    assert renamed(["train.loss", "eval.return"], {}) == {
        "train.loss": "train/loss",
        "eval.return": "eval/return",
    }


def test_a_name_fits_on_a_line() -> None:
    assert plain("  a\tb\x1b[31m\u202e ") == "a b [31m"
    assert plain("x" * 500) == "x" * 80
    assert plain("None") == plain("<a at 0x7f>") == ""
