"""The plain recurrent network over a whole sequence with its backward pass derived by hand.

δ = Δ ⊙ (1 − h²) (where it is a tanh; h > 0 for relu), Δ₋ += Uᵀ δ, ∂U = Σ δ h₋ᵀ. tanh is written as 1 − 2σ(−2a),
a quarter of its time: what goes into it is scaled by −2 beforehand.
"""

from functools import partial

import torch
from torch import Tensor

from core.networks.time_first import (
    Kernel,
    Several,
    add_product,
    batch_first,
    beginnings,
    gathering,
    product_over_time,
    scaled,
    set_out_from,
    time_first,
)


def run(fed: Tensor, recurrent: Tensor, h: Tensor, start: Tensor | None = None, relu: bool = False) -> Tensor:
    """Every h [B, T, N] of a sequence, differentiable once.

    Args:
        fed: [B, T, N], W x + b.
        recurrent: [N, N].
        h: [B, N] the state before.
        start: [B, T] bool: forget before this step.
        relu: the activation, instead of tanh.
    """
    return (RELU if relu else TANH)(fed, recurrent, h, start)[0]


def _forward(fed: Tensor, recurrent: Tensor, h: Tensor, start: Tensor | None, relu: bool) -> Several:
    scale, one = fed.new_tensor(1.0 if relu else -2.0), fed.new_ones(())
    hs, begins, across = scaled(fed, scale), beginnings(start), (recurrent.mT * scale).contiguous()
    for t, now in enumerate(hs):
        add_product(now, h.masked_fill(begins[t], 0) if t in begins else h, across)
        h = now.relu_() if relu else torch.sub(one, now.sigmoid_(), alpha=2, out=now)
    return (batch_first(hs),)


def _backward(given: Several, outputs: Several, grads: Several, relu: bool) -> Several:
    _, recurrent, h, start = given
    after, begins = time_first(outputs[0]), beginnings(start)
    dys, slopes = gathering(grads[0], after), (after > 0).to(after.dtype) if relu else 1 - after * after
    deltas = slopes.new_empty(slopes.shape)
    steps = zip(dys[1:], dys[:-1], slopes, deltas, strict=True)
    for t, (dy, dy_before, slope, delta) in reversed([*enumerate(steps)]):
        torch.mul(dy, slope, out=delta)
        add_product(dy_before, delta.masked_fill(begins[t], 0) if t in begins else delta, recurrent)
    d_recurrent = product_over_time(deltas, set_out_from(h, outputs[0], start))
    return batch_first(deltas), d_recurrent, dys[0]


TANH, RELU = (
    Kernel(partial(_forward, relu=relu), partial(_backward, relu=relu), 1) for relu in (False, True)
)
