"""From spaces to networks: what reads an observation (torso), and what an action is drawn from (head).

The only place that asks which kind a space is. A head is pure: its verbs are functions of the network's
output, and of noise that is handed in; any leading axes; nothing branches on data, so they compile and vmap.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import Tensor, nn

from core.errors import UserError
from core.networks.cnn import NatureCNN
from core.networks.mlp import MLP
from core.networks.net import INITIALISERS, Arrays, Chain, Net, pick
from rl.agent import Array

Values = TypeVar("Values", Tensor, Array)
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
    how = kind(space)
    if how == "pixels":
        pixels = Pixels(space.shape)
        return Chain(pixels, NatureCNN(pixels.shape, features, initialise=initialise)), features
    reader: Net = OneHot(int(space.n), int(space.start)) if how == "states" else Flat(space.shape)
    size = int(space.n) if how == "states" else math.prod(space.shape)
    if not hidden:
        return Chain(reader), size
    gain = pick(INITIALISERS, initialise, "initialiser")[1]
    mlp = MLP((size, *hidden), activation, activation, initialise, gain_out=gain)
    return Chain(reader, mlp), hidden[-1]


class Head(Protocol):
    """A distribution over actions, given the output ``[…, out]`` of ``layer``."""

    @property
    def noise(self) -> Literal["gumbel", "normal"]:
        """What ``sample`` wants to be handed."""
        ...

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Its shape behind the leading axes."""
        ...

    def layer(self, features: int, gain: float = 0.01) -> nn.Module:
        """The last part of the network, from ``[…, features]`` to what the other verbs read."""
        ...

    def sample(self, out: Values, noise: Values) -> Values:
        """Tensors or NumPy arrays alike."""
        ...

    def mode(self, out: Values) -> Values: ...

    def log_prob(self, out: Tensor, action: Tensor) -> Tensor:
        """``[…]``, of an action as it was sampled, before any clipping."""
        ...

    def entropy(self, out: Tensor) -> Tensor: ...

    def executed(self, action: Array) -> Array:
        """The action as the environment takes it."""
        ...


@dataclass(frozen=True)
class Categorical:
    """One of ``n`` actions with probability softmax(out); actions are int64 from 0."""

    n: int
    start: int = 0  # of the environment's own numbering

    noise: Literal["gumbel"] = "gumbel"

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (self.n,)

    def layer(self, features: int, gain: float = 0.01) -> nn.Module:
        return MLP((features, self.n), gain_out=gain)

    def sample(self, out: Values, noise: Values) -> Values:
        """argmax(logits + g): the Gumbel-max trick (Gumbel 1954)."""
        chosen: Values = (out + noise).argmax(-1)
        return chosen

    def mode(self, out: Values) -> Values:
        chosen: Values = out.argmax(-1)
        return chosen

    def log_prob(self, out: Tensor, action: Tensor) -> Tensor:
        return F.log_softmax(out, -1).gather(-1, action.long().unsqueeze(-1)).squeeze(-1)

    def entropy(self, out: Tensor) -> Tensor:
        log_p = F.log_softmax(out, -1)
        # An action ruled out by a logit of −inf adds 0, not 0 · −inf.
        return -(log_p.exp() * log_p.clamp(min=torch.finfo(out.dtype).min)).sum(-1)

    def executed(self, action: Array) -> Array:
        return action.astype(np.int64, copy=False) + self.start


class LogStd(Net):
    """Appends one learned log σ per action dimension, the same in every state: ``[…, d]`` to ``[…, 2d]``."""

    stacks = True

    def __init__(self, size: int, initial: float = 0.0) -> None:
        super().__init__()
        self.log_std = nn.Parameter(torch.full((size,), initial))

    def forward(self, mean: Tensor) -> Tensor:
        lead = self.log_std.shape[:-1]  # (S,) when stacked
        log_std = self.log_std.reshape(*lead, *[1] * (mean.dim() - 1 - len(lead)), -1)
        return torch.cat((mean, log_std.expand_as(mean)), -1)

    def in_numpy(self, method: str = "forward") -> Arrays | None:
        if self.log_std.dim() != 2:
            return None
        log_std = self.log_std.detach().numpy()  # [S, d]

        def forward(mean: Array) -> Array:
            row = log_std.reshape(len(log_std), *[1] * (mean.ndim - 2), -1)
            return np.concatenate((mean, np.broadcast_to(row, mean.shape)), -1)

        return forward


@dataclass(frozen=True)
class DiagonalGaussian:
    """Independent normals: ``out`` is mean and log σ, ``[…, 2d]``; actions are ``[…, d]``, unbounded.

    Bounds are met by clipping what is executed; the log-probability is that of the unclipped action.
    """

    space: spaces.Box
    initial_log_std: float = 0.0

    noise: Literal["normal"] = "normal"

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (math.prod(self.space.shape),)

    def layer(self, features: int, gain: float = 0.01) -> nn.Module:
        size = self.noise_shape[0]
        return Chain(MLP((features, size), gain_out=gain), LogStd(size, self.initial_log_std))

    def sample(self, out: Values, noise: Values) -> Values:
        half = self.noise_shape[0]
        deviation: Any = np.exp(out[..., half:]) if isinstance(out, np.ndarray) else out[..., half:].exp()
        action: Values = out[..., :half] + deviation * noise
        return action

    def mode(self, out: Values) -> Values:
        mean: Values = out[..., : self.noise_shape[0]]
        return mean

    def log_prob(self, out: Tensor, action: Tensor) -> Tensor:
        mean, log_std = out.chunk(2, -1)
        away = (action - mean) * (-log_std).exp()
        return -(0.5 * away.square() + log_std + 0.5 * math.log(2 * math.pi)).sum(-1)

    def entropy(self, out: Tensor) -> Tensor:
        return (out.chunk(2, -1)[1] + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)

    def executed(self, action: Array) -> Array:
        shaped = action.reshape(*action.shape[:-1], *self.space.shape)
        bounded: Array = np.clip(shaped, self.space.low, self.space.high).astype(self.space.dtype, copy=False)
        return bounded


def head(space: Any, *, initial_log_std: float = 0.0) -> Head:
    """The distribution for actions of this space: Discrete or Box; UserError for another."""
    if isinstance(space, spaces.Discrete):
        return Categorical(int(space.n), int(space.start))
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        return DiagonalGaussian(space, initial_log_std)
    raise UserError(f"no agent takes the action space {space}; ppo takes Discrete and Box of floats")
