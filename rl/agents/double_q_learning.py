"""Double Q-learning: two tables, each valued by the other, so that luck is not taken for worth.

van Hasselt 2010; Sutton & Barto 2018, section 6.7. A coin says which table moves; with the coin for A,

    A(s, a) ← A(s, a) + α [ r + γ B(s', argmax_a' A(s', a')) − A(s, a) ],   and the same with A and B exchanged.

The policy acts on their mean.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.noise import States
from rl.agent import Spec
from rl.exploration import greedy
from rl.tabular import Moment, Settings, Table, Values

TAGS = {"model": "free", "kind": "value", "policy": "off", "spaces": "discrete -> discrete"}


@dataclass(frozen=True)
class Config(Settings):
    epsilon_end: float = 0.1  # and at the end, on a straight line


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "FrozenLake-v1": {"gamma": 0.99, "epsilon_end": 0.1, "steps": 200_000},
        # ε from 1: with 0.1 throughout, as in Sutton & Barto's example 6.6, seed 0 kept to a detour for 50,000 steps
        "CliffWalking-v1": {"gamma": 1.0, "lr_end": 0.5},
        "Taxi-v4": {"lr_end": 0.5, "epsilon_end": 0.01, "steps": 800_000},
    },
}


def update(
    mine: Values, other: Values, state: int, action: int, reward: float, discount: float,
    next_state: int, best: int, lr: float,
) -> float:  # fmt: skip
    """Moves ``mine`` [state, action] by α times the error, which it returns; ``best`` is best there by it."""
    error = reward + discount * other[next_state, best] - mine[state, action]
    mine[state, action] += lr * error
    return float(error)


class DoubleQLearning(Table):
    """``pair`` [2, seed, state, action] are the two tables; ``q`` is their mean."""

    id = "double-q-learning"

    def __init__(self, spec: Spec, config: Settings) -> None:
        super().__init__(spec, config)
        self.pair = np.stack([self.q, self.q])
        self.draws = 1 + self.q.shape[-1]  # the coin, and which of equals is best

    def moved(self, seed: int, env: int, now: Moment) -> float:
        which = int(now.chance[0] < 0.5)
        mine, other = self.pair[which, seed], self.pair[1 - which, seed]
        best = int(greedy(mine[now.next_state], now.chance[1:]))
        discount = 0.0 if now.terminated else self.config.gamma
        error = update(mine, other, now.state, now.action, now.reward, discount, now.next_state, best, now.lr)
        at = (now.state, now.action)
        self.q[seed][at] = (mine[at] + other[at]) / 2
        return abs(error)

    def state_dict(self) -> States:
        return [{**state, "pair": self.pair[:, k].copy()} for k, state in enumerate(super().state_dict())]

    def load_state_dict(self, states: States) -> None:
        super().load_state_dict(states)
        self.pair = np.stack([state["pair"] for state in states], 1)


AGENT = DoubleQLearning
