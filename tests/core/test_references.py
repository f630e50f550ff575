"""The reference scores: made again where that is quick, and the rest seen to be sane."""

import math

import gymnasium
import numpy as np
import pytest

from core.measures import BARS
from core.references import ATARI, BEST, EXACT, MUJOCO, PLAYED, REFERENCES, SOLVED, normalised, reference
from rl.dynamic_programming import finite_horizon, value_iteration
from rl.planning import Model, finite_horizon_value, model_of, policy_value
from tests.core.random_policies import mean_return

TABLES = {"FrozenLake-v1": 100, "FrozenLake8x8-v1": 200, "Taxi-v4": 200}  # and their time limits
QUICK = ("CartPole-v1", "Pendulum-v1")


def table_of(task: str) -> tuple[Model, int | None]:
    env = gymnasium.make(task)
    bare = env.unwrapped
    limit = env.spec.max_episode_steps if env.spec else None
    return model_of(bare.P, bare.initial_state_distrib), limit  # type: ignore[attr-defined]


def by_chance(model: Model) -> np.ndarray:
    return np.full((model.states, model.actions), 1 / model.actions)


@pytest.mark.parametrize("task", TABLES)
def test_exact_references_are_exact(task: str) -> None:
    model, limit = table_of(task)
    known = REFERENCES[task]
    assert limit == TABLES[task]
    assert (known.low_source, known.high_source[: len(BEST)]) == (EXACT, BEST)
    assert known.low == pytest.approx(
        model.start @ finite_horizon_value(model, by_chance(model), limit), rel=1e-4
    )
    assert known.high == pytest.approx(model.start @ finite_horizon(model, 1.0, limit).value, rel=1e-4)


def test_random_walks_at_the_cliff_say_nothing() -> None:
    model, limit = table_of("CliffWalking-v1")
    assert limit is None
    assert REFERENCES["CliffWalking-v1"].high == pytest.approx(
        model.start @ value_iteration(model, 1.0).value
    )
    assert model.start @ policy_value(model, by_chance(model), 1.0) == pytest.approx(-65_375, abs=0.5)


@pytest.mark.parametrize("task", QUICK)
def test_played_references_can_be_played_again(task: str) -> None:
    assert mean_return(task) == pytest.approx(REFERENCES[task].low, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "task", [t for t, r in REFERENCES.items() if r.low_source == PLAYED and t not in QUICK]
)
def test_longer_ones_too(task: str) -> None:
    if "Lunar" in task or "Bipedal" in task:
        pytest.importorskip("Box2D")
    # what a simulation of bodies gives differs a little between machines; one standard error is far more than that
    assert mean_return(task) == pytest.approx(REFERENCES[task].low, rel=0.02)


def test_thresholds_are_gymnasiums() -> None:
    for task, known in REFERENCES.items():
        if known.high_source == SOLVED:
            assert gymnasium.spec(task).reward_threshold == known.high == BARS[task]


def test_cartpole_by_hand() -> None:
    # 22.546 is 0, 500 is 1
    found = normalised("CartPole-v1", "eval/return", [22.546, 500.0, 261.273, math.nan])
    assert found is not None
    assert found == pytest.approx([0, 1, 0.5, math.nan], nan_ok=True)
    assert normalised("CartPole-v1", "episode/return", 500.0) == 1


def test_what_has_no_reference() -> None:
    assert normalised("CartPole-v1", "eval/length", [1.0]) is None
    assert normalised("CartPole-v1", "eval/regret", [1.0]) is None
    assert normalised("digits", "eval/return", [1.0]) is None
    assert reference("CartPole-v1 {'sutton_barto_reward': True}") is None  # another task
    assert reference("HalfCheetah-v5") is None  # other rewards than D4RL's
    assert reference("Nonsense-v5") is None


def test_names_of_games() -> None:
    assert len(ATARI) == 57
    for name in ("ALE/Pong-v5", "Pong-v5", "PongNoFrameskip-v4"):
        assert reference(name) == (-20.7, 14.6, *reference("ALE/Alien-v5")[2:])  # type: ignore[index]
    assert reference("ALE/MsPacman-v5")[:2] == (307.3, 6951.6)  # type: ignore[index]
    assert reference("Hopper-v4")[:2] == MUJOCO["Hopper"]  # type: ignore[index]


@pytest.mark.parametrize("task", [*REFERENCES, *(f"{n}-v3" for n in MUJOCO), *(f"{n}-v5" for n in ATARI)])
def test_one_is_better_than_nothing_and_says_who_said_so(task: str) -> None:
    known = reference(task)
    assert known is not None
    assert known.low < known.high
    assert len(known.low_source) > 10
    assert len(known.high_source) > 10
