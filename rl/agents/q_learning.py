"""Q-learning: a table of action values, learned off-policy from the greedy successor.

Watkins & Dayan 1992; Sutton & Barto 2018, section 6.5:

    Q(s, a) ← Q(s, a) + α [ r + γ max_a' Q(s', a') − Q(s, a) ],   and no future beyond a terminal state.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.noise import Chance, States
from core.schedules import schedule
from rl import spaces
from rl.agent import Array, Memory, Metrics, Spec, Transition
from rl.exploration import epsilon_greedy, greedy

TAGS = {"model": "free", "kind": "value", "policy": "off", "spaces": "discrete -> discrete"}


@dataclass(frozen=True)
class Config:
    gamma: float = 0.99  # discount
    lr: float = 0.5  # step size α at the start
    lr_end: float = 0.01  # and at the end
    lr_schedule: str = "exponential"  # from lr to lr_end: constant, linear, cosine, exponential
    epsilon: float = 1.0  # chance of a random action at the start
    epsilon_end: float = 0.1  # and at the end, on a straight line
    initial: float = 0.0  # every value before anything was learned


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "CliffWalking-v1": {"gamma": 1.0, "epsilon": 0.1, "epsilon_end": 0.1},
    },
}


class QLearning:
    def __init__(self, spec: Spec, config: Config) -> None:
        self.config, self.steps, self.step = config, spec.steps, 0
        states = spaces.count(spec.observation_space, "q-learning", "observations")
        actions = spaces.count(spec.action_space, "q-learning", "actions")
        self.first_state = int(spec.observation_space.start)
        self.first_action = int(spec.action_space.start)
        self.q: NDArray[np.float64] = np.full((len(spec.seeds), states, actions), config.initial)
        self.seed_column = np.arange(len(spec.seeds))[:, None]
        self.lr = schedule(config.lr_schedule, config.lr, config.lr_end)
        self.epsilon = schedule("linear", config.epsilon, config.epsilon_end)

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
        seeds, lr = self.seed_column[:, 0], self.lr(self.done)
        error: Array = np.zeros(transition.reward.shape)
        for env in range(error.shape[1]):  # one after the other: two environments may stand in the same state
            state, action = transition.obs[:, env] - self.first_state, transition.action[:, env]
            successor = self.q[seeds, transition.next_obs[:, env] - self.first_state]
            discount = self.config.gamma * ~transition.terminated[:, env]
            target = transition.reward[:, env] + discount * successor.max(-1)
            error[:, env] = target - self.q[seeds, state, action]
            self.q[seeds, state, action] += lr * error[:, env]
        self.step += error.shape[1]
        return {"loss/td": torch.from_numpy(np.abs(error).mean(1))}

    def greedy_table(self) -> NDArray[np.int64]:
        return np.asarray(self.q.argmax(-1))

    def state_dict(self) -> States:
        return [{"q": q.copy(), "step": self.step} for q in self.q]

    def load_state_dict(self, states: States) -> None:
        self.q = np.stack([state["q"] for state in states])
        self.step = states[0]["step"]


AGENT = QLearning
