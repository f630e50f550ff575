"""How good a generative model is: pure functions of its samples or of what it says of given images."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

LogWeights = Callable[[Tensor, int], Tensor]
"""Images ``[seed, B, C, H, W]`` and K to log p(x, z) − log q(z|x) for K draws of z: ``[seed, K, B]``."""


def negative_log_likelihood(
    log_weights: LogWeights,
    images: Tensor,
    samples: int,
    *,
    images_at_once: int = 100,
    samples_at_once: int = 50,
) -> Tensor:
    """−log (1/K) Σ_k p(x, z_k) / q(z_k|x), K draws from q: nats per image (Burda et al. 2016, eq. 8).

    An upper bound on −log p(x) in expectation that falls to it as K grows. Accumulated in float64.

    Args:
        log_weights: the model, see ``LogWeights``.
        images: ``[seed, N, C, H, W]``.
        samples: K.
        images_at_once: images in one call of ``log_weights``.
        samples_at_once: draws per image in one call.

    Returns:
        ``[seed, N]`` float64.
    """
    found = []
    for batch in images.split(images_at_once, dim=1):
        total = torch.full(batch.shape[:2], -math.inf, dtype=torch.float64, device=images.device)
        for done in range(0, samples, samples_at_once):
            part = log_weights(batch, min(samples_at_once, samples - done))
            total = torch.logaddexp(total, torch.logsumexp(part.double(), dim=1))
        found.append(math.log(samples) - total)
    return torch.cat(found, dim=1)


def coverage(points: Tensor, centres: Tensor, sigma: float) -> dict[str, Tensor]:
    """How much of a mixture of Gaussians is covered by samples ``[seed, N, 2]`` (Lin et al. 2018, section 4).

    A sample is of high quality when it lies less than 3σ from the nearest centre, and belongs to that mode.

    Args:
        points: the samples.
        centres: of the M modes, ``[M, 2]``, which hold equal parts of the real distribution.
        sigma: of every mode along each axis.

    Returns:
        Each ``[seed]``: ``modes``, how many have at least one high-quality sample; ``high_quality``, their share
        of all samples; ``reverse_kl``, KL(generated ‖ real) in nats between the shares of the modes among the
        high-quality samples and equal shares, log M − H, or its greatest value log M where there are none.
    """
    distance, nearest = torch.cdist(points.double(), centres.double()).min(dim=-1)
    good = distance < 3 * sigma
    counts = torch.zeros(len(points), len(centres), dtype=torch.float64, device=points.device)
    counts.scatter_add_(1, nearest, good.double())
    share = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    entropy = -torch.special.xlogy(share, share).sum(dim=1)
    return {
        "modes": (counts > 0).sum(dim=1).float(),
        "high_quality": good.float().mean(dim=1),
        "reverse_kl": (math.log(len(centres)) - entropy).clamp(min=0).float(),
    }
