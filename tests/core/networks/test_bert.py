"""BERT: the exact count, gaps, pairs, losses, and that all parts learn."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from core.networks.bert import BASE, Bert, Pretraining, TextClassifier, TokenClassifier, pretraining_loss
from core.networks.masking import Special, mask, pair

F64 = torch.float64
TINY = replace(BASE, width=8, heads=2, hidden=16, layers=2)
SPECIAL = Special()


def test_base_has_the_published_count_of_weights() -> None:
    with torch.device("meta"):
        net = Bert(30_522)
        assert sum(weight.numel() for weight in net.parameters()) == 109_482_240
        # transform, norm and bias of the gaps; the table is the trunk's own
        more = 768 * 769 + 2 * 768 + 30_522 + 2 * 769
        assert sum(weight.numel() for weight in Pretraining(net).parameters()) == 109_482_240 + more
    assert BASE.eps == 1e-12
    assert not BASE.pre_norm


def test_the_trunk_is_torchs_encoder_over_the_sum_of_three_tables() -> None:
    net = Bert(11, TINY, 9).double()
    x, segments = torch.randint(11, (3, 7)), torch.randint(2, (3, 7))
    valid = torch.arange(7) < torch.tensor([[7], [4], [6]])
    total = net.embedding.weight[x] + net.places.table.weight[:7] + net.segment.weight[segments]
    hidden = F.layer_norm(total, (8,), net.norm.weight, net.norm.bias, 1e-12)
    torch.testing.assert_close(net(x, segments, valid), net.encoder(hidden, valid), rtol=0, atol=1e-12)
    first = net(x, segments, valid)[:, 0]
    pooled = torch.tanh(first @ net.pooler.weight.T + net.pooler.bias)
    torch.testing.assert_close(net.pool(net(x, segments, valid)), pooled, rtol=0, atol=1e-12)
    assert torch.equal(net(x), net(x, torch.zeros_like(x)))
    assert net.embedding.weight.std().item() == pytest.approx(0.02, rel=0.2)


def text(rows: int, length: int) -> Tensor:
    """[CLS] words [SEP] words [SEP] padding, of 50 tokens."""
    tokens = torch.randint(4, 50, (rows, length))
    tokens[:, 0], tokens[:, length // 2], tokens[:, -4], tokens[:, -3:] = 1, 2, 2, 0
    return tokens


def test_gaps_have_the_published_frequencies() -> None:
    tokens = text(2000, 106)  # 100 words each
    gaps = mask(tokens, torch.rand(3, 2000, 106), 50, SPECIAL)
    assert gaps.chosen.sum(-1).eq(15).all()
    assert tokens[gaps.chosen].min() >= 4  # never a special token or padding
    assert torch.equal(gaps.tokens[~gaps.chosen], tokens[~gaps.chosen])
    before, after = tokens[gaps.chosen], gaps.tokens[gaps.chosen]
    assert len(before) == 30_000
    assert (after == SPECIAL.gap).double().mean().item() == pytest.approx(0.8, abs=0.01)
    same = 0.1 + 0.1 / 46  # one random word in 46 is the word itself
    assert (after == before).double().mean().item() == pytest.approx(same, abs=0.01)
    others = after[(after != SPECIAL.gap) & (after != before)]
    assert others.min() >= 4
    assert set(others.tolist()) == set(range(4, 50))
    places = gaps.chosen.double().mean(0)
    assert places[[0, 53, -4, -3, -2, -1]].sum() == 0
    torch.testing.assert_close(places[places > 0], torch.full((100,), 0.15, dtype=F64), rtol=0, atol=0.04)


def test_at_least_one_gap_but_none_without_words() -> None:
    tokens = torch.tensor([[1, 7, 2, 0, 0], [1, 2, 0, 0, 0], [1, 7, 8, 9, 2]])
    gaps = mask(tokens, torch.rand(3, 3, 5), 10, SPECIAL)
    assert gaps.chosen.sum(-1).tolist() == [1, 0, 1]
    assert bool(gaps.chosen[0, 1])


def test_given_numbers_choose_the_gaps() -> None:
    tokens = torch.tensor([[1, 4, 5, 6, 7, 2]])
    uniform = torch.tensor([[[0.0, 0.4, 0.1, 0.3, 0.2, 0.0]], [[0.85] * 6], [[0.0] * 6]])
    half = mask(tokens, uniform, 8, SPECIAL, 0.5)  # the words with the two smallest numbers: 5 and 7
    assert half.chosen.tolist() == [[False, False, True, False, True, False]]
    assert half.tokens.tolist() == [[1, 4, 4, 6, 4, 2]]  # another word each: the first one
    uniform[1] = torch.tensor([[0.0, 0.0, 0.79, 0.0, 0.91, 0.0]])
    assert mask(tokens, uniform, 8, SPECIAL, 0.5).tokens.tolist() == [[1, 4, 3, 6, 7, 2]]
    with pytest.raises(ValueError, match=r"tokens \[1, 6\] need random numbers \[3, 1, 6\], not \[1, 6\]"):
        mask(tokens, torch.zeros(1, 6), 8, SPECIAL)


def test_pairs_by_hand() -> None:
    pairs = pair([[7, 8], [9]], [[5], [4, 6]], 7, SPECIAL)
    assert pairs.tokens.tolist() == [[1, 7, 8, 2, 5, 2, 0], [1, 9, 2, 4, 6, 2, 0]]
    assert pairs.segments.tolist() == [[0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1, 0]]
    assert pairs.valid.sum(-1).tolist() == [6, 6]
    with pytest.raises(ValueError, match="pair 0 has 6 tokens with its special ones, over the length of 5"):
        pair([[7, 8]], [[5]], 5, SPECIAL)


def test_the_loss_looks_at_gaps_alone() -> None:
    scores = torch.randn(2, 5, 7, dtype=F64, requires_grad=True)
    follows, label = torch.randn(2, 2, dtype=F64, requires_grad=True), torch.tensor([0, 1])
    tokens, chosen = torch.randint(7, (2, 5)), torch.tensor([[False, True, False, False, True], [False] * 5])
    filled, next_one = pretraining_loss(scores, follows, tokens, chosen, label)
    torch.testing.assert_close(filled, F.cross_entropy(scores[chosen], tokens[chosen]))
    torch.testing.assert_close(next_one, F.cross_entropy(follows, label))
    (gradient,) = torch.autograd.grad(filled, scores, retain_graph=True)
    assert gradient[~chosen].abs().max() == 0
    assert gradient[chosen].abs().min() > 0
    empty, _ = pretraining_loss(scores, follows, tokens, torch.zeros_like(chosen), label)
    assert empty.item() == 0


def test_classifiers_share_the_trunk_and_ignore_padding() -> None:
    trunk = Bert(11, TINY, 9).double()
    whole, each = TextClassifier(trunk, 3).double(), TokenClassifier(trunk, 4).double()
    x, valid = torch.randint(11, (2, 7)), torch.arange(7) < torch.tensor([[7], [4]])
    assert each(x, None, valid).shape == (2, 7, 4)
    torch.testing.assert_close(whole(x, None, valid)[1:], whole(x[1:, :4]), rtol=0, atol=1e-12)
    whole(x, None, valid).square().sum().backward()
    assert trunk.embedding.weight.grad is not None
    assert trunk.embedding.weight.grad.abs().sum() > 0


def test_all_seeds_at_once_equal_the_loop() -> None:
    nets: list[nn.Module] = [TextClassifier(Bert(11, TINY, 9), 3).double() for _ in range(3)]
    x, valid = torch.randint(11, (3, 2, 7)), torch.rand(3, 2, 7) < 0.8
    weights = dict(stack_module_state(nets)[0])
    together = functional_call(nets[0], weights, (x, None, valid))
    loop = torch.stack([net(x[k], None, valid[k]) for k, net in enumerate(nets)])
    torch.testing.assert_close(together, loop, rtol=0, atol=1e-12)


def test_wrong_inputs_are_named() -> None:
    net = Bert(11, TINY, 9)
    with pytest.raises(ValueError, match=r"token 11 in \[1, 2\] lies outside the 11 known ones"):
        net(torch.tensor([[0, 11]]))
    with pytest.raises(ValueError, match=r"segment 2 in \[1, 2\] lies outside the 2 known ones"):
        net(torch.tensor([[0, 1]]), torch.tensor([[0, 2]]))
    with pytest.raises(ValueError, match=r"position 9 .* of \[1, 10, 8\] lies over the table of 9 positions"):
        net(torch.zeros(1, 10, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"at least one token, got none in \[3, 0\]"):
        net(torch.zeros(3, 0, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"`segments` must be \[B, T\] = \[1, 2\], not \[2\]"):
        net(torch.zeros(1, 2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64))


def counted(rows: int, length: int = 3) -> tuple[list[list[int]], list[list[int]], Tensor]:
    """Texts that count on from anywhere among 6 words, in a ring; the second part goes on (0) or does not (1)."""
    first, other = torch.randint(6, (rows,)), torch.randint(1, 6, (rows,))
    label = torch.randint(2, (rows,))
    second = first + length + label * other

    def run(begin: Tensor) -> list[list[int]]:
        words: list[list[int]] = (4 + (begin[:, None] + torch.arange(length)) % 6).tolist()
        return words

    return run(first), run(second), label


def test_both_tasks_are_learned_together() -> None:
    form = replace(BASE, width=32, heads=4, hidden=64, layers=2, spread=0.15)
    net = Pretraining(Bert(10, form, 9))
    steps, lr = 250, 4e-3
    optimiser = torch.optim.Adam(net.parameters(), lr)
    for k in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = lr * min((k + 1) / 20, 1 - k / steps)
        first, second, label = counted(64)
        pairs = pair(first, second, 9, SPECIAL)
        gaps = mask(pairs.tokens, torch.rand(3, 64, 9), 10, SPECIAL)
        found = net(gaps.tokens, pairs.segments, pairs.valid)
        filled, follows = pretraining_loss(*found, pairs.tokens, gaps.chosen, label)
        optimiser.zero_grad()
        (filled + follows).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
    first, second, label = counted(500)
    pairs = pair(first, second, 9, SPECIAL)
    gaps = mask(pairs.tokens, torch.rand(3, 500, 9), 10, SPECIAL)
    words, _ = net(gaps.tokens, pairs.segments, pairs.valid)
    _, follows = net(pairs.tokens, pairs.segments, pairs.valid)
    assert (follows.argmax(-1) == label).double().mean() > 0.99
    right = words.argmax(-1) == pairs.tokens
    assert right[gaps.chosen].double().mean() > 0.95
