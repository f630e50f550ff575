"""The LSTM, with peepholes or without, over a whole sequence with its backward pass derived by hand.

What the tape of autograd pays for – a node per operation and step – is spent once: all slopes are computed for all
steps together, the way back does eight operations a step, and the recurrent weights' gradient is one product.

δ of a gate is the gradient before its activation; ⁺ marks the next step, ₋ the one before (after a reset: zero):
    δy = Δ + Rᵀ δ⁺                δo = δy ⊙ h(c) ⊙ o(1 − o)
    δc = δy ⊙ o ⊙ h'(c) + p_o ⊙ δo + p_i ⊙ δi⁺ + p_f ⊙ δf⁺ + δc⁺ ⊙ f⁺
    δf = δc ⊙ c₋ ⊙ f(1 − f)      δi = δc ⊙ g ⊙ i(1 − i)      δg = δc ⊙ i ⊙ g'
    ∂R = Σ δ h₋ᵀ    ∂p_i = Σ c₋ ⊙ δi    ∂p_f = Σ c₋ ⊙ δf    ∂p_o = Σ c ⊙ δo

tanh is written as 1 − 2σ(−2a), a quarter of its time: what goes into g is scaled by −2 beforehand, and one call
squashes i, f and g.
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


def run(
    fed: Tensor,
    recurrent: Tensor,
    peep: Tensor | None,
    h: Tensor,
    c: Tensor,
    start: Tensor | None = None,
    inner: bool = True,
    outer: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Every h and c [B, T, N] and all gates [B, T, 4N] of a sequence.

    Weights may be stacked, with [S, …] on everything; vmap does so by itself. h and c are differentiable, once; the
    gates are there to be looked at.

    Args:
        fed: [B, T, 4N], W x + b, its blocks in the order i, f, g, o.
        recurrent: [4N, N].
        peep: [3, N], of i, f, o; None for none.
        h, c: [B, N] the state before.
        start: [B, T] bool: forget before this step.
        inner, outer: whether tanh squashes g, and the output.
    """
    hs, cs, gates = KERNELS[inner, outer](fed, recurrent, peep, h, c, start)
    return hs, cs, gates


def _forward(
    fed: Tensor,
    recurrent: Tensor,
    peep: Tensor | None,
    h: Tensor,
    c: Tensor,
    start: Tensor | None,
    inner: bool,
    outer: bool,
) -> Several:
    units, begins = recurrent.shape[-1], beginnings(start)
    scale = fed.new_tensor([1.0, 1.0, -2.0 if inner else 1.0, 1.0]).repeat_interleave(units)
    gates, across = scaled(fed, scale), (recurrent * scale.unsqueeze(-1)).mT.contiguous()
    hs, cs = gates.new_empty(2, *gates.shape[:-1], units)
    squashed, g_scale = gates[..., : (3 if inner else 2) * units], -2 if inner else 1
    seeing = gates[..., : 2 * units].unflatten(-1, (2, units))
    into, out = (None, None) if peep is None else (peep[..., None, :2, :], peep[..., None, 2, :])
    steps = zip(gates, squashed, seeing, *gates.chunk(4, -1), cs, hs, strict=True)
    for t, (now, gated, two, i, f, g, o, to_c, to_h) in enumerate(steps):
        if t in begins:
            h, c = h.masked_fill(begins[t], 0), c.masked_fill(begins[t], 0)
        add_product(now, h, across)
        if into is not None:
            two.addcmul_(into, c.unsqueeze(-2))
        gated.sigmoid_()
        c = torch.mul(f, c, out=to_c).addcmul_(i, g, value=g_scale)
        if inner:  # i ⊙ tanh = i − 2 i ⊙ σ
            c.add_(i)
        if out is not None:
            o.addcmul_(out, c)
        o.sigmoid_()
        if outer:  # o ⊙ tanh = o − 2 o ⊙ σ
            h = torch.addcmul(o, o, torch.mul(c, -2).sigmoid_(), value=-2, out=to_h)
        else:
            h = torch.mul(o, c, out=to_h)
    if inner:
        gates[..., 2 * units : 3 * units].mul_(-2).add_(1)
    return batch_first(hs), batch_first(cs), batch_first(gates)


