"""The cells: parity with PyTorch's, forgetting, unroll against step, gradients, stacked seeds."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from core.errors import UserError
from core.networks.cell import SHORT, Cell, forget
from core.networks.recurrent import CELLS, GRU, LSTM, RNN

BOTH = pytest.mark.parametrize("cell", [LSTM, GRU])
F64 = torch.float64
LONG = SHORT + 1  # steps that take a kernel where there is one


def parity(ours: Cell, theirs: nn.Module) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
    """Outputs and gradients for the same weights; PyTorch's second LSTM bias is given to our only one."""
    weights: dict[str, Any] = dict(theirs.named_parameters())
    copied(ours, theirs)
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
    x = torch.randn(1, LONG, 3)
    state = tuple(torch.full((1, 4), float("nan")) for _ in net.init_state(1))
    start = torch.zeros(1, LONG, dtype=torch.bool)
    start[0, [0, 2]] = True
    whole, _ = net.unroll(x, state, start)
    fresh, _ = net.unroll(x[:, 2:], net.init_state(1), torch.zeros(1, LONG - 2, dtype=torch.bool))
    torch.testing.assert_close(whole[:, 2:], fresh, rtol=0, atol=1e-6)
    carried, _ = net.unroll(x, net.init_state(1), torch.zeros(1, LONG, dtype=torch.bool))
    assert (carried[:, 2:] - fresh).abs().max() > 1e-3
    torch.testing.assert_close(net.unroll(x)[0], carried, rtol=0, atol=0)


@BOTH
def test_no_gradient_crosses_a_start_and_none_comes_from_the_future(cell: type[Cell]) -> None:
    net = cell(2, 3)
    x = torch.randn(2, LONG, 2, requires_grad=True)
    start = torch.zeros(2, LONG, dtype=torch.bool)
    start[0, 3] = True
    y, _ = net.unroll(x, net.init_state(2), start)
    (gradient,) = torch.autograd.grad(y[:, 4].sum(), x, retain_graph=True)
    assert gradient[0, :3].abs().max() == 0
    assert gradient[0, 3:5].abs().min() > 0
    assert gradient[1, :5].abs().min() > 0
    (gradient,) = torch.autograd.grad(y[:, 2].sum(), x)
    assert gradient[:, 3:].abs().max() == 0


@BOTH
def test_rows_do_not_mix(cell: type[Cell]) -> None:
    net, x, order = cell(3, 4), torch.randn(6, 5, 3), torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(net.unroll(x[order])[0], net.unroll(x)[0][order], rtol=1e-5, atol=1e-6)


@BOTH
@pytest.mark.parametrize("time", [SHORT - 2, LONG])
def test_gradcheck(cell: type[Cell], time: int) -> None:
    net = cell(2, 3).double()
    x = torch.randn(2, time, 2, dtype=F64, requires_grad=True)
    state = tuple(torch.randn(2, 3, dtype=F64, requires_grad=True) for _ in net.init_state(2))
    start = torch.zeros(2, time, dtype=torch.bool)
    start[0, 2] = True
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


def copied(ours: Cell, theirs: nn.Module) -> None:
    """PyTorch's weights into ours, both of its biases into our only one where there is only one."""
    weights: dict[str, Any] = dict(theirs.named_parameters())
    with torch.no_grad():
        ours.input.weight.copy_(weights["weight_ih_l0"])
        ours.recurrent.weight.copy_(weights["weight_hh_l0"])
        ours.input.bias.copy_(weights["bias_ih_l0"])
        if ours.recurrent.bias is None:
            ours.input.bias += weights["bias_hh_l0"]
        else:
            ours.recurrent.bias.copy_(weights["bias_hh_l0"])


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_rnn_is_pytorchs_by_loop_and_by_kernel(activation: str) -> None:
    theirs = nn.RNN(4, 5, nonlinearity=activation, batch_first=True).double()
    ours = RNN(4, 5, activation=activation).double()
    copied(ours, theirs)
    x, h = torch.randn(3, 9, 4, dtype=F64), torch.randn(3, 5, dtype=F64)
    expected, last = theirs(x, h.unsqueeze(0))
    for form in (ours.fold, ours.unroll):
        y, state = form(x, (h,))
        torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(state[0], last[0], rtol=0, atol=1e-12)


def test_torchs_layer_of_the_lstm_is_the_loop() -> None:
    net = LSTM(4, 5).double()
    x, state = torch.randn(3, 9, 4, dtype=F64), tuple(torch.randn(3, 5, dtype=F64) for _ in range(2))
    torch.testing.assert_close(net.fold(x, state), net.layer(x, state), rtol=0, atol=1e-12)


