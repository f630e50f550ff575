"""The gradient of one network's loss, by its named weights."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.func import grad_and_value

Params: TypeAlias = dict[str, Tensor]
Metrics: TypeAlias = dict[str, Tensor]


def by_tape(loss: Callable[[Params], tuple[Tensor, Metrics]], weights: Params) -> tuple[Params, Metrics]:
    """Gradient by autograd's tape: the fastest eagerly, for one seed."""
    leaves = {name: weight.detach().requires_grad_(True) for name, weight in weights.items()}
    value, metrics = loss(leaves)
    gradients = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(leaves, gradients, strict=True)), {name: m.detach() for name, m in metrics.items()}


def by_transform(loss: Callable[[Params], tuple[Tensor, Metrics]], weights: Params) -> tuple[Params, Metrics]:
    """Gradient by function transform: what can be vmapped and compiled."""
    gradients, (_, metrics) = grad_and_value(loss, has_aux=True)(weights)
    return gradients, metrics
