"""Dynamic programming: the best there is on a known model, by each of the classic methods.

Bellman 1957 (value iteration, finite horizon); Howard 1960 (policy iteration); Puterman & Shin 1978 (what lies
between the two); Sutton & Barto 2018, chapter 4. Pure NumPy. One round of each method, from values v:

    policy evaluation           v ← R_π + γ P_π v
    value iteration             v ← max_a q(·, a),                 q(s, a) = R(s, a) + γ Σ_s' P(s' | s, a) v(s')
    policy iteration            π ← argmax_a q(·, a),  v ← v_π exactly
    modified policy iteration   π ← argmax_a q(·, a),  v ← max_a q(·, a), then k rounds of policy evaluation
    finite horizon              v_t ← max_a q_{t+1}(·, a),         t = T − 1 … 0, from v_T = 0
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError
from rl.planning import Floats, Model, Policy, policy_value, under

ROUNDS = (
    50_000  # at γ = 1, after which it is said not to settle; below, every sweep shrinks what is missing by γ
)
TIE = 1e-8  # actions whose values differ by less, as a share of them, are equally good


@dataclass(frozen=True)
class Solution:
    """What a method found.

    Attributes:
        value: ``[S]`` of the best policy.
        q: ``[S, A]``: an action first, the best policy from then on.
        policy: ``[S]`` actions; of a finite horizon ``[T, S]``, for every step.
        changes: the largest change of a value, round by round.
    """

    value: Floats
    q: Floats
    policy: NDArray[np.int64]
    changes: tuple[float, ...]


def policy_evaluation(
    model: Model, policy: Policy, gamma: float, tolerance: float = 1e-12, rounds: int = ROUNDS
) -> tuple[Floats, tuple[float, ...]]:
    """The value ``[S]`` of a policy, swept until it settles, and the changes; `policy_value` has it at one stroke.

    Raises:
        UserError: it does not settle, as at γ = 1 where the policy is paid for ever.
    """
    transition, reward = under(model, policy)
    value, changes = np.zeros(model.states), list[float]()
    for _ in _rounds(gamma, rounds):
        after = reward + gamma * (transition @ value)
        changes.append(float(np.abs(after - value).max()))
        value = after
        if _settled(changes[-1], value, tolerance):
            return value, tuple(changes)
        if not np.isfinite(changes[-1]):
            break
    raise _unsettled("policy evaluation", gamma)


def value_iteration(model: Model, gamma: float, tolerance: float = 1e-12, rounds: int = ROUNDS) -> Solution:
    """The best value and a greedy policy; of equally good actions it takes the first.

    At γ = 1 it takes the one that ends soonest: there an action that only waits looks as good as the way out.

    Raises:
        UserError: it does not settle, as at γ = 1 where some policy is paid for ever.
    """
    return _improved("value iteration", model, gamma, 0, np.zeros(model.states), tolerance, rounds)


def modified_policy_iteration(
    model: Model, gamma: float, sweeps: int = 20, tolerance: float = 1e-12, rounds: int = ROUNDS
) -> Solution:
    """Between the two: every improvement is followed by ``sweeps`` rounds of evaluation instead of all of them.

    Raises:
        UserError: as value iteration.
    """
    begin = _value("modified policy iteration", model, _first_policy(model, gamma), gamma)
    return _improved("modified policy iteration", model, gamma, sweeps, begin, tolerance, rounds)


def _improved(
    method: str, model: Model, gamma: float, sweeps: int, value: Floats, tolerance: float, rounds: int
) -> Solution:
    changes = list[float]()
    for _ in _rounds(gamma, rounds):
        q = model.backup(value, gamma)
        changes.append(float(np.abs(q.max(1) - value).max()))
        value = q.max(1)
        if _settled(changes[-1], value, tolerance):
            return Solution(value, q, greedy(model, q, gamma), tuple(changes))
        if not np.isfinite(changes[-1]):
            break
        transition, reward = under(model, q.argmax(1))
        for _ in range(sweeps):
            value = reward + gamma * (transition @ value)
    raise _unsettled(method, gamma)


def policy_iteration(model: Model, gamma: float, rounds: int = 10_000) -> Solution:
    """Evaluates exactly, improves, until nothing can be improved: finitely many rounds.

    An action is changed only for a better one. At γ = 1 it begins with a policy that ends from wherever one can, and
    every later one then does: one that did not would gain nothing on its way round, so that none was better there.

    Raises:
        UserError: at γ = 1 some policy is paid for ever, or cannot but pay.
    """
    policy, value, changes = _first_policy(model, gamma), np.zeros(model.states), list[float]()
    states = np.arange(model.states)
    for _ in range(rounds):
        after = _value("policy iteration", model, policy, gamma)
        changes.append(float(np.abs(after - value).max()))
        value, q = after, model.backup(after, gamma)
        better = q.max(1) > q[states, policy] + 1e-10 * np.maximum(1.0, np.abs(value))
        if not better.any():
            return Solution(value, q, greedy(model, q, gamma), tuple(changes))
        policy = np.where(better, q.argmax(1), policy)
    raise _unsettled("policy iteration", gamma)


def finite_horizon(model: Model, gamma: float, horizon: int) -> Solution:
    """The best within ``horizon`` steps for one who knows how many are left; backwards from the last.

    Raises:
        UserError: the horizon is below 1.
    """
    if horizon < 1:
        raise UserError(f"--horizon is {horizon}; it must be at least 1")
    value, policy, changes = np.zeros(model.states), list[NDArray[np.int64]](), list[float]()
    for _ in range(horizon):
        q = model.backup(value, gamma)
        policy.append(_best(q).argmax(1))
        changes.append(float(np.abs(q.max(1) - value).max()))
        value = q.max(1)
    return Solution(value, q, np.stack(policy[::-1]), tuple(changes))


METHODS: dict[str, Callable[[Model, float], Solution]] = {
    "value-iteration": value_iteration,
    "policy-iteration": policy_iteration,
    "modified-policy-iteration": modified_policy_iteration,
}


@lru_cache(maxsize=8)
def optimum(model: Model, gamma: float, horizon: int | None = None) -> Solution | None:
    """Within a horizon, or by value iteration; once for each model. None where it does not settle."""
    try:
        return finite_horizon(model, gamma, horizon) if horizon else value_iteration(model, gamma)
    except UserError:
        return None


# --- choosing


def greedy(model: Model, q: Floats, gamma: float) -> NDArray[np.int64]:
    """The best action ``[S]`` by ``q``: the first of equals, at γ = 1 the one that ends soonest."""
    good = _best(q)
    return np.asarray(good.argmax(1)) if gamma < 1 else _soonest(model, good)


def _best(q: Floats) -> NDArray[np.bool_]:
    best = q.max(1, keepdims=True)
    return np.asarray(q >= best - TIE * np.maximum(1.0, np.abs(best)))


def _soonest(model: Model, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Of the allowed actions ``[S, A]`` the ones that lead to an end soonest."""
    ends = Model(model.P, 1 - model.P.sum(2), model.start)
    soon = np.zeros(model.states)  # discounted chance of ending
    for _ in range(2_000):  # 0.99 to this power is nothing
        before, soon = soon, np.where(allowed, ends.backup(soon, 0.99), -1.0).max(1)
        if np.abs(soon - before).max() < 1e-14:
            break
    return np.asarray(np.where(allowed, ends.backup(soon, 0.99), -1.0).argmax(1))


def _first_policy(model: Model, gamma: float) -> NDArray[np.int64]:
    if gamma < 1:
        return np.zeros(model.states, np.int64)
    return _soonest(model, np.ones((model.states, model.actions), np.bool_))


def _value(method: str, model: Model, policy: Policy, gamma: float) -> Floats:
    value = policy_value(model, policy, gamma)
    if not np.isfinite(value).all():
        raise _unsettled(method, gamma)
    return value


def _rounds(gamma: float, limit: int) -> Iterable[int]:
    return range(limit) if gamma == 1 else count()


def _settled(change: float, value: Floats, tolerance: float) -> bool:
    return change <= tolerance * max(1.0, float(np.abs(value).max()))


def _unsettled(method: str, gamma: float) -> UserError:
    return UserError(f"{method} does not settle at gamma {gamma}; choose a gamma below 1 or a horizon")
