"""`lab check-env`: what is wrong is found and named, and nothing else is."""

import gymnasium as gym
import pytest

from core.cli import main
from rl.audit import audit
from rl.task import Task
from tests.rl.small_worlds import HERE
from tests.rl.wrong_worlds import Promising

WRONG = {
    "Clock": "a time limit reported as termination: 8 random episodes, each terminated after 10 steps",
    "Unseeded": "randomness that no seed governs: reset(seed=…) begins otherwise each time",
    "Dice": "randomness that no seed governs: step 1 differs",
    "Shared": "copies share state: step ",
    "Outside": "is outside Box(-2.0, 2.0, (1,), float32)",
    "Huge": "observations are unscaled: as large as ",
    "Leaky": "reset leaves something of the episode before",
}
PLAIN = [
    "CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Acrobot-v1", "Pendulum-v1", "FrozenLake-v1",
    "FrozenLake8x8-v1", "CliffWalking-v1", "CliffWalkingSlippery-v1", "Taxi-v4",
]  # fmt: skip


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)


@pytest.mark.parametrize("name", WRONG)
def test_each_fault_is_found_and_is_the_only_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    faults = [finding for finding in audit(Task(env=f"wrong_worlds.py:{name}")) if finding.kind == "fault"]
    ours = [finding for finding in faults if "checker" not in finding.what]
    assert len(ours) == 1
    assert WRONG[name] in ours[0].what
    assert main(["check-env", f"wrong_worlds.py:{name}"]) == 1
    out = capsys.readouterr().out
    assert (
        f"fault: {ours[0].what}\n  why it matters: {ours[0].why}\n  how to mend it: {ours[0].mend}\n" in out
    )


def test_what_is_right_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-env", "wrong_worlds.py:Right"]) == 0
    out = capsys.readouterr().out
    assert "wrong_worlds.py:Right: 0 faults" in out
    assert "runs in it resume exactly, by the running episode's actions, played again" in out


def test_what_is_slow_and_what_is_out_of_reach_are_notes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-env", "wrong_worlds.py:Slow"]) == 0
    assert "note: a step takes 1" in capsys.readouterr().out
    gym.register("Promising-v0", Promising, max_episode_steps=5, reward_threshold=2.0)
    try:
        assert main(["check-env", "Promising-v0"]) == 0
    finally:
        del gym.registry["Promising-v0"]
    assert "the threshold 2 is out of reach: the best policy there is gets 1.0000" in capsys.readouterr().out


@pytest.mark.parametrize("env", PLAIN)
def test_gymnasiums_own_environments_raise_no_alarm(env: str) -> None:
    found = audit(Task(env=env))
    assert [finding for finding in found if finding.kind == "fault"] == []
    reach = [finding.what for finding in found if "out of reach" in finding.what]
    assert len(reach) == (env == "Taxi-v4")  # 8, where the optimum is 7.93
    assert any("resume exactly" in finding.what for finding in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "env", ["LunarLander-v3", "LunarLanderContinuous-v3", "BipedalWalker-v3", "CarRacing-v3"]
)
def test_box2ds_environments_raise_no_alarm(env: str) -> None:
    pytest.importorskip("Box2D", reason="the extra box2d is not installed")
    assert [finding for finding in audit(Task(env=env)) if finding.kind == "fault"] == []


def test_mistakes_are_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for words, line in (([], "name an environment first"), (["CartPol-v1"], "did you mean")):
        assert main(["check-env", *words]) == 2
        assert line in capsys.readouterr().err
