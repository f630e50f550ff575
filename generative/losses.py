"""Losses of the generative models: pure functions of numbers, in nats, over any leading axes."""

import torch
from torch import Tensor
from torch.nn import functional

LOG_VARIANCE = (-30.0, 20.0)
"""exp(−30) … exp(20): wide enough for any posterior, narrow enough that nothing overflows in float32."""


def clamp_log_variance(log_variance: Tensor) -> Tensor:
    """The log-variance held inside ``LOG_VARIANCE``; its gradient is 1 inside and 0 outside."""
    return log_variance.clamp(*LOG_VARIANCE)


def bernoulli_log_likelihood(logits: Tensor, x: Tensor) -> Tensor:
    """log p(x) = Σ x·l − log(1 + exp l) over all pixels: nats per image.

    Args:
        logits: ``[…, C, H, W]``.
        x: ``[…, C, H, W]`` in [0, 1]; leading axes broadcast against those of ``logits``.

    Returns:
        ``[…]``.
    """
    return (x * logits - functional.softplus(logits)).sum(dim=(-3, -2, -1))


def gaussian_log_density(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log N(z; mean, exp(log_variance)) summed over the last axis."""
    log_two_pi = 1.8378770664093453
    return -0.5 * ((z - mean).square() * (-log_variance).exp() + log_variance + log_two_pi).sum(dim=-1)


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) ‖ N(0, 1)) over the last axis (Kingma & Welling 2014, appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(dim=-1)


def reparameterise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = mean + σ·noise: a draw from N(mean, exp(log_variance)) when ``noise`` is standard normal."""
    return mean + (0.5 * log_variance).exp() * noise


def elbo(log_likelihood: Tensor, kl: Tensor, beta: float | Tensor = 1.0) -> Tensor:
    """log p(x|z) − β·KL: at β = 1 a bound on log p(x) (Kingma & Welling 2014; β: Higgins et al. 2017)."""
    return log_likelihood - beta * kl


def importance_weighted_bound(log_weights: Tensor, dim: int) -> Tensor:
    """log (1/K) Σ exp(log w) over the axis ``dim`` of K draws (Burda et al. 2016, eq. 8)."""
    return torch.logsumexp(log_weights, dim=dim) - torch.log(torch.tensor(float(log_weights.shape[dim])))
