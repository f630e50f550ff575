"""Sampling by given numbers, cached and uncached writing, ends of rows."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from core.networks.generation import generate, greedy, sampled
from core.networks.language import GPT_FORM, LanguageModel, Translator
from core.networks.net import Memory, Net
from core.networks.seq2seq import Seq2Seq
from core.networks.transformer import Form

F64 = torch.float64
SMALL = Form(width=8, heads=2, hidden=12, layers=2)
SHARES = torch.tensor([0.1, 0.4, 0.2, 0.3])  # in order: tokens 1, 3, 2, 0


def at(u: float, **cut: Any) -> int:
    return int(sampled(SHARES.log(), torch.tensor(u), **cut))


def test_sampling_by_hand() -> None:
    assert [at(u) for u in (0.0, 0.39, 0.41, 0.69, 0.71, 0.89, 0.91, 0.9999999)] == [1, 1, 3, 3, 2, 2, 0, 0]
    assert [at(u, top_k=2) for u in (0.0, 0.57, 0.58, 0.9999999)] == [1, 1, 3, 3]  # 4/7 = 0.571
    assert [at(u, top_p=0.75) for u in (0.44, 0.45, 0.77, 0.78, 0.9999999)] == [1, 3, 3, 2, 2]  # 4/9, 7/9
    assert [at(u, top_p=0.4) for u in (0.0, 0.9999999)] == [1, 1]  # the likeliest alone holds 0.4
    assert [at(u, top_k=3, top_p=0.5) for u in (0.57, 0.58)] == [1, 3]  # of 4/9, 3/9, 2/9 the first two
    squares = SHARES.square() / SHARES.square().sum()  # temperature 1/2: 16, 9, 4, 1 of 30
    assert float(squares[1]) == pytest.approx(16 / 30)
    assert [at(u, temperature=0.5) for u in (0.53, 0.54, 0.83, 0.84)] == [1, 3, 3, 2]
    assert at(0.9999999, temperature=1e-3) == 1 == int(greedy(SHARES))


def test_frequencies_are_the_probabilities() -> None:
    count = 100_000
    uniform = (torch.arange(count) + 0.5) / count
    tokens = sampled(SHARES.log().expand(count, 4), uniform)
    torch.testing.assert_close(tokens.bincount(minlength=4) / count, SHARES, rtol=0, atol=2e-5)
    tokens = sampled(torch.randn(count, 50), torch.rand(count), top_k=5, top_p=0.5)
    assert tokens.shape == (count,)


class Counts(Net):
    """Thinks that token + 1 (of 6) comes next, with what probability is given."""

    def __init__(self, share: float = 0.9) -> None:
        super().__init__()
        self.share, self.calls = share, 0

    def unroll(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        self.calls += 1
        scores = torch.full((*x.shape, 6), math.log((1 - self.share) / 5))
        return scores.scatter(-1, ((x + 1) % 6).unsqueeze(-1), math.log(self.share)), state

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        y, state = self.unroll(x.unsqueeze(-1), state)
        return y.squeeze(-2), state


def test_rows_end_by_themselves() -> None:
    net, prompt = Counts(), torch.tensor([[0, 1], [0, 4], [0, 3]])
    text = generate(net, prompt, 10, stop=5, padding=9)
    assert text.tokens.tolist() == [[2, 3, 4, 5], [5, 9, 9, 9], [4, 5, 9, 9]]  # and no more is written
    assert text.lengths.tolist() == [4, 1, 2]
    assert text.scores.shape == (3, 4, 6)
    assert generate(net, prompt, 3).tokens.tolist() == [[2, 3, 4], [5, 0, 1], [4, 5, 0]]


def test_given_numbers_choose() -> None:
    uniform = torch.tensor([[0.0, 0.95, 0.0]])
    text = generate(Counts(), torch.tensor([[0]]), 3, uniform=uniform)
    assert text.tokens[0, 0] == 1
    assert text.tokens[0, 1] != 2
    assert torch.equal(text.tokens, generate(Counts(), torch.tensor([[0]]), 3, uniform=uniform).tokens)


def models() -> list[tuple[Any, Memory]]:
    source, valid = torch.randint(7, (3, 5)), torch.arange(5) < torch.tensor([[5], [3], [2]])
    found: list[tuple[Any, Memory]] = [
        (LanguageModel(7, SMALL, 30).double(), ()),
        (LanguageModel(7, SMALL, None, "rope", memory=4, tied=False).double(), ()),
        (LanguageModel(7, SMALL, None, "alibi").double(), ()),
    ]
    for net in (
        Translator(7, 7, SMALL).double(),
        *(Seq2Seq(7, 7, 8, attention=a).double() for a in ("none", "bahdanau", "luong")),
    ):
        found.append((net, net.begin(source, valid)))
    return found


@pytest.mark.parametrize("k", range(7))
def test_cached_writing_equals_uncached(k: int) -> None:
    net, state = models()[k]
    prompt, uniform = torch.randint(7, (3, 4)), torch.rand(3, 12)
    for given in (None, uniform):
        cached = generate(net, prompt, 12, state, given)
        anew = generate(net, prompt, 12, state, given, cached=False)
        assert torch.equal(cached.tokens, anew.tokens)
        torch.testing.assert_close(cached.scores, anew.scores, rtol=0, atol=1e-12)
    text = torch.cat([prompt, cached.tokens], 1)
    whole, _ = net.unroll(text, state)
    torch.testing.assert_close(whole[:, 3:-1], cached.scores, rtol=0, atol=1e-12)


def test_a_context_keeps_texts_under_the_table() -> None:
    net, prompt = LanguageModel(7, SMALL, 5), torch.randint(7, (2, 3))
    with pytest.raises(ValueError, match=r"position 5 .* over the table of 5 positions"):
        generate(net, prompt, 9)
    text = generate(net, prompt, 9, cached=False, context=5)
    assert text.tokens.shape == (2, 9)
    whole = torch.cat([prompt, text.tokens], 1)
    assert torch.equal(net(whole[:, 6:11])[:, -1].argmax(-1), whole[:, 11])


def test_gpt_has_nanogpts_count_of_weights() -> None:
    net = LanguageModel(65, GPT_FORM)
    layer = 4 * 128 * 128 + 2 * 4 * 128 * 128 + 2 * 128
    count = sum(weight.numel() for weight in net.parameters())
    assert count == 65 * 128 + 64 * 128 + 4 * layer + 128 == 804_096
    untied = LanguageModel(65, GPT_FORM, tied=False)
    assert sum(weight.numel() for weight in untied.parameters()) == count + 65 * 128
    loss = torch.nn.functional.cross_entropy(
        net(torch.randint(65, (4, 64))).flatten(0, 1), torch.randint(65, (256,))
    )
    assert loss.item() == pytest.approx(math.log(65), abs=0.15)


def test_tied_scores_are_products_with_the_table_and_untied_ones_are_not() -> None:
    x = torch.randint(7, (2, 4))
    tied = LanguageModel(7, SMALL, 9).double()
    hidden = tied.decoder(tied.embedding(x))
    torch.testing.assert_close(tied(x), hidden @ tied.embedding.weight.T, rtol=0, atol=1e-12)
    for net in (LanguageModel(7, SMALL, 9, tied=False).double(), Translator(7, 7, SMALL).double()):
        assert net.output is not None
        y = net.unroll(x)[0]
        with torch.no_grad():
            net.output.weight.zero_()
            assert net.output.bias is not None
            net.output.bias.copy_(torch.arange(7.0))
        assert y.std() > 0
        assert torch.equal(net.unroll(x)[0], torch.arange(7.0, dtype=F64).expand(2, 4, 7))


def test_wrong_inputs_are_named() -> None:
    net, prompt = Counts(), torch.zeros(2, 1, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"shape \[B, P\], not \[2\]"):
        generate(net, prompt[:, 0], 3)
    with pytest.raises(ValueError, match=r"at least one token, got none in \[2, 0\]"):
        generate(net, prompt[:, :0], 3)
    with pytest.raises(ValueError, match=r"3 steps need random numbers \[2, 3\], not \[3\]"):
        generate(net, prompt, 3, uniform=torch.zeros(3))
    with pytest.raises(ValueError, match="with cached=False"):
        generate(net, prompt, 3, context=4)
    with pytest.raises(ValueError, match="temperature must be above 0, not 0"):
        at(0.5, temperature=0)
    with pytest.raises(ValueError, match="top_k keeps at least one token, not 0"):
        at(0.5, top_k=0)
    with pytest.raises(ValueError, match=r"top_p is a share above 0 and up to 1, not 1\.5"):
        at(0.5, top_p=1.5)
    with pytest.raises(ValueError, match=r"scores \[4\] need random numbers \[\], not \[1\]"):
        sampled(SHARES, torch.zeros(1))
    with pytest.raises(ValueError, match=r"token 7 in \[1, 2\] lies outside the 7 known ones"):
        LanguageModel(7, SMALL)(torch.tensor([[0, 7]]))
