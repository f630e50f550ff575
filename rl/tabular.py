"""Tables of action values: what every agent shares that keeps one and acts on it ε-greedily.

An agent says how a table moves after one decision. Here is the rest.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from core.noise import Chance, States
from core.schedules import schedule
from rl import spaces
from rl.agent import Array, Memory, Metrics, Spec, Transition
from rl.exploration import epsilon_greedy, greedy

Values: TypeAlias = NDArray[np.float64]  # [state, action]


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


class Moment(NamedTuple):
    """One decision of one environment; states and actions are counted from 0."""

    state: Any  # its number; or its active features [n], see rl/traces.py
    action: int
    reward: float
    next_state: Any
    terminated: bool
    over: bool  # terminated, or cut by a time limit
    epsilon: float
    lr: float
    chance: NDArray[np.float32]  # as many numbers, uniform on [0, 1), as the agent ``draws``


class Table(ABC):
    """A table ``q`` [seed, state, action]. ``draws`` is how many random numbers an agent learns with per decision."""

    id: ClassVar[str]
    draws: int = 0

    def __init__(self, spec: Spec, config: Settings) -> None:
        self.config, self.steps, self.step = config, spec.steps, 0
        states, self.first_state = self.size(spec)
        actions = spaces.count(spec.action_space, self.id, "actions")
        self.first_action = int(spec.action_space.start)
        self.q: NDArray[np.float64] = np.full((len(spec.seeds), states, actions), config.initial)
        self.seed_column = np.arange(len(spec.seeds))[:, None]
        self.lr = schedule(config.lr_schedule, config.lr, config.lr_end)
        self.epsilon = schedule("linear", config.epsilon, config.epsilon_end)
        self.chance = Chance(
            spec.seeds, f"{self.id} cut"
        )  # such as for actions that a time limit leaves untaken

    def size(self, spec: Spec) -> tuple[int, int]:
        """How many states there are, and the first one's number."""
        space = spec.observation_space
        return spaces.count(space, self.id, "observations"), int(getattr(space, "start", 0))

    def states(self, obs: Array) -> Array:
        """Observations as the table counts them."""
        return np.asarray(obs - self.first_state)

    def values(self, states: Array) -> Array:
        """Of every action ``[seed, env, action]``."""
        return np.asarray(self.q[self.seed_column, states])

    @property
    def done(self) -> float:
        return self.step / self.steps if self.steps else 0.0

    def memory(self, envs: int) -> Memory:
        return ()

    def act(
        self, obs: Array, memory: Memory, *, start: Array, explore: Chance | None
    ) -> tuple[Array, Memory]:
        values = self.values(self.states(obs))
        if explore is None:
            return greedy(values), memory
        chance = explore.uniform(values.shape[1], 1 + values.shape[2])
        return epsilon_greedy(values, self.epsilon(self.done), chance), memory

    def executed(self, action: Array) -> Array:
        return action + self.first_action

    def learn(self, transition: Transition) -> Metrics:
        """Move the tables; ``loss/td`` is Σ |error| per environment: what waited counts when it is learnt."""
        lead = transition.reward.shape
        chance = self.chance.uniform(lead[1], self.draws) if self.draws else np.zeros((*lead, 0), np.float32)
        errors, pace = np.zeros(lead), (self.epsilon(self.done), self.lr(self.done))
        here, there = self.states(transition.obs), self.states(transition.next_obs)
        over = transition.terminated | transition.truncated
        # One after the other: two environments may stand in the same state.
        for seed, env in np.ndindex(*lead):
            at = (int(seed), int(env))
            taken = here[at], int(transition.action[at]), float(transition.reward[at]), there[at]
            now = Moment(*taken, bool(transition.terminated[at]), bool(over[at]), *pace, chance[at])
            errors[at] = self.moved(seed, env, now)
        self.step += lead[1]
        return {"loss/td": torch.from_numpy(errors.mean(1))}

    @abstractmethod
    def moved(self, seed: int, env: int, now: Moment) -> float:
        """Learn from one decision of one seed (by its place): the sum of the absolute errors it brought."""

    def greedy_table(self) -> NDArray[np.int64]:
        return np.asarray(self.q.argmax(-1))

    def state_dict(self) -> States:
        chance = self.chance.state_dict()
        return [
            {"q": q.copy(), "step": self.step} | ({"cut": chance[k]} if self.draws else {})
            for k, q in enumerate(self.q)
        ]

    def load_state_dict(self, states: States) -> None:
        self.q = np.stack([state["q"] for state in states])
        self.step = states[0]["step"]
        if self.draws:
            self.chance.load_state_dict([state["cut"] for state in states])


def followed(q: Values, now: Moment) -> int:
    """The action that would have come next, had no limit cut the episode; by 1 + A random numbers."""
    return int(epsilon_greedy(q[now.next_state], now.epsilon, now.chance))
