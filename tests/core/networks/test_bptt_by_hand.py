"""Back-propagation through time by hand: one number on paper, autograd, which steps a loss reaches, and learning."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from core.draws import draws
from core.networks.bptt_by_hand import HandRNN
from core.networks.recurrent import RNN

NAMES = [field.name for field in fields(HandRNN)]


def drawn() -> HandRNN:
    chance = draws("through time")
    net = HandRNN.drawn(3, 4, 2, chance)
    return HandRNN(net.w, net.u, chance.standard_normal(4), net.v, chance.standard_normal(2))


def test_two_steps_on_paper() -> None:
    """One unit, x = (1, 0), W = U = V = 1 and no biases: h = (tanh 1, tanh tanh 1), and only y₂ counts."""
    one = np.ones((1, 1))
    net = HandRNN(one, one, np.zeros(1), one, np.zeros(1))
    x, target = np.array([[1.0], [0.0]]), np.zeros((2, 1))
    first, last = np.tanh(1.0), np.tanh(np.tanh(1.0))
    found, deltas = net.gradient(x, target, np.array([0.0, 1.0]))
    second = (1 - last**2) * last  # δ₂ = (1 − h₂²) e₂
    assert deltas[:, 0].tolist() == pytest.approx([(1 - first**2) * second, second])
    assert found.u.item() == pytest.approx(second * first)
    assert found.w.item() == pytest.approx((1 - first**2) * second)
    assert found.v.item() == pytest.approx(last * last)
    assert net.error(x, target, np.array([0.0, 1.0])) == pytest.approx(last**2 / 2)


def test_forward_is_the_labs_cell() -> None:
    net, x = drawn(), draws("x").standard_normal((6, 3))
    cell = RNN(3, 4).double()
    with torch.no_grad():
        for weight, value in (
            (cell.input.weight, net.w),
            (cell.input.bias, net.b),
            (cell.recurrent.weight, net.u),
        ):
            weight.copy_(torch.tensor(value))
    y, _ = cell.unroll(torch.tensor(x)[None])
    np.testing.assert_allclose(net.forward(x)[0][1:], y[0].detach().numpy(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("counts", [[1, 1, 1, 1, 1, 1], [0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1]])
def test_it_equals_autograd(counts: list[int]) -> None:
    net, chance = drawn(), draws("x")
    x, target, m = chance.standard_normal((6, 3)), chance.standard_normal((6, 2)), np.array(counts, float)
    w, u, b, v, c = (torch.tensor(getattr(net, name), requires_grad=True) for name in NAMES)
    h, error = torch.zeros(4, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for t in range(6):
        h = torch.tanh(w @ torch.tensor(x[t]) + u @ h + b)
        error = error + 0.5 * m[t] * (v @ h + c - torch.tensor(target[t])).square().sum()
    expected = torch.autograd.grad(error, (w, u, b, v, c))
    found, _ = net.gradient(x, target, m)
    assert net.error(x, target, m) == pytest.approx(error.item(), abs=1e-12)
    for name, theirs in zip(NAMES, expected, strict=True):
        np.testing.assert_allclose(getattr(found, name), theirs.numpy(), rtol=0, atol=1e-12)
        assert theirs.abs().max() > 1e-4


def test_a_loss_on_some_outputs_reaches_the_steps_before_them_alone() -> None:
    net, x = drawn(), draws("x").standard_normal((6, 3))
    _, deltas = net.gradient(x, np.zeros((6, 2)), np.array([0.0, 1, 0, 1, 0, 0]))
    assert (np.abs(deltas).max(1) > 1e-6).tolist() == [True, True, True, True, False, False]
    cell, given = RNN(3, 4), torch.randn(1, 6, 3, requires_grad=True)  # and so with the lab's own
    (slope,) = torch.autograd.grad(cell.unroll(given)[0][:, [1, 3]].square().sum(), given)
    assert (slope.abs().amax((0, 2)) > 0).tolist() == [True, True, True, True, False, False]


def test_the_gradient_shrinks_like_a_power_of_the_matrix() -> None:
    """Linear near 0 with U = ½: each step back halves δ."""
    small = np.full((1, 1), 1e-6)
    net = HandRNN(small, np.full((1, 1), 0.5), np.zeros(1), np.ones((1, 1)), np.zeros(1))
    _, deltas = net.gradient(np.ones((8, 1)), np.ones((8, 1)), np.eye(8)[7])
    assert (deltas[:-1] / deltas[1:]).flatten().tolist() == pytest.approx([0.5] * 7, rel=1e-6)


def test_it_learns_to_say_what_came_the_step_before() -> None:
    chance = draws("echo")
    net = HandRNN.drawn(1, 8, 1, chance)
    counts = np.array([0.0] + [1.0] * 9)
    errors = []
    for _ in range(1500):
        x = 2 * chance.random((10, 1)) - 1
        target = np.concatenate([np.zeros((1, 1)), x[:-1]])
        errors.append(net.error(x, target, counts))
        net = net.moved(net.gradient(x, target, counts)[0], 0.05)
    assert np.mean(errors[-100:]) < 0.05 * np.mean(errors[:50])


def test_wrong_shapes_are_named() -> None:
    net = drawn()
    with pytest.raises(ValueError, match=r"expected a sequence \[T, 3\], got \(6, 2\)"):
        net.forward(np.zeros((6, 2)))
    with pytest.raises(ValueError, match=r"expected \(6, 2\) and \(6,\), got \(6, 1\) and \(6,\)"):
        net.gradient(np.zeros((6, 3)), np.zeros((6, 1)), np.ones(6))
