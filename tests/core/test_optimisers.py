"""Update rules beside torch's where settings change what they mean: momentum of RMSprop, three ways to decay."""

import pytest
import torch
from torch import Tensor, nn

from core.gradients import Metrics, Params
from core.optimisers import SGD, Adam, Optimiser, RMSprop
from core.regularisation import kernels, penalty
from core.replicas import Replicas

F64 = torch.float64


def test_rmsprop_with_momentum_is_torchs_also_where_the_rate_changes() -> None:
    rule, weights = RMSprop(alpha=0.9, eps=1e-8, momentum=0.5), torch.tensor([1.0, -2.0, 3.0], dtype=F64)
    theirs = nn.Parameter(weights.clone())
    optimiser = torch.optim.RMSprop([theirs], lr=1.0, alpha=0.9, eps=1e-8, momentum=0.5)
    moments: tuple[Tensor, ...] = (torch.zeros(3, dtype=F64), torch.zeros(3, dtype=F64))
    for rate in (0.1, 0.1, 0.01, 0.05):
        optimiser.param_groups[0]["lr"] = rate
        theirs.grad = theirs.detach() ** 3
        optimiser.step()
        weights, moments = rule(weights, weights**3, moments, torch.ones(1), torch.tensor(rate, dtype=F64))
        torch.testing.assert_close(weights, theirs.detach(), rtol=1e-12, atol=0)


def moved(optimiser: Optimiser, decay: float, strength: float) -> float:
    """Where w = 2 is after one step of lr = ½ on λ·w² alone, or on no loss but decay."""

    def build() -> nn.Module:
        layer = nn.Linear(1, 1, bias=False)
        nn.init.constant_(layer.weight, 2.0)
        return layer

    net = Replicas(build, [0], optimiser=optimiser, decay=decay)
    names = kernels(build())

    def loss(params: Params) -> tuple[Tensor, Metrics]:
        return penalty(params, names, 0.0, strength) + 0 * params["weight"].sum(), {}

    net.step(loss, lr=0.5)
    return net.weights()["weight"].item()


def test_a_penalty_takes_twice_what_decay_takes_and_adam_knows_no_penaltys_strength() -> None:
    assert moved(SGD(), 0.0, 0.1) == pytest.approx(2 - 0.5 * 2 * 0.1 * 2)  # 1.8: the gradient is 2λw
    assert moved(SGD(), 0.1, 0.0) == pytest.approx(2 - 0.5 * 0.1 * 2)  # 1.9: w (1 − lr·λ)
    assert moved(Adam(), 0.1, 0.0) == pytest.approx(1.9)  # decoupled: the same of Adam
    for strength in (0.1, 10.0):  # in the loss, Adam divides it away
        assert moved(Adam(), 0.0, strength) == pytest.approx(2 - 0.5, abs=1e-5)
    weight = nn.Parameter(torch.tensor([2.0]))
    weight.grad = torch.zeros(1)
    torch.optim.SGD([weight], lr=0.5, weight_decay=0.1).step()
    assert weight.item() == pytest.approx(moved(SGD(), 0.1, 0.0))
    other = nn.Parameter(torch.tensor([2.0]))
    other.grad = torch.zeros(1)
    torch.optim.AdamW([other], lr=0.5, weight_decay=0.1).step()
    assert other.item() == pytest.approx(moved(Adam(), 0.1, 0.0))
