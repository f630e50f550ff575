"""Losses and exploration, in numbers worked by hand."""

import math

import numpy as np
import pytest
import torch

from rl.exploration import epsilon_greedy, greedy
from rl.losses import approximate_kl, clipped_surrogate, clipped_value_error, standardised, td_error

CLIP = torch.tensor(0.2)


def test_td_error_takes_its_target_as_given() -> None:
    value, following = torch.tensor(2.0, requires_grad=True), torch.tensor(10.0, requires_grad=True)
    error = td_error(value, torch.tensor(1.0), torch.tensor(0.9), following)
    assert error.item() == pytest.approx(8.0)
    error.backward()
    assert value.grad is not None
    assert value.grad.item() == -1
    assert following.grad is None


def test_the_surrogate_is_pessimistic_on_both_sides() -> None:
    ratio = torch.tensor([1.5, 1.5, 0.5, 0.5, 1.1])
    advantage = torch.tensor([2.0, -2.0, 2.0, -2.0, 3.0])
    # min(ρA, clip(ρ)A): 1.2·2; −1.5·2; .5·2; −.8·2; 1.1·3
    assert clipped_surrogate(ratio, advantage, CLIP).tolist() == pytest.approx([-2.4, 3.0, -1.0, 1.6, -3.3])


def test_the_surrogate_has_no_gradient_where_it_clips() -> None:
    ratio = torch.tensor([1.5, 1.5, 0.5, 0.5], requires_grad=True)
    clipped_surrogate(ratio, torch.tensor([2.0, -2.0, 2.0, -2.0]), CLIP).sum().backward()
    assert ratio.grad is not None
    assert ratio.grad.tolist() == [0, 2, -2, 0]


def test_the_value_error_takes_the_worse_of_moved_and_clipped() -> None:
    value, old = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 0.05])
    target = torch.tensor([2.0, 0.1, 0.0])
    # clipped values .2, .2, 0: (2 − .2)² = 3.24 > 1; (1 − .1)² = .81 > .01; 0
    found = clipped_value_error(value, old, target, CLIP)
    assert found.tolist() == pytest.approx([3.24, 0.81, 0.0])


def test_the_kl_estimate_is_never_negative_and_right_on_average() -> None:
    old, new = torch.tensor([0.5, 0.5]), torch.tensor([0.8, 0.2])
    estimate = approximate_kl((new / old).log())
    assert (estimate >= 0).all()
    true = (old * (old / new).log()).sum()
    assert (old * estimate).sum().item() == pytest.approx(true.item(), abs=1e-6)


def test_a_minibatch_of_one_is_left_as_it_is() -> None:
    assert standardised(torch.tensor([3.0])).tolist() == [3.0]
    found = standardised(torch.tensor([1.0, 3.0]))
    assert found.tolist() == pytest.approx([-math.sqrt(0.5), math.sqrt(0.5)])


def test_ties_are_broken_evenly_and_the_best_always_wins() -> None:
    chance = np.random.default_rng(0).random((30_000, 3)).astype(np.float32)
    tied = greedy(np.zeros((30_000, 3)), chance)
    assert np.bincount(tied) / 30_000 == pytest.approx([1 / 3] * 3, abs=0.015)
    assert set(greedy(np.tile([0.0, 2.0, 2.0], (30_000, 1)), chance)) == {1, 2}


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_epsilon_greedy_explores_as_often_as_it_says(epsilon: float) -> None:
    chance = np.random.default_rng(0).random((60_000, 4)).astype(np.float32)
    action = epsilon_greedy(np.tile([0.0, 1.0, 0.0], (60_000, 1)), epsilon, chance)
    best = 1 - epsilon + epsilon / 3
    assert np.bincount(action, minlength=3) / 60_000 == pytest.approx(
        [epsilon / 3, best, epsilon / 3], abs=0.01
    )
