"""The cells: parity with PyTorch's, forgetting, unroll against step, gradients, stacked seeds."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from core.networks.cell import Cell, forget
from core.networks.recurrent import CELLS, GRU, LSTM

BOTH = pytest.mark.parametrize("cell", [LSTM, GRU])
F64 = torch.float64


def parity(ours: Cell, theirs: nn.Module) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
    """Outputs and gradients for the same weights; PyTorch's second LSTM bias is given to our only one."""
    weights: dict[str, Any] = dict(theirs.named_parameters())
    with torch.no_grad():
        ours.input.weight.copy_(weights["weight_ih_l0"])
        ours.recurrent.weight.copy_(weights["weight_hh_l0"])
        ours.input.bias.copy_(weights["bias_ih_l0"])
        if ours.recurrent.bias is None:
            ours.input.bias += weights["bias_hh_l0"]
        else:
            ours.recurrent.bias.copy_(weights["bias_hh_l0"])
    x = torch.randn(3, 9, 4, dtype=F64)
    mine, _ = ours.unroll(x, ours.init_state(3))
    torchs, _ = theirs(x)
    pick = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"]
    gradients = torch.autograd.grad(
        mine.square().sum(), [ours.input.weight, ours.recurrent.weight, ours.input.bias]
    )
    expected = torch.autograd.grad(torchs.square().sum(), [weights[name] for name in pick])
    return mine, torchs, list(gradients), list(expected)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(LSTM(4, 5), nn.LSTM(4, 5, batch_first=True)), (GRU(4, 5), nn.GRU(4, 5, batch_first=True))],
)
def test_parity_with_pytorch(ours: Cell, theirs: nn.Module) -> None:
    mine, torchs, gradients, expected = parity(ours.double(), theirs.double())
    torch.testing.assert_close(mine, torchs, rtol=0, atol=1e-12)
    for ours_gradient, theirs_gradient in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours_gradient, theirs_gradient, rtol=1e-10, atol=1e-12)


def test_lstm_by_hand() -> None:
    cell = LSTM(1, 1)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.input.weight[2] = 1.0  # g = tanh(x); the other gates are σ(0) = 1/2
    y, (h, c) = cell.step(torch.tensor([[1.0]]), (torch.zeros(1, 1), torch.tensor([[0.4]])))
    kept = 0.5 * 0.4 + 0.5 * 0.7615941559557649
    assert c.item() == pytest.approx(kept, abs=1e-6)
    assert y.item() == h.item() == pytest.approx(0.5 * torch.tanh(torch.tensor(kept)).item(), abs=1e-6)


def test_forget_bias_is_one_in_total() -> None:
    cell = LSTM(3, 4)
    assert cell.recurrent.bias is None
    assert cell.input.bias.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8
    assert LSTM(3, 4, "default", forget_bias=2.0).input.bias.tolist() == [0.0] * 4 + [2.0] * 4 + [0.0] * 8
    for gate in cell.recurrent.weight.chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(4), rtol=0, atol=1e-5)


@BOTH
def test_unroll_is_step_after_step(cell: type[Cell]) -> None:
    net = cell(3, 4).double()
    x, start = torch.randn(5, 8, 3, dtype=F64), torch.rand(5, 8) < 0.4
    state = tuple(torch.randn(5, 4, dtype=F64) for _ in net.init_state(5))
    whole, last = net.unroll(x, state, start)
    for t in range(8):
        y, state = net.step(x[:, t], state, start[:, t])
        torch.testing.assert_close(y, whole[:, t], rtol=0, atol=1e-12)
    torch.testing.assert_close(state, last, rtol=0, atol=1e-12)


