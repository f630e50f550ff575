"""Dyna-Q: Q-learning that also learns a model of the world, and learns from what it imagines with it.

Sutton 1990; Sutton & Barto 2018, section 8.2. After each real step, which moves Q and the model, ``planning`` times:

    s, a ← one that was tried before;   r, s' ← Model(s, a)
    Q(s, a) ← Q(s, a) + α [ r + γ max_a' Q(s', a') − Q(s, a) ]

The book's model keeps the last outcome, which is right where the world is certain. This one keeps ``outcomes`` of those
there were, each equally likely to be kept, and imagines one of them: right also where the world slips.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import UserError
from core.noise import States
from rl.agent import Spec
from rl.tabular import Moment, Settings, Table, Values

TAGS = {"model": "learnt", "kind": "value", "policy": "off", "spaces": "discrete -> discrete"}


@dataclass(frozen=True)
class Config(Settings):
    epsilon_end: float = 0.1  # and at the end, on a straight line
    planning: int = 10  # imagined steps after each real one; 0: Q-learning
    outcomes: int = 16  # of a state and action that are remembered; 1: the last one alone, as in the book

    def __post_init__(self) -> None:
        if self.planning < 0 or self.outcomes < 1:
            name, least = ("planning", 0) if self.planning < 0 else ("outcomes", 1)
            raise UserError(f"--{name} is {getattr(self, name)}; it must be at least {least}")


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "FrozenLake-v1": {"lr": 0.2, "lr_end": 0.005, "steps": 50_000},
        "CliffWalking-v1": {"gamma": 1.0, "epsilon": 0.1, "epsilon_end": 0.1, "steps": 10_000},
        "Taxi-v4": {"lr_end": 0.5, "epsilon_end": 0.01, "steps": 50_000},
    },
}


def update(
    q: Values, state: int, action: int, reward: float, discount: float, next_state: int, lr: float
) -> float:
    """Moves ``q`` [state, action] by α times the error, which it returns; ``discount`` is 0 after an end."""
    error = reward + discount * q[next_state].max() - q[state, action]
    q[state, action] += lr * error
    return float(error)


class Model:
    """What was seen of a world, for one seed.

    Attributes:
        seen: ``[state · action]`` the pairs in the order of their first try; ``known`` are filled.
        tries: ``[state, action]``.
        reward, successor, ended: ``[state, action, outcome]``, the first min(tries, outcomes) of them filled.
    """

    def __init__(self, states: int, actions: int, outcomes: int) -> None:
        self.seen, self.known = np.zeros(states * actions, np.int64), 0
        self.tries = np.zeros((states, actions), np.int64)
        self.reward = np.zeros((states, actions, outcomes))
        self.successor = np.zeros((states, actions, outcomes), np.int64)
        self.ended = np.zeros((states, actions, outcomes), np.bool_)

    def remember(self, now: Moment, chance: float) -> None:
        """Keep the outcome; where there is no room, in the place of another or not at all (Vitter 1985)."""
        at, room = (now.state, now.action), self.reward.shape[-1]
        tried = int(self.tries[at])
        if not tried:
            self.seen[self.known] = now.state * self.tries.shape[1] + now.action
            self.known += 1
        self.tries[at] += 1
        place = tried if tried < room else int(chance * (tried + 1)) if room > 1 else 0
        if place < room:
            self.reward[(*at, place)], self.successor[(*at, place)] = now.reward, now.next_state
            self.ended[(*at, place)] = now.terminated

    def imagine(self, pair: float, outcome: float) -> tuple[int, int, float, int, bool]:
        """(state, action, reward, next state, ended) by two numbers uniform on [0, 1)."""
        state, action = divmod(int(self.seen[int(pair * self.known)]), self.tries.shape[1])
        place = (state, action, int(outcome * min(int(self.tries[state, action]), self.reward.shape[-1])))
        return state, action, float(self.reward[place]), int(self.successor[place]), bool(self.ended[place])


class DynaQ(Table):
    id = "dyna-q"

    def __init__(self, spec: Spec, config: Config) -> None:
        super().__init__(spec, config)
        self.planning, self.draws = config.planning, 1 + 2 * config.planning
        states, actions = self.q.shape[1:]
        self.models = [Model(states, actions, config.outcomes) for _ in self.q]

    def moved(self, seed: int, env: int, now: Moment) -> float:
        q, model = self.q[seed], self.models[seed]
        error = self._learn(q, now, now.state, now.action, now.reward, now.next_state, now.terminated)
        model.remember(now, float(now.chance[0]))
        for pair, outcome in now.chance[1:].reshape(-1, 2).tolist():
            self._learn(q, now, *model.imagine(pair, outcome))
        return error

    def _learn(
        self, q: Values, now: Moment, state: int, action: int, reward: float, next_state: int, ended: bool
    ) -> float:
        discount = 0.0 if ended else self.config.gamma
        return abs(update(q, state, action, reward, discount, next_state, now.lr))

    def state_dict(self) -> States:
        return [
            {**state, "model": {name: np.copy(part) for name, part in vars(self.models[k]).items()}}
            for k, state in enumerate(super().state_dict())
        ]

    def load_state_dict(self, states: States) -> None:
        super().load_state_dict(states)
        for model, state in zip(self.models, states, strict=True):
            for name, part in state["model"].items():
                setattr(model, name, int(part) if name == "known" else np.array(part))


AGENT = DynaQ
