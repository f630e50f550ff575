"""The update that is not compiled: written in place, the same rule, each seed by itself."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core import eager
from core.layout import Layout
from core.optimisers import SGD, Adam, Optimiser, RMSprop

RULES: list[Any] = [
    Adam(),
    Adam(beta1=0.0, beta2=0.9, eps=1e-3),
    Adam(decay=0.1),
    RMSprop(eps=1e-5),
    RMSprop(momentum=0.5),
    SGD(),
    SGD(momentum=0.9),
]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_in_place_is_the_same_rule(rule: Optimiser) -> None:
    weights, t = torch.linspace(-1, 1, 32).repeat(2, 1), torch.zeros(2, 1)
    moments = tuple(torch.zeros_like(weights) for _ in range(rule.count))
    own = [weights.clone(), *(moment.clone() for moment in moments)]
    steps = torch.zeros(2, 1)
    for number in range(1, 6):
        lr, gradient = 0.1 / number, torch.cos(number * weights) * torch.tensor([[1.0], [100.0]])
        corrections = rule.corrections(t + 1)
        weights, moments = rule(weights, gradient, moments, corrections, torch.tensor(lr))
        t = t + 1
        rows = [list(part) for part in own]
        rule.in_place(rows[0], list(gradient), tuple(rows[1:]), list(steps), lr)
        assert steps.tolist() == [[number], [number]]
        for mine, theirs in zip(own, (weights, *moments), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
    assert not torch.equal(own[0][0], torch.linspace(-1, 1, 32))


def descended(gradient: list[list[float]], alive: list[bool], clip: float | None = None) -> Any:
    """One step of plain gradient descent from weights of 1 at a rate of 0.5."""
    found, weights = torch.tensor(gradient), torch.ones(len(gradient), 2)
    t, lives = torch.zeros(len(gradient), 1), torch.tensor(alive)
    norms = eager.descend(SGD(), weights, (torch.zeros_like(weights),), found, t, lives, 0.5, clip)
    return weights.tolist(), found.tolist(), norms.tolist(), t.flatten().tolist(), lives.tolist()


def test_a_seed_that_is_not_finite_or_frozen_stays_and_the_others_move() -> None:
    inf, nan = float("inf"), float("nan")
    weights, _, norms, t, alive = descended([[3, 4], [nan, 0], [0, inf], [3, 4]], [True, True, True, False])
    assert weights == [[-0.5, -1.0], [1, 1], [1, 1], [1, 1]]
    assert (t, alive) == ([1, 0, 0, 0], [True, False, False, False])
    assert norms[0] == norms[3] == 5
    assert norms[2] == inf


def test_when_every_seed_is_frozen_nothing_moves() -> None:
    assert descended([[3.0, 4.0]], [False])[0] == [[1, 1]]


def test_each_seed_is_clipped_by_its_own_norm() -> None:
    weights, gradient, norms, *_ = descended([[3.0, 4.0], [0.3, 0.4]], [True, True], clip=1.0)
    assert gradient[0] == pytest.approx([0.6, 0.8], abs=1e-5)
    assert gradient[1] == pytest.approx([0.3, 0.4], abs=1e-6)
    assert weights[0] == pytest.approx([0.7, 0.6], abs=1e-5)
    assert norms == pytest.approx([5.0, 0.5])


@pytest.mark.parametrize("seeds", [1, 3])
def test_both_ways_write_the_same_gradient_and_only_where_weights_are(seeds: int) -> None:
    layout = Layout(nn.Linear(3, 2))  # 6 and 2 numbers, each on a border of 16
    weights = torch.linspace(-1, 1, seeds * 32).reshape(seeds, 32)
    x = torch.arange(seeds * 12.0).reshape(seeds, 4, 3)

    def loss(views: dict[str, Tensor], x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        value = (x @ views["weight"].T + views["bias"]).sum()
        return value, {"loss": value}

    one, all_at_once = torch.full((seeds, 32), 7.0), torch.full((seeds, 32), 7.0)
    first = eager.in_turn(loss, layout, weights, one, (x,), eager.Turn(), [None] * len(weights))
    second = eager.together(loss, layout, weights, all_at_once, (x,))
    assert first["loss"].shape == (seeds,)
    torch.testing.assert_close(first, second)
    assert torch.equal(one, all_at_once)
    # d/dW of a sum of xW + b is the sum of x, for each of the two outputs; d/db the number of rows
    assert one[0].tolist() == [18.0, 22.0, 26.0] * 2 + [7.0] * 10 + [4.0] * 2 + [7.0] * 14
