"""Both directions, layers in depth, heads, and tokens as vectors, against PyTorch's own."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.networks.cell import Cell
from core.networks.embedding import Embedding
from core.networks.mlp import MLP
from core.networks.net import Linear
from core.networks.recurrent import GRU, LSTM
from core.networks.sequences import Bidirectional, SeqToSeq, SeqToVec, Stacked, VecToSeq, backwards, deep

F64 = torch.float64


def close(a: Any, b: Any) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def copied(net: Stacked, theirs: nn.Module) -> None:
    """The weights of PyTorch's layers, forward ones and `_reverse` ones."""
    weights = dict(theirs.named_parameters())
    for depth, layer in enumerate(net.layers):
        parts = [layer.ahead, layer.back] if isinstance(layer, Bidirectional) else [layer]
        for cell, suffix in zip(parts, (f"l{depth}", f"l{depth}_reverse"), strict=False):
            assert isinstance(cell, Cell)
            with torch.no_grad():
                cell.input.weight.copy_(weights[f"weight_ih_{suffix}"])
                cell.recurrent.weight.copy_(weights[f"weight_hh_{suffix}"])
                cell.input.bias.copy_(weights[f"bias_ih_{suffix}"])
                if cell.recurrent.bias is None:
                    cell.input.bias += weights[f"bias_hh_{suffix}"]
                else:
                    cell.recurrent.bias.copy_(weights[f"bias_hh_{suffix}"])


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(("name", "theirs"), [("lstm", nn.LSTM), ("gru", nn.GRU), ("rnn", nn.RNN)])
def test_parity_with_pytorch(name: str, theirs: Any, depth: int, bidirectional: bool) -> None:
    torchs = theirs(3, 4, depth, batch_first=True, bidirectional=bidirectional).double()
    ours = deep(name, 3, 4, depth, bidirectional=bidirectional).double()
    copied(ours, torchs)
    x = torch.randn(2, 6, 3, dtype=F64)
    y, last = torchs(x)
    mine, state = ours.unroll(x)
    close(mine, y)
    h = last[0] if name == "lstm" else last
    close(ours.output(state), torch.cat([h[-2], h[-1]], -1) if bidirectional else h[-1])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", ["lstm", "gru", "peephole", "rnn", "gru-before"])
def test_a_ragged_batch_equals_each_sequence_alone(name: str, dtype: torch.dtype) -> None:
    net = deep(name, 3, 4, 2, bidirectional=True).to(dtype)
    size = [6, 1, 4]
    x, valid = torch.randn(3, 6, 3, dtype=dtype), torch.arange(6) < torch.tensor(size).unsqueeze(1)
    y, state = net.unroll(x, (), None, valid)
    for k, length in enumerate(size):
        alone, last = net.unroll(x[k : k + 1, :length])
        torch.testing.assert_close(
            y[k, :length], alone[0], rtol=0, atol=1e-6 if dtype == torch.float32 else 1e-12
        )
        torch.testing.assert_close(net.output(state)[k], net.output(last)[0], rtol=0, atol=1e-6)
        assert y[k, length:].abs().sum() == 0
    wrong, _ = net.unroll(x)  # reading the padding first
    assert (wrong[2, :4] - y[2, :4]).abs().max() > 1e-3


def test_backwards_by_hand() -> None:
    x, valid = (
        torch.tensor([[[1], [2], [3]], [[4], [5], [6]]]),
        torch.tensor([[True] * 3, [True, True, False]]),
    )
    assert backwards(x, valid)[..., 0].tolist() == [[3, 2, 1], [5, 4, 6]]
    assert backwards(x)[..., 0].tolist() == [[3, 2, 1], [6, 5, 4]]


def test_no_reader_crosses_a_beginning_where_rows_are_ragged() -> None:
    net = Bidirectional(LSTM(3, 4), GRU(3, 4)).double()
    x, start = torch.randn(2, 6, 3, dtype=F64), torch.zeros(2, 6, dtype=torch.bool)
    start[0, 4] = start[1, 2] = start[1, 5] = True
    valid = torch.tensor([[True] * 6, [True] * 5 + [False]])
    y, state = net.unroll(x, (), start, valid)
    for row, begin, end in ((0, 0, 4), (0, 4, 6), (1, 0, 2), (1, 2, 5)):
        close(y[row, begin:end], net.unroll(x[row : row + 1, begin:end])[0][0])
    close(net.output(state)[1, :4], net.unroll(x[1:, 2:5])[0][0, -1, :4])
    close(net.output(state)[1, 4:], net.unroll(x[1:, :2])[0][0, 0, 4:])


