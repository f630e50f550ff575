"""A recurrent network in NumPy whose gradient is written out: back-propagation through time.

    h_t = tanh(W x_t + U h_{t−1} + b)      y_t = V h_t + c      error = Σ_t ½ m_t |y_t − target_t|²

Unrolled over its steps it is a deep network whose layers share their weights, so the δ rules hold, and every weight's
gradient is a sum over the steps. m_t is 1 where an output counts, and tanh' = 1 − tanh²:

    outputs    e_t = m_t (y_t − target_t)
    hidden     δ_t = (1 − h_t²) ⊙ (Vᵀ e_t + Uᵀ δ_{t+1}),   nothing behind the last step
    weights    ∂V = Σ e_t h_tᵀ   ∂c = Σ e_t   ∂W = Σ δ_t x_tᵀ   ∂U = Σ δ_t h_{t−1}ᵀ   ∂b = Σ δ_t

The product of Uᵀ and 1 − h² over many steps is why gradients vanish or explode (Werbos 1990; Pascanu et al. 2013).
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from core.draws import Draws

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HandRNN:
    """The weights, or as many numbers that belong to them, such as their gradient."""

    w: Floats  # [hidden, in]
    u: Floats  # [hidden, hidden]
    b: Floats  # [hidden]
    v: Floats  # [out, hidden]
    c: Floats  # [out]

    @classmethod
    def drawn(cls, size_in: int, hidden: int, size_out: int, draws: Draws) -> "HandRNN":
        """Weights normal with variance 1/(what comes in), biases zero."""
        w, u, v = (
            draws.standard_normal(shape) / np.sqrt(shape[1])
            for shape in ((hidden, size_in), (hidden, hidden), (size_out, hidden))
        )
        return cls(w, u, np.zeros(hidden), v, np.zeros(size_out))

    def forward(self, x: Floats) -> tuple[Floats, Floats]:
        """x ``[T, in]`` → h ``[T + 1, hidden]``, which begins with zeros, and y ``[T, out]``."""
        if x.ndim != 2 or x.shape[1] != self.w.shape[1]:
            raise ValueError(f"expected a sequence [T, {self.w.shape[1]}], got {x.shape}")
        h = np.zeros((len(x) + 1, len(self.b)))
        for t in range(len(x)):
            h[t + 1] = np.tanh(self.w @ x[t] + self.u @ h[t] + self.b)
        return h, h[1:] @ self.v.T + self.c

    def gradient(self, x: Floats, target: Floats, counts: Floats) -> tuple["HandRNN", Floats]:
        """∂error of every weight, and the δ of every step ``[T, hidden]``.

        Args:
            x: ``[T, in]``.
            target: ``[T, out]``.
            counts: m ``[T]``, 0 or 1.
        """
        h, y = self.forward(x)
        if target.shape != y.shape or counts.shape != (len(x),):
            raise ValueError(f"expected {y.shape} and {(len(x),)}, got {target.shape} and {counts.shape}")
        e = counts[:, None] * (y - target)
        deltas, later = np.zeros((len(x), len(self.b))), np.zeros(len(self.b))
        for t in reversed(range(len(x))):
            later = deltas[t] = (1 - h[t + 1] ** 2) * (self.v.T @ e[t] + self.u.T @ later)
        return HandRNN(deltas.T @ x, deltas.T @ h[:-1], deltas.sum(0), e.T @ h[1:], e.sum(0)), deltas

    def error(self, x: Floats, target: Floats, counts: Floats) -> float:
        """Σ_t ½ m_t |y_t − target_t|²."""
        return float(0.5 * (counts[:, None] * (self.forward(x)[1] - target) ** 2).sum())

    def moved(self, gradient: "HandRNN", rate: float) -> "HandRNN":
        """One step of gradient descent."""
        names = [field.name for field in fields(self)]
        return HandRNN(*(getattr(self, name) - rate * getattr(gradient, name) for name in names))
