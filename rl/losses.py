"""Losses and errors of reinforcement learning. Pure functions of numbers: any leading axes, no state, no chance."""

from torch import Tensor, maximum


def td_error(value: Tensor, reward: Tensor, discount: Tensor, next_value: Tensor) -> Tensor:
    """δ = r + d·v(s') − v(s), the target taken as given (Sutton & Barto 2018, eq. 6.5)."""
    return (reward + discount * next_value).detach() - value


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
