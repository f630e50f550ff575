"""Exact values, against numbers worked by hand and the known optima of Gymnasium's tables."""

import math

import numpy as np
import pytest

from rl.environments import Envs, Task
from rl.planning import Model, Table, finite_horizon_value, model_of, policy_value


def model(env: str) -> Model:
    found = Envs(Task(env), [0], 1).model
    assert found is not None
    return found


def test_a_policy_of_the_frozen_lake_has_its_known_value() -> None:
    lake = model("FrozenLake-v1")
    policy = np.array([0, 3, 3, 3, 0, 0, 0, 0, 3, 1, 0, 0, 0, 2, 1, 0])
    assert lake.from_start(policy_value(lake, policy, 0.99)) == pytest.approx(0.542026, abs=1e-6)
    assert lake.from_start(finite_horizon_value(lake, policy, 100)) == pytest.approx(0.7402, abs=1e-4)


def test_where_no_episode_begins_a_value_may_be_infinite() -> None:
    # State 1 pays −1 for ever; state 0 pays 3 and ends; episodes begin in 0, or a quarter of them in 1.
    P, R = np.zeros((2, 1, 2)), np.array([[3.0], [-1.0]])
    P[1, 0, 1] = 1
    value = policy_value(Model(P, R, np.array([1.0, 0.0])), np.zeros(2, np.int64), 1.0)
    assert value.tolist() == [3, -math.inf]
    assert Model(P, R, np.array([1.0, 0.0])).from_start(value) == 3
    assert Model(P, R, np.array([0.75, 0.25])).from_start(value) == -math.inf
    assert Model(P, R, np.array([0.75, 0.25])).from_start(np.array([4.0, -2.0])) == 2.5


def test_the_models_chances_sum_to_one_less_the_endings() -> None:
    lake = model("FrozenLake-v1")
    assert lake.P[14, 2].sum() == pytest.approx(2 / 3)  # beside the goal: one of three slips ends it
    assert lake.R[14, 2] == pytest.approx(1 / 3)
    assert lake.P[0].sum(1) == pytest.approx(1)


# 0 -> 1 -> end; the end, 2, loops on itself, is paid for it, and is not marked as terminated when it does.
CORRIDOR: Table = {
    0: {0: [(1.0, 1, -1.0, False)], 1: [(1.0, 0, 0.0, False)]},
    1: {0: [(1.0, 2, 5.0, True)], 1: [(1.0, 0, -2.0, False)]},
    2: {0: [(1.0, 2, 7.0, False)], 1: [(1.0, 0, 7.0, False)]},
}


def test_a_time_limit_cuts_by_hand() -> None:
    corridor = model_of(CORRIDOR, [1.0, 0.0, 0.0])
    onward, random = np.array([0, 0, 0]), np.full((3, 2), 0.5)
    assert [finite_horizon_value(corridor, onward, h)[0] for h in range(4)] == [0, -1, 4, 4]
    # one step at random from 0: (−1 + 0) / 2; from 1: (5 − 2) / 2
    assert finite_horizon_value(corridor, random, 1).tolist() == [-0.5, 1.5, 0]
    # v₀ = −½ + ½ v₁ + ½ v₀ and v₁ = 3⁄2 + ½ v₀, so v₀ = −1 + v₁ = 1⁄2 + ½ v₀ = 1 and v₁ = 2
    assert policy_value(corridor, random, 1.0) == pytest.approx([1, 2, 0])


def test_going_round_for_ever_is_free_or_worth_infinity() -> None:
    corridor = model_of(CORRIDOR, [1.0, 0.0, 0.0])
    waiting, circling = np.array([1, 0, 0]), np.array([0, 1, 0])
    assert policy_value(corridor, waiting, 1.0).tolist() == [0, 5, 0]
    assert policy_value(corridor, circling, 1.0).tolist()[:2] == [-math.inf, -math.inf]
    assert policy_value(corridor, circling, 0.5)[0] == pytest.approx(-2 / 0.75)  # −1 − 2/2, and again each ¼
