"""The peephole LSTM over a whole sequence with its backward pass derived by hand.

What the tape of autograd pays for – a node per operation and step – is spent once: all slopes are computed for all
steps together, the way back does eight operations a step, and the recurrent weights' gradient is one product.

δ of a gate is the gradient before its activation; ⁺ marks the next step, ₋ the one before (after a reset: zero):
    δy = Δ + Rᵀ δ⁺                δo = δy ⊙ h(c) ⊙ o(1 − o)
    δc = δy ⊙ o ⊙ h'(c) + p_o ⊙ δo + p_i ⊙ δi⁺ + p_f ⊙ δf⁺ + δc⁺ ⊙ f⁺
    δf = δc ⊙ c₋ ⊙ f(1 − f)      δi = δc ⊙ g ⊙ i(1 − i)      δg = δc ⊙ i ⊙ g'
    ∂R = Σ δ h₋ᵀ    ∂p_i = Σ c₋ ⊙ δi    ∂p_f = Σ c₋ ⊙ δf    ∂p_o = Σ c ⊙ δo

Inside, time stands first and the batch last, [T, 4N, B]: then each gate of a step lies together in memory.
"""

from typing import Any

import torch
from torch import Tensor

Three = tuple[Tensor, Tensor, Tensor]
FEW = 16  # sequences at once, under which products are faster with the batch first


def run(
    fed: Tensor,
    recurrent: Tensor,
    peep: Tensor,
    h: Tensor,
    c: Tensor,
    start: Tensor | None = None,
    inner: bool = True,
    outer: bool = True,
) -> Three:
    """Every h and c [B, T, N] and all gates [B, T, 4N] of a sequence.

    Weights may be stacked, with [S, …] on everything; vmap does so by itself. h and c are differentiable, once; the
    gates are there to be looked at.

    Args:
        fed: [B, T, 4N], W x + b, its blocks in the order i, f, g, o.
        recurrent: [4N, N].
        peep: [3, N], of i, f, o.
        h, c: [B, N] the state before.
        start: [B, T] bool: forget before this step.
        inner, outer: whether tanh squashes g, and the output.
    """
    found: Three = _Forward.apply(fed, recurrent, peep, h, c, start, inner, outer)  # type: ignore[no-untyped-call]
    return found


class _Forward(torch.autograd.Function):
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
        units, begins = recurrent.shape[-1], _beginnings(start)
        h, c, into, out = h.mT, c.mT, peep[..., :2, :, None], peep[..., 2, :, None]
        gates = _columns(fed).clone(memory_format=torch.contiguous_format)
        hs, cs = gates.new_empty(2, *gates.shape[:-2], units, gates.shape[-1])
        both = gates[..., : 2 * units, :]
        steps = zip(gates, both, both.unflatten(-2, (2, units)), *gates.chunk(4, -2), cs, hs, strict=True)
        for t, (now, gated, seeing, i, f, g, o, to_c, to_h) in enumerate(steps):
            if t in begins:
                h, c = h.masked_fill(begins[t], 0), c.masked_fill(begins[t], 0)
            _add_product(now, recurrent, h)
            seeing.addcmul_(into, c.unsqueeze(-3))
            gated.sigmoid_()
            if inner:
                g.tanh_()
            c = torch.mul(f, c, out=to_c).addcmul_(i, g)
            o.addcmul_(out, c).sigmoid_()
            h = torch.mul(o, c.tanh() if outer else c, out=to_h)
        return _rows(hs), _rows(cs), _rows(gates)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Three) -> None:
        _, recurrent, peep, h, c, start, *ctx.flags = inputs
        ctx.save_for_backward(recurrent, peep, h, c, start, *output)
        ctx.mark_non_differentiable(output[2])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(
        ctx: Any, dh: Tensor | None, dc: Tensor | None, _: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        found = _Backward.apply(*ctx.saved_tensors, dh, dc, *ctx.flags)  # type: ignore[no-untyped-call]
        return *found, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *given: Any) -> tuple[Three, tuple[int, int, int]]:
        found: Three = _Forward.apply(*_lead(info, in_dims, given))  # type: ignore[no-untyped-call]
        return found, (0, 0, 0)


