"""The network of the policy-gradient agents."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from core.networks.mlp import MLP
from core.networks.net import Arrays, Chain, Net
from rl import spaces


class ActorCritic(Net):
    """A policy and a value, side by side: two networks, or one reader of pixels with two ends.

    Orthogonal weights with gain √2 in the bodies, 0.01 for the policy's last layer and 1 for the value's
    (Andrychowicz et al. 2021).

    Args:
        space: of observations.
        head: what the policy's output means.
        hidden: widths of each body; pixels have their own.
        activation: of the hidden layers.
    """

    def __init__(self, space: Any, head: spaces.Head, hidden: Sequence[int], activation: str) -> None:
        super().__init__()
        self.actor_body, features = spaces.torso(space, hidden, activation=activation)
        pixels = spaces.kind(space) == "pixels"
        self.critic_body = (
            self.actor_body if pixels else spaces.torso(space, hidden, activation=activation)[0]
        )
        self.actor = head.layer(features, gain=0.01)
        self.critic = MLP((features, 1), gain_out=1.0)
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
