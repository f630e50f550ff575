"""Optimisers as pure functions of one seed's flat weights: (weights, gradient, moments, t, lr) → new ones.

They act on vectors ``[P]``, or on matrices ``[seed, P]`` with ``t`` of shape ``[seed, 1]``, and never in place, so the
same few lines run eagerly, under ``vmap`` and compiled together with the gradient.
"""

import math
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

Moments: TypeAlias = tuple[Tensor, ...]


class Optimiser(Protocol):
    """An update rule; ``count`` is how many vectors it remembers."""

    @property
    def count(self) -> int: ...

    def __call__(
        self, weights: Tensor, gradient: Tensor, moments: Moments, t: Tensor, lr: Tensor
    ) -> tuple[Tensor, Moments]: ...


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1); ``decay`` is AdamW's (Loshchilov & Hutter 2019)."""

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    decay: float = 0.0  # decoupled weight decay, as a share of lr
    count: int = 2

    def __call__(
        self, weights: Tensor, gradient: Tensor, moments: Moments, t: Tensor, lr: Tensor
    ) -> tuple[Tensor, Moments]:
        mean = torch.lerp(moments[0], gradient, 1 - self.beta1)
        square = self.beta2 * moments[1] + (1 - self.beta2) * gradient * gradient
        step = (
            lr / -torch.expm1(t * math.log(self.beta1)) if self.beta1 else lr
        )  # expm1: 1 − β^t loses digits
        scale = (square / -torch.expm1(t * math.log(self.beta2))).sqrt() + self.eps
        return weights * (1 - lr * self.decay) - step * mean / scale, (mean, square)


@dataclass(frozen=True)
class RMSprop:
    """RMSprop (Hinton 2012), as in torch: eps is added after the root."""

    alpha: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    count: int = 2

    def __call__(
        self, weights: Tensor, gradient: Tensor, moments: Moments, t: Tensor, lr: Tensor
    ) -> tuple[Tensor, Moments]:
        square = self.alpha * moments[0] + (1 - self.alpha) * gradient * gradient
        velocity = self.momentum * moments[1] + gradient / (square.sqrt() + self.eps)
        return weights - lr * velocity, (square, velocity)


@dataclass(frozen=True)
class SGD:
    """Gradient descent with momentum in torch's form: v ← βv + g; w ← w − lr·v."""

    momentum: float = 0.0
    count: int = 1

    def __call__(
        self, weights: Tensor, gradient: Tensor, moments: Moments, t: Tensor, lr: Tensor
    ) -> tuple[Tensor, Moments]:
        velocity = self.momentum * moments[0] + gradient
        return weights - lr * velocity, (velocity,)


OPTIMISERS = {"adam": Adam, "rmsprop": RMSprop, "sgd": SGD}
