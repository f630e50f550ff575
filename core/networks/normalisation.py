"""Batch normalisation written out (Ioffe & Szegedy 2015), and the norms a fully connected network may name.

While training, x̂ = (x − μ_B)/√(σ²_B + ε)·γ + β, with mean and variance of this batch; beside it the running ones move,
r ← m·r + (1 − m)·batch, and in evaluation they take the place of μ_B and σ²_B. What is called momentum differs:

- In the notes and in Keras it is m, the share that is kept (Keras: 0.99); the running variance is the batch's own,
  over n; ε is 1e-9 in the notes, 1e-3 in Keras.
- In torch it is 1 − m, the share that is new (0.1); the running variance is over n − 1; ε is 1e-5.
- Here: ``kept`` = m, ``unbiased`` says over what, and ``eps``.

All of them normalise by the biased variance. A batch {0, 2} moves torch's running mean to .1 and its variance to
.9·1 + .1·2 = 1.1; without ``unbiased`` the variance stays at 1.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from core.networks.net import LayerNorm

KERAS = {"kept": 0.99, "eps": 1e-3, "unbiased": False}
TORCH = {"kept": 0.9, "eps": 1e-5, "unbiased": True}
"""The defaults of both libraries, for ``BatchNorm(width, **KERAS)``."""


def normalise(x: Tensor, mean: Tensor, variance: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """(x − μ)/√(σ² + ε)·γ + β; all but x broadcast against it."""
    return (x - mean) / (variance + eps).sqrt() * scale + shift


class BatchNorm(nn.Module):
    """Each feature normalised over the batch and all other axes.

    Args:
        width: how many features.
        kept: share m of the running statistics that survives a batch; torch calls 1 − m its momentum.
        eps: added to the variance.
        unbiased: whether the running variance counts n − 1 (torch) or n (Keras, the notes).
        axis: where the features stand: −1 for [..., width], 1 for images [N, width, H, W].

    The running statistics are buffers: a network with it trains seed by seed and does not stack.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self, width: int, kept: float = 0.9, eps: float = 1e-5, unbiased: bool = True, axis: int = -1
    ) -> None:
        super().__init__()
        self.width, self.kept, self.eps, self.unbiased, self.axis = width, kept, eps, unbiased, axis
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """x with ``width`` features on ``axis`` → the same shape; ValueError for another shape or a batch of one."""
        if x.dim() < 1 or not -x.dim() <= self.axis < x.dim() or x.shape[self.axis] != self.width:
            raise ValueError(f"expected {self.width} features on axis {self.axis}, got {tuple(x.shape)}")
        axis = self.axis % x.dim()
        others = [place for place in range(x.dim()) if place != axis]
        shape = [self.width if place == axis else 1 for place in range(x.dim())]
        mean, variance = self.running_mean, self.running_var
        if self.training:
            if x.numel() < 2 * self.width:
                raise ValueError(
                    f"batch norm learns from at least 2 values of a feature, got {tuple(x.shape)}"
                )
            mean, variance = x.mean(others), x.var(others, correction=0)
            self._move(mean.detach(), variance.detach(), x.numel() // self.width)
        mean, variance, scale, shift = (
            part.reshape(shape) for part in (mean, variance, self.weight, self.bias)
        )
        return normalise(x, mean, variance, scale, shift, self.eps)

    def _move(self, mean: Tensor, variance: Tensor, n: int) -> None:
        """r ← m·r + (1 − m)·batch."""
        if self.unbiased:
            variance = variance * (n / (n - 1))
        with torch.no_grad():
            for running, batch in ((self.running_mean, mean), (self.running_var, variance)):
                running.mul_(self.kept).add_(batch, alpha=1 - self.kept)


NORMS: dict[str, Callable[[int], nn.Module] | None] = {"none": None, "layer": LayerNorm, "batch": BatchNorm}
"""What may stand before a hidden layer's activation."""
