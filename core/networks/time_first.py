"""What the kernels with a hand-derived backward share: a Function of autograd, and time as the first axis.

Inside a kernel tensors are [T, B, N]: then a step lies together in memory, and to turn [B, T, N] round moves whole
rows. Weights may be stacked, with [S, …] before everything but time; vmap does so by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

Several: TypeAlias = tuple[Tensor, ...]


@dataclass(frozen=True)
class Kernel:
    """A function of tensors, and its gradient.

    Attributes:
        forward: what was given → outputs.
        backward: (given, outputs, gradients of the first `results` outputs, None for zero) → the gradient of every
            tensor that was given, but for the last, which is `start`. The first that was given is not kept for it,
            being as large as all gates, and None there.
        results: so many of the outputs have a gradient; what comes behind is kept for the way back.
    """

    forward: Callable[..., Several]
    backward: Callable[[Several, Several, Several], Several]
    results: int

    def __call__(self, *given: Tensor | None) -> Several:
        """The outputs; what is given may be None, the last is `start`."""
        found: Several = _Forward.apply(self, *given)  # type: ignore[no-untyped-call]
        return found


class _Forward(torch.autograd.Function):
    @staticmethod
    def forward(kernel: Kernel, *given: Any) -> Several:
        return kernel.forward(*given)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Several) -> None:
        ctx.kernel, *given = inputs
        ctx.there = [x is not None for x in given[:-1]]
        ctx.save_for_backward(None, *given[1:], *output)
        ctx.mark_non_differentiable(*output[ctx.kernel.results :])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        saved, kernel = ctx.saved_tensors, ctx.kernel
        found = iter(
            _Backward.apply(kernel, len(ctx.there) + 1, *saved, *grads[: kernel.results])  # type: ignore[no-untyped-call]
        )
        return None, *(next(found) if there else None for there in ctx.there), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *given: Any) -> tuple[Several, Any]:
        found: Several = _Forward.apply(*_lead(info, in_dims, given))  # type: ignore[no-untyped-call]
        return found, (0,) * len(found)


class _Backward(torch.autograd.Function):
    """The way back, a function of its own so that it, too, runs on plain tensors under vmap."""

    @staticmethod
    def forward(kernel: Kernel, count: int, *values: Any) -> Several:
        grads = len(values) - kernel.results
        return kernel.backward(values[:count], values[count:grads], values[grads:])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Several) -> None:
        """Nothing to keep."""

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise NotImplementedError(
            "the kernel's gradient has no gradient: take the loop (`fold`) for second derivatives"
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *given: Any) -> tuple[Several, Any]:
        found: Several = _Backward.apply(*_lead(info, in_dims, given))  # type: ignore[no-untyped-call]
        return found, (0,) * len(found)


def _lead(info: Any, in_dims: tuple[Any, ...], given: tuple[Any, ...]) -> list[Any]:
    """What vmap maps over becomes the leading axis of every tensor."""

    def lead(x: Any, dim: int | None) -> Any:
        if not isinstance(x, Tensor):
            return x
        return x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)

    return [lead(x, dim) for x, dim in zip(given, in_dims, strict=True)]


def time_first(x: Tensor) -> Tensor:
    """[B, T, N] → [T, B, N]."""
    return x.movedim(-2, 0)


def batch_first(x: Tensor) -> Tensor:
    """[T, B, N] → [B, T, N]."""
    return x.movedim(0, -2)


def scaled(x: Tensor, scale: Tensor) -> Tensor:
    """x [B, T, N] times scale [N], as a tensor of its own [T, B, N], in that order in memory."""
    x = time_first(x)
    return torch.mul(x, scale, out=x.new_empty(x.shape))


def add_product(to: Tensor, x: Tensor, weight: Tensor) -> None:
    """to [B, M] += x [B, N] @ weight [N, M], all with [S, …] before if weights are stacked."""
    if weight.dim() == 2:
        to.addmm_(x, weight)
    elif weight.dim() == 3:
        to.baddbmm_(x, weight)
    else:
        to += x @ weight


def product_over_time(deltas: Tensor, states: Tensor) -> Tensor:
    """Σ δ sᵀ over steps and rows: [T, B, M] and [T, B, N] → [M, N]."""
    return _together(deltas).mT @ _together(states)


def _together(x: Tensor) -> Tensor:
    """[T, B, N] → [T·B, N]."""
    return x.flatten(0, 1) if x.dim() == 3 else x.movedim(0, -3).flatten(-3, -2)


def beginnings(start: Tensor | None) -> dict[int, Tensor]:
    """The steps at which anything begins, and where: [B, 1]. start: [B, T] bool or None."""
    if start is None:
        return {}
    some = start.flatten(0, -2).any(0).tolist()
    return {t: start[..., t, None] for t, begins in enumerate(some) if begins}


def forgotten(x: Tensor, start: Tensor | None) -> Tensor:
    """x [T, B, N] of its own, with zeros where something begins."""
    return x if start is None else x.masked_fill_(start.movedim(-1, 0).unsqueeze(-1), 0)


def set_out_from(first: Tensor, states: Tensor, start: Tensor | None) -> Tensor:
    """The states each step set out from [T, B, N]: `first` [B, N] and all but the last of `states` [B, T, N]."""
    return forgotten(torch.cat([first.unsqueeze(0), time_first(states)[:-1]]), start)


def gathering(of_states: Tensor | None, like: Tensor) -> Tensor:
    """[T + 1, B, N] the gradients of the first state (zero as yet) and of those after each step [B, T, N]."""
    found = like.new_empty(len(like) + 1, *like.shape[1:])
    found[0] = 0
    found[1:] = 0 if of_states is None else time_first(of_states)
    return found
