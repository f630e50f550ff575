"""n-step SARSA: n rewards as they came, then the value of the action that is truly taken there.

Sutton & Barto 2018, section 7.2, equation 7.4:

    G = r₁ + γ r₂ + … + γⁿ⁻¹ rₙ + γⁿ Q(sₙ, aₙ),   Q(s, a) ← Q(s, a) + α [ G − Q(s, a) ]

After a terminal state nothing follows: the last n transitions have fewer rewards and no Q. With n = 1 it is SARSA.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from core.errors import UserError
from core.noise import States
from rl.agent import Spec
from rl.tabular import Moment, Settings, Table, Values, followed

TAGS = {"model": "free", "kind": "value", "policy": "on", "spaces": "discrete -> discrete"}

Past: TypeAlias = list[tuple[int, int, float]]  # (state, action, reward), oldest first


@dataclass(frozen=True)
class Config(Settings):
    epsilon_end: float = 0.0  # and at the end, on a straight line; what is learnt allows for it
    n: int = 4  # rewards before a value stands in for the rest

    def __post_init__(self) -> None:
        if self.n < 1:
            raise UserError(f"--n is {self.n}; it must be at least 1")


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "FrozenLake-v1": {"lr": 0.1, "lr_end": 0.003, "epsilon": 0.3, "steps": 300_000},
        "CliffWalking-v1": {"gamma": 1.0, "lr": 0.2, "epsilon": 0.1, "epsilon_end": 0.1},
        "Taxi-v4": {"lr": 0.3, "lr_end": 0.02, "epsilon": 0.3, "steps": 500_000},
    },
}


def update(q: Values, past: Sequence[tuple[int, int, float]], tail: float, gamma: float, lr: float) -> float:
    """Moves the first state and action of ``past`` by α times the error, which it returns; ``tail`` comes after."""
    gain = tail
    for _, _, reward in reversed(past):
        gain = reward + gamma * gain
    state, action, _ = past[0]
    error = gain - q[state, action]
    q[state, action] += lr * error
    return float(error)


class NStepSarsa(Table):
    id = "n-step-sarsa"

    def __init__(self, spec: Spec, config: Config) -> None:
        super().__init__(spec, config)
        self.n, self.draws = config.n, 1 + self.q.shape[-1]
        self.past: list[list[Past]] = [[[] for _ in range(spec.envs)] for _ in spec.seeds]

    def moved(self, seed: int, env: int, now: Moment) -> float:
        q, past, gamma, error = self.q[seed], self.past[seed][env], self.config.gamma, 0.0
        if len(past) == self.n:
            error += abs(update(q, past, q[now.state, now.action], gamma, now.lr))
            del past[0]
        past.append((now.state, now.action, now.reward))
        if now.over:
            action = followed(q, now)
            while past:
                tail = 0.0 if now.terminated else float(q[now.next_state, action])
                error += abs(update(q, past, tail, gamma, now.lr))
                del past[0]
        return error

    def state_dict(self) -> States:
        states = super().state_dict()
        return [{**state, "past": self._kept(k)} for k, state in enumerate(states)]

    def _kept(self, k: int) -> list[np.ndarray]:
        return [np.array(past, np.float64).reshape(-1, 3) for past in self.past[k]]

    def load_state_dict(self, states: States) -> None:
        super().load_state_dict(states)
        self.past = [
            [[(int(s), int(a), float(r)) for s, a, r in np.asarray(rows).tolist()] for rows in state["past"]]
            for state in states
        ]


AGENT = NStepSarsa
