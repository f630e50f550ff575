"""Losses of supervised learning and what they are made of: pure functions of numbers, over any leading axes.

In nats, unless bits are asked for. An output is ``[…, d]``, logits are ``[…, K]``; a loss is ``[…]``, one number for
each example, so that a mean over examples is the caller's and masks can be taken before it.
"""

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Unit: TypeAlias = Literal["nats", "bits"]
PER: dict[str, float] = {"nats": 1.0, "bits": math.log(2)}  # nats in one of them


def mean_squared_error(output: Tensor, target: Tensor) -> Tensor:
    """(1/d) Σ (o − y)², whose gradient is (2/d)(o − y)."""
    return (_alike(output, target) - target).square().mean(-1)


def half_squared_error(output: Tensor, target: Tensor) -> Tensor:
    """½ Σ (o − y)²: the convention of textbooks, whose gradient is just o − y."""
    return 0.5 * (_alike(output, target) - target).square().sum(-1)


def cross_entropy(logits: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    """−Σ y log softmax(logits): −log of the class's probability where y is one class.

    Its gradient by the logits is p·Σy − y, which is p − y for labels that sum to 1.

    Args:
        logits: ``[…, K]``.
        target: classes, whole numbers ``[…]``, or soft labels ``[…, K]``.
        smoothing: share of every label that is spread evenly over the K classes (Szegedy et al. 2016, section 7).
    """
    log_p = logits.log_softmax(-1)
    if target.is_floating_point():
        _alike(logits, target)
        hit, total = (target * log_p).sum(-1), target.sum(-1)
    else:
        if target.shape != logits.shape[:-1]:
            raise ValueError(
                f"logits {tuple(logits.shape)} need classes {tuple(logits.shape[:-1])}, got {tuple(target.shape)}"
            )
        hit = log_p.gather(-1, target.unsqueeze(-1)).squeeze(-1)
        total = torch.ones_like(hit)
    return -(1 - smoothing) * hit - smoothing * total * log_p.mean(-1)


def entropy(p: Tensor, unit: Unit = "nats") -> Tensor:
    """H(p) = −Σ p log p of distributions ``[…, K]``; 0 log 0 is 0."""
    return -torch.xlogy(p, p).sum(-1) / PER[unit]


def cross_entropy_between(p: Tensor, q: Tensor, unit: Unit = "nats") -> Tensor:
    """H(p‖q) = −Σ p log q: what it costs to write down draws of p in the code made for q."""
    return -torch.xlogy(p, _alike(q, p)).sum(-1) / PER[unit]


def kl(p: Tensor, q: Tensor, unit: Unit = "nats") -> Tensor:
    """KL(p‖q) = H(p‖q) − H(p) = Σ p log (p/q): not symmetric, and infinite where q rules out what p does not."""
    return cross_entropy_between(p, q, unit) - entropy(p, unit)


def sampled_softmax(
    features: Tensor, weight: Tensor, bias: Tensor, target: Tensor, samples: Tensor, chance: Tensor
) -> Tensor:
    """−log softmax of the target with the sum over all V classes estimated from a few (Jean et al. 2015, section 3).

    Σ exp s over the classes that are not the target is estimated by the mean of exp(s)/q over the samples, draws
    from q; a sample that is the target is passed over. Only the rows of ``weight`` that are named are read.

    Args:
        features: ``[…, d]``.
        weight, bias: of the output layer, ``[V, d]`` and ``[V]``.
        target: classes ``[…]``.
        samples: classes ``[k]`` drawn from q, with replacement.
        chance: q, ``[V]``.
    """
    own = (features * weight[target]).sum(-1) + bias[target]
    others = features @ weight[samples].mT + bias[samples] - (len(samples) * chance[samples]).log()
    others = others.masked_fill(samples == target.unsqueeze(-1), -math.inf)
    return torch.cat([own.unsqueeze(-1), others], -1).logsumexp(-1) - own


def _alike(found: Tensor, expected: Tensor) -> Tensor:
    """Broadcasting [N, 1] against [N] would make a loss of [N, N] numbers that nobody asked for."""
    if found.shape != expected.shape:
        raise ValueError(f"expected the target's shape {tuple(expected.shape)}, got {tuple(found.shape)}")
    return found
