"""Points drawn over points: where they stand, in which colour, on which scale."""

import pytest
import torch

from generative.drawing import ASTRAY, GENERATED, REAL, round_numbers, scatter

REAL_POINTS = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]])


def near(picture: torch.Tensor, x: float, y: float, colour: str) -> bool:
    """Whether that pixel, from the left and from the top in 0 … 1, has the colour."""
    side = picture.shape[-1]
    found = picture[:, min(int(y * side), side - 1), min(int(x * side), side - 1)]
    wanted = torch.tensor([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return bool((found - wanted).abs().max() < 0.02)


def at(value: float) -> float:
    """Where a coordinate stands: real points reach from −1 to 1, and a seventh of that is left free."""
    return (value / 1.15 + 1) / 2


def test_points_stand_where_they_are_with_up_above() -> None:
    points = torch.tensor([[[0.4, 0.7]], [[-0.3, -0.6]]])
    drawn = scatter(points, REAL_POINTS)
    assert drawn.shape == (2, 1, 3, 320, 320)
    assert (drawn.dtype, drawn.min() >= 0, drawn.max() <= 1) == (torch.float32, True, True)
    for k, (x, y) in enumerate([(0.4, 0.7), (-0.3, -0.6)]):
        own, other = drawn[k, 0], drawn[1 - k, 0]
        assert near(own, at(x), 1 - at(y), GENERATED)
        assert near(other, at(x), 1 - at(y), "#ffffff")
        assert all(near(own, at(a), 1 - at(b), REAL) for a, b in REAL_POINTS.tolist())
    assert torch.equal(drawn, scatter(points, REAL_POINTS))


def test_what_lies_outside_is_seen_at_the_edge_and_what_is_no_number_is_not() -> None:
    points = torch.tensor([[[50.0, 0.5], [float("nan"), 0.1], [0.2, float("inf")]]])
    drawn = scatter(points, REAL_POINTS)[0, 0]
    assert near(drawn, 1 - 2 / 320, 1 - at(0.5), ASTRAY)
    inside = drawn[:, 20:-20, 40:-20]
    dark = inside.amin(0) < 0.3
    assert not dark.any()


def test_one_unit_is_as_long_along_both_axes() -> None:
    wide = torch.tensor([[-4.0, -1.0], [4.0, 1.0]])
    drawn = scatter(torch.tensor([[[2.0, 0.0], [0.0, 2.0]]]), wide, side=200)[0, 0]
    assert near(drawn, (2 / 4.6 + 1) / 2, 0.5, GENERATED)
    assert near(drawn, 0.5, 1 - (2 / 4.6 + 1) / 2, GENERATED)


@pytest.mark.parametrize(
    ("low", "high", "numbers"),
    [
        (-4.8, 4.8, [-4, -2, 0, 2, 4]),
        (-1.19, 1.19, [-1, -0.5, 0, 0.5, 1]),
        (3.0, 3.5, [3, 3.1, 3.2, 3.3, 3.4, 3.5]),
        (-900.0, 100.0, [-800, -600, -400, -200, 0]),
    ],
)
def test_the_lines_stand_at_round_numbers(low: float, high: float, numbers: list[float]) -> None:
    assert round_numbers(low, high) == pytest.approx(numbers)


def test_points_that_are_all_one_are_drawn_too() -> None:
    assert scatter(torch.zeros(1, 3, 2), torch.zeros(4, 2)).isfinite().all()
