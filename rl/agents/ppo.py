"""Proximal policy optimisation: several passes over a rollout, none of them far from the policy that made it.

Schulman et al. 2017. With ρ = π(a|s) / π_old(a|s) and A estimated by GAE(λ):

    L = E[ −min(ρ A, clip(ρ, 1 ± ε) A) ] + c_v E[ (v(s) − G)² ] − c_e E[ H(π(·|s)) ],    G = A + v_old(s)
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from core import trees
from core.gradients import Params
from core.noise import Noise, States
from core.optimisers import Adam
from core.schedules import schedule
from rl.actor_critic import Actor, estimated, explained
from rl.agent import Metrics, Spec, Transition
from rl.losses import approximate_kl, clipped_surrogate, clipped_value_error, standardised
from rl.rollout import Rollout

TAGS = {"model": "free", "kind": "policy", "policy": "on", "spaces": "any -> discrete, box"}


@dataclass(frozen=True)
class Config:
    gamma: float = 0.99  # discount γ
    gae_lambda: float = 0.95  # λ of the advantage estimates
    rollout: int = 2048  # steps per environment between updates
    batch: int = 64  # transitions in one minibatch of a seed
    epochs: int = 10  # passes over a rollout
    lr: float = 3e-4  # learning rate
    lr_schedule: str = "constant"  # constant, linear to 0, cosine to 0
    clip: float = 0.2  # ε, how far the ratio may move
    clip_schedule: str = "constant"  # constant, linear to 0
    clip_value: bool = False  # clip the value's move by ε too
    value_weight: float = 0.5  # c_v
    entropy_weight: float = 0.0  # c_e
    normalise_advantage: bool = True  # per minibatch
    max_grad_norm: float = 0.5  # over all weights of a seed; 0: not clipped
    adam_eps: float = 1e-5  # Adam's ε
    hidden: tuple[int, ...] = (64, 64)  # widths of actor and critic
    activation: str = "tanh"  # of the hidden layers
    orthogonal: bool = True  # first weights; false: PyTorch's own
    initial_log_std: float = 0.0  # of Gaussian policies, at the start
    sde_every: int = 0  # steps that one matrix of state-dependent noise (gSDE) is held; 0: independent noise


_CLEANRL = {"envs": 4, "rollout": 128, "batch": 128, "epochs": 4, "lr": 2.5e-4, "lr_schedule": "linear",
            "clip_value": True, "value_weight": 0.25, "entropy_weight": 0.01, "steps": 500_000}  # fmt: skip
_NORMALISE = {"normalise_obs": True, "normalise_reward": True}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "zoo": {  # rl-baselines3-zoo, hyperparams/ppo.yml
        "CartPole-v1": {"envs": 8, "rollout": 32, "batch": 256, "epochs": 20, "gamma": 0.98, "gae_lambda": 0.8,
                        "lr": 1e-3, "lr_schedule": "linear", "clip_schedule": "linear", "steps": 100_000},
        "Acrobot-v1": {"envs": 16, "rollout": 256, "epochs": 4, "gae_lambda": 0.94, "steps": 1_000_000, **_NORMALISE},
        "MountainCar-v0": {"envs": 16, "rollout": 16, "epochs": 4, "gae_lambda": 0.98, "steps": 1_000_000,
                           **_NORMALISE},
        "Pendulum-v1": {"envs": 4, "rollout": 1024, "gamma": 0.9, "lr": 1e-3, "sde_every": 4, "steps": 100_000},
        "LunarLander-v3": {"envs": 16, "rollout": 1024, "epochs": 4, "gamma": 0.999, "gae_lambda": 0.98,
                           "entropy_weight": 0.01, "steps": 1_000_000},
        "MountainCarContinuous-v0": {"envs": 1, "rollout": 8, "batch": 256, "gamma": 0.9999, "gae_lambda": 0.9,
                                     "lr": 7.77e-5, "clip": 0.1, "value_weight": 0.19, "entropy_weight": 0.00429,
                                     "max_grad_norm": 5.0, "orthogonal": False, "initial_log_std": -3.29,
                                     "sde_every": 8, "steps": 20_000, **_NORMALISE},
    },
    "cleanrl": dict.fromkeys(("CartPole-v1", "Acrobot-v1", "MountainCar-v0"), _CLEANRL),  # ppo.py
}  # fmt: skip


def updates(config: Config, envs: int, steps: int) -> int:
    """How many minibatches one seed learns from."""
    size = config.rollout * envs
    return steps // size * config.epochs * -(-size // config.batch)


class Batch(NamedTuple):
    """What the loss reads; ``log_prob`` and ``value`` as they were when the rollout was made."""

    obs: Tensor
    action: Tensor
    log_prob: Tensor
    value: Tensor
    advantage: Tensor
    target: Tensor  # of the value


class PPO(Actor):
    def __init__(self, spec: Spec, config: Config) -> None:
        super().__init__(spec, config, Adam(eps=config.adam_eps))
        self.spec, self.config, self.step = spec, config, 0
        self.order = Noise(spec.seeds, "minibatches", spec.device)
        self.rollout = Rollout(config.rollout, len(spec.seeds))
        self.parts: dict[str, trees.Stateful] = {
            "net": self.net,
            "order": self.order,
            "rollout": self.rollout,
        }
        self.lr = schedule(config.lr_schedule, config.lr)
        self.clip = schedule(config.clip_schedule, config.clip)

    def learn(self, transition: Transition) -> Metrics:
        self.rollout.add(transition)
        self.step += self.spec.envs
        if not self.rollout.full:
            return {}
        done = (self.step - self.spec.envs * self.config.rollout) / max(self.spec.steps, 1)
        return self._update(self.rollout.take(), lr=self.lr(done), clip=self.clip(done))

    def _update(self, steps: Transition, lr: float, clip: float) -> Metrics:
        """Several passes over one rollout; ``steps`` leaves are ``[T, S, E, …]``."""
        found = estimated(self.net, steps, self.config.gamma, self.config.gae_lambda)
        log_prob = self.head.log_prob(found.out, found.action)
        batch = Batch(found.obs, found.action, log_prob, found.value, found.advantage, found.target)
        metrics = self._passes(batch, lr, torch.full((self.seeds,), clip, device=self.spec.device))
        return {**metrics, **explained(found.advantage, found.target)}

    def _passes(self, batch: Batch, lr: float, clip: Tensor) -> Metrics:
        """Every epoch in a new order, cut into minibatches; the mean of their metrics."""
        found: list[Metrics] = []
        count, size = batch.target.shape[1], self.config.batch
        for _ in range(self.config.epochs):
            order = self.order.permutation(count)
            mixed = trees.map(
                lambda leaf, order=order: torch.stack([leaf[k][row] for k, row in enumerate(order)]), batch
            )
            for first in range(0, count, size):
                part = trees.map(lambda leaf, first=first: leaf[:, first : first + size], mixed)
                found.append(self.net.step(self.loss, part, clip, lr=lr))
        return {name: torch.stack([metrics[name] for metrics in found]).mean(0) for name in found[0]}

    def loss(self, params: Params, batch: Batch, clip: Tensor) -> tuple[Tensor, Metrics]:
        """The loss of one seed's minibatch, leaves ``[batch, …]``."""
        out, value = self.net.apply(params, batch.obs)
        log_ratio = self.head.log_prob(out, batch.action) - batch.log_prob
        ratio = log_ratio.exp()
        normalise = standardised if self.config.normalise_advantage else torch.clone
        policy_loss = clipped_surrogate(ratio, normalise(batch.advantage), clip).mean()
        if self.config.clip_value:
            value_loss = clipped_value_error(value, batch.value, batch.target, clip).mean()
        else:
            value_loss = ((value - batch.target) ** 2).mean()
        entropy = self.head.entropy(out).mean()
        total = policy_loss + self.config.value_weight * value_loss - self.config.entropy_weight * entropy
        return total, {
            "loss/policy": policy_loss,
            "loss/value": value_loss,
            "policy/entropy": entropy,
            "policy/kl": approximate_kl(log_ratio).mean(),
            "policy/clip_fraction": ((ratio - 1).abs() > clip).float().mean(),
        }

    def state_dict(self) -> States:
        return trees.states_of(self.parts, step=[self.step] * len(self.spec.seeds))

    def load_state_dict(self, states: States) -> None:
        trees.load_states(self.parts, states)
        self.step = states[0]["step"]


AGENT = PPO
