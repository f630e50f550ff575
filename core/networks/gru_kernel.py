"""The gated recurrent unit over a whole sequence with its backward pass derived by hand.

Every gate's slope is known when the way back begins: so that one does three operations a step (six where the reset
stands before the product), and the recurrent weights' gradient is one product behind it.

With h' = h + z (n − h), δ the gradient before an activation, ⊙ element by element, Δ of h':
    δz = Δ ⊙ (n − h) ⊙ z(1 − z)      δn = Δ ⊙ z ⊙ (1 − n²)      and to h: Δ ⊙ (1 − z) + Σ Uᵀ δ
    reset after, n = tanh(a + r ⊙ u), u = U_n h + b':   δu = δn ⊙ r      δr = δn ⊙ u ⊙ r(1 − r)
    reset before, n = tanh(a + U_n q), q = r ⊙ h:       δq = U_nᵀ δn     δr = δq ⊙ h ⊙ r(1 − r), and δq ⊙ r to h

tanh is written as 1 − 2σ(−2a), a quarter of its time: what goes into n is scaled by −2 beforehand, into z by −1
where z is the share of the old.
"""

from functools import cache

import torch
from torch import Tensor

from core.networks.time_first import (
    Kernel,
    Several,
    add_product,
    batch_first,
    beginnings,
    forgotten,
    gathering,
    product_over_time,
    scaled,
    set_out_from,
)


def run(
    fed: Tensor,
    recurrent: Tensor,
    bias: Tensor | None,
    h: Tensor,
    start: Tensor | None = None,
    new: bool = False,
) -> Tensor:
    """Every h [B, T, N] of a sequence, differentiable once.

    Args:
        fed: [B, T, 3N], W x + b, its blocks in the order r, z, n.
        recurrent: [3N, N] in the same order.
        bias: [3N] of the recurrent product, reset after; None for reset before.
        h: [B, N] the state before.
        start: [B, T] bool: forget before this step.
        new: z is the share of the new, not of the old.
    """
    return _kernel(new)(fed, recurrent, bias, h, start)[0]


@cache
def _kernel(new: bool) -> Kernel:
    def scale(like: Tensor) -> Tensor:
        return like.new_tensor([1.0, 1.0 if new else -1.0, -2.0]).repeat_interleave(like.shape[-1])

    def forward(
        fed: Tensor, recurrent: Tensor, bias: Tensor | None, h: Tensor, start: Tensor | None
    ) -> Several:
        return _forward(scale(recurrent), fed, recurrent, bias, h, start)

    def backward(given: Several, outputs: Several, grads: Several) -> Several:
        return _backward(scale(given[1]), given, outputs, grads[0])

    return Kernel(forward, backward, 1)


def _forward(
    scale: Tensor, fed: Tensor, recurrent: Tensor, bias: Tensor | None, h: Tensor, start: Tensor | None
) -> Several:
    """Every h, all gates [B, T, 3N], and every u or q [B, T, N]; scaled as the gates are."""
    units, begins, one = recurrent.shape[-1], beginnings(start), recurrent.new_ones(())
    gates, across = scaled(fed, scale), (recurrent * scale.unsqueeze(-1)).mT
    to_gates, to_n = across[..., : 2 * units].contiguous(), across[..., 2 * units :].contiguous()
    hs, between = gates.new_empty(2, *gates.shape[:-1], units)
    if bias is not None:
        own = (bias * scale).unsqueeze(-2)
        gates[..., : 2 * units] += own[..., : 2 * units]
        between[:] = own[..., 2 * units :]
    steps = zip(gates[..., : 2 * units], *gates.chunk(3, -1), between, hs, strict=True)
    for t, (both, r, z, n, inner, to_h) in enumerate(steps):
        if t in begins:
            h = h.masked_fill(begins[t], 0)
        add_product(both, h, to_gates)
        both.sigmoid_()
        if bias is None:
            add_product(n, torch.mul(r, h, out=inner), to_n)
        else:
            add_product(inner, h, to_n)
            n.addcmul_(r, inner)
        torch.sub(one, n.sigmoid_(), alpha=2, out=n)
        h = torch.lerp(h, n, z, out=to_h)
    return batch_first(hs), batch_first(gates), batch_first(between)


