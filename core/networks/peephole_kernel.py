"""The peephole LSTM over a whole sequence with its backward pass derived by hand.

What the tape of autograd pays for – a node per operation and step – is spent once: all slopes are computed for all
steps together, the way back does eight operations a step, and the recurrent weights' gradient is one product.

δ of a gate is the gradient before its activation; ⁺ marks the next step, ₋ the one before (after a reset: zero):
    δy = Δ + Rᵀ δ⁺                δo = δy ⊙ h(c) ⊙ o(1 − o)
    δc = δy ⊙ o ⊙ h'(c) + p_o ⊙ δo + p_i ⊙ δi⁺ + p_f ⊙ δf⁺ + δc⁺ ⊙ f⁺
    δf = δc ⊙ c₋ ⊙ f(1 − f)      δi = δc ⊙ g ⊙ i(1 − i)      δg = δc ⊙ i ⊙ g'
    ∂R = Σ δ h₋ᵀ    ∂p_i = Σ c₋ ⊙ δi    ∂p_f = Σ c₋ ⊙ δf    ∂p_o = Σ c ⊙ δo
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from core.networks.net import transformed

Three = tuple[Tensor, Tensor, Tensor]


class Peephole(torch.autograd.Function):
    """(fed [B, T, 4N], R [4N, N], p [3, N], h, c [B, N], start [B, T] or None, squashing?, squashing?) → h, c, gates.

    `fed` is W x + b, its blocks in the order i, f, g, o; p of i, f, o. The results are [B, T, N], [B, T, N] and
    [B, T, 4, N]: every state there was. Weights may be stacked, with [S, …] on everything. The two flags say whether
    g and the output are squashed by tanh. All results are differentiable, more than once as well.
    """

    @staticmethod
    def forward(
        fed: Tensor,
        recurrent: Tensor,
        peep: Tensor,
        h: Tensor,
        c: Tensor,
        start: Tensor | None,
        inner: bool,
        outer: bool,
    ) -> Three:
        units, across = recurrent.shape[-1], recurrent.mT
        into, out = peep[..., None, :2, :], peep[..., None, 2, :]
        hs, cs, gates = [], [], []
        for t, now in enumerate(fed.movedim(-2, 0).contiguous()):
            if start is not None and _any(start[..., t]):
                begins = start[..., t, None]
                h, c = h.masked_fill(begins, 0), c.masked_fill(begins, 0)
            four = _plus_product(now, h, across).unflatten(-1, (4, units))
            both, g, o = four[..., :2, :], four[..., 2, :], four[..., 3, :]
            both.addcmul_(into, c.unsqueeze(-2)).sigmoid_()
            if inner:
                g.tanh_()
            c = (four[..., 1, :] * c).addcmul_(four[..., 0, :], g)
            o.addcmul_(out, c).sigmoid_()
            h = o * c.tanh() if outer else o * c
            hs.append(h)
            cs.append(c)
            gates.append(four)
        return _in_time(hs, -2), _in_time(cs, -2), _in_time(gates, -3)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: Three) -> None:
        _, recurrent, peep, h, c, start, inner, outer = inputs
        ctx.save_for_backward(recurrent, peep, h, c, start, *output)
        ctx.set_materialize_grads(False)
        ctx.flags = inner, outer  # type: ignore[attr-defined]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        recurrent, peep, h0, c0, start, h, c, gates = ctx.saved_tensors
        dh, dc, dgates = (
            grad if grad is None else grad.movedim(at, 0) for grad, at in zip(grads, PLACES, strict=True)
        )
        c_before, h_before = _before(c0, c, start), _before(h0, h, start)
        slopes, local, into_o, through = _slopes(gates.movedim(-3, 0), c, c_before, *ctx.flags)
        f = gates[..., 1, :].movedim(-2, 0)
        into, out = peep[..., None, :2, :], peep[..., None, 2, :]
        ahead, carry, deltas = torch.zeros_like(h0), torch.zeros_like(c0), []
        for t in reversed(range(len(f))):
            dy = ahead if dh is None else ahead + dh[t]
            do = dy * into_o[t]
            if dgates is not None:
                do = do + dgates[t][..., 3, :] * slopes[t][..., 3, :]
            inwards = torch.addcmul(torch.addcmul(carry, dy, through[t]), do, out)
            if dc is not None:
                inwards = inwards + dc[t]
            three = inwards.unsqueeze(-2) * local[t]
            if dgates is not None:
                three = three + dgates[t][..., :3, :] * slopes[t][..., :3, :]
            delta = torch.cat([three, do.unsqueeze(-2)], -2)
            carry = torch.addcmul((three[..., :2, :] * into).sum(-2), inwards, f[t])
            ahead = delta.flatten(-2) @ recurrent
            if start is not None and _any(start[..., t]):
                begins = start[..., t, None]
                ahead, carry = ahead.masked_fill(begins, 0), carry.masked_fill(begins, 0)
            deltas.append(delta)
        every = _in_time(deltas[::-1], -3)  # [B, T, 4, N]
        rows = every.flatten(-2).flatten(-3, -2)
        d_recurrent = rows.mT @ h_before.movedim(0, -2).flatten(-3, -2)
        seen = torch.stack([c_before.movedim(0, -2)] * 2 + [c], -2)
        d_peep = (every[..., [0, 1, 3], :] * seen).sum((-4, -3))
        return every.flatten(-2), d_recurrent, d_peep, ahead, carry, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *given: Any) -> tuple[Three, tuple[int, int, int]]:
        """What vmap maps over becomes the leading axis of everything."""

        def lead(x: Any, dim: int | None) -> Any:
            if not isinstance(x, Tensor):
                return x
            return x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)

        return run(*(lead(x, dim) for x, dim in zip(given, in_dims, strict=True))), (0, 0, 0)


def run(
    fed: Tensor,
    recurrent: Tensor,
    peep: Tensor,
    h: Tensor,
    c: Tensor,
    start: Tensor | None,
    inner: bool = True,
    outer: bool = True,
) -> Three:
    """`Peephole`, with types."""
    found: Three = Peephole.apply(fed, recurrent, peep, h, c, start, inner, outer)  # type: ignore[no-untyped-call]
    return found


PLACES = (-2, -2, -3)  # of the time axis in h, c and gates


def _in_time(steps: list[Tensor], place: int) -> Tensor:
    """Stacked so that each step lies together in memory, with the time axis in its place."""
    return torch.stack(steps).movedim(0, place)


def _any(begins: Tensor) -> bool:
    """Whether any sequence begins here; where one must not look, one may."""
    return transformed() or bool(begins.any())


def _plus_product(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """bias + x @ weight, in one call where there is one."""
    if weight.dim() == 2:
        return torch.addmm(bias, x, weight)
    return torch.baddbmm(bias, x, weight) if weight.dim() == 3 else bias + x @ weight


def _before(first: Tensor, later: Tensor, start: Tensor | None) -> Tensor:
    """The states each step set out from, time first."""
    states = torch.cat([first.unsqueeze(0), later.movedim(-2, 0)[:-1]])
    return states if start is None else states.masked_fill(start.movedim(-1, 0).unsqueeze(-1), 0)


def _slopes(
    gates: Tensor, c: Tensor, c_before: Tensor, inner: bool, outer: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Time first: the four activations' slopes; what δc and δy become in the gates; what δy becomes in c."""
    i, f, g, o = gates.unbind(-2)
    c = c.movedim(-2, 0)
    squashed = c.tanh() if outer else c
    slopes = [i * (1 - i), f * (1 - f), 1 - g * g if inner else torch.ones_like(g), o * (1 - o)]
    local = torch.stack([slopes[0] * g, slopes[1] * c_before, slopes[2] * i], -2)
    through = o * (1 - squashed * squashed) if outer else o
    return torch.stack(slopes, -2), local, slopes[3] * squashed, through
