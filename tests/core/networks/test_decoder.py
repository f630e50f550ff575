"""Reading in order: step, unroll and chunks agree, with memories, beginnings and sources; nothing from the future."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core import trees
from core.networks.decoder import Decoder, Transformer
from core.networks.net import Chain, Linear
from core.networks.positions import POSITIONS
from core.networks.transformer import Form

F64 = torch.float64
SMALL = Form(width=8, heads=2, hidden=12, layers=2)
KINDS = pytest.mark.parametrize("kind", POSITIONS)
MEMORIES = pytest.mark.parametrize("memory", [None, 1, 3, 20])


def stepped(net: Any, x: Tensor, state: Any, start: Tensor) -> tuple[Tensor, Any]:
    outputs = []
    for t in range(x.shape[1]):
        y, state = net.step(x[:, t], state, start[:, t])
        outputs.append(y)
    return torch.stack(outputs, 1), state


@KINDS
@MEMORIES
def test_unroll_is_step_after_step_and_chunk_after_chunk(kind: str, memory: int | None) -> None:
    net = Decoder(SMALL, kind, 10, memory).double()
    x, start = torch.randn(4, 10, 8, dtype=F64), torch.rand(4, 10) < 0.2
    start[0] = False
    whole, last = net.unroll(x, (), start)
    steps, ended = stepped(net, x, net.init_state(4), start)
    torch.testing.assert_close(steps, whole, rtol=0, atol=1e-12)
    assert torch.equal(ended[1], last[1])
    first, state = net.unroll(x[:, :4], net.init_state(4), start[:, :4])
    second, state = net.unroll(x[:, 4:], state, start[:, 4:])
    torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=0, atol=1e-12)
    goes_on = torch.zeros(4, 1, dtype=torch.bool)
    if kind != "learned":
        for other in (state, ended):
            torch.testing.assert_close(
                net.unroll(x[:, :1], other, goes_on), net.unroll(x[:, :1], last, goes_on), rtol=0, atol=1e-12
            )


@KINDS
def test_start_forgets_everything_before(kind: str) -> None:
    for memory in (None, 3):
        net, x = Decoder(SMALL, kind, 9, memory).double(), torch.randn(1, 6, 8, dtype=F64)
        start = torch.tensor([[False, False, True, False, False, False]])
        _, state = net.unroll(torch.randn(1, 3, 8, dtype=F64))
        whole, last = net.unroll(x, state, start)
        fresh, alone = net.unroll(x[:, 2:])
        torch.testing.assert_close(whole[:, 2:], fresh, rtol=0, atol=1e-12)
        assert last[1].tolist() == alone[1].tolist() == [4]
        carried, _ = net.unroll(x, state)
        assert (carried[:, 2:] - fresh).abs().max() > 1e-3


def test_a_memory_of_two_sees_two_steps_back_in_one_layer() -> None:
    net = Decoder(Form(width=8, heads=2, hidden=12, layers=1), memory=2)
    x = torch.randn(1, 6, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x)[:, 5, 0].sum(), x)
    assert [bool(row.abs().sum() > 0) for row in gradient[0]] == [False, False, False, True, True, True]
    shapes = {tuple(leaf.shape) for leaf in trees.leaves(net.unroll(x)[1][0])}
    assert shapes == {(1, 2, 2, 4)} == {tuple(leaf.shape) for leaf in trees.leaves(net.init_state(1)[0])}


@MEMORIES
def test_causal_by_gradient_and_no_gradient_across_a_start(memory: int | None) -> None:
    net, x = Decoder(SMALL, "alibi", memory=memory), torch.randn(2, 5, 8, requires_grad=True)
    start = torch.zeros(2, 5, dtype=torch.bool)
    start[0, 3] = True
    y, _ = net.unroll(x, (), start)
    for t in range(5):
        (gradient,) = torch.autograd.grad(y[:, t, 0].sum(), x, retain_graph=True)  # a norm's sum is constant
        assert gradient[:, t + 1 :].abs().sum() == 0
        assert gradient[:, t].abs().min() > 0
        if t >= 3:
            assert gradient[0, :3].abs().sum() == 0


def test_gradients_of_a_state_go_back_to_what_was_read() -> None:
    net, x = Decoder(SMALL), torch.randn(1, 4, 8, requires_grad=True)
    _, state = net.unroll(x[:, :2])
    (gradient,) = torch.autograd.grad(net.unroll(x[:, 2:], state)[0][..., 0].sum(), x)
    assert gradient[:, :2].abs().sum() > 0
    state = trees.map(lambda leaf: leaf.detach(), net.unroll(x[:, :2])[1])
    (gradient,) = torch.autograd.grad(net.unroll(x[:, 2:], state)[0][..., 0].sum(), x)
    assert gradient[:, :2].abs().sum() == 0


def test_gradcheck() -> None:
    net = Decoder(Form(width=4, heads=2, hidden=5, layers=1), "rope", memory=2).double()
    x = torch.randn(2, 4, 4, dtype=F64, requires_grad=True)
    start = torch.tensor([[False, False, True, False], [False] * 4])
    assert torch.autograd.gradcheck(lambda x: net.unroll(x, (), start)[0], x)


def test_in_a_chain_it_acts_step_by_step_and_learns_over_sequences() -> None:
    net = Chain(Linear(3, 8), Decoder(SMALL, "rope", memory=4), nn.Tanh(), Linear(8, 2)).double()
    assert net.stacks
    x, start = torch.randn(5, 9, 3, dtype=F64), torch.rand(5, 9) < 0.3
    whole, _ = net.unroll(x, net.init_state(5), start)
    torch.testing.assert_close(stepped(net, x, net.init_state(5), start)[0], whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("memory", [None, 2])
def test_beside_a_source(memory: int | None) -> None:
    net = Transformer(SMALL, "sinusoid", memory=memory).double()
    source, x = torch.randn(3, 5, 8, dtype=F64), torch.randn(3, 6, 8, dtype=F64)
    valid = torch.arange(5) < torch.tensor([[5], [2], [4]])
    start = torch.rand(3, 6) < 0.3
    whole, _ = net.unroll(x, net.begin(source, valid), start)
    steps, _ = stepped(net, x, net.begin(source, valid), start)
    torch.testing.assert_close(steps, whole, rtol=0, atol=1e-12)
    alone = net(source[1:2, :2], x[1:2])
    torch.testing.assert_close(net(source, x, valid)[1:2], alone, rtol=0, atol=1e-12)
    again = net.unroll(
        x[:, 3:], net.unroll(x[:, :3], net.begin(source, valid))[1], torch.arange(3).expand(3, 3) == 0
    )
    torch.testing.assert_close(again[0], net(source, x[:, 3:], valid), rtol=0, atol=1e-12)
    assert net.unroll(x)[0].isfinite().all()  # no source at all


def test_wrong_inputs_are_named() -> None:
    net = Decoder(SMALL, "learned", 4)
    with pytest.raises(ValueError, match=r"position 4 .*\[2, 5, 8\] lies over the table of 4 positions"):
        net.unroll(torch.randn(2, 5, 8))
    _, state = net.unroll(torch.randn(2, 4, 8))
    with pytest.raises(ValueError, match="over the table of 4 positions"):
        net.step(torch.randn(2, 8), state)
    net.step(torch.randn(2, 8), state, torch.tensor([True, True]))
    with pytest.raises(ValueError, match=r"a state of \[2\] sequences does not go with x \[3, 1, 8\]"):
        net.step(torch.randn(3, 8), state)
    with pytest.raises(ValueError, match=r"a step has shape \[B, 8\], not \[2, 7\]"):
        net.step(torch.randn(2, 7))
    with pytest.raises(ValueError, match=r"`start` must be \[B, T\] = \[2, 3\], not \[3\]"):
        net.unroll(torch.randn(2, 3, 8), (), torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="at least one step, not 0"):
        Decoder(SMALL, memory=0)
    with pytest.raises(ValueError, match="build it with cross=True"):
        net.begin(torch.randn(2, 3, 8))
