"""From the derivative to the gradient, by differences, against formulas and against autograd."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
import torch
from torch import Tensor

from core.derivatives import Point, derivative, directional, gradient, partial
from core.draws import draws
from core.gradients import by_tape

Elementwise: TypeAlias = Callable[[Tensor], Tensor]


def curved(p: Point) -> float:
    """x²y + sin z; ∇ = (2xy, x², cos z)."""
    return float(p[0] ** 2 * p[1] + np.sin(p[2]))


AT = (1.5, -0.5, 0.3)
SLOPE = np.array([2 * 1.5 * -0.5, 1.5**2, np.cos(0.3)])


def test_the_derivative_of_a_power_and_of_the_sigmoid() -> None:
    assert derivative(lambda x: x**3, 2.0) == pytest.approx(12, abs=1e-8)
    half = 1 / (1 + np.exp(-0.7))
    assert derivative(lambda x: 1 / (1 + np.exp(-x)), 0.7) == pytest.approx(half * (1 - half), abs=1e-9)
    assert derivative(np.tanh, 0.7) == pytest.approx(1 - np.tanh(0.7) ** 2, abs=1e-9)


def test_partial_derivatives_make_the_gradient() -> None:
    assert [partial(curved, AT, axis) for axis in range(3)] == pytest.approx(SLOPE.tolist(), abs=1e-8)
    assert gradient(curved, AT).tolist() == pytest.approx(SLOPE.tolist(), abs=1e-8)


def test_the_gradient_of_the_tapes_example() -> None:
    """∇(x² + y²) at (1, 2) is (2, 4)."""
    found, _ = by_tape(
        lambda w: (w["x"] ** 2 + w["y"] ** 2, {}), {"x": torch.tensor(1.0), "y": torch.tensor(2.0)}
    )
    assert (found["x"].item(), found["y"].item()) == (2, 4)
    assert gradient(lambda p: float((p**2).sum()), (1.0, 2.0)).tolist() == pytest.approx([2, 4], abs=1e-8)


def test_a_directional_derivative_is_the_gradient_times_the_direction() -> None:
    for along in draws("directions").standard_normal((20, 3)):
        cosines = along / np.linalg.norm(along)
        assert directional(curved, AT, along) == pytest.approx(float(SLOPE @ cosines), abs=1e-8)
        assert directional(curved, AT, 7 * along) == pytest.approx(directional(curved, AT, along), abs=1e-8)


def test_along_the_gradient_it_is_largest_and_as_large_as_the_gradient_is_long() -> None:
    steepest = float(np.linalg.norm(SLOPE))
    assert directional(curved, AT, SLOPE) == pytest.approx(steepest, abs=1e-8)
    assert directional(curved, AT, -SLOPE) == pytest.approx(-steepest, abs=1e-8)
    level = np.cross(SLOPE, [1.0, 0.0, 0.0])
    assert directional(curved, AT, level) == pytest.approx(0, abs=1e-8)
    others = [directional(curved, AT, along) for along in draws("directions").standard_normal((500, 3))]
    assert 0.95 * steepest < max(others) < steepest


def test_a_direction_must_be_one() -> None:
    for along in ((0.0, 0.0, 0.0), (1.0, 0.0)):
        with pytest.raises(ValueError, match=r"a direction of shape \(3,\) other than zero, got \["):
            directional(curved, AT, along)


def test_the_activations_derivatives() -> None:
    """σ' = σ(1 − σ) is largest, ¼, at 0; tanh' = 1 − tanh² is 1 there."""
    x = torch.linspace(-6, 6, 41, dtype=torch.float64, requires_grad=True)
    pairs: list[tuple[Elementwise, Elementwise]] = [
        (torch.sigmoid, lambda s: s * (1 - s)),
        (torch.tanh, lambda s: 1 - s**2),
    ]
    for f, slope in pairs:
        y = f(x)
        (found,) = torch.autograd.grad(y.sum(), x)
        torch.testing.assert_close(found, slope(y), rtol=0, atol=1e-14)
        assert torch.autograd.gradcheck(f, (x,))
        assert found.argmax() == 20
    assert torch.sigmoid(torch.zeros(1)).item() == 0.5
    # softmax: ∂p_i/∂z_j = p_i (1[i = j] − p_j)
    z = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    p = z.softmax(-1)
    jacobian: Tensor = torch.func.jacrev(lambda z: z.softmax(-1))(z)
    torch.testing.assert_close(jacobian, p.diag() - torch.outer(p, p), rtol=0, atol=1e-15)


def test_the_chain_rule() -> None:
    """f(u) = u³ of u = sin x: 3 sin² x · cos x."""
    found = derivative(lambda x: np.sin(x) ** 3, 0.8)
    outer, inner = derivative(lambda u: u**3, float(np.sin(0.8))), derivative(np.sin, 0.8)
    assert found == pytest.approx(outer * inner, abs=1e-8)
    assert found == pytest.approx(3 * np.sin(0.8) ** 2 * np.cos(0.8), abs=1e-8)
