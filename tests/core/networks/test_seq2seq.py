"""Recurrent encoder–decoders: delay, teacher against step by step, who asks with what, padding, alignment learned."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import UserError
from core.networks.attention import SCORES
from core.networks.generation import generate
from core.networks.language import Translator
from core.networks.seq2seq import DECODERS, Bahdanau, Luong, Seq2Seq, backwards, delayed
from core.networks.transformer import Form

F64 = torch.float64
EVERY = pytest.mark.parametrize("attention", DECODERS)
VALID = torch.arange(6) < torch.tensor([[6], [1], [4]])


def test_delayed_by_hand() -> None:
    assert delayed(torch.tensor([[5, 6, 7], [8, 9, 2]]), 1).tolist() == [[1, 5, 6], [1, 8, 9]]


def test_backwards_by_hand() -> None:
    valid = torch.tensor([[True, True, True], [True, True, False]])
    assert backwards(valid).tolist() == [[2, 1, 0], [1, 0, 2]]


@EVERY
@pytest.mark.parametrize("cell", ["gru", "lstm", "peephole"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_teachers_scores_are_those_of_step_by_step(
    attention: str, cell: str, bidirectional: bool
) -> None:
    net = Seq2Seq(7, 5, 6, 4, cell, attention, bidirectional=bidirectional).double()
    source, given = torch.randint(7, (3, 6)), torch.randint(5, (3, 5))
    whole, state = net(source, given, VALID), net.begin(source, VALID)
    for t in range(5):
        y, state = net.step(given[:, t], state)
        torch.testing.assert_close(y, whole[:, t], rtol=0, atol=1e-12)
    given[:, 3] = (given[:, 3] + 1) % 5
    other = net(source, given, VALID)
    assert torch.equal(other[:, :3], whole[:, :3])
    assert (other[:, 3:] - whole[:, 3:]).abs().amax((0, 2)).min() > 1e-6


@EVERY
@pytest.mark.parametrize("how", [{}, {"reverse": True}, {"bidirectional": True}])
def test_padding_of_the_source_changes_nothing(attention: str, how: Any) -> None:
    net = Seq2Seq(7, 5, 6, attention=attention, **how).double()
    source, given = torch.randint(7, (3, 6)), torch.randint(5, (3, 4))
    together = net(source, given, VALID)
    weights = net.look(given, net.begin(source, VALID))[2]
    for k, length in enumerate((6, 1, 4)):
        alone = net(source[k : k + 1, :length], given[k : k + 1])
        torch.testing.assert_close(together[k : k + 1], alone, rtol=0, atol=1e-12)
        if attention != "none":
            torch.testing.assert_close(weights[k, :, :length].sum(-1), torch.ones(4, dtype=F64))
        assert weights[k, :, length:].abs().sum() == 0


@EVERY
def test_start_begins_the_answer_to_the_same_source_anew(attention: str) -> None:
    net = Seq2Seq(7, 5, 6, cell="lstm", attention=attention).double()
    source, given = torch.randint(7, (3, 6)), torch.randint(5, (3, 5))
    start = torch.zeros(3, 5, dtype=torch.bool)
    start[0, 2] = start[2, 0] = True
    y, _ = net.unroll(given, net.begin(source, VALID), start)
    whole = net(source, given, VALID)
    torch.testing.assert_close(y[1:], whole[1:], rtol=0, atol=1e-12)
    torch.testing.assert_close(y[:1, :2], whole[:1, :2], rtol=0, atol=1e-12)
    torch.testing.assert_close(y[:1, 2:], net(source[:1], given[:1, 2:]), rtol=0, atol=1e-12)


def test_reversed_reads_from_the_end_but_keeps_places() -> None:
    plain, turned = (
        Seq2Seq(7, 5, 6, attention="luong").double(),
        Seq2Seq(7, 5, 6, attention="luong", reverse=True),
    )
    turned = turned.double()
    turned.load_state_dict(plain.state_dict())
    source, given = torch.randint(7, (2, 6)), torch.randint(5, (2, 3))
    y, _, weights = turned.look(given, turned.begin(source))
    expected, _, others = plain.look(given, plain.begin(source.flip(-1)))
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(weights, others.flip(-1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [Bahdanau, Luong])
def test_bahdanau_asks_before_the_cell_and_luong_after(kind: type[nn.Module]) -> None:
    net = Seq2Seq(7, 5, 6, attention=kind.__name__.lower()).double()
    asked: list[Tensor] = []
    net.decoder.get_submodule("attention.score").register_forward_hook(
        lambda module, inputs, output: asked.append(inputs[0])
    )
    source, given = torch.randint(7, (2, 6)), torch.randint(5, (2, 3))
    state, outputs = net.begin(source), [net.begin(source)[0][0]]
    for t in range(3):
        _, state = net.step(given[:, t], state)
        outputs.append(state[0][0])
    expected = outputs[:3] if kind is Bahdanau else outputs[1:]
    torch.testing.assert_close(torch.cat(asked, 1), torch.stack(expected, 1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_every_score_serves_both_decoders(score: str) -> None:
    for attention in ("bahdanau", "luong"):
        net = Seq2Seq(7, 5, 6, attention=attention, score=score, length=6)
        y = net(torch.randint(7, (3, 6)), torch.randint(5, (3, 4)), VALID)
        y.square().sum().backward()
        assert all(weight.grad is None or weight.grad.isfinite().all() for weight in net.parameters())


def test_wrong_inputs_are_named() -> None:
    net, source = Seq2Seq(7, 5, 6, attention="luong"), torch.randint(7, (2, 6))
    with pytest.raises(ValueError, match=r"token 7 in \[2, 6\] lies outside the 7 known ones"):
        net.begin(torch.full((2, 6), 7))
    with pytest.raises(ValueError, match=r"at least one token, got none in \[2, 0\]"):
        net.begin(source[:, :0])
    with pytest.raises(ValueError, match=r"at least one token, got none in \[2, 0\]"):
        net(source, source[:, :0])
    with pytest.raises(ValueError, match=r"`valid` must be \[B, T\] = \[2, 6\], not \[2, 5\]"):
        net.begin(source, torch.ones(2, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"source \[2, 6\] and target \[3, 4\] must have the same rows"):
        net(source, torch.randint(5, (3, 4)))
    with pytest.raises(UserError, match=r"unknown attention 'loung'.*'luong'"):
        Seq2Seq(7, 5, attention="loung")


def learn(net: Any, steps: int, lr: float, reverse: bool, length: int) -> tuple[Tensor, Tensor]:
    """Write digits 1 … 8 as they are or turned round; 200 fresh texts, and which of them come out whole."""
    optimiser = torch.optim.Adam(net.parameters(), lr)
    for k in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = lr * (1 - k / steps)
        source = torch.randint(1, 9, (64, length))
        target = source.flip(-1) if reverse else source
        loss = F.cross_entropy(net(source, delayed(target, 0)).flatten(0, 1), target.flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
    source = torch.randint(1, 9, (200, length))
    written = generate(net, torch.zeros(200, 1, dtype=torch.int64), length, net.begin(source)).tokens
    return source, (written == (source.flip(-1) if reverse else source)).all(-1)


def test_attention_learns_to_reverse_along_the_other_diagonal() -> None:
    net = Seq2Seq(9, 9, 32, attention="luong", reverse=True)
    source, right = learn(net, 300, 1e-2, True, 8)
    weights = net.look(delayed(source.flip(-1), 0), net.begin(source))[2].mean(0)
    assert weights.argmax(-1).tolist() == [7, 6, 5, 4, 3, 2, 1, 0]
    assert weights.flip(-1).diagonal().mean() > 0.7
    assert right.float().mean() > 0.95


def test_without_attention_the_same_is_harder() -> None:
    _, right = learn(Seq2Seq(9, 9, 32, reverse=True), 300, 1e-2, True, 8)
    assert right.float().mean() < 0.9


def test_a_small_transformer_copies_exactly() -> None:
    _, right = learn(Translator(9, 9, Form(width=32, heads=4, hidden=64, layers=1)), 400, 6e-3, False, 10)
    assert right.all()
