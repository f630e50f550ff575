"""Losses of the generative models: pure functions of numbers, in nats, over any leading axes."""

from collections.abc import Callable

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


def squared_error(output: Tensor, x: Tensor) -> Tensor:
    """‖x − x̂‖² over all pixels of an image: ``[…, C, H, W]`` to ``[…]``."""
    return (x - output).square().sum(dim=(-3, -2, -1))


def sparsity(active: Tensor, rho: float) -> Tensor:
    """Σ KL(ρ‖ρ̂) of the units' mean activations ρ̂ ``[…, units]`` in [0, 1]: ``[…]`` (Ng 2011, section 3)."""
    mean = active.clamp(1e-6, 1 - 1e-6)
    return (rho * (rho / mean).log() + (1 - rho) * ((1 - rho) / (1 - mean)).log()).sum(dim=-1)


def contraction(encode: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """‖∂h/∂x‖²_F of every image ``[B, …]``: ``[B]`` (Rifai et al. 2011, eq. 1); exact, one backward pass per unit of h.

    Args:
        encode: ``[B, …]`` to codes ``[B, units]``, each image by itself.
        x: the images.
    """
    h: Tensor
    h, pull, *_ = torch.func.vjp(encode, x)
    units = torch.eye(h.shape[-1], dtype=h.dtype, device=h.device)
    (rows,) = torch.func.vmap(pull)(units[:, None].expand(-1, *h.shape))  # [units, B, …]
    total: Tensor = rows.square().flatten(2).sum(dim=(0, 2))
    return total


# Of two players. ``real`` and ``fake`` are what the critic says of data and of the generator's: logits or scores,
# ``[…, B]`` → ``[…]``. Each player makes its own loss small.


def cross_entropy_critic(real: Tensor, fake: Tensor) -> Tensor:
    """−E log D(x) − E log(1 − D(G(z))), D = σ(logit): log 4 where D is 1/2 (Goodfellow et al. 2014, eq. 1)."""
    return functional.softplus(-real).mean(-1) + functional.softplus(fake).mean(-1)


def minimax_generator(fake: Tensor) -> Tensor:
    """E log(1 − D(G(z))): flat where the critic is sure of the fakes (Goodfellow et al. 2014, eq. 1)."""
    return -functional.softplus(fake).mean(-1)


def non_saturating_generator(fake: Tensor) -> Tensor:
    """−E log D(G(z)): steep where the critic is sure of the fakes (Goodfellow et al. 2014, section 3)."""
    return functional.softplus(-fake).mean(-1)


def least_squares_critic(real: Tensor, fake: Tensor) -> Tensor:
    """½ E(D(x) − 1)² + ½ E D(G(z))² (Mao et al. 2017, eq. 9)."""
    return 0.5 * (real - 1).square().mean(-1) + 0.5 * fake.square().mean(-1)


def least_squares_generator(fake: Tensor) -> Tensor:
    """½ E(D(G(z)) − 1)² (Mao et al. 2017, eq. 9)."""
    return 0.5 * (fake - 1).square().mean(-1)


def hinge_critic(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 − D(x)) + E max(0, 1 + D(G(z))) (Lim & Ye 2017, eq. 6)."""
    return functional.relu(1 - real).mean(-1) + functional.relu(1 + fake).mean(-1)


def wasserstein_critic(real: Tensor, fake: Tensor) -> Tensor:
    """E D(G(z)) − E D(x): over 1-Lipschitz D at least minus the distance W₁ (Arjovsky et al. 2017, eq. 2)."""
    return fake.mean(-1) - real.mean(-1)


def wasserstein_generator(fake: Tensor) -> Tensor:
    """−E D(G(z)): of the Wasserstein and of the hinge loss."""
    return -fake.mean(-1)


def between(real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """x̂ = ε·real + (1 − ε)·fake, each sample with its own ε: ``[…, *shape]`` and ``[…]`` (Gulrajani et al. 2017,
    algorithm 1)."""
    share = share.reshape(*share.shape, *[1] * (real.dim() - share.dim()))
    return share * real + (1 - share) * fake


def gradient_norm(gradient: Tensor, axes: int) -> Tensor:
    """‖∇D(x̂)‖₂ of each sample over its last ``axes`` dimensions: ``[…, *shape]`` → ``[…]``; its slope at 0 is 0."""
    norm: Tensor = torch.linalg.vector_norm(gradient.flatten(-axes), dim=-1)
    return norm


def gradient_penalty(norm: Tensor) -> Tensor:
    """E (‖∇D(x̂)‖₂ − 1)²: ``[…, B]`` → ``[…]`` (Gulrajani et al. 2017, eq. 3)."""
    return (norm - 1).square().mean(-1)
