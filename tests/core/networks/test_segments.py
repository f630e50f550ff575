"""Sequences cut where they begin anew, packed into rows and put back."""

import torch

from core.networks.segments import cut, groups, lengths


def test_by_hand() -> None:
    # row 0: two segments (3 and 2 steps); row 1: one of 2, then padding
    start = torch.tensor([[False, False, False, True, False], [True, False, False, False, False]])
    valid = torch.tensor([[True] * 5, [True, True, False, False, False]])
    found = cut(start, valid)
    assert found.row.tolist() == [0, 0, 1]
    assert found.fresh.tolist() == [False, True, True]
    assert found.length.tolist() == [3, 2, 2]
    assert found.ends.tolist() == [4, 1]
    assert found.last.tolist() == [1, 2]
    x = torch.arange(10.0).reshape(2, 5, 1)
    assert found.groups == [(0, 3, 3)]
    packed, inside = found.pack(x, found.groups[0])
    assert packed[..., 0].tolist() == [[0, 1, 2], [3, 4, 0], [5, 6, 0]]
    assert inside.tolist() == [[True] * 3, [True, True, False], [True, True, False]]
    assert found.unpack([packed])[..., 0].tolist() == [[0, 1, 2, 3, 4], [5, 6, 0, 0, 0]]
    assert found.begin(torch.tensor([[7.0], [8.0]])).tolist() == [[7], [0], [0]]


def test_packing_and_back_loses_nothing() -> None:
    for chance in (0.0, 0.05, 0.5, 1.0):
        start = torch.rand(7, 40) < chance
        valid = torch.arange(40) < torch.randint(0, 41, (7, 1))
        valid[0] = True
        found, x = cut(start, valid), torch.randn(7, 40, 3)
        back = found.unpack([found.pack(x, group)[0] for group in found.groups])
        assert torch.equal(back, torch.where(valid.unsqueeze(-1), x, 0))
        assert len(found.row) == ((start | (torch.arange(40) == 0)) & valid).sum()


def test_groups_are_split_where_it_saves() -> None:
    # together 100 · (11 + 8) = 1900; apart 100 · (1 + 8) + 2 · (10 + 8) = 936
    assert groups(torch.tensor([100] + [2] * 10)) == [(0, 1, 100), (1, 11, 2)]
    assert groups(torch.tensor([10, 9, 9, 8])) == [(0, 4, 10)]
    assert groups(torch.tensor([3])) == [(0, 1, 3)]


def test_resets_cost_little_padding() -> None:
    start = torch.rand(32, 64) < 0.03
    assert cut(start, torch.ones(32, 64, dtype=torch.bool)).steps() < 1.5 * 32 * 64


def test_lengths() -> None:
    assert lengths(torch.tensor([[True, True, False], [False] * 3])).tolist() == [2, 0]
