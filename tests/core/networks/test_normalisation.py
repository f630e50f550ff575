"""Batch norm in both conventions."""

import pytest
import torch
from torch import nn

from core.networks.mlp import MLP
from core.networks.normalisation import KERAS, TORCH, BatchNorm
from core.noise import Noise
from core.replicas import Replicas

F64 = torch.float64


@pytest.mark.parametrize("kept", [0.9, 0.99, 0.0])
@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 4), (6, 3, 4, 5)])
def test_parity_with_torch_whose_momentum_is_what_is_new(kept: float, shape: tuple[int, ...]) -> None:
    kind = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(shape)]
    ours, theirs = BatchNorm(3, kept, 1e-9, axis=1).double(), kind(3, eps=1e-9, momentum=1 - kept).double()
    with torch.no_grad():
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            other.copy_(mine.copy_(torch.randn(3, dtype=F64)))
    for _ in range(4):
        x = (2 + 3 * torch.randn(shape, dtype=F64)).requires_grad_(True)
        y, expected = ours(x), theirs(x)
        torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
        gradients = (
            torch.autograd.grad(out.cos().sum(), [x, *net.parameters()])
            for out, net in ((y, ours), (expected, theirs))
        )
        torch.testing.assert_close(*gradients, rtol=0, atol=1e-10)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(ours.running_var, theirs.running_var, rtol=0, atol=1e-12)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=0, atol=1e-12)
    assert (ours(x) - ours.train()(x)).abs().max() > 1e-3  # training is not evaluation


def test_the_batch_of_0_and_2() -> None:
    """Mean 1, variance 1 over n and 2 over n − 1; outputs ±1/√(1 + ε)."""
    x = torch.tensor([[0.0], [2.0]], dtype=F64)
    torchs, keras = BatchNorm(1, **TORCH).double(), BatchNorm(1, **KERAS).double()
    torch.testing.assert_close(torchs(x), (x - 1) / (1 + 1e-5) ** 0.5)
    torch.testing.assert_close(keras(x), (x - 1) / (1 + 1e-3) ** 0.5)
    assert torchs.running_mean.item() == pytest.approx(0.1)
    assert torchs.running_var.item() == pytest.approx(1.1)
    assert keras.running_mean.item() == pytest.approx(0.01)
    assert keras.running_var.item() == pytest.approx(1.0)
    for _ in range(99):
        keras(x)
    assert keras.running_mean.item() == pytest.approx(1 - 0.99**100)


def test_it_is_finite_where_nothing_varies_and_differentiates() -> None:
    net = BatchNorm(2, eps=1e-9).double()
    x = torch.ones(4, 2, dtype=F64, requires_grad=True)
    assert torch.autograd.grad(net(x).sum(), x)[0].isfinite().all()
    assert torch.autograd.gradcheck(net, (torch.randn(5, 2, dtype=F64, requires_grad=True),))


def test_all_leading_axes_are_the_batch_where_features_stand_last() -> None:
    net, x = BatchNorm(3), torch.randn(4, 5, 3)
    torch.testing.assert_close(net(x), net(x.reshape(20, 3)).reshape(4, 5, 3))
    assert net(x).mean((0, 1)).abs().max() < 1e-6


def test_wrong_shapes_are_named() -> None:
    for x in (torch.zeros(4, 2), torch.zeros(3, 4), torch.tensor(1.0)):
        with pytest.raises(ValueError, match=r"expected 3 features on axis -1, got \("):
            BatchNorm(3)(x)
    with pytest.raises(ValueError, match=r"at least 2 values of a feature, got \(1, 3\)"):
        BatchNorm(3)(torch.zeros(1, 3))
    assert BatchNorm(3).eval()(torch.zeros(1, 3)).shape == (1, 3)


def test_seeds_keep_statistics_of_their_own() -> None:
    def trained(seeds: list[int]) -> Replicas:
        net, data = Replicas(lambda: MLP((3, 4, 1), norm="batch"), seeds), Noise(seeds, "data")
        for _ in range(3):
            net.step(lambda params, x: (net.apply(params, x).square().mean(), {}), data.normal(6, 3), lr=0.1)
        return net

    both, alone = trained([3, 5]), trained([5])
    x = Noise([5], "x").normal(4, 3)
    assert torch.equal(both(x.expand(2, -1, -1))[1], alone(x)[0])
    assert not torch.equal(both(x.expand(2, -1, -1))[0], alone(x)[0])
