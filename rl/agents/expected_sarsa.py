"""Expected SARSA: a table of action values, learned from the mean over the next action instead of a drawn one.

van Seijen et al. 2009; Sutton & Barto 2018, section 6.6, equation 6.9:

    Q(s, a) ← Q(s, a) + α [ r + γ Σ_a' π(a' | s') Q(s', a') − Q(s, a) ],   π being the ε-greedy policy that acts.
"""

from dataclasses import dataclass
from typing import Any

from rl.one_step import OneStep
from rl.tabular import Settings, Values

TAGS = {"model": "free", "kind": "value", "policy": "on", "spaces": "discrete -> discrete"}


@dataclass(frozen=True)
class Config(Settings):
    epsilon_end: float = 0.0  # and at the end, on a straight line; 0 throughout makes it Q-learning


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "FrozenLake-v1": {"lr": 0.2, "lr_end": 0.005, "epsilon": 0.3, "steps": 300_000},
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
    values = q[next_state]
    # Ties are broken at random, so the best actions share 1 − ε; all of them are worth the maximum.
    expected = (1.0 - epsilon) * values.max() + epsilon * values.mean()
    error = reward + discount * expected - q[state, action]
    q[state, action] += lr * error
    return float(error)


class ExpectedSarsa(OneStep):
    id, rule = "expected-sarsa", staticmethod(update)


AGENT = ExpectedSarsa
