"""The network of the agents that value actions."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from core.networks.mlp import MLP
from core.networks.net import Arrays, Chain, Net
from rl import spaces
from rl.losses import dueling_values


class QNetwork(Net):
    """One value for every action: ``[…, *obs]`` to ``[…, action]``. Weights are drawn as PyTorch draws them.

    Args:
        space: of observations.
        actions: how many.
        hidden: widths of the body; pixels have their own.
        activation: of the hidden layers.
        dueling: the last hidden layer twice, once for the state's value and once for the actions' advantages
            (Wang et al. 2016); with pixels each of the two gets a hidden layer of that width to itself.
    """

    def __init__(
        self, space: Any, actions: int, hidden: Sequence[int], activation: str = "relu", dueling: bool = False
    ) -> None:
        super().__init__()
        shared, own = (hidden[:-1], hidden[-1:]) if dueling else (hidden, ())
        self.body, features = spaces.torso(space, shared, activation=activation, initialise="default")
        self.advantage = MLP((features, *own, actions), activation, initialise="default")
        self.value = MLP((features, *own, 1), activation, initialise="default") if dueling else None
        self.stacks = self.body.stacks

    def forward(self, obs: Tensor) -> Tensor:
        seen = self.body(obs)
        advantage: Tensor = self.advantage(seen)
        return advantage if self.value is None else dueling_values(self.value(seen), advantage)

    def in_numpy(self, method: str = "forward") -> Arrays | None:
        if self.value is None:
            return Chain(self.body, self.advantage).in_numpy(method)
        body, advantage, value = (part.in_numpy(method) for part in (self.body, self.advantage, self.value))
        if body is None or advantage is None or value is None:
            return None
        found = (body, advantage, value)

        def forward(obs: Any) -> Any:
            seen = found[0](obs)
            return dueling_values(found[2](seen), found[1](seen))

        return forward
