"""Q-learning: a table of action values, learned off-policy from the greedy successor.

Watkins & Dayan 1992; Sutton & Barto 2018, section 6.5:

    Q(s, a) ← Q(s, a) + α [ r + γ max_a' Q(s', a') − Q(s, a) ],   and no future beyond a terminal state.
"""

from dataclasses import dataclass
from typing import Any

from rl.one_step import OneStep
from rl.tabular import Settings, Values

TAGS = {"model": "free", "kind": "value", "policy": "off", "spaces": "discrete -> discrete"}


@dataclass(frozen=True)
class Config(Settings):
    epsilon_end: float = 0.1  # and at the end, on a straight line


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "FrozenLake-v1": {"gamma": 0.99, "epsilon_end": 0.1},
        # Sutton & Barto's example 6.6: γ = 1, ε = 0.1 throughout
        "CliffWalking-v1": {"gamma": 1.0, "epsilon": 0.1, "epsilon_end": 0.1},
        "Taxi-v4": {"lr_end": 0.5, "epsilon_end": 0.01, "steps": 500_000},
    },
}


def update(
    q: Values, state: int, action: int, reward: float, discount: float,
    next_state: int, next_action: int, epsilon: float, lr: float,
) -> float:  # fmt: skip
    """Moves ``q`` [state, action] by α times the error, which it returns; ``discount`` is 0 after an end."""
    error = reward + discount * q[next_state].max() - q[state, action]
    q[state, action] += lr * error
    return float(error)


class QLearning(OneStep):
    id, rule = "q-learning", staticmethod(update)


AGENT = QLearning
