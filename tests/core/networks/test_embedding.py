"""Rows of a table, the same as one-hot vectors times it; tied last layers; what is refused."""

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
