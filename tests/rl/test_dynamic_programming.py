"""Every method of planning, against numbers worked by hand and the known optima of Gymnasium's tables."""

import numpy as np
import pytest

from core.errors import UserError
from rl.dynamic_programming import (
    METHODS,
    finite_horizon,
    modified_policy_iteration,
    policy_evaluation,
    policy_iteration,
    value_iteration,
)
from rl.planning import Table, model_of, policy_value
from tests.rl.test_planning import CORRIDOR, model

methods = pytest.mark.parametrize("method", METHODS)

# (environment, γ) -> the best value where episodes begin, to the digits that are known
OPTIMA = {
    ("FrozenLake-v1", 0.99): 0.542026,
    ("FrozenLake-v1", 1.0): 14 / 17,
    ("FrozenLake8x8-v1", 0.99): 0.414640,
    ("FrozenLake8x8-v1", 1.0): 1.0,
    ("CliffWalking-v1", 0.99): -12.247898,
    ("CliffWalking-v1", 1.0): -13,
    ("CliffWalkingSlippery-v1", 1.0): -64.7092,
    ("CliffWalkingSlippery-v1", 0.99): -46.3527,
    ("Taxi-v4", 0.99): 6.3275,
    ("Taxi-v4", 1.0): 7.93,
}


@methods
@pytest.mark.parametrize(("env", "gamma"), OPTIMA)
def test_the_optima_of_gymnasiums_tables(method: str, env: str, gamma: float) -> None:
    known, best = model(env), OPTIMA[env, gamma]
    digits = len(str(best).partition(".")[2])
    found = METHODS[method](known, gamma)
    assert known.from_start(found.value) == pytest.approx(best, abs=max(0.5 * 10.0**-digits, 1e-6))
    assert found.q.max(1) == pytest.approx(found.value, rel=1e-9, abs=1e-9)


@methods
@pytest.mark.parametrize("env", ["FrozenLake-v1", "FrozenLake8x8-v1", "CliffWalkingSlippery-v1"])
@pytest.mark.parametrize("gamma", [0.99, 1.0])
def test_the_policy_is_worth_what_the_method_says(method: str, env: str, gamma: float) -> None:
    # At γ = 1 on the 8×8 lake waiting for ever looks as good as walking: the policy must not wait.
    known = model(env)
    found = METHODS[method](known, gamma)
    worth = known.from_start(policy_value(known, found.policy, gamma))
    assert worth == pytest.approx(known.from_start(found.value), rel=1e-7)


@methods
def test_the_methods_agree_in_every_state(method: str) -> None:
    known = model("FrozenLake8x8-v1")
    first, found = value_iteration(known, 0.99), METHODS[method](known, 0.99)
    assert found.value == pytest.approx(first.value, abs=1e-9)
    assert (found.policy == first.policy).all()


def test_the_policy_of_the_lake_is_the_published_one() -> None:
    policy = value_iteration(model("FrozenLake-v1"), 0.99).policy
    assert policy.tolist() == [0, 3, 3, 3, 0, 0, 0, 0, 3, 1, 0, 0, 0, 2, 1, 0]


@methods
def test_nothing_is_earned_after_the_end(method: str) -> None:
    corridor = model_of(CORRIDOR, [1.0, 0.0, 0.0])
    found = METHODS[method](corridor, 1.0)
    assert found.value.tolist() == [4, 5, 0]
    assert found.policy.tolist()[:2] == [0, 0]
    assert found.q[0].tolist() == [4, 4]  # to wait costs nothing
    assert METHODS[method](corridor, 0.5).value.tolist() == [1.5, 5, 0]  # −1 + 0.5 · 5


def test_rounds_by_hand() -> None:
    # Value iteration at γ = ½: v = (0, 5), (1.5, 5), and a third round that changes nothing.
    corridor = model_of(CORRIDOR, [1.0, 0.0, 0.0])
    assert value_iteration(corridor, 0.5).changes == (5, 1.5, 0)
    # Policy iteration begins with the first actions, which are best: v = (1.5, 5) at once.
    assert policy_iteration(corridor, 0.5).changes == (5,)
    # With the actions' order turned it begins with (0, −2 + γ v₀ = −2), improves state 1, then state 0.
    turned = model_of({s: {0: of[1], 1: of[0]} for s, of in CORRIDOR.items()}, [1.0, 0.0, 0.0])
    assert policy_iteration(turned, 0.5).changes == (2, 7, 1.5)


def test_modified_policy_iteration_lies_between() -> None:
    known = model("FrozenLake8x8-v1")
    rounds = [len(modified_policy_iteration(known, 0.99, sweeps).changes) for sweeps in (0, 5, 50)]
    assert len(policy_iteration(known, 0.99).changes) < rounds[2] < rounds[1] < rounds[0]


def test_policy_evaluation_sweeps_to_the_exact_value() -> None:
    known = model("FrozenLake-v1")
    random = np.full((known.states, known.actions), 0.25)
    value, changes = policy_evaluation(known, random, 1.0)
    assert value == pytest.approx(policy_value(known, random, 1.0), abs=1e-9)
    assert changes[0] == pytest.approx(
        1 / 4
    )  # beside the goal: one of four ways, three ways lead there by a third
    assert changes[-1] <= 1e-12
    corridor = model_of(CORRIDOR, [1.0, 0.0, 0.0])
    with pytest.raises(UserError, match="policy evaluation does not settle at gamma 1"):
        policy_evaluation(corridor, np.array([0, 1, 0]), 1.0, rounds=100)


def test_a_finite_horizon_by_hand() -> None:
    corridor = model_of(CORRIDOR, [1.0, 0.0, 0.0])
    assert [finite_horizon(corridor, 1.0, h).value[0] for h in (1, 2, 3)] == [0, 4, 4]
    found = finite_horizon(corridor, 1.0, 2)
    assert found.policy.tolist() == [[0, 0, 0], [1, 0, 0]]  # with one step left it does not pay to set out
    assert found.q[0].tolist() == [4, 0]  # −1 + 5, and waiting once
    assert finite_horizon(corridor, 0.5, 2).value[0] == 1.5
    with pytest.raises(UserError, match="--horizon is 0"):
        finite_horizon(corridor, 1.0, 0)


def test_the_best_under_a_time_limit_is_the_known_one() -> None:
    lake, taxi = model("FrozenLake-v1"), model("Taxi-v4")
    assert lake.from_start(finite_horizon(lake, 1.0, 100).value) == pytest.approx(0.7442, abs=1e-4)
    assert taxi.from_start(finite_horizon(taxi, 1.0, 200).value) == pytest.approx(7.93, abs=1e-6)


@methods
def test_being_paid_for_ever_has_no_value(method: str) -> None:
    paid: Table = {0: {0: [(1.0, 0, 1.0, False)]}}
    with pytest.raises(UserError, match="gamma 1"):
        METHODS[method](model_of(paid, [1.0]), 1.0)
    assert METHODS[method](model_of(paid, [1.0]), 0.98).value[0] == pytest.approx(50)
