"""Losses and errors of reinforcement learning. Pure functions of numbers: any leading axes, no state, no chance."""

from typing import Any, TypeVar

from numpy.typing import NDArray
from torch import Tensor, maximum, where

Values = TypeVar("Values", Tensor, NDArray[Any])


def td_error(value: Tensor, reward: Tensor, discount: Tensor, next_value: Tensor) -> Tensor:
    """δ = r + d·v(s') − v(s), the target taken as given (Sutton & Barto 2018, eq. 6.5)."""
    return (reward + discount * next_value).detach() - value


def policy_gradient(log_prob: Tensor, advantage: Tensor) -> Tensor:
    """−A log π(a|s), per sample: its gradient is the policy gradient's estimate (Williams 1992)."""
    return -advantage.detach() * log_prob


def clipped_surrogate(ratio: Tensor, advantage: Tensor, clip: Tensor) -> Tensor:
    """−min(ρ A, clip(ρ, 1 ± ε) A) (Schulman et al. 2017, eq. 7), per sample.

    Args:
        ratio: ρ = π(a|s) / π_old(a|s).
        advantage: A.
        clip: ε.
    """
    return maximum(-advantage * ratio, -advantage * ratio.clamp(1 - clip, 1 + clip))


def clipped_value_error(value: Tensor, old_value: Tensor, target: Tensor, clip: Tensor) -> Tensor:
    """max((v − G)², (v_old + clip(v − v_old, ±ε) − G)²): the value loss of OpenAI's PPO, without its ½."""
    near = old_value + (value - old_value).clamp(-clip, clip)
    return maximum((value - target) ** 2, (near - target) ** 2)


def approximate_kl(log_ratio: Tensor) -> Tensor:
    """(ρ − 1) − log ρ: an estimate of KL(π_old ‖ π) that is never negative (Schulman 2020, "k3")."""
    return log_ratio.exp() - 1 - log_ratio


def standardised(advantage: Tensor) -> Tensor:
    """(A − mean) / (std + 1e-8) over all samples; a single sample is left as it is."""
    if advantage.numel() < 2:
        return advantage
    return (advantage - advantage.mean()) / (advantage.std() + 1e-8)


def huber(error: Tensor) -> Tensor:
    """½ δ² where |δ| ≤ 1, |δ| − ½ beyond (Huber 1964): its slope is never steeper than 1."""
    size = error.abs()
    return where(size <= 1, 0.5 * error * error, size - 0.5)


def squared(error: Tensor) -> Tensor:
    """δ²."""
    return error * error


def dueling_values(value: Values, advantage: Values) -> Values:
    """q(s, ·) = v(s) + a(s, ·) − mean a(s, ·): ``[…, 1]`` and ``[…, action]`` (Wang et al. 2016, eq. 9)."""
    q: Values = value + (advantage - advantage.mean(-1)[..., None])
    return q


def value_of_choice(values: Tensor, chosen_by: Tensor) -> Tensor:
    """values(s', argmax chosen_by(s', ·)), both ``[…, action]``.

    Chosen by the same values it is their maximum; by the network that learns, double Q-learning
    (van Hasselt et al. 2016, eq. 4).
    """
    return values.gather(-1, chosen_by.argmax(-1, keepdim=True)).squeeze(-1)
