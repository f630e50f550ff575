"""Advantages and returns, in numbers worked by hand."""

import numpy as np
import pytest
import torch

from rl.returns import discounted, gae, places


def rows(*columns: list[float]) -> list[torch.Tensor]:
    return [torch.tensor(column) for column in columns]


def test_gae_of_two_steps_by_hand() -> None:
    # δ₀ = 1 + .9·.1 − 0 = 1.09; δ₁ = 1 + 0·.5 − .1 = .9; A₁ = .9; A₀ = 1.09 + .81·.9 = 1.819
    found = gae(*rows([1, 1], [0.9, 0], [0.81, 0], [0, 0.1], [0.1, 0.5]))
    torch.testing.assert_close(found, torch.tensor([1.819, 0.900]))


def test_gae_is_the_same_in_numpy_and_over_any_further_axes() -> None:
    noise = np.random.default_rng(0).random((5, 6, 3, 2)).astype(np.float32)
    arrays = list(noise)
    found = gae(*arrays)
    torch.testing.assert_close(gae(*(torch.from_numpy(a) for a in arrays)), torch.from_numpy(found))
    assert np.allclose(gae(*(a[:, 1, 0] for a in arrays)), found[:, 1, 0])


def test_the_first_of_two_one_step_episodes_does_not_see_the_second() -> None:
    found = gae(*rows([1, 100], [0, 0], [0, 0], [0, 0], [5, 7]))
    assert found.tolist() == [1, 100]


def test_lambda_one_is_monte_carlo_minus_the_value() -> None:
    rng = np.random.default_rng(1)
    reward, value = rng.random(9), rng.random(9)
    ends = np.zeros(9, bool)
    ends[[3, 8]] = True
    next_value = np.append(value[1:], 0.0)
    discount = 0.97 * ~ends
    found = gae(reward, discount, discount, value, next_value)
    for t in range(9):
        last = 3 if t <= 3 else 8
        returns = sum(0.97 ** (k - t) * reward[k] for k in range(t, last + 1))
        assert found[t] == pytest.approx(returns - value[t])


def test_lambda_zero_is_the_td_error() -> None:
    r, d, v, v2 = rows([1, 2, 3], [0.9, 0.9, 0], [0.1, 0.2, 0.3], [0.2, 0.3, 9])
    torch.testing.assert_close(gae(r, d, torch.zeros(3), v, v2), r + d * v2 - v)


def test_a_truncated_step_bootstraps_but_cuts_the_trace() -> None:
    # The last step of episode 1 is truncated where v = 100: its target is r + γ·100, whatever comes after.
    found = gae(*rows([1, 5], [0.9, 0.9], [0, 0], [0, 0], [100, 0]))
    assert found.tolist() == pytest.approx([91, 5])


def test_horizons_of_8_and_64_agree_when_the_values_are_true() -> None:
    gamma, true = 0.9, 10.0  # reward 1 for ever
    for length in (8, 64):
        ones = np.ones(length)
        found = gae(ones, gamma * ones, gamma * 0.95 * ones, true * ones, true * ones)
        assert np.allclose(found, 0)


def test_discounted_returns_by_hand() -> None:
    # G₂ = 4 + .5·8 = 8; G₁ = 2 + 0·8 = 2 (an end); G₀ = 1 + .5·2 = 2
    found = discounted(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.5, 0.0, 0.5]), torch.tensor(8.0))
    assert found.tolist() == [2, 2, 8]


def test_places_are_counted_from_each_episodes_beginning_and_across_rollouts() -> None:
    ended = np.array([[False, True], [True, False], [False, False]])
    t, following = places(ended, np.array([4, 0]))
    assert t.tolist() == [[4, 0], [5, 0], [0, 1]]
    assert following.tolist() == [1, 2]