def test_rnn_by_hand() -> None:
    cell = RNN(1, 1, activation="relu")
    with torch.no_grad():
        for weight, value in zip(
            (cell.input.weight, cell.input.bias, cell.recurrent.weight), (2.0, 0.5, -1.0), strict=True
        ):
            weight.fill_(value)
    # 2·1 + ½ = 2.5; 2·3 + ½ − 2.5 = 4; 2·1 + ½ − 4 < 0
    assert cell.unroll(torch.tensor([[[1.0], [3.0], [1.0]]]))[0].flatten().tolist() == [2.5, 4.0, 0.0]


def test_gru_before_by_hand() -> None:
    cell = GRU(1, 2, reset="before")
    with torch.no_grad():
        for weight in cell.parameters():
            weight.zero_()
        cell.input.bias[1] = math.log(3)  # r = (½, ¾), z = ½
        cell.candidate.weight.copy_(
            torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        )  # changes places: it shows what came first
    # r ⊙ h = (0.2, 0.6), changed places: h̃ = tanh (0.6, 0.2), h' = ½ h + ½ h̃
    y, _ = cell.step(torch.zeros(1, 1), (torch.tensor([[0.4, 0.8]]),))
    expected = [0.2 + 0.5 * 0.5370495669980353, 0.4 + 0.5 * 0.197375320224904]
    assert y[0].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("reset", ["before", "after"])
@pytest.mark.parametrize("share", ["new", "old"])
@pytest.mark.parametrize("negated", [False, True])
def test_only_one_gru_is_pytorchs(reset: str, share: str, negated: bool) -> None:
    theirs = nn.GRU(4, 5, batch_first=True).double()
    ours = GRU(4, 5, reset=reset, share=share).double()
    weights: dict[str, Any] = dict(theirs.named_parameters())
    with torch.no_grad():
        ours.input.weight.copy_(weights["weight_ih_l0"])
        ours.input.bias.copy_(weights["bias_ih_l0"])
        if reset == "before":
            ours.recurrent.weight.copy_(weights["weight_hh_l0"][:10])
            ours.candidate.weight.copy_(weights["weight_hh_l0"][10:])
            ours.input.bias += weights["bias_hh_l0"]
        else:
            copied(ours, theirs)
        if negated:
            for layer in (ours.input, ours.recurrent):
                for weight in layer.parameters():
                    weight[5:10] *= -1
    x = torch.randn(3, 9, 4, dtype=F64)
    difference = (ours.unroll(x)[0] - theirs(x)[0]).abs().max().item()
    same = reset == "after" and negated == (share == "new")
    assert difference < 1e-12 if same else difference > 1e-2


def test_shares_that_go_with_the_resets() -> None:
    assert GRU(2, 2, reset="before").new
    assert not GRU(2, 2).new
    with pytest.raises(UserError, match="reset"):
        GRU(2, 2, reset="middle")


@pytest.mark.parametrize("name", ["lstm", "gru", "gru-before", "rnn", "peephole"])
def test_orthogonal_recurrent_beside_xavier_input(name: str) -> None:
    cell = CELLS[name](40, 20, initialise="xavier", initialise_recurrent="orthogonal")
    bound = (6 / (40 + 20)) ** 0.5
    for block in cell.input.weight.chunk(cell.gates):
        assert 0.9 * bound < block.abs().max() <= bound
    for block in cell.recurrent.weight.split(20):
        torch.testing.assert_close(block @ block.T, torch.eye(20), rtol=0, atol=1e-5)
    forget_gate = cell.input.bias[20:40] if name in ("lstm", "peephole") else torch.ones(1)
    assert forget_gate.unique().tolist() == [1.0]
    assert cell.input.bias.sum() == (20 if name in ("lstm", "peephole") else 0)


