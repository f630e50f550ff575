"""Derivatives by differences: of one number, along an axis, along any direction, and the gradient they make.

From one to the next: a partial derivative is a derivative along an axis, a directional one along any line,

    ∂u/∂l = lim (u(P + t·l) − u(P)) / t = ∇u · l = |∇u| cos θ,    |l| = 1,

so the gradient points where that is largest, and its length is how large. What the lab trains with is exact
(core/gradients.py); this is what such a gradient is compared with. Differences are central: their error is of t².
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Point: TypeAlias = NDArray[np.float64]
STEP = 1e-5  # t: smaller ones lose digits, larger ones see the curve


def derivative(f: Callable[[float], float], x: float) -> float:
    """f'(x)."""
    return float(f(x + STEP) - f(x - STEP)) / (2 * STEP)


def directional(u: Callable[[Point], float], at: ArrayLike, along: ArrayLike) -> float:
    """∂u/∂l at a point ``[d]``, for the direction of ``along`` ``[d]``, whatever its length.

    Raises:
        ValueError: the direction is not one: its shape is another, or it is zero.
    """
    point, line = np.asarray(at, float), np.asarray(along, float)
    length = float(np.linalg.norm(line))
    if line.shape != point.shape or length == 0:
        raise ValueError(f"expected a direction of shape {point.shape} other than zero, got {line.tolist()}")
    return derivative(lambda t: u(point + t * line / length), 0.0)


def partial(u: Callable[[Point], float], at: ArrayLike, axis: int) -> float:
    """∂u/∂x_axis at a point ``[d]``: the derivative along that axis."""
    return directional(u, at, np.eye(np.asarray(at).size)[axis])


def gradient(u: Callable[[Point], float], at: ArrayLike) -> Point:
    """All partial derivatives at a point ``[d]``: ``[d]``."""
    return np.array([partial(u, at, axis) for axis in range(np.asarray(at).size)])
