"""A known model, and exact values of policies on it; rl/dynamic_programming.py finds the best ones.

Pure NumPy; an ended episode is worth 0 ever after.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Policy: TypeAlias = NDArray[Any]
"""Either actions ``[S]`` (integers) or probabilities ``[S, A]``."""


@dataclass(frozen=True, eq=False)
class Model:
    """A finite decision process; two are the same only if they are one, so that what was solved can be remembered.

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
    over = ended & ~reached(P, begin > 0)
    P[over], R[over] = 0.0, 0.0
    return Model(P, R, begin)


def reached(P: Floats, begin: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """States some policy visits without the episode having ended, ``[S]``."""
    edges, found = P.max(1) > 0, begin.copy()
    while True:
        wider = found | edges[found].any(0)
        if (wider == found).all():
            return found
        found = wider


def under(model: Model, policy: Policy) -> tuple[Floats, Floats]:
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
    transition, reward = under(model, policy)
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
    transition, reward = under(model, policy)
    value = np.zeros(model.states)
    for _ in range(horizon):
        value = reward + transition @ value
    return value
