"""SARSA: a table of action values, learned on-policy from the action that is truly taken next.

Rummery & Niranjan 1994; Sutton & Barto 2018, section 6.4:

    Q(s, a) ← Q(s, a) + α [ r + γ Q(s', a') − Q(s, a) ],   a' chosen by the policy that acts, before this update.
"""

from dataclasses import dataclass
from typing import Any

from rl.one_step import OneStep
from rl.tabular import Settings, Values

TAGS = {"model": "free", "kind": "value", "policy": "on", "spaces": "discrete -> discrete"}


@dataclass(frozen=True)
class Config(Settings):
    epsilon_end: float = 0.0  # and at the end, on a straight line; what is learnt allows for it


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "FrozenLake-v1": {"lr": 0.2, "lr_end": 0.005, "epsilon": 0.3, "steps": 300_000},
        # Sutton & Barto's example 6.6: γ = 1, ε = 0.1 throughout
        "CliffWalking-v1": {"gamma": 1.0, "epsilon": 0.1, "epsilon_end": 0.1},
        "Taxi-v4": {"lr_end": 0.05, "epsilon": 0.3, "steps": 500_000},
    },
}


def update(
    q: Values, state: int, action: int, reward: float, discount: float,
    next_state: int, next_action: int, epsilon: float, lr: float,
) -> float:  # fmt: skip
    """Moves ``q`` [state, action] by α times the error, which it returns; ``discount`` is 0 after an end."""
    error = reward + discount * q[next_state, next_action] - q[state, action]
    q[state, action] += lr * error
    return float(error)


class Sarsa(OneStep):
    id, rule, waits = "sarsa", staticmethod(update), True


AGENT = Sarsa