@BOTH
def test_start_forgets_everything_before(cell: type[Cell]) -> None:
    net = cell(3, 4)
    x = torch.randn(1, 4, 3)
    state = tuple(torch.full((1, 4), float("nan")) for _ in net.init_state(1))
    start = torch.tensor([[True, False, True, False]])
    whole, _ = net.unroll(x, state, start)
    fresh, _ = net.unroll(x[:, 2:], net.init_state(1), torch.zeros(1, 2, dtype=torch.bool))
    torch.testing.assert_close(whole[:, 2:], fresh, rtol=0, atol=1e-6)
    carried, _ = net.unroll(x, net.init_state(1), torch.zeros(1, 4, dtype=torch.bool))
    assert (carried[:, 2:] - fresh).abs().max() > 1e-3
    torch.testing.assert_close(net.unroll(x)[0], carried, rtol=0, atol=0)


@BOTH
def test_no_gradient_crosses_a_start_and_none_comes_from_the_future(cell: type[Cell]) -> None:
    net = cell(2, 3)
    x = torch.randn(2, 5, 2, requires_grad=True)
    start = torch.zeros(2, 5, dtype=torch.bool)
    start[0, 3] = True
    y, _ = net.unroll(x, net.init_state(2), start)
    (gradient,) = torch.autograd.grad(y[:, 4].sum(), x, retain_graph=True)
    assert gradient[0, :3].abs().max() == 0
    assert gradient[0, 3:].abs().min() > 0
    assert gradient[1].abs().min() > 0
    (gradient,) = torch.autograd.grad(y[:, 2].sum(), x)
    assert gradient[:, 3:].abs().max() == 0


@BOTH
def test_rows_do_not_mix(cell: type[Cell]) -> None:
    net, x, order = cell(3, 4), torch.randn(6, 5, 3), torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(net.unroll(x[order])[0], net.unroll(x)[0][order], rtol=1e-5, atol=1e-6)


@BOTH
def test_gradcheck(cell: type[Cell]) -> None:
    net = cell(2, 3).double()
    x = torch.randn(2, 4, 2, dtype=F64, requires_grad=True)
    state = tuple(torch.randn(2, 3, dtype=F64, requires_grad=True) for _ in net.init_state(2))
    start = torch.tensor([[False, False, True, False], [False] * 4])
    names, weights = zip(*net.named_parameters(), strict=True)

    def outputs(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        memory, values = rest[: len(state)], rest[len(state) :]
        y, last = functional_call(net, dict(zip(names, values, strict=True)), (x, memory, start))
        return y, *last

    assert torch.autograd.gradcheck(outputs, (x, *state, *weights))


@BOTH
def test_all_seeds_at_once_equal_the_loop(cell: type[Cell]) -> None:
    nets = [cell(3, 4).double() for _ in range(3)]
    x, start = torch.randn(3, 2, 5, 3, dtype=F64), torch.rand(3, 2, 5) < 0.3
    weights = dict(stack_module_state(nets)[0])
    together, last = functional_call(nets[0], weights, (x, nets[0].init_state(3, 2), start))
    for k, net in enumerate(nets):
        y, state = net.unroll(x[k], net.init_state(2), start[k])
        torch.testing.assert_close(together[k], y, rtol=0, atol=1e-12)
        torch.testing.assert_close(tuple(leaf[k] for leaf in last), state, rtol=0, atol=1e-12)


def test_forget_goes_into_nested_states() -> None:
    state = ((torch.ones(2, 3), torch.ones(2, 1)), (torch.ones(2, 4),))
    (a, b), (c,) = forget(state, torch.tensor([True, False]))
    for leaf in (a, b, c):
        assert leaf[0].abs().max() == 0
        assert leaf[1].min() == 1
    assert forget(state, None) is state


def test_every_name_makes_a_cell() -> None:
    assert {"rnn", "rnn-relu", "lstm", "gru", "gru-before", "peephole", "peephole-full", "peephole-cifg"} <= {*CELLS}
    for make in CELLS.values():
        y, state = make(3, 4).step(torch.zeros(2, 3))
        assert y.shape == (2, 4)
        assert all(leaf.shape == (2, 4) for leaf in state)
