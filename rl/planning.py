"""Dynamic programming on a known model: exact values of policies, and the best there are.

Sutton & Barto 2018, chapter 4. Pure numpy; an ended episode is worth 0 ever after.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError

Floats: TypeAlias = NDArray[np.float64]
Policy: TypeAlias = NDArray[Any]
"""Either actions ``[S]`` (integers) or probabilities ``[S, A]``."""


@dataclass(frozen=True)
class Model:
    """A finite decision process.

    Attributes:
        P: ``[S, A, S]`` probability of going on in s'; a row sums to 1 minus the probability that the episode
            ends there. An ending thus never needs a mask: what follows it has no probability.
        R: ``[S, A]`` expected reward.
        start: ``[S]`` probability of beginning an episode in s.
    """

    P: Floats
    R: Floats
    start: Floats

    @property
    def states(self) -> int:
        return len(self.R)

    @property
    def actions(self) -> int:
        return len(self.R[0])

    def from_start(self, value: Floats) -> float:
        """The value ``[S]`` averaged over where episodes begin; of states where none does it may be infinite."""
        begins = self.start > 0
        return float(self.start[begins] @ value[begins])

    def backup(self, value: Floats, gamma: float) -> Floats:
        """q(s, a) = R(s, a) + γ Σ P(s' | s, a) v(s'), ``[S, A]``."""
        return self.R + gamma * (self.P @ value)


Table: TypeAlias = Mapping[int, Mapping[int, Sequence[tuple[float, int, float, bool]]]]
"""Gymnasium's form: ``table[s][a]`` lists (probability, s', reward, terminated)."""


def model_of(table: Table, start: Sequence[float] | Floats) -> Model:
    """Read a transition table.

    States that no policy reaches but by ending are emptied: some tables let the goal loop on itself, or let
    one walk out of it, and at γ = 1 such a loop would never converge.
    """
    states, actions = len(table), len(table[0])
    P, R = np.zeros((states, actions, states)), np.zeros((states, actions))
    begin, ended = np.asarray(start, dtype=np.float64), np.zeros(states, dtype=bool)
    for s in range(states):
        for a in range(actions):
            for probability, successor, reward, terminated in table[s][a]:
                R[s, a] += probability * reward
                if terminated:
                    ended[successor] = True
                else:
                    P[s, a, successor] += probability
    over = ended & ~_reached(P, begin > 0)
    P[over], R[over] = 0.0, 0.0
    return Model(P, R, begin)


def _reached(P: Floats, begin: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """States some policy visits without the episode having ended, ``[S]``."""
    edges, found = P.max(1) > 0, begin.copy()
    while True:
        wider = found | edges[found].any(0)
        if (wider == found).all():
            return found
        found = wider


def value_iteration(
    model: Model, gamma: float, tolerance: float = 1e-12, sweeps: int = 1_000_000
) -> tuple[Floats, NDArray[np.int64]]:
    """Optimal value ``[S]`` and a greedy policy ``[S]``; of equally good actions it takes the first.

    At γ = 1 it takes the one that ends soonest: there an action that only waits looks as good as the way out.

    Raises:
        UserError: it does not settle, as at γ = 1 where some policy is paid for ever.
    """
    value = np.zeros(model.states)
    for _ in range(sweeps):
        q = model.backup(value, gamma)
        change, value = np.abs(q.max(1) - value).max(), q.max(1)
        if change <= tolerance * max(1.0, np.abs(value).max()):
            return value, _greedy(model, q, gamma)
        if not np.isfinite(change):
            break
    raise UserError(f"value iteration does not settle at gamma {gamma}; choose a gamma below 1 or a horizon")


def _greedy(model: Model, q: Floats, gamma: float) -> NDArray[np.int64]:
    best = q.max(1, keepdims=True)
    good = q >= best - 1e-8 * np.maximum(1.0, np.abs(best))
    if gamma < 1:
        return np.asarray(good.argmax(1))
    ends = Model(model.P, 1 - model.P.sum(2), model.start)
    soon = np.zeros(model.states)  # discounted chance of ending, by good actions alone
    for _ in range(2_000):  # 0.99 to this power is nothing
        soon = np.where(good, ends.backup(soon, 0.99), -1.0).max(1)
    return np.asarray(np.where(good, ends.backup(soon, 0.99), -1.0).argmax(1))


def _under(model: Model, policy: Policy) -> tuple[Floats, Floats]:
    """Transitions ``[S, S]`` and rewards ``[S]`` when the policy acts."""
    if policy.ndim == 1:
        rows = np.arange(model.states)
        return model.P[rows, policy], model.R[rows, policy]
    return np.einsum("sa,sat->st", policy, model.P), np.einsum("sa,sa->s", policy, model.R)


def policy_value(model: Model, policy: Policy, gamma: float) -> Floats:
    """Exact value ``[S]`` of a policy without a time limit: (I − γ P_π) v = R_π.

    At γ = 1 a policy that goes round for ever is worth 0 where that costs nothing, and else ±∞ where it may
    happen (NaN where gains and losses alternate).
    """
    transition, reward = _under(model, policy)
    value = np.zeros(model.states)
    around = np.zeros(model.states, dtype=bool)
    if gamma == 1.0:
        reach, around = _forever(transition)
        gains, losses = (reach[:, around & (sign * reward > 0)].any(1) for sign in (1, -1))
        value = np.select([gains & losses, gains, losses], [np.nan, np.inf, -np.inf], 0.0)
    solved = ~around & (value == 0)
    system = np.eye(int(solved.sum())) - gamma * transition[np.ix_(solved, solved)]
    value[solved] = np.linalg.solve(system, reward[solved])
    return value


def _forever(transition: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which state leads to which ``[S, S]``, and the states ``[S]`` of circles never left and never ended."""
    reach = (transition > 0) | np.eye(len(transition), dtype=bool)
    for _ in range(len(transition).bit_length()):
        reach = (reach.astype(np.float32) @ reach.astype(np.float32)) > 0
    ending = transition.sum(1) < 1 - 1e-9
    left: NDArray[np.bool_] = np.asarray((reach & ~reach.T).any(1) | reach[:, ending].any(1))
    return reach, ~left


def finite_horizon_value(model: Model, policy: Policy, horizon: int) -> Floats:
    """Expected undiscounted return ``[S]`` of a stationary policy that is stopped after ``horizon`` steps."""
    transition, reward = _under(model, policy)
    value = np.zeros(model.states)
    for _ in range(horizon):
        value = reward + transition @ value
    return value


def finite_horizon_optimum(model: Model, horizon: int) -> Floats:
    """The best expected undiscounted return ``[S]`` within ``horizon`` steps, knowing the time."""
    value = np.zeros(model.states)
    for _ in range(horizon):
        value = model.backup(value, 1.0).max(1)
    return value