def _backward(given: Several, outputs: Several, grads: Several, inner: bool, outer: bool) -> Several:
    _, recurrent, peep, h0, c0, start = given
    h, c, gates = outputs
    h_before, c_before = set_out_from(h0, h, start), set_out_from(c0, c, start)
    slopes = _slopes(time_first(gates), time_first(c), c_before, inner, outer)
    dys = gathering(grads[0], h_before)
    deltas, dc = _back(recurrent, peep, slopes, dys, grads[1], start)
    d_recurrent = product_over_time(deltas, h_before)
    d_peep = () if peep is None else (_of_peepholes(deltas, c_before, time_first(c)),)
    return batch_first(deltas), d_recurrent, *d_peep, dys[0], dc


def _back(
    recurrent: Tensor,
    peep: Tensor | None,
    slopes: Several,
    dys: Tensor,
    dc: Tensor | None,
    start: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """δ of i, f, g, o [T, B, 4N], and the gradient of the first c; `dys` is filled from behind."""
    begins, local = beginnings(start), slopes[0]
    deltas = local.new_empty(*local.shape[:-2], 4, local.shape[-1])
    carry = torch.zeros_like(dys[0])
    p_i, p_f, p_o = (None,) * 3 if peep is None else (p.unsqueeze(-2) for p in peep.unbind(-2))
    three, flat = deltas[..., :3, :], deltas.flatten(-2)
    steps = [dys[1:], dys[:-1], flat, three, *deltas.unbind(-2), *slopes]
    for t, now in reversed([*enumerate(zip(*steps, strict=True))]):
        dy, dy_before, delta, inwards, d_i, d_f, _, d_o, inner_slope, to_o, to_c, kept = now
        torch.mul(dy, to_o, out=d_o)
        carry.addcmul_(dy, to_c)
        if p_o is not None:
            carry.addcmul_(d_o, p_o)
        if dc is not None:
            carry.add_(dc[..., t, :])
        torch.mul(carry.unsqueeze(-2), inner_slope, out=inwards)
        carry.mul_(kept)
        if p_i is not None and p_f is not None:
            carry.addcmul_(d_i, p_i).addcmul_(d_f, p_f)
        if t in begins:
            carry.masked_fill_(begins[t], 0)
            delta = delta.masked_fill(begins[t], 0)
        add_product(dy_before, delta, recurrent)
    return flat, carry


def _of_peepholes(deltas: Tensor, c_before: Tensor, c: Tensor) -> Tensor:
    """The gradient of p of i, f, o: what each saw, times its δ."""
    d_i, d_f, _, d_o = deltas.chunk(4, -1)
    seen = ((c_before, d_i), (c_before, d_f), (c, d_o))
    return torch.stack([(state * delta).sum((0, -2)) for state, delta in seen], -2)


def _slopes(gates: Tensor, c: Tensor, c_before: Tensor, inner: bool, outer: bool) -> Several:
    """Time first: what δc becomes in i, f, g; what δy becomes in o and in c; f."""
    i, f, g, o = gates.chunk(4, -1)
    squashed = (c * -2).sigmoid_().mul_(-2).add_(1) if outer else c
    local = gates.new_empty(*c.shape[:-1], 3, c.shape[-1])
    torch.mul((1 - i).mul_(i), g, out=local[..., 0, :])
    torch.mul((1 - f).mul_(f), c_before, out=local[..., 1, :])
    torch.mul((1 - g * g) if inner else torch.ones_like(g), i, out=local[..., 2, :])
    into_o = (1 - o).mul_(o).mul_(squashed)
    return local, into_o, (1 - squashed * squashed).mul_(o) if outer else o, f


KERNELS = {
    (inner, outer): Kernel(
        partial(_forward, inner=inner, outer=outer), partial(_backward, inner=inner, outer=outer), 2
    )
    for inner in (False, True)
    for outer in (False, True)
}
