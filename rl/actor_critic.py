"""What the policy-gradient agents share: a network with a policy and a value, acting by it, estimating with it."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from core.networks.mlp import MLP
from core.networks.net import Arrays, Chain, Net
from core.noise import Chance
from core.optimisers import Optimiser
from core.replicas import Replicas
from rl import spaces
from rl.agent import Array, Memory, Metrics, Spec, Transition
from rl.heads import Head
from rl.returns import gae
from rl.rollout import by_seed, by_time


class ActorCritic(Net):
    """A policy and a value, side by side: two networks, or one reader of pixels with two ends.

    Orthogonal weights with gain √2 in the bodies, 0.01 for the policy's last layer and 1 for the value's
    (Andrychowicz et al. 2021); or PyTorch's own.

    Args:
        space: of observations.
        head: what the policy's output means.
        hidden: widths of each body; pixels have their own.
        activation: of the hidden layers.
        orthogonal: the first weights; False: PyTorch's.
    """

    def __init__(
        self, space: Any, head: Head, hidden: Sequence[int], activation: str, orthogonal: bool = True
    ) -> None:
        super().__init__()
        initialise, gain = ("orthogonal", 0.01) if orthogonal else ("default", 1.0)
        body = partial(spaces.torso, space, hidden, activation=activation, initialise=initialise)
        self.actor_body, features = body()
        self.critic_body = self.actor_body if spaces.kind(space) == "pixels" else body()[0]
        self.actor = head.layer(features, gain, initialise)
        self.critic = MLP((features, 1), initialise=initialise, gain_out=1.0)
        self.stacks = Chain(self.actor_body, self.critic_body, self.actor, self.critic).stacks

    def policy(self, obs: Tensor) -> Tensor:
        """``[…, out]``: what the head reads."""
        out: Tensor = self.actor(self.actor_body(obs))
        return out

    def in_numpy(self, method: str = "forward") -> Arrays | None:
        return Chain(self.actor_body, self.actor).in_numpy() if method == "policy" else None

    def value(self, obs: Tensor) -> Tensor:
        """``[…]``."""
        value: Tensor = self.critic(self.critic_body(obs))
        return value.squeeze(-1)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.actor_body(obs)
        value = self.critic(seen if self.critic_body is self.actor_body else self.critic_body(obs))
        return self.actor(seen), value.squeeze(-1)


class Actor:
    """Acts by an ``ActorCritic``: its actions are drawn, or the most likely ones.

    With state-dependent noise the memory is each environment's noise matrix and the number of steps it has seen.

    Args:
        config: the agent's settings. Read here are hidden, activation, orthogonal, initial_log_std, sde_every and
            max_grad_norm.
        optimiser: of the network.
    """

    def __init__(self, spec: Spec, config: Any, optimiser: Optimiser) -> None:
        self.seeds, self.sde_every = len(spec.seeds), config.sde_every
        features = spaces.width(spec.observation_space, config.hidden) if config.sde_every else 0
        self.head = spaces.head(
            spec.action_space, initial_log_std=config.initial_log_std, noise_features=features
        )
        form = (config.hidden, config.activation, config.orthogonal)
        self.net = Replicas(
            lambda: ActorCritic(spec.observation_space, self.head, *form),
            spec.seeds,
            optimiser=optimiser,
            clip=config.max_grad_norm or None,
            device=spec.device,
            path=spec.path,
            compiled=spec.compiled,
        )
        self.nets = {"net": self.net}

    def memory(self, envs: int) -> Memory:
        if not self.sde_every:
            return ()
        lead = (self.seeds, envs)
        return np.zeros((*lead, *self.head.noise_shape), np.float32), np.zeros(lead, np.int64)

    def act(
        self, obs: Array, memory: Memory, *, start: Array, explore: Chance | None
    ) -> tuple[Array, Memory]:
        out = self.net.act(obs, "policy")  # [S, E, out]
        if explore is None:
            return self.head.mode(out), memory
        if memory and memory[1].flat[0] % self.sde_every:  # all count alike: nothing is drawn for some alone
            noise: Array = memory[0]
        else:
            noise = getattr(explore, self.head.noise)(out.shape[1], *self.head.noise_shape)
        return self.head.sample(out, noise), (noise, memory[1] + 1) if memory else ()

    def executed(self, action: Array) -> Array:
        return self.head.executed(action)


class Estimated(NamedTuple):
    """A rollout as rows ``[seed, step and env, …]``, and what the network made of it while it was acted."""

    obs: Tensor
    action: Tensor
    out: Tensor  # of the policy: what the head reads
    value: Tensor  # v(s)
    advantage: Tensor  # by GAE
    target: Tensor  # of the value


def estimated(net: Replicas, steps: Transition, gamma: float, gae_lambda: float) -> Estimated:
    """Advantages of a rollout with leaves ``[T, S, E, …]``: they look past a time limit, not past an end."""
    device = str(net.device)
    obs, next_obs, action = (by_seed(leaf, device) for leaf in (steps.obs, steps.next_obs, steps.action))
    out, value = net(obs)
    next_value = net(next_obs, method="value")
    advantage = gae(
        steps.reward.astype(np.float32),
        (gamma * ~steps.terminated).astype(np.float32),
        (gamma * gae_lambda * ~(steps.terminated | steps.truncated)).astype(np.float32),
        by_time(value, steps.reward),
        by_time(next_value, steps.reward),
    )
    advantages = by_seed(advantage, device)
    return Estimated(obs, action, out, value, advantages, advantages + value)


def explained(advantage: Tensor, target: Tensor) -> Metrics:
    """The share of the targets' variance that the value explains, 1 is perfect; both ``[seed, sample]``.

    A single sample has no variance, and nothing is said of it.
    """
    if target.shape[1] < 2:
        return {}
    return {"value/explained": (1 - advantage.var(1) / target.var(1)).cpu()}
