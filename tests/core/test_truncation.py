"""Truncated back-propagation through time: outputs never change, gradients stop at the cuts."""

import pytest
import torch
from torch import Tensor

from core.networks.recurrent import CELLS
from core.truncation import truncated


def net(name: str) -> torch.nn.Module:
    return CELLS[name](3, 4).double()


def gradients(module: torch.nn.Module, x: Tensor, steps: int) -> tuple[Tensor, list[Tensor]]:
    y, _ = truncated(module.unroll, x, (), steps)
    return y, list(torch.autograd.grad(y.square().sum(), list(module.parameters())))


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "peephole"])
def test_from_the_sequences_length_on_it_is_full_bptt(name: str) -> None:
    module, x = net(name), torch.randn(2, 7, 3, dtype=torch.float64)
    y, _ = module.unroll(x, (), None)
    full = torch.autograd.grad(y.square().sum(), list(module.parameters()))
    for steps in (7, 100, 0):
        mine, found = gradients(module, x, steps)
        torch.testing.assert_close(mine, y)
        torch.testing.assert_close(found, list(full))
    shorter, found = gradients(module, x, 3)
    torch.testing.assert_close(shorter, y)  # the state is carried
    assert any((a - b).abs().max() > 1e-6 for a, b in zip(found, full, strict=True))  # the graph is cut


def test_no_gradient_crosses_a_cut() -> None:
    module, x = net("lstm"), torch.randn(1, 6, 3, dtype=torch.float64, requires_grad=True)
    y, _ = truncated(module.unroll, x, (), 2)
    (slope,) = torch.autograd.grad(y[:, 3].sum(), x)
    reached = slope.abs().sum(-1)[0] > 0
    assert reached.tolist() == [False, False, True, True, False, False]


def test_the_state_goes_on_into_the_next_update_without_a_past() -> None:
    module, x = net("lstm"), torch.randn(2, 6, 3, dtype=torch.float64)
    first, state = truncated(module.unroll, x[:, :4], (), 2)
    assert all(leaf.grad_fn is None for leaf in state)
    second, _ = truncated(module.unroll, x[:, 4:], state, 2)
    first.sum().backward()
    second.sum().backward()  # a second way back would fail through a shared graph
    torch.testing.assert_close(torch.cat([first, second], 1), module.unroll(x, (), None)[0])


def test_a_reset_within_a_piece_is_passed_on() -> None:
    module, x = net("gru"), torch.randn(1, 5, 3, dtype=torch.float64)
    start = torch.tensor([[False, False, False, True, False]])
    y, _ = truncated(module.unroll, x, (), 2, start)
    torch.testing.assert_close(y, module.unroll(x, (), start)[0])


def test_what_cannot_be_cut() -> None:
    with pytest.raises(ValueError, match="not -1"):
        truncated(net("rnn").unroll, torch.zeros(1, 3, 3).double(), (), -1)
    with pytest.raises(ValueError, match=r"at least one step, got none in \(1, 0, 3\)"):
        truncated(net("rnn").unroll, torch.zeros(1, 0, 3).double(), (), 2)
