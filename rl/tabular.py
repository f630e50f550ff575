"""Tables of action values: what every agent shares that keeps one and acts on it ε-greedily.

An agent is its rule: how one table moves after one transition. Here is the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from core.noise import Chance, State, States
from core.schedules import schedule
from rl import spaces
from rl.agent import Array, Memory, Metrics, Spec, Transition
from rl.exploration import epsilon_greedy, greedy

Values: TypeAlias = NDArray[np.float64]  # [state, action]

Rule: TypeAlias = Callable[[Values, int, int, float, float, int, int, float, float], float]
"""``update(q, state, action, reward, discount, next_state, next_action, epsilon, lr) -> error``: moves ``q``.

Plain numbers of one seed, in NumPy that numba can compile: rl/simulation.py does.
"""


@dataclass(frozen=True)
class Settings:
    """What every table is set by; an agent's Config says anew what is otherwise for its rule."""

    gamma: float = 0.99  # discount
    lr: float = 0.5  # step size α at the start
    lr_end: float = 0.01  # and at the end
    lr_schedule: str = "exponential"  # from lr to lr_end: constant, linear, cosine, exponential
    epsilon: float = 1.0  # chance of a random action at the start
    epsilon_end: float = 0.0  # and at the end, on a straight line
    initial: float = 0.0  # every value before anything was learned


class Table:
    """A table ``q`` [seed, state, action], learnt by ``rule``.

    A rule that ``waits`` learns from the action that is truly taken next: a transition is kept until that one is
    known. After an end nothing follows, so it does not wait; a time limit leaves the next action untaken, so one
    is drawn as it would have been.
    """

    id: ClassVar[str]
    rule: ClassVar[Any]  # a Rule: a plain function, no method
    waits: ClassVar[bool] = False

    def __init__(self, spec: Spec, config: Settings) -> None:
        self.config, self.steps, self.step = config, spec.steps, 0
        states = spaces.count(spec.observation_space, self.id, "observations")
        actions = spaces.count(spec.action_space, self.id, "actions")
        self.first_state = int(spec.observation_space.start)
        self.first_action = int(spec.action_space.start)
        self.q: NDArray[np.float64] = np.full((len(spec.seeds), states, actions), config.initial)
        self.seed_column = np.arange(len(spec.seeds))[:, None]
        self.lr = schedule(config.lr_schedule, config.lr, config.lr_end)
        self.epsilon = schedule("linear", config.epsilon, config.epsilon_end)
        lead = (len(spec.seeds), spec.envs)
        self.waiting = np.zeros(lead, np.bool_)  # whether a transition waits, and which
        self.last_state, self.last_action = np.zeros(lead, np.int64), np.zeros(lead, np.int64)
        self.last_reward = np.zeros(lead)
        self.cut = Chance(spec.seeds, f"{self.id} cut")  # for the actions that a time limit leaves untaken

    @property
    def done(self) -> float:
        return self.step / self.steps if self.steps else 0.0

    def memory(self, envs: int) -> Memory:
        return ()

    def act(
        self, obs: Array, memory: Memory, *, start: Array, explore: Chance | None
    ) -> tuple[Array, Memory]:
        values: Array = self.q[self.seed_column, obs - self.first_state]  # [S, E, A]
        if explore is None:
            return greedy(values), memory
        chance = explore.uniform(values.shape[1], 1 + values.shape[2])
        return epsilon_greedy(values, self.epsilon(self.done), chance), memory

    def executed(self, action: Array) -> Array:
        return action + self.first_action

    def learn(self, transition: Transition) -> Metrics:
        """Move the tables; ``loss/td`` is Σ |error| per environment: what waited counts when it is learnt."""
        lead, actions = transition.reward.shape, self.q.shape[-1]
        chance = self.cut.uniform(lead[1], 1 + actions) if self.waits else np.zeros((*lead, 1), np.float32)
        errors, pace = np.zeros(lead), (self.epsilon(self.done), self.lr(self.done))
        for k in range(lead[0]):
            for env in range(lead[1]):  # one after the other: two environments may stand in the same state
                errors[k, env] = self._learn(k, env, transition, chance[k, env], *pace)
        self.step += lead[1]
        return {"loss/td": torch.from_numpy(errors.mean(1))}

    def _learn(
        self, k: int, env: int, transition: Transition, chance: Array, epsilon: float, lr: float
    ) -> float:
        """One transition of one seed: the sum of the absolute errors it brought."""
        q, place, rule, gamma, error = self.q[k], (k, env), self.rule, self.config.gamma, 0.0
        state, next_state = (
            int(seen[place]) - self.first_state for seen in (transition.obs, transition.next_obs)
        )
        action, reward = int(transition.action[place]), float(transition.reward[place])
        if self.waits and self.waiting[place]:
            before = int(self.last_state[place]), int(self.last_action[place])
            reward_before = float(self.last_reward[place])
            error = abs(rule(q, *before, reward_before, gamma, state, action, epsilon, lr))
        over = bool(transition.terminated[place] | transition.truncated[place])
        if self.waits:
            self.waiting[place] = not over
            self.last_state[place], self.last_action[place], self.last_reward[place] = state, action, reward
            if not over:
                return error
        discount = 0.0 if transition.terminated[place] else gamma
        next_action = int(epsilon_greedy(q[next_state], epsilon, chance)) if self.waits else -1
        last = rule(q, state, action, reward, discount, next_state, next_action, epsilon, lr)
        return error + abs(float(last))

    def greedy_table(self) -> NDArray[np.int64]:
        return np.asarray(self.q.argmax(-1))

    def state_dict(self) -> States:
        cut = self.cut.state_dict()
        return [
            {"q": q.copy(), "step": self.step}
            | ({"last": self._last(k), "cut": cut[k]} if self.waits else {})
            for k, q in enumerate(self.q)
        ]

    def _last(self, k: int) -> State:
        parts = ("waiting", "last_state", "last_action", "last_reward")
        return {name: getattr(self, name)[k].copy() for name in parts}

    def load_state_dict(self, states: States) -> None:
        self.q = np.stack([state["q"] for state in states])
        self.step = states[0]["step"]
        if self.waits:
            for name in states[0]["last"]:
                setattr(self, name, np.stack([state["last"][name] for state in states]))
            self.cut.load_state_dict([state["cut"] for state in states])
