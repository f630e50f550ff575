"""Back-propagation by hand: one step on paper, autograd, XOR."""

import numpy as np
import pytest
import torch

from core.draws import draws
from core.networks.by_hand import HandMLP, learn, sigmoid

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR = np.array([[0.0], [1.0], [1.0], [0.0]])


def test_one_chain_on_paper() -> None:
    """1 – 1 – 1 with weights zero: every o is ½, o − o² = ¼, δ_K = (½ − 1)·¼, δ_J = ¼·δ_K·w."""
    net = HandMLP([np.zeros((1, 1)), np.full((1, 1), 2.0)], [np.zeros(1), np.full(1, -1.0)])
    x, target = np.array([[3.0]]), np.array([[1.0]])
    outputs = net.forward(x)  # ½, then σ(2·½ − 1) = ½
    assert [o.item() for o in outputs] == [3.0, 0.5, 0.5]
    assert [d.item() for d in net.deltas(outputs, target)] == [-0.0625, -0.125]
    weights, biases = net.gradients(x, target)
    assert [w.item() for w in weights] == [3 * -0.0625, 0.5 * -0.125]
    assert [b.item() for b in biases] == [-0.0625, -0.125]
    assert net.error(x, target) == 0.125


@pytest.mark.parametrize("sizes", [(3, 2), (3, 5, 2), (4, 6, 5, 3, 2)])
def test_it_equals_autograd(sizes: tuple[int, ...]) -> None:
    chance = draws("by hand", *sizes)
    net = HandMLP.drawn(sizes, chance)
    net.biases = [chance.standard_normal(len(bias)) for bias in net.biases]
    x, target = chance.standard_normal((7, sizes[0])), chance.random((7, sizes[-1]))
    weights, biases = (
        [torch.tensor(w, requires_grad=True) for w in part] for part in (net.weights, net.biases)
    )
    o = torch.tensor(x)
    for weight, bias in zip(weights, biases, strict=True):
        o = torch.sigmoid(o @ weight + bias)
    error = 0.5 * (o - torch.tensor(target)).square().sum()
    found = torch.autograd.grad(error, [*weights, *biases])
    assert net.error(x, target) == pytest.approx(error.item(), abs=1e-12)
    by_hand = net.gradients(x, target)
    for ours, theirs in zip([*by_hand[0], *by_hand[1]], found, strict=True):
        assert np.abs(ours - theirs.numpy()).max() <= 1e-12
        assert np.abs(ours).max() > 1e-4


@pytest.mark.parametrize("seed", range(3))
def test_it_learns_xor(seed: int) -> None:
    net, errors = learn((2, 4, 1), X, XOR, draws("xor", seed), rate=5.0)
    assert errors[-1] <= 0.01 < errors[-2]
    assert len(errors) < 20_000
    assert np.abs(net.forward(X)[-1] - XOR).max() < 0.15
    again, _ = learn((2, 4, 1), X, XOR, draws("xor", seed), rate=5.0)
    assert all((a == b).all() for a, b in zip(net.weights, again.weights, strict=True))


def test_one_layer_cannot() -> None:
    """XOR is not linearly separable: the best a single layer does is ½ everywhere, error 4·½·¼."""
    _, errors = learn((2, 1), X, XOR, draws("xor", 0), rate=0.1, rounds=4000)
    assert len(errors) == 4000
    assert errors[-1] == pytest.approx(0.5, abs=0.02)


def test_sigmoid_is_finite_for_every_number() -> None:
    assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]


def test_wrong_shapes_are_named() -> None:
    net = HandMLP.drawn((3, 2), draws("shapes"))
    with pytest.raises(ValueError, match=r"expected inputs \[N, 3\], got \(4, 2\)"):
        net.forward(np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"expected inputs \[N, 3\], got \(3,\)"):
        net.forward(np.zeros(3))
    with pytest.raises(ValueError, match=r"expected targets \(4, 2\), got \(4, 1\)"):
        net.gradients(np.zeros((4, 3)), np.zeros((4, 1)))
    with pytest.raises(ValueError, match=r"got \(3,\)"):
        HandMLP.drawn((3,), draws("shapes"))
