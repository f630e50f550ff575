"""‖∂h_T/∂h_t‖ by hand for a linear cell, and what it shows of plain networks and LSTMs."""

import pytest
import torch
from torch import nn

from core.gradient_flow import figure, flow
from core.networks.mlp import MLP
from core.networks.recurrent import CELLS


def cell(name: str, units: int, scale: float = 1.0) -> nn.Module:
    net = CELLS[name](2, units)
    with torch.no_grad():
        net.recurrent.weight.mul_(scale)
    return net


def test_a_relu_cell_that_multiplies_by_two_by_hand() -> None:
    net = cell("rnn-relu", 1)
    with torch.no_grad():
        net.recurrent.weight.fill_(2.0)
        net.input.weight.fill_(1.0)
    assert flow(net, torch.ones(3, 4, 2)).tolist() == [16, 8, 4, 2, 1]  # ∂h_4/∂h_t = 2^(4 − t)


def test_a_plain_network_loses_the_gradient_and_an_lstm_that_forgets_nothing_keeps_it() -> None:
    x = torch.randn(4, 40, 2)
    plain, lstm = flow(cell("rnn", 8, 0.5), x), cell("lstm", 8, 0.1)
    with torch.no_grad():
        lstm.input.bias[8:16] = 12.0  # f ≈ 1
    assert plain[0] / plain[-1] < 1e-8
    kept = flow(lstm, x)
    assert kept[-1].item() == pytest.approx(8**0.5)
    assert 0.5 < (kept[0] / kept[-1]).item() < 2
    drawn = figure({"rnn": plain, "lstm": kept})
    (axes,) = drawn.axes
    assert [line.get_label() for line in axes.lines[:2]] == ["rnn", "lstm"]
    assert len(axes.lines[0].get_xdata()) == 41
    assert axes.get_yscale() == "log"


def test_it_agrees_with_the_jacobian_of_autograd() -> None:
    net = CELLS["gru"](2, 3)
    x = torch.randn(1, 5, 2)

    def last(h: torch.Tensor) -> torch.Tensor:
        state = (h,)
        for t in range(5):
            _, state = net.step(x[:, t], state)
        return state[0][0]

    whole = torch.autograd.functional.jacobian(last, torch.zeros(1, 3))
    assert flow(net, x)[0].item() == pytest.approx(whole.norm().item(), rel=1e-5)


def test_what_has_no_state_has_no_flow() -> None:
    with pytest.raises(ValueError, match="carries no state"):
        flow(MLP((2, 2)), torch.zeros(1, 3, 2))
    with pytest.raises(ValueError, match=r"\[B, T ≥ 1, features\], got \(3, 2\)"):
        flow(cell("rnn", 2), torch.zeros(3, 2))