def test_dropout_is_between_layers_only_and_off_at_evaluation() -> None:
    net, x = deep("lstm", 3, 200, 2, dropout=0.5), torch.randn(1, 4, 3)
    seen: list[Tensor] = []
    second, first = net.layers[1], net.layers[0]
    assert isinstance(second, LSTM)
    assert isinstance(first, LSTM)
    unroll = second.unroll
    second.unroll = lambda x, *rest: (seen.append(x), unroll(x, *rest))[1]  # type: ignore[method-assign,func-returns-value]
    y, _ = net.unroll(x)
    whole = first.unroll(x)[0]
    kept = seen[0] != 0
    assert 0.4 < kept.float().mean() < 0.6
    torch.testing.assert_close(seen[0][kept], 2 * whole[kept])
    assert (y == 0).sum() == 0
    assert not torch.equal(net.unroll(x)[0], y)
    assert not net.stacks
    net.eval()
    assert torch.equal(net.unroll(x)[0], net.unroll(x)[0])
    assert torch.equal(net.unroll(x)[0], unroll(whole)[0])
    single = deep("lstm", 3, 4, 1, dropout=0.5)
    assert torch.equal(single.unroll(x)[0], single.unroll(x)[0])


def test_sequence_to_vector_takes_the_last_valid_step() -> None:
    net = SeqToVec(LSTM(3, 4), MLP((4, 2))).double()
    x, valid = torch.randn(3, 5, 3, dtype=F64), torch.arange(5) < torch.tensor([[5], [2], [0]])
    y = net(x, valid=valid)
    close(y[0], net.head(net.body.unroll(x)[0][0, 4]))
    close(y[1], net.head(net.body.unroll(x)[0][1, 1]))
    close(y[2], net.head(torch.zeros(4, dtype=F64)))
    longer = torch.cat([x, torch.randn(3, 4, 3, dtype=F64)], 1)
    close(net(longer, valid=F.pad(valid, (0, 4))), y)


def test_vector_to_sequence() -> None:
    v = torch.randn(2, 3, dtype=F64)
    for repeat in (True, False):
        net = VecToSeq(GRU(3, 4), Linear(4, 2), 5, repeat).double()
        y, state = net(v), ()
        assert y.shape == (2, 5, 2)
        for t in range(5):
            step, state = net.step(v if repeat or t == 0 else torch.zeros_like(v), state)
            close(y[:, t], step)
    with pytest.raises(ValueError, match="not 0"):
        VecToSeq(GRU(3, 4), Linear(4, 2), 0)


def test_sequence_to_sequence_is_the_head_at_every_step() -> None:
    net, x = SeqToSeq(GRU(3, 4), MLP((4, 5, 2))), torch.randn(2, 6, 3)
    y, _ = net.unroll(x)
    assert torch.equal(y, net.head(net.body.unroll(x)[0]))
    valid = torch.arange(6) < torch.tensor([[6], [2]])
    nn.init.ones_(net.head.layers[-1].bias)
    y, state = net.unroll(x, (), None, valid)
    assert y[1, 2:].abs().sum() == 0
    torch.testing.assert_close(y[1, 1], net.output(state)[1])
    assert net.stacks
    assert not SeqToSeq(GRU(3, 4), nn.Linear(4, 2)).stacks


def test_forecasting_beats_the_last_value() -> None:
    time = torch.arange(40.0)
    phases = torch.linspace(0, 6, 32).unsqueeze(1)
    wave = torch.sin(0.4 * time + phases).unsqueeze(-1)
    x, target = wave[:, :-1], wave[:, 1:]
    net = SeqToSeq(LSTM(1, 16), Linear(16, 1))
    optimiser = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(60):
        loss = F.mse_loss(net.unroll(x)[0], target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert F.mse_loss(net.unroll(x)[0], target) < 0.3 * F.mse_loss(x, target)


def test_a_one_hot_vector_times_the_table_is_the_row_and_so_is_its_gradient() -> None:
    table = Embedding(7, 4).double()
    tokens = torch.tensor([[3, 0, 3], [6, 1, 1]])
    weights = torch.randn(2, 3, 4, dtype=F64)
    rows, product = table(tokens), F.one_hot(tokens, 7).double() @ table.weight
    assert torch.equal(rows, product)
    gradients = [torch.autograd.grad((y * weights).sum(), table.weight)[0] for y in (rows, product)]
    close(gradients[0], gradients[1])
    assert gradients[0][[2, 4, 5]].abs().max() == 0


def test_resets_and_lengths_in_depth_by_kernel_equal_the_loop() -> None:
    for name in ("lstm", "gru"):
        net = deep(name, 3, 8, 2, bidirectional=True)
        x, start = torch.randn(6, 30, 3), torch.rand(6, 30) < 0.1
        valid = torch.arange(30) < torch.tensor([30, 1, 7, 30, 12, 29]).unsqueeze(1)
        fast, _ = net.unroll(x, (), start, valid)
        slow, _ = net.double().unroll(x.double(), (), start, valid)
        torch.testing.assert_close(fast.double(), slow, rtol=0, atol=1e-6)


def test_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="not 0 and 0"):
        Stacked()
    with pytest.raises(ValueError, match="not 1 and 1"):
        Stacked(LSTM(2, 2), dropout=1.0)
    with pytest.raises(ValueError, match="needs the whole sequence"):
        deep("lstm", 2, 2, bidirectional=True).step(torch.zeros(1, 2))
