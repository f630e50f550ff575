import numpy as np
import pytest

from core.smoothing import smooth, thinned


def test_a_straight_line_comes_back_as_it_is_at_its_ends_too() -> None:
    for x in (np.arange(50.0), np.arange(50.0) ** 2, np.array([0.0, 1, 2, 50, 51, 1000])):
        for width in (0.5, 7.0, 300.0):
            kept, y = smooth(x, 3 - 2 * x, width)
            np.testing.assert_array_equal(kept, x)
            np.testing.assert_allclose(y, 3 - 2 * x, atol=1e-9)


def test_a_line_too_long_to_draw_is_thinned_with_both_ends_and_stays_a_line() -> None:
    x = np.arange(50_000.0) * 3
    kept, y = smooth(x, x / 7 + 1, width=9_000, points=400)
    assert (len(kept), kept[0], kept[-1]) == (400, 0, x[-1])
    np.testing.assert_allclose(y, kept / 7 + 1, rtol=1e-9)
    narrow, z = smooth(x, x / 7 + 1, width=0.1, points=400)
    np.testing.assert_allclose(z, narrow / 7 + 1, rtol=1e-9)


@pytest.mark.parametrize("n", [201, 4_001])  # the longer one is averaged before it is fitted
def test_a_symmetric_bump_keeps_its_place_and_its_symmetry(n: int) -> None:
    x = np.linspace(-1, 1, n)
    kept, y = smooth(x, np.exp(-((x / 0.1) ** 2)), width=0.3, points=201)
    assert kept[y.argmax()] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(y, y[::-1], atol=2e-3 if n > 201 else 1e-12)
    assert 0.3 < y.max() < 0.8  # it was smoothed


def test_three_points_by_hand() -> None:
    """Distances 0 and 1 in a reach of 2 weigh 1 and (1 − 1/8)³ = 343/512; in the middle the line is flat there."""
    weight = 343 / 512
    _, y = smooth([0, 1, 2], [0, 1, 0], width=2)
    assert y[1] == pytest.approx(1 / (1 + 2 * weight))
    # at the end: the point at distance 2 weighs nothing, and a line goes through the other two
    assert y[0] == pytest.approx(0)
    assert y[2] == pytest.approx(0)


def test_a_gap_stays_a_gap_and_its_neighbours_are_fitted_without_it() -> None:
    x = np.arange(9.0)
    y = 2 * x
    y[4] = np.nan
    y[6] = np.inf
    _, drawn = smooth(x, y, width=3)
    assert np.isnan(drawn[[4, 6]]).all()
    known = [0, 1, 2, 3, 5, 7, 8]
    np.testing.assert_allclose(drawn[known], 2 * x[known])


def test_little_is_left_as_it_is() -> None:
    for x, y in (([], []), ([5], [2]), ([0, 1, 2], [0, 1, 5])):
        kept, drawn = smooth(x, y, width=0.5)
        assert (kept.tolist(), drawn.tolist()) == (x, y)
    assert np.isnan(smooth([1, 2], [np.nan, np.nan], 5)[1]).all()
    assert smooth([3, 3], [1, 2], 5)[1].tolist() == [1.5, 1.5]
    assert smooth([1, 2, 3], [4, 9, 1], 0)[1].tolist() == [4, 9, 1]


def test_noise_becomes_less() -> None:
    x = np.arange(1000.0)
    noise = np.sin(x * 12.9898) * 43758.5453 % 1 - 0.5
    assert smooth(x, noise, width=50)[1].std() < noise.std() / 4


def test_thinned_keeps_the_ends() -> None:
    assert thinned(3, 5).tolist() == [0, 1, 2]
    assert thinned(9, 3).tolist() == [0, 4, 8]
