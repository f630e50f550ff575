"""Q(λ): each error of Q-learning moves every action on the way that led to it, as far back as the way was greedy.

Watkins 1989; Sutton & Barto 2018, section 12.10. After each step

    δ = r + γ max_a' Q(s', a') − Q(s, a),   Q ← Q + α δ e,   e ← γ λ e     (rl/traces.py has the kinds of traces e)

and e is cut to 0 where the next action is not a greedy one: what comes after it says nothing of the greedy policy. With
λ = 0 it is Q-learning.
"""

from dataclasses import dataclass
from typing import Any

from rl.agent import Metrics, Transition
from rl.tabular import Moment
from rl.traces import Traces, TraceSettings

TAGS = {"model": "free", "kind": "value", "policy": "off", "spaces": "discrete, box -> discrete"}


@dataclass(frozen=True)
class Config(TraceSettings):
    epsilon_end: float = 0.1  # and at the end, on a straight line


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "FrozenLake-v1": {"lr": 0.1, "lr_end": 0.003, "trace": 0.5, "steps": 300_000},
        # ε from 1: with 0.1 throughout, as in Sutton & Barto's example 6.6, seed 0 kept to a detour for 50,000 steps
        "CliffWalking-v1": {"gamma": 1.0, "lr_end": 0.5, "trace": 0.5},
        "Taxi-v4": {"lr_end": 0.5, "epsilon_end": 0.01, "trace": 0.5, "steps": 500_000},
        "MountainCar-v0": {"gamma": 1.0, "epsilon": 0.0, "epsilon_end": 0.0, "lr": 0.5, "lr_end": 0.05,
                           "steps": 150_000},
    },
}  # fmt: skip


class QLambda(Traces):
    id = "q-lambda"

    def learn(self, transition: Transition) -> Metrics:
        values = self.values(self.states(transition.obs))
        for seed, env in zip(*(values.argmax(-1) != transition.action).nonzero(), strict=True):
            row, action = values[seed, env], transition.action[seed, env]
            if row[action] < row.max():  # or it is as good as the best
                self.forget((int(seed), int(env)))
        return super().learn(transition)

    def moved(self, seed: int, env: int, now: Moment) -> float:
        best = float(self.q[seed][now.next_state].sum(0).max())
        taken = (now.state, now.action, now.reward)
        error = self.follow((seed, env), taken, best, now.terminated, now.lr)
        if now.over:
            self.forget((seed, env))
        return error


AGENT = QLambda
