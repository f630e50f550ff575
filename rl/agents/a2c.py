"""Advantage actor-critic: one gradient step from a few steps of many environments, then they are forgotten.

Mnih et al. 2016, as it is run synchronously. With A estimated from n steps (λ = 1), or by GAE(λ):

    L = −E[ A log π(a|s) ] + c_v E[ (v(s) − G)² ] − c_e E[ H(π(·|s)) ],    G = A + v(s)
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from core import trees
from core.gradients import Params
from core.noise import States
from core.optimisers import RMSprop
from core.schedules import schedule
from rl.actor_critic import Actor, estimated, explained
from rl.agent import Metrics, Spec, Transition
from rl.losses import policy_gradient, standardised
from rl.rollout import Rollout

TAGS = {"model": "free", "kind": "policy", "policy": "on", "spaces": "any -> discrete, box"}


@dataclass(frozen=True)
class Config:
    gamma: float = 0.99  # discount γ
    gae_lambda: float = 1.0  # λ of the advantage estimates; 1: returns of n steps
    rollout: int = 5  # n, steps per environment between updates
    lr: float = 7e-4  # learning rate
    lr_schedule: str = "constant"  # constant, linear to 0, cosine to 0
    value_weight: float = 0.5  # c_v
    entropy_weight: float = 0.0  # c_e
    normalise_advantage: bool = False  # over the rollout
    max_grad_norm: float = 0.5  # over all weights of a seed; 0: not clipped
    rms_alpha: float = 0.99  # how much RMSprop remembers of the squared gradients
    rms_eps: float = 1e-5  # RMSprop's ε
    hidden: tuple[int, ...] = (64, 64)  # widths of actor and critic
    activation: str = "tanh"  # of the hidden layers
    orthogonal: bool = True  # first weights; false: PyTorch's own
    initial_log_std: float = 0.0  # of Gaussian policies, at the start
    sde_every: int = 0  # steps that one matrix of state-dependent noise (gSDE) is held; 0: independent noise


_NORMALISE = {"normalise_obs": True, "normalise_reward": True}
_GSDE = {"rollout": 8, "gae_lambda": 0.9, "value_weight": 0.4, "lr_schedule": "linear", "orthogonal": False,
         "initial_log_std": -2.0, "sde_every": 8, **_NORMALISE}  # fmt: skip

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "zoo": {  # rl-baselines3-zoo, hyperparams/a2c.yml
        "CartPole-v1": {"envs": 8, "steps": 500_000},
        "Acrobot-v1": {"envs": 16, "steps": 500_000, **_NORMALISE},
        "MountainCar-v0": {"envs": 16, "steps": 1_000_000, **_NORMALISE},
        "LunarLander-v3": {"envs": 8, "gamma": 0.995, "lr": 8.3e-4, "lr_schedule": "linear", "entropy_weight": 1e-5,
                           "steps": 200_000},
        "Pendulum-v1": {"envs": 8, "gamma": 0.9, "steps": 1_000_000, **_GSDE},
        "MountainCarContinuous-v0": {"envs": 4, "rollout": 100, "orthogonal": False, "sde_every": 16,
                                     "steps": 100_000, **_NORMALISE},
        "BipedalWalker-v3": {"envs": 16, "lr": 9.6e-4, "steps": 5_000_000, **_GSDE},
    },
}  # fmt: skip


def updates(config: Config, envs: int, steps: int) -> int:
    """How many gradient steps one seed takes."""
    return steps // (config.rollout * envs)


class Batch(NamedTuple):
    """What the loss reads."""

    obs: Tensor
    action: Tensor
    advantage: Tensor
    target: Tensor  # of the value


class A2C(Actor):
    def __init__(self, spec: Spec, config: Config) -> None:
        super().__init__(spec, config, RMSprop(config.rms_alpha, config.rms_eps))
        self.spec, self.config, self.step = spec, config, 0
        self.rollout = Rollout(config.rollout, len(spec.seeds))
        self.parts: dict[str, trees.Stateful] = {"net": self.net, "rollout": self.rollout}
        self.lr = schedule(config.lr_schedule, config.lr)

    def learn(self, transition: Transition) -> Metrics:
        self.rollout.add(transition)
        self.step += self.spec.envs
        if not self.rollout.full:
            return {}
        done = (self.step - self.spec.envs * self.config.rollout) / max(self.spec.steps, 1)
        found = estimated(self.net, self.rollout.take(), self.config.gamma, self.config.gae_lambda)
        batch = Batch(found.obs, found.action, found.advantage, found.target)
        metrics = self.net.step(self.loss, batch, lr=self.lr(done))
        return {**metrics, **explained(found.advantage, found.target)}

    def loss(self, params: Params, batch: Batch) -> tuple[Tensor, Metrics]:
        """The loss of one seed's rollout, leaves ``[batch, …]``."""
        out, value = self.net.apply(params, batch.obs)
        advantage = standardised(batch.advantage) if self.config.normalise_advantage else batch.advantage
        policy_loss = policy_gradient(self.head.log_prob(out, batch.action), advantage).mean()
        value_loss = ((value - batch.target) ** 2).mean()
        entropy = self.head.entropy(out).mean()
        total = policy_loss + self.config.value_weight * value_loss - self.config.entropy_weight * entropy
        return total, {"loss/policy": policy_loss, "loss/value": value_loss, "policy/entropy": entropy}

    def state_dict(self) -> States:
        return trees.states_of(self.parts, step=[self.step] * self.seeds)

    def load_state_dict(self, states: States) -> None:
        trees.load_states(self.parts, states)
        self.step = states[0]["step"]


AGENT = A2C
