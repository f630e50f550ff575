"""REINFORCE: make an action likelier by what followed it, less what was to be expected.

Williams 1992; Sutton & Barto 2018, sections 13.3 and 13.4:

    ∇J = E[ Σ_t γ^t (G_t − b(s_t)) ∇ log π(a_t|s_t) ],    G_t = r_t + γ G_{t+1} to the episode's end

b is a learned value, or 0. The theorem's γ^t makes late steps of an episode count ever less. As is usual it is left out
unless asked for; what is then followed is the gradient of no objective (Nota & Thomas 2020), but learns faster.

A rollout cuts episodes: what is still running at its end, or was stopped by a time limit, is not over. There the return
goes on with γ v(s') where a value is learned; without one it stops at the cut.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from core import trees
from core.gradients import Params
from core.noise import States
from core.optimisers import Adam
from core.schedules import schedule
from rl.actor_critic import Actor, explained
from rl.agent import Array, Metrics, Spec, Transition
from rl.losses import policy_gradient, standardised
from rl.returns import discounted, places
from rl.rollout import Rollout, by_seed, by_time

TAGS = {"model": "free", "kind": "policy", "policy": "on", "spaces": "any -> discrete, box"}


@dataclass(frozen=True)
class Config:
    gamma: float = 0.99  # discount γ
    baseline: bool = True  # subtract a learned value; false: returns as they are
    discount_state: bool = False  # the theorem's γ^t; false: every step counts alike
    rollout: int = 512  # steps per environment between updates; longer than most episodes
    lr: float = 5e-3  # learning rate
    lr_schedule: str = "linear"  # constant, linear to 0, cosine to 0
    value_weight: float = 0.5  # of the baseline's squared error
    entropy_weight: float = 0.0  # of the policy's entropy
    normalise_advantage: bool = False  # over the rollout; also without a baseline, where it is a constant one
    max_grad_norm: float = 0.5  # over all weights of a seed; 0: not clipped
    hidden: tuple[int, ...] = (64, 64)  # widths of policy and baseline
    activation: str = "tanh"  # of the hidden layers
    orthogonal: bool = True  # first weights; false: PyTorch's own
    initial_log_std: float = 0.0  # of Gaussian policies, at the start
    sde_every: int = 0  # steps that one matrix of state-dependent noise (gSDE) is held; 0: independent noise


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "CartPole-v1": {"envs": 4, "lr": 1e-2, "steps": 200_000},
    },
}


def updates(config: Config, envs: int, steps: int) -> int:
    """How many gradient steps one seed takes."""
    return steps // (config.rollout * envs)


class Batch(NamedTuple):
    """What the loss reads."""

    obs: Tensor
    action: Tensor
    target: Tensor  # G
    advantage: Tensor  # G − b(s)
    weight: Tensor  # γ^t, or 1


class Reinforce(Actor):
    def __init__(self, spec: Spec, config: Config) -> None:
        super().__init__(spec, config, Adam())
        self.spec, self.config, self.step = spec, config, 0
        self.rollout = Rollout(config.rollout, len(spec.seeds))
        self.parts: dict[str, trees.Stateful] = {"net": self.net, "rollout": self.rollout}
        self.age: Array = np.zeros((len(spec.seeds), spec.envs), np.int64)  # t where the rollout began
        self.lr = schedule(config.lr_schedule, config.lr)

    def learn(self, transition: Transition) -> Metrics:
        self.rollout.add(transition)
        self.step += self.spec.envs
        if not self.rollout.full:
            return {}
        done = (self.step - self.spec.envs * self.config.rollout) / max(self.spec.steps, 1)
        batch = self._batch(self.rollout.take())
        metrics = self.net.step(self.loss, batch, lr=self.lr(done))
        return {**metrics, **explained(batch.advantage, batch.target)} if self.config.baseline else metrics

    def _batch(self, steps: Transition) -> Batch:
        """Returns of a rollout with leaves ``[T, S, E, …]``, as rows ``[S, T·E, …]``."""
        rows = partial(by_seed, device=self.spec.device)
        gamma, obs = self.config.gamma, rows(steps.obs)
        ended = steps.terminated | steps.truncated
        cut = steps.truncated & ~steps.terminated
        cut[-1] = ~steps.terminated[-1]  # the rollout's end
        beyond, value = np.zeros_like(steps.reward, np.float32), torch.zeros(obs.shape[:2]).to(obs.device)
        if self.config.baseline:
            value = self.net(obs, method="value")
            beyond = by_time(self.net(rows(steps.next_obs), method="value"), steps.reward)
        reward = (steps.reward + gamma * cut * beyond).astype(np.float32)
        target = rows(discounted(reward, (gamma * ~ended).astype(np.float32), np.zeros_like(reward[0])))
        t, self.age = places(ended, self.age)
        weight = rows((gamma ** (t * self.config.discount_state)).astype(np.float32))
        return Batch(obs, rows(steps.action), target, target - value, weight)

    def loss(self, params: Params, batch: Batch) -> tuple[Tensor, Metrics]:
        """The loss of one seed's rollout, leaves ``[batch, …]``."""
        out, value = self.net.apply(params, batch.obs)
        advantage = standardised(batch.advantage) if self.config.normalise_advantage else batch.advantage
        log_prob = self.head.log_prob(out, batch.action)
        policy_loss = policy_gradient(log_prob, batch.weight * advantage).mean()
        entropy = self.head.entropy(out).mean()
        total = policy_loss - self.config.entropy_weight * entropy
        found = {"loss/policy": policy_loss, "policy/entropy": entropy}
        if self.config.baseline:
            found["loss/value"] = ((value - batch.target) ** 2).mean()
            total = total + self.config.value_weight * found["loss/value"]
        return total, found

    def state_dict(self) -> States:
        return trees.states_of(self.parts, age=list(self.age.copy()), step=[self.step] * self.seeds)

    def load_state_dict(self, states: States) -> None:
        trees.load_states(self.parts, states)
        self.age = np.stack([state["age"] for state in states])
        self.step = states[0]["step"]


AGENT = Reinforce
