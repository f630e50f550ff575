"""What an action is drawn from: distributions as pure functions of a network's output.

A head is pure: its verbs are functions of the network's output, and of noise that is handed in; any leading axes;
nothing branches on data, so they compile and vmap.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.networks.mlp import MLP
from core.networks.net import Arrays, Chain, Net
from rl.agent import Array

Values = TypeVar("Values", Tensor, Array)


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

    def layer(self, features: int, gain: float = 0.01, initialise: str = "orthogonal") -> nn.Module:
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

    def layer(self, features: int, gain: float = 0.01, initialise: str = "orthogonal") -> nn.Module:
        return MLP((features, self.n), initialise=initialise, gain_out=gain)

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

    space: Any  # Box
    initial_log_std: float = 0.0

    noise: Literal["normal"] = "normal"

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (math.prod(self.space.shape),)

    def layer(self, features: int, gain: float = 0.01, initialise: str = "orthogonal") -> nn.Module:
        size = self.noise_shape[0]
        mean = MLP((features, size), initialise=initialise, gain_out=gain)
        return Chain(mean, LogStd(size, self.initial_log_std))

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
        return normal_log_prob(action - mean, log_std)

    def entropy(self, out: Tensor) -> Tensor:
        return (out.chunk(2, -1)[1] + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)

    def executed(self, action: Array) -> Array:
        return within(self.space, action)


class Loadings(Net):
    """Mean actions, and behind them how much each number of the noise matrix moves them.

    Features ``[…, n]`` to ``[…, d + n·d]``: μ(f), then m_ij = f_i σ_ij. The features are taken as given there: noise
    shall not teach the body what to see.
    """

    stacks = True

    def __init__(self, mean: MLP, features: int, size: int, initial_log_std: float) -> None:
        super().__init__()
        self.mean = mean
        self.log_std = nn.Parameter(torch.full((features, size), initial_log_std))

    def forward(self, features: Tensor) -> Tensor:
        lead = self.log_std.shape[:-2]  # (S,) when stacked
        axes = features.dim() - 1 - len(lead)
        std = self.log_std.exp().reshape(*lead, *[1] * axes, *self.log_std.shape[-2:])
        return torch.cat((self.mean(features), (features.detach().unsqueeze(-1) * std).flatten(-2)), -1)

    def in_numpy(self, method: str = "forward") -> Arrays | None:
        mean = self.mean.in_numpy()
        if mean is None or self.log_std.dim() != 3:
            return None
        log_std = self.log_std.detach().numpy()  # [S, n, d]

        def forward(features: Array) -> Array:
            std = np.exp(log_std).reshape(len(log_std), *[1] * (features.ndim - 2), *log_std.shape[1:])
            loadings = features[..., None] * std
            return np.concatenate((mean(features), loadings.reshape(*features.shape[:-1], -1)), -1)

        return forward


@dataclass(frozen=True)
class StateDependentGaussian:
    """Noise that is a function of the state: gSDE (Raffin et al. 2021, section 3).

    a = μ(f) + Σ_i f_i σ_ij ε_ij with ε standard normal and held for several steps, so that within them the same state
    gets the same action. Over ε each action is normal with variance Σ_i f_i² σ_ij² (eq. 5): that is its density.
    ``out`` is what ``Loadings`` gives, ``[…, d + n·d]``.
    """

    space: Any  # Box
    features: int  # n, of the policy's last hidden layer
    initial_log_std: float = 0.0

    noise: Literal["normal"] = "normal"

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return self.features, math.prod(self.space.shape)

    def layer(self, features: int, gain: float = 0.01, initialise: str = "orthogonal") -> nn.Module:
        size = self.noise_shape[1]
        mean = MLP((features, size), initialise=initialise, gain_out=gain)
        return Loadings(mean, features, size, self.initial_log_std)

    def _parts(self, out: Any) -> tuple[Any, Any]:
        size = self.noise_shape[1]
        return out[..., :size], out[..., size:].reshape(*out.shape[:-1], *self.noise_shape)

    def sample(self, out: Values, noise: Values) -> Values:
        mean, loadings = self._parts(out)
        action: Values = mean + (loadings * noise).sum(-2)
        return action

    def mode(self, out: Values) -> Values:
        mean: Values = out[..., : self.noise_shape[1]]
        return mean

    def log_prob(self, out: Tensor, action: Tensor) -> Tensor:
        mean, loadings = self._parts(out)
        return normal_log_prob(action - mean, self._log_std(loadings))

    def entropy(self, out: Tensor) -> Tensor:
        return (self._log_std(self._parts(out)[1]) + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)

    def _log_std(self, loadings: Tensor) -> Tensor:
        """Of each action; where every feature is 0, 1e-6 keeps it finite."""
        return 0.5 * (loadings.square().sum(-2) + 1e-6).log()

    def executed(self, action: Array) -> Array:
        return within(self.space, action)


def normal_log_prob(away: Tensor, log_std: Tensor) -> Tensor:
    """log N(a; μ, σ²) of independent actions, summed over them; ``away`` is a − μ, both ``[…, d]``."""
    return -(0.5 * (away * (-log_std).exp()).square() + log_std + 0.5 * math.log(2 * math.pi)).sum(-1)


def within(space: Any, action: Array) -> Array:
    """Flat actions ``[…, d]`` in the shape of a Box, clipped to its bounds."""
    bounded: Array = np.clip(action.reshape(*action.shape[:-1], *space.shape), space.low, space.high)
    return bounded.astype(space.dtype, copy=False)
