"""Tables that learn from one transition at a time by a rule; the rule is the agent."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

import numpy as np

from core.noise import State, States
from rl.agent import Spec
from rl.tabular import Moment, Settings, Table, Values, followed

Rule: TypeAlias = Callable[[Values, int, int, float, float, int, int, float, float], float]
"""``update(q, state, action, reward, discount, next_state, next_action, epsilon, lr) -> error``: moves ``q``.

Plain numbers of one seed, in NumPy that numba can compile: rl/simulation.py does.
"""


class OneStep(Table):
    """A table ``q`` [seed, state, action], learnt by ``rule``.

    A rule that ``waits`` learns from the action that is truly taken next: a transition is kept until that one is
    known. After an end nothing follows, so it does not wait; a time limit leaves the next action untaken, so one
    is drawn as it would have been.
    """

    rule: ClassVar[Any]  # a Rule: a plain function, no method
    waits: ClassVar[bool] = False

    def __init__(self, spec: Spec, config: Settings) -> None:
        super().__init__(spec, config)
        lead = (len(spec.seeds), spec.envs)
        self.waiting = np.zeros(lead, np.bool_)  # whether a transition waits, and which
        self.last_state, self.last_action = np.zeros(lead, np.int64), np.zeros(lead, np.int64)
        self.last_reward = np.zeros(lead)
        self.draws = 1 + self.q.shape[-1] if self.waits else 0

    def moved(self, seed: int, env: int, now: Moment) -> float:
        q, place, rule, gamma, error = self.q[seed], (seed, env), self.rule, self.config.gamma, 0.0
        if self.waits and self.waiting[place]:
            before = int(self.last_state[place]), int(self.last_action[place]), float(self.last_reward[place])
            error = abs(rule(q, *before, gamma, now.state, now.action, now.epsilon, now.lr))
        if self.waits:
            self.waiting[place] = not now.over
            self.last_state[place], self.last_action[place] = now.state, now.action
            self.last_reward[place] = now.reward
            if not now.over:
                return float(error)
        discount = 0.0 if now.terminated else gamma
        taken = now.state, now.action, now.reward
        next_action = followed(q, now) if self.waits else -1
        last = rule(q, *taken, discount, now.next_state, next_action, now.epsilon, now.lr)
        return float(error + abs(last))

    def state_dict(self) -> States:
        states = super().state_dict()
        return [{**state, "last": self._last(k)} for k, state in enumerate(states)] if self.waits else states

    def _last(self, k: int) -> State:
        parts = ("waiting", "last_state", "last_action", "last_reward")
        return {name: getattr(self, name)[k].copy() for name in parts}

    def load_state_dict(self, states: States) -> None:
        super().load_state_dict(states)
        for name in states[0]["last"] if self.waits else ():
            setattr(self, name, np.stack([state["last"][name] for state in states]))
