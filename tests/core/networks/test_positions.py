"""Sinusoids, learned positions, rotation and distance."""

import math

import pytest
import torch

from core.networks.positions import POSITIONS, Learned, added, alibi, rotate, since, sinusoid, slopes

F64 = torch.float64


def test_sinusoid_by_hand() -> None:
    row = sinusoid(torch.tensor([3]), 4, F64)[0]
    expected = [math.sin(3), math.cos(3), math.sin(0.03), math.cos(0.03)]  # 10000^(2/4) = 100
    assert row.tolist() == pytest.approx(expected, abs=1e-12)


def test_products_of_sinusoids_depend_on_the_distance_alone() -> None:
    table = sinusoid(torch.arange(200), 32, F64)
    products = table @ table.T
    for k in (0, 1, 7, 50):
        diagonal = products.diagonal(k)
        expected = sum(math.cos(k / 10_000 ** (2 * i / 32)) for i in range(16))
        torch.testing.assert_close(diagonal, torch.full_like(diagonal, expected), rtol=0, atol=1e-10)


def test_rotation_by_hand_and_by_distance() -> None:
    turned = rotate(torch.tensor([[[1.0, 0.0]]], dtype=F64), torch.tensor([2]))
    assert turned.flatten().tolist() == pytest.approx([math.cos(2), math.sin(2)], abs=1e-12)
    q, k = torch.randn(1, 1, 8, dtype=F64), torch.randn(1, 1, 8, dtype=F64)

    def product(p: int, o: int) -> float:
        return float((rotate(q, torch.tensor([p])) * rotate(k, torch.tensor([o]))).sum())

    assert product(5, 3) == pytest.approx(product(105, 103), abs=1e-10)
    assert abs(product(5, 3) - product(5, 2)) > 1e-3
    assert float(rotate(q, torch.tensor([9])).norm()) == pytest.approx(float(q.norm()), abs=1e-12)
    with pytest.raises(ValueError, match="must be even, not 3"):
        rotate(torch.zeros(1, 1, 3), torch.tensor([0]))


def test_slopes_of_distance() -> None:
    assert slopes(8) == [2.0**-h for h in range(1, 9)]
    assert slopes(4) == [0.25, 0.0625, 2.0**-6, 2.0**-8]
    assert slopes(6) == pytest.approx([0.25, 0.0625, 2.0**-6, 2.0**-8, 0.5, 0.125])
    bias = alibi(torch.tensor([[0, -1], [1, 0], [2, 1]]), 2, F64)
    assert bias[0].tolist() == [[0, -0.0625], [-0.0625, 0], [-0.125, -0.0625]]
    assert bias[1, 2, 0] == -2 * 2.0**-8


def test_learned_positions_are_rows_of_a_table() -> None:
    net, x = Learned(5, 3), torch.randn(2, 4, 3)
    torch.testing.assert_close(net(x, torch.arange(4)) - x, net.table.weight[:4].expand(2, 4, 3))
    moved = net(x, torch.tensor([[0, 1, 2, 3], [1, 2, 0, 1]]))
    torch.testing.assert_close(moved[1, 2] - x[1, 2], net.table.weight[0])
    with pytest.raises(ValueError, match=r"position 5 .* of \[2, 4, 3\] lies over the table of 5 positions"):
        net(x, torch.arange(2, 6))
    with pytest.raises(ValueError, match="at least one row, not 0"):
        Learned(0, 3)


def test_kinds() -> None:
    assert [added(kind, 4, 2) is not None for kind in POSITIONS] == [False, True, True, False, False]
    with pytest.raises(ValueError, match=r"unknown positions 'learnt'; did you mean 'learned'\?"):
        added("learnt", 4, 2)
    with pytest.raises(ValueError, match="need `length`"):
        added("learned", None, 2)


def test_ages_by_hand() -> None:
    start = torch.tensor([[False, True, False, True, False], [False] * 5])
    ages = torch.tensor([[2], [7]]) + torch.arange(5)
    assert since(ages, start).tolist() == [[2, 0, 1, 0, 1], [7, 8, 9, 10, 11]]
    assert since(torch.arange(5), start).tolist() == [[0, 0, 1, 0, 1], [0, 1, 2, 3, 4]]