def masks(batch: int, time: int) -> tuple[Tensor, Tensor]:
    """Beginnings in the middle, and lengths with the whole, one step and none among them."""
    sizes = torch.tensor([time, 1, 0, *torch.randint(1, time, (batch - 3,)).tolist()])
    return torch.rand(batch, time) < 0.15, torch.arange(time) < sizes.unsqueeze(1)


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
def test_torchs_layer_equals_the_loop(resets: bool, ragged: bool) -> None:
    net = LSTM(3, 6)
    net.waste = 10.0  # take the layer in any case
    x = torch.randn(2, 3, 20, 3, requires_grad=True)
    start, valid = (mask.reshape(2, 3, 20) for mask in masks(6, 20))
    masked = (start if resets else None, valid if ragged else None)
    state = tuple(torch.randn(2, 3, 6, requires_grad=True) for _ in net.init_state(1))
    fast, slow = net.by_layer(x, state, *masked), net.fold(x, state, *masked)
    assert fast is not None
    given = [x, *state, *net.parameters()]
    found = []
    for y, last in (fast, slow):
        weighed = sum(
            (leaf * torch.linspace(-1, 1, leaf.numel()).reshape(leaf.shape)).sum() for leaf in (y, *last)
        )
        found.append([y, *last, *torch.autograd.grad(weighed, given)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found[0][0], found[1][0], rtol=0, atol=1e-6)


def test_what_takes_torchs_layer() -> None:
    x, start = torch.randn(2, 8, 3), torch.zeros(2, 8, dtype=torch.bool)
    every = start.clone()
    every[:, ::2] = True
    net = LSTM(3, 4)
    assert all(net.by_layer(x, net.init_state(2), begin, None) for begin in (None, start, every))
    net.waste = 0.5
    assert net.by_layer(x, net.init_state(2), every, None) is None
    assert net.suits(x)
    assert not net.suits(x.double())
    assert not LSTM(3, 4).double().suits(x)
    assert not functional_call(Suits(net), dict(stack_module_state([Suits(net)] * 2)[0]), (x,))


class Suits(nn.Module):
    """Whether torch's layer would be taken, as a forward pass: for stacked weights."""

    def __init__(self, net: LSTM) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> bool:
        return self.net.suits(x)


def test_no_gradient_crosses_a_start_in_the_kernel() -> None:
    net = LSTM(2, 3)
    x, start = torch.randn(1, 6, 2, requires_grad=True), torch.zeros(1, 6, dtype=torch.bool)
    start[0, 3] = True
    y, _ = net.unroll(x, (), start)
    (gradient,) = torch.autograd.grad(y[:, 5].sum(), x)
    assert gradient[0, :3].abs().max() == 0
    assert gradient[0, 3:].abs().min() > 0


def test_padding_may_hold_anything() -> None:
    for name in ("lstm", "gru", "peephole", "gru-before"):
        net, valid = CELLS[name](3, 4), torch.arange(LONG) < torch.tensor([[LONG], [2]])
        x = torch.randn(2, LONG, 3)
        dirty = torch.where(valid.unsqueeze(-1), x, float("nan")).requires_grad_(True)
        y, _ = net.unroll(dirty, (), None, valid)
        torch.testing.assert_close(y[1, :2], net.unroll(x[1:, :2])[0][0], rtol=0, atol=1e-6)
        y.sum().backward()
        assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in net.parameters())
        with pytest.raises(ValueError, match="True up to each row's length"):
            net.unroll(x, (), None, ~valid)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": torch.zeros(3)}, r"shape \[B, T, 3\], not \[3\]"),
        ({"x": torch.zeros(2, 4, 5)}, r"expected 3 features in \[B, T, 3\], got \[2, 4, 5\]"),
        ({"x": torch.zeros(2, 0, 3)}, r"at least one step, got none in \[2, 0, 3\]"),
        (
            {"start": torch.zeros(2, 5, dtype=torch.bool)},
            r"`start` must be \[B, T\] = \[2, 4\], not \[2, 5\]",
        ),
        ({"valid": torch.zeros(4, dtype=torch.bool)}, r"`valid` must be \[B, T\] = \[2, 4\], not \[4\]"),
        ({"start": torch.zeros(2, 4)}, "`start` must be of bool"),
        (
            {"state": (torch.zeros(3, 4), torch.zeros(3, 4))},
            r"must be \[2, 4\] for x \[2, 4, 3\], not \[3, 4\]",
        ),
    ],
)
def test_bad_input_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LSTM(3, 4).unroll(**{"x": torch.zeros(2, 4, 3), **given})
    with pytest.raises(ValueError, match=r"a step has shape \[B, 3\], not \[2, 4\]"):
        LSTM(3, 4).step(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="0 and 4"):
        LSTM(0, 4)


def test_every_name_makes_a_cell() -> None:
    assert {"rnn", "rnn-relu", "lstm", "gru", "gru-before", "peephole", "peephole-full", "peephole-cifg"} <= {
        *CELLS
    }
    for make in CELLS.values():
        y, state = make(3, 4).step(torch.zeros(2, 3))
        assert y.shape == (2, 4)
        assert all(leaf.shape == (2, 4) for leaf in state)
