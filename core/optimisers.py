"""Optimisers as pure functions of one seed's flat weights: (weights, gradient, moments, corrections, lr) → new ones.

They act on vectors ``[P]``, or on matrices ``[seed, P]`` with corrections ``[seed, n]``, and never in place, so the
same few lines run under ``vmap`` and compiled together with the gradient. Eagerly each of their operations is a pass
over memory; ``in_place`` is the same rule in as few passes as there can be.
"""

import math
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor
from torch.optim.adam import adam

Moments: TypeAlias = tuple[Tensor, ...]
Seeds: TypeAlias = list[Tensor]  # one of each seed


class Optimiser(Protocol):
    """An update rule; ``count`` is how many vectors it remembers."""

    @property
    def count(self) -> int: ...

    def corrections(self, t: Tensor) -> Tensor:
        """What depends on the step count alone, ``[seed, 1]`` (1 at the first step) to ``[seed, n]``.

        Worked out before the compiled update: its loops would do so again beside every few weights, and half of a
        step's time went into that.
        """
        ...

    def __call__(
        self, weights: Tensor, gradient: Tensor, moments: Moments, corrections: Tensor, lr: Tensor
    ) -> tuple[Tensor, Moments]: ...

    def in_place(
        self, weights: Seeds, gradients: Seeds, moments: tuple[Seeds, ...], t: Seeds, lr: float
    ) -> None:
        """The same written into the weights, moments and step counts ``[1]`` of several seeds, each by itself."""
        ...


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1); ``decay`` is AdamW's (Loshchilov & Hutter 2019)."""

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    decay: float = 0.0  # decoupled weight decay, as a share of lr
    count: int = 2

    def corrections(self, t: Tensor) -> Tensor:
        """1 − β₁^t and 1 − β₂^t."""
        logs = [math.log(beta) if beta else -math.inf for beta in (self.beta1, self.beta2)]
        wide = t.double()  # and expm1: 1 − β^t loses digits
        return -torch.expm1(wide * wide.new_tensor(logs)).to(t.dtype)

    def __call__(
        self, weights: Tensor, gradient: Tensor, moments: Moments, corrections: Tensor, lr: Tensor
    ) -> tuple[Tensor, Moments]:
        mean = torch.lerp(moments[0], gradient, 1 - self.beta1)
        square = self.beta2 * moments[1] + (1 - self.beta2) * gradient * gradient
        step = lr / corrections[..., :1]
        scale = (square / corrections[..., 1:]).sqrt() + self.eps
        return weights * (1 - lr * self.decay) - step * mean / scale, (mean, square)

    def in_place(
        self, weights: Seeds, gradients: Seeds, moments: tuple[Seeds, ...], t: Seeds, lr: float
    ) -> None:
        mean, square = moments
        adam(
            weights,
            gradients,
            mean,
            square,
            [],
            t,
            fused=True,
            amsgrad=False,
            maximize=False,
            beta1=self.beta1,
            beta2=self.beta2,
            eps=self.eps,
            lr=lr,
            weight_decay=self.decay,
            decoupled_weight_decay=True,
        )


@dataclass(frozen=True)
class RMSprop:
    """RMSprop (Hinton 2012), as in torch: eps is added after the root."""

    alpha: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    count: int = 2

    def corrections(self, t: Tensor) -> Tensor:
        """None."""
        return t

    def __call__(
        self, weights: Tensor, gradient: Tensor, moments: Moments, corrections: Tensor, lr: Tensor
    ) -> tuple[Tensor, Moments]:
        square = self.alpha * moments[0] + (1 - self.alpha) * gradient * gradient
        velocity = self.momentum * moments[1] + gradient / (square.sqrt() + self.eps)
        return weights - lr * velocity, (square, velocity)

    def in_place(
        self, weights: Seeds, gradients: Seeds, moments: tuple[Seeds, ...], t: Seeds, lr: float
    ) -> None:
        for w, g, square, velocity, steps in zip(weights, gradients, *moments, t, strict=True):
            square.mul_(self.alpha).addcmul_(g, g, value=1 - self.alpha)
            velocity.mul_(self.momentum).addcdiv_(g, square.sqrt().add_(self.eps))
            w.sub_(velocity, alpha=lr)
            steps += 1


@dataclass(frozen=True)
class SGD:
    """Gradient descent with momentum in torch's form: v ← βv + g; w ← w − lr·v."""

    momentum: float = 0.0
    count: int = 1

    def corrections(self, t: Tensor) -> Tensor:
        """None."""
        return t

    def __call__(
        self, weights: Tensor, gradient: Tensor, moments: Moments, corrections: Tensor, lr: Tensor
    ) -> tuple[Tensor, Moments]:
        velocity = self.momentum * moments[0] + gradient
        return weights - lr * velocity, (velocity,)

    def in_place(
        self, weights: Seeds, gradients: Seeds, moments: tuple[Seeds, ...], t: Seeds, lr: float
    ) -> None:
        for w, g, velocity, steps in zip(weights, gradients, *moments, t, strict=True):
            w.sub_(velocity.mul_(self.momentum).add_(g), alpha=lr)
            steps += 1


@dataclass(frozen=True, eq=False)
class Decayed:
    """Any of them, with decoupled weight decay of just those weights where ``mask`` ``[P]`` is 1."""

    inner: Optimiser
    decay: float  # as a share of lr, as Adam's
    mask: Tensor

    @property
    def count(self) -> int:
        return self.inner.count

    def corrections(self, t: Tensor) -> Tensor:
        """The inner one's."""
        return self.inner.corrections(t)

    def __call__(
        self, weights: Tensor, gradient: Tensor, moments: Moments, corrections: Tensor, lr: Tensor
    ) -> tuple[Tensor, Moments]:
        shrunk = weights * (1 - lr * self.decay * self.mask)
        return self.inner(shrunk, gradient, moments, corrections, lr)

    def in_place(
        self, weights: Seeds, gradients: Seeds, moments: tuple[Seeds, ...], t: Seeds, lr: float
    ) -> None:
        for w in weights:
            w.addcmul_(w, self.mask, value=-lr * self.decay)
        self.inner.in_place(weights, gradients, moments, t, lr)


OPTIMISERS = {"adam": Adam, "rmsprop": RMSprop, "sgd": SGD}