def _backward(scale: Tensor, given: Several, outputs: Several, dh: Tensor | None) -> Several:
    _, recurrent, bias, h, start = given
    units = h.shape[-1]
    h_before = set_out_from(h, outputs[0], start)
    gates, between = (x.movedim(-2, 0) for x in outputs[1:])
    r, z, n = gates.chunk(3, -1)
    dys, back = gathering(dh, h_before), recurrent * scale.unsqueeze(-1)
    keep, into_n = 1 - z, (n * n).sub_(1).mul_(z).mul_(0.5)
    into_z = (n - h_before).mul_(z).mul_(keep)
    into_r = (1 - r).mul_(r).mul_(h_before if bias is None else between)
    way = _back_before if bias is None else _back_after
    deltas, into = way(back, dys, (into_r, into_z, into_n), r, forgotten(keep, start), start)
    if bias is None:
        pairs = zip(deltas.split([2 * units, units], -1), (h_before, between), strict=True)
        d_recurrent = torch.cat([product_over_time(*pair) for pair in pairs], -2)
    else:
        d_recurrent = product_over_time(deltas, h_before)
    d_recurrent.mul_(scale.unsqueeze(-1))
    d_bias = () if bias is None else (deltas.sum((0, -2)).mul_(scale),)
    if into is not None:  # what n was fed stands outside of the reset
        torch.mul(dys[1:], into, out=deltas[..., 2 * units :])
    return batch_first(deltas.mul_(scale)), d_recurrent, *d_bias, dys[0]


def _back_after(
    back: Tensor, dys: Tensor, slopes: Several, r: Tensor, keep: Tensor, start: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """δ of r, z and u [T, B, 3N], and what Δ becomes in n; `dys` is filled from behind."""
    into_r, into_z, into_n = slopes
    begins, into_u = beginnings(start), into_n * r
    every = torch.stack([into_r.mul_(into_n), into_z, into_u], -2)
    deltas = every.new_empty(every.shape)
    steps = [dys[1:], dys[:-1], every, deltas, deltas.flatten(-2), keep]
    for t, (dy, dy_before, slope, three, delta, kept) in reversed([*enumerate(zip(*steps, strict=True))]):
        torch.mul(dy.unsqueeze(-2), slope, out=three)
        dy_before.addcmul_(dy, kept)
        add_product(dy_before, delta.masked_fill(begins[t], 0) if t in begins else delta, back)
    return deltas.flatten(-2), into_n


def _back_before(
    back: Tensor, dys: Tensor, slopes: Several, r: Tensor, keep: Tensor, start: Tensor | None
) -> tuple[Tensor, None]:
    """δ of r, z and n [T, B, 3N]; `dys` is filled from behind."""
    into_r, into_z, into_n = slopes
    units, begins = r.shape[-1], beginnings(start)
    back_gates, back_n = back[..., : 2 * units, :], back[..., 2 * units :, :]
    every, through = torch.stack([into_z, into_n], -2), forgotten(r.clone(), start)
    deltas = every.new_empty(*r.shape[:-1], 3, units)
    both = deltas[..., :2, :].flatten(-2)
    steps = [dys[1:], dys[:-1], every, deltas, both, into_r, through, keep]
    for t, now in reversed([*enumerate(zip(*steps, strict=True))]):
        dy, dy_before, slope, delta, gated, to_r, back_r, kept = now
        torch.mul(dy.unsqueeze(-2), slope, out=delta[..., 1:, :])
        d_q = delta[..., 2, :] @ back_n
        torch.mul(d_q, to_r, out=delta[..., 0, :])
        dy_before.addcmul_(dy, kept).addcmul_(d_q, back_r)
        add_product(dy_before, gated.masked_fill(begins[t], 0) if t in begins else gated, back_gates)
    return deltas.flatten(-2), None
