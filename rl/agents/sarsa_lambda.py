"""SARSA(λ): each error of SARSA moves every action on the way that led to it, on a table or on tiles.

Rummery & Niranjan 1994; Sutton & Barto 2018, section 12.7. After each step, a' being the action that is truly taken,

    δ = r + γ Q(s', a') − Q(s, a),   Q ← Q + α δ e,   e ← γ λ e     (rl/traces.py has the three kinds of traces e)

With λ = 0 it is SARSA.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.noise import States
from rl.agent import Spec
from rl.exploration import epsilon_greedy
from rl.tabular import Moment
from rl.traces import Active, Traces, TraceSettings

TAGS = {"model": "free", "kind": "value", "policy": "on", "spaces": "discrete, box -> discrete"}


@dataclass(frozen=True)
class Config(TraceSettings):
    epsilon_end: float = 0.0  # and at the end, on a straight line; what is learnt allows for it


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "FrozenLake-v1": {"lr": 0.05, "lr_end": 0.002, "epsilon": 0.3, "trace": 0.5, "steps": 300_000},
        "CliffWalking-v1": {"gamma": 1.0, "lr": 0.2, "epsilon": 0.1, "epsilon_end": 0.1, "trace": 0.5},
        "Taxi-v4": {"lr": 0.3, "lr_end": 0.02, "epsilon": 0.3, "trace": 0.5, "steps": 500_000},
        # Sutton & Barto's example 10.1: eight grids of 8 x 8 tiles, ε = 0, γ = 1
        "MountainCar-v0": {"gamma": 1.0, "epsilon": 0.0, "lr": 0.5, "lr_end": 0.05, "steps": 150_000},
    },
}


class SarsaLambda(Traces):
    id = "sarsa-lambda"

    def __init__(self, spec: Spec, config: Config) -> None:
        super().__init__(spec, config)
        self.draws = 1 + self.q.shape[-1]
        self.waiting: list[list[tuple[Active, int, float] | None]] = [[None] * spec.envs for _ in spec.seeds]

    def moved(self, seed: int, env: int, now: Moment) -> float:
        q, at, error, before = self.q[seed], (seed, env), 0.0, self.waiting[seed][env]
        if before is not None:
            error = self.follow(at, before, float(q[now.state, now.action].sum()), False, now.lr)
        self.waiting[seed][env] = taken = (now.state, now.action, now.reward)
        if now.over:
            values = q[now.next_state].sum(0)
            action = int(epsilon_greedy(values, now.epsilon, now.chance))  # what a limit leaves untaken
            error += self.follow(at, taken, float(values[action]), now.terminated, now.lr)
            self.forget(at)
            self.waiting[seed][env] = None
        return error

    def state_dict(self) -> States:
        states = super().state_dict()
        return [{**state, "waiting": self._kept(k)} for k, state in enumerate(states)]

    def _kept(self, k: int) -> list[np.ndarray]:
        return [
            np.array([] if kept is None else [*kept[0], *kept[1:]], np.float64) for kept in self.waiting[k]
        ]

    def load_state_dict(self, states: States) -> None:
        super().load_state_dict(states)
        rows = [[np.asarray(row) for row in state["waiting"]] for state in states]
        self.waiting = [
            [(row[:-2].astype(np.int64), int(row[-2]), float(row[-1])) if len(row) else None for row in of]
            for of in rows
        ]


AGENT = SarsaLambda
