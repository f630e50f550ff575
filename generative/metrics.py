"""How good a model of images is: figures that cost too much to be computed while training."""

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