class _Backward(torch.autograd.Function):
    """The way back, a function of its own so that it, too, runs on plain tensors under vmap."""

    @staticmethod
    def forward(
        recurrent: Tensor,
        peep: Tensor,
        h0: Tensor,
        c0: Tensor,
        start: Tensor | None,
        h: Tensor,
        c: Tensor,
        gates: Tensor,
        dh: Tensor | None,
        dc: Tensor | None,
        inner: bool,
        outer: bool,
    ) -> tuple[Tensor, ...]:
        h_before, c_before, after = _before(h0, h, start), _before(c0, c, start), _columns(c)
        local, into_o, through, f = _slopes(_columns(gates), after, c_before, inner, outer)
        units, back, begins = recurrent.shape[-1], recurrent.mT, _beginnings(start)
        p_i, p_f, p_o = (p.unsqueeze(-1) for p in peep.unbind(-2))
        deltas, carry = torch.empty_like(_columns(gates)), torch.zeros_like(h_before[0])
        dys = h_before.new_zeros(len(deltas) + 1, *h_before.shape[1:])  # one before the first: what h0 gets
        if dh is not None:
            dys[1:] = _columns(dh)
        three = deltas[..., : 3 * units, :].unflatten(-2, (3, units))
        steps = [dys[1:], dys[:-1], deltas, three, *deltas.chunk(4, -2), local, into_o, through, f]
        for t, now in reversed([*enumerate(zip(*steps, strict=True))]):
            dy, dy_before, delta, inwards, d_i, d_f, _, d_o, inner_slope, to_o, to_c, kept = now
            torch.mul(dy, to_o, out=d_o)
            carry.addcmul_(dy, to_c).addcmul_(d_o, p_o)
            if dc is not None:
                carry.add_(dc[..., t, :].mT)
            torch.mul(carry.unsqueeze(-3), inner_slope, out=inwards)
            carry.mul_(kept).addcmul_(d_i, p_i).addcmul_(d_f, p_f)
            if t in begins:
                carry.masked_fill_(begins[t], 0)
                delta = delta.masked_fill(begins[t], 0)
            _add_product(dy_before, back, delta)
        d_recurrent = _together(deltas) @ _together(h_before).mT
        return _rows(deltas), d_recurrent, _of_peepholes(deltas, c_before, after), dys[0].mT, carry.mT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Nothing to keep."""

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise NotImplementedError(
            "the kernel's gradient has no gradient: take the loop (`fold`) for second derivatives"
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *given: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        found = _Backward.apply(*_lead(info, in_dims, given))  # type: ignore[no-untyped-call]
        return found, (0,) * 5


def _columns(x: Tensor) -> Tensor:
    """[B, T, N] → [T, N, B]."""
    return x.transpose(-1, -3).movedim(-2, 0)


def _rows(x: Tensor) -> Tensor:
    """[T, N, B] → [B, T, N]."""
    return x.movedim(0, -2).transpose(-1, -3)


def _together(x: Tensor) -> Tensor:
    """[T, N, B] → [N, T·B]."""
    return x.movedim(0, -2).flatten(-2)


def _lead(info: Any, in_dims: tuple[Any, ...], given: tuple[Any, ...]) -> list[Any]:
    """What vmap maps over becomes the leading axis of every tensor."""

    def lead(x: Any, dim: int | None) -> Any:
        if not isinstance(x, Tensor):
            return x
        return x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)

    return [lead(x, dim) for x, dim in zip(given, in_dims, strict=True)]


def _beginnings(start: Tensor | None) -> dict[int, Tensor]:
    """The steps at which anything begins, and where: [1, B]."""
    if start is None:
        return {}
    some = start.flatten(0, -2).any(0).tolist()
    return {t: start[..., None, :, t] for t, begins in enumerate(some) if begins}


def _add_product(to: Tensor, weight: Tensor, x: Tensor) -> None:
    """to += weight @ x, by the product that is fast for so many columns."""
    if x.shape[-1] < FEW or weight.dim() > 3:
        to += (x.mT @ weight.mT).mT
    elif weight.dim() == 2:
        to.addmm_(weight, x)
    else:
        to.baddbmm_(weight, x)


def _of_peepholes(deltas: Tensor, c_before: Tensor, c: Tensor) -> Tensor:
    """The gradient of p of i, f, o: what each saw, times its δ."""
    d_i, d_f, _, d_o = deltas.chunk(4, -2)
    seen = ((c_before, d_i), (c_before, d_f), (c, d_o))
    return torch.stack([(state * delta).sum((0, -1)) for state, delta in seen], -2)


def _before(first: Tensor, later: Tensor, start: Tensor | None) -> Tensor:
    """The states each step set out from, [T, N, B]."""
    states = torch.cat([first.mT.unsqueeze(0), _columns(later)[:-1]])
    return states if start is None else states.masked_fill_(start.movedim(-1, 0).unsqueeze(-2), 0)


def _slopes(
    gates: Tensor, c: Tensor, c_before: Tensor, inner: bool, outer: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Time first: what δc becomes in i, f, g; what δy becomes in o and in c; f."""
    i, f, g, o = gates.chunk(4, -2)
    squashed = c.tanh() if outer else c
    local = gates.new_empty(*c.shape[:-2], 3, *c.shape[-2:])
    torch.mul((1 - i).mul_(i), g, out=local[..., 0, :, :])
    torch.mul((1 - f).mul_(f), c_before, out=local[..., 1, :, :])
    torch.mul((1 - g * g) if inner else torch.ones_like(g), i, out=local[..., 2, :, :])
    into_o = (1 - o).mul_(o).mul_(squashed)
    return local, into_o, (1 - squashed * squashed).mul_(o) if outer else o, f
