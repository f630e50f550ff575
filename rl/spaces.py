"""From spaces to networks: what reads an observation (torso), and what an action is drawn from (head).

The only place that asks which kind a space is.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from core.errors import UserError
from core.networks.cnn import NatureCNN
from core.networks.mlp import MLP
from core.networks.net import INITIALISERS, Arrays, Chain, Net, pick
from rl.heads import Categorical, DiagonalGaussian, Head, StateDependentGaussian

Kind: TypeAlias = Literal["states", "pixels", "vector"]


def kind(space: Any, where: str = "the environment") -> Kind:
    """How observations of this space are read; UserError for a space that cannot be."""
    if isinstance(space, spaces.Discrete):
        return "states"
    if isinstance(space, spaces.Box):
        return "pixels" if is_image(space) else "vector"
    raise UserError(f"{where} has the observation space {space}; --flatten makes one vector of it")


def is_image(space: Any) -> bool:
    """Whether observations of this space are pictures: bytes in two or three axes."""
    return isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) in (2, 3)


def count(space: Any, agent: str, what: str) -> int:
    """The number of values of a Discrete space; for another, UserError naming the agent and what counts."""
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    raise UserError(f"{agent} needs Discrete {what}, not {space}; ppo takes Discrete and Box")


class OneHot(Net):
    """States ``[…]`` from ``start`` to ``[…, n]``."""

    stacks = True

    def __init__(self, n: int, start: int = 0) -> None:
        super().__init__()
        self.n, self.start = n, start

    def forward(self, state: Tensor) -> Tensor:
        values = torch.arange(self.start, self.start + self.n, device=state.device)
        return (state.unsqueeze(-1) == values).float()

    def in_numpy(self, method: str = "forward") -> Arrays | None:
        values = np.arange(self.start, self.start + self.n)
        return lambda state: (state[..., None] == values).astype(np.float32)


class Flat(Net):
    """``[…, *shape]`` to ``[…, size]`` float32."""

    stacks = True

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.axes, self.size = len(shape), math.prod(shape)

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[: x.dim() - self.axes], self.size).float()

    def in_numpy(self, method: str = "forward") -> Arrays | None:
        flat: Arrays = lambda x: x.reshape(*x.shape[: x.ndim - self.axes], self.size)  # noqa: E731
        return lambda x: (x if self.axes == 1 else flat(x)).astype(np.float32, copy=False)


class Pixels(Net):
    """Bytes ``[…, H, W]``, ``[…, H, W, C]`` or ``[…, C, H, W]`` to floats ``[…, C, H, W]`` in [0, 1].

    Of three axes the shorter end is taken for the channels.
    """

    stacks = True

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.flat = len(shape) == 2
        self.last = len(shape) == 3 and shape[-1] <= shape[0]
        first = (1, *shape) if self.flat else (shape[-1], *shape[:-1]) if self.last else tuple(shape)
        self.shape: tuple[int, ...] = first

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(-3) if self.flat else x.movedim(-1, -3) if self.last else x
        return x.float() / 255


def torso(
    space: Any,
    hidden: Sequence[int] = (64, 64),
    *,
    activation: str = "tanh",
    initialise: str = "orthogonal",
    features: int = 512,
) -> tuple[Chain, int]:
    """The network that reads observations of this space, and how many features it gives.

    Args:
        space: Discrete (one-hot, MLP), Box (MLP), or pixels (NatureCNN).
        hidden: widths of the MLP; the last one is the feature size. Empty: the input itself.
        activation, initialise: keys of core.networks.net's tables; pixels take relu.
        features: feature size of the CNN.

    Raises:
        UserError: another space.
    """
    how, out = kind(space), width(space, hidden, features)
    if how == "pixels":
        pixels = Pixels(space.shape)
        return Chain(pixels, NatureCNN(pixels.shape, features, initialise=initialise)), out
    reader: Net = OneHot(int(space.n), int(space.start)) if how == "states" else Flat(space.shape)
    if not hidden:
        return Chain(reader), out
    gain = pick(INITIALISERS, initialise, "initialiser")[1]
    mlp = MLP((width(space, ()), *hidden), activation, activation, initialise, gain_out=gain)
    return Chain(reader, mlp), out


def width(space: Any, hidden: Sequence[int], features: int = 512) -> int:
    """How many features ``torso`` gives for the same arguments."""
    how = kind(space)
    if how == "pixels":
        return features
    if hidden:
        return hidden[-1]
    return int(space.n) if how == "states" else math.prod(space.shape)


def head(space: Any, *, initial_log_std: float = 0.0, noise_features: int = 0) -> Head:
    """The distribution for actions of this space: Discrete or Box; UserError for another.

    Args:
        initial_log_std: of Gaussian policies.
        noise_features: how many features the noise is a function of (gSDE); 0: it is independent of them.
    """
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        if noise_features:
            return StateDependentGaussian(space, noise_features, initial_log_std)
        return DiagonalGaussian(space, initial_log_std)
    if isinstance(space, spaces.Discrete) and not noise_features:
        return Categorical(int(space.n), int(space.start))
    if isinstance(space, spaces.Discrete):
        raise UserError(
            f"state-dependent noise is for actions in a Box of floats, not {space}; set --sde-every 0"
        )
    raise UserError(f"no agent takes the action space {space}; ppo takes Discrete and Box of floats")
