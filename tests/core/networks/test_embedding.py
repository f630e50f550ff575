"""Rows of a table, the same as one-hot vectors times it; tied last layers; what is refused."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call, stack_module_state

from core.networks.embedding import Embedding

F64 = torch.float64


def test_a_row_is_a_one_hot_vector_times_the_table() -> None:
    net, tokens = Embedding(7, 3).double(), torch.tensor([[0, 6, 2], [2, 2, 5]])
    product = F.one_hot(tokens, 7).double() @ net.weight
    weight = torch.randn(2, 3, 3, dtype=F64)
    (mine,) = torch.autograd.grad((net(tokens) * weight).sum(), net.weight)
    (other,) = torch.autograd.grad((product * weight).sum(), net.weight)
    torch.testing.assert_close(net(tokens), product, rtol=0, atol=0)
    torch.testing.assert_close(mine, other, rtol=0, atol=1e-12)
    assert mine[1].abs().sum() == 0


def test_stacked_tables_and_their_scores() -> None:
    nets = [Embedding(5, 3).double() for _ in range(4)]
    weights, tokens = dict(stack_module_state(list(nets))[0]), torch.randint(5, (4, 2, 6))
    together = functional_call(nets[0], weights, (tokens,))
    loop = torch.stack([net(row) for net, row in zip(nets, tokens, strict=True)])
    assert torch.equal(together, loop)
    x = torch.randn(4, 2, 6, 3, dtype=F64)
    nets[0].weight.data = torch.stack([net.weight.detach() for net in nets])
    loop = torch.stack([row @ table.T for row, table in zip(x, nets[0].weight, strict=True)])
    torch.testing.assert_close(nets[0].scores(x), loop, rtol=0, atol=1e-14)


def test_a_token_outside_the_vocabulary_is_named() -> None:
    net = Embedding(5, 3)
    with pytest.raises(ValueError, match=r"token 5 in \[2, 2\] lies outside the 5 known ones, 0 to 4"):
        net(torch.tensor([[0, 5], [1, 1]]))
    with pytest.raises(ValueError, match=r"token -1 in \[1\]"):
        net(torch.tensor([-1]))
    with pytest.raises(ValueError, match=r"whole numbers, not torch.float32 in \[2\]"):
        net(torch.zeros(2))


def test_differences_between_words_that_keep_the_same_company_are_the_same() -> None:
    """Words say who and which kind; vectors learned from their contexts alone answer "a is to b as c is to …".

    Every word (kind k, form f) is met beside one context of its kind and one of its form, equally often.
    """
    kinds, forms = 5, 3
    words = [(k, f) for k in range(kinds) for f in range(forms)]
    contexts = torch.zeros(len(words), kinds + forms)
    for row, (k, f) in enumerate(words):
        contexts[row, k] = contexts[row, kinds + f] = 0.5
    torch.manual_seed(0)
    net, out = Embedding(len(words), 8), torch.nn.Linear(8, kinds + forms)
    optimiser = torch.optim.Adam([*net.parameters(), *out.parameters()], 0.05, weight_decay=1e-3)
    tokens = torch.arange(len(words))
    for _ in range(400):
        optimiser.zero_grad()
        F.cross_entropy(out(net(tokens)), contexts).backward()
        optimiser.step()
    table = net.weight.detach() - net.weight.detach().mean(0)
    right = []
    for (k, f), (j, g) in product(words, words):
        if k != j and f != g:  # (k, f) is to (k, g) as (j, f) is to (j, g)
            at = {word: table[words.index(word)] for word in ((k, f), (k, g), (j, f))}
            wanted = at[k, g] - at[k, f] + at[j, f]
            near = F.cosine_similarity(wanted.expand_as(table), table)
            for asked in at:
                near[words.index(asked)] = -2.0
            right.append(words[int(near.argmax())] == (j, g))
    assert len(right) == 120
    assert all(right)
    alike = F.cosine_similarity(table[None], table[:, None], dim=-1)
    assert alike[0, 1] > alike[0, 4]  # the same kind is nearer than neither kind nor form
