"""Three ways to keep a gradient small; only the last keeps its direction.

Each takes one network's gradient, a part for every weight, and returns a new one.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from core.gradients import Params
from core.layout import Layout

By: TypeAlias = Literal["value", "tensor", "global"]


def scale(norm: Tensor, limit: float) -> Tensor:
    """What to multiply a gradient of this norm with, so that the norm is at most ``limit``; as torch's own."""
    return (limit / (norm + 1e-6)).clamp(max=1.0)


def by_value(parts: Params, limit: float) -> Params:
    """Every number of it within ±limit."""
    return {name: part.clamp(-limit, limit) for name, part in parts.items()}


def by_tensor_norm(parts: Params, limit: float) -> Params:
    """The norm of every part at most ``limit``: long parts shrink, short ones do not."""
    return {name: part * scale(part.norm(), limit) for name, part in parts.items()}


def by_global_norm(parts: Params, limit: float) -> Params:
    """The norm of the whole at most ``limit``: all parts shrink alike (Pascanu et al. 2013, algorithm 1)."""
    norm = torch.stack([part.norm() for part in parts.values()]).norm()
    return {name: part * scale(norm, limit) for name, part in parts.items()}


CLIPS: dict[By, Callable[[Params, float], Params]] = {
    "value": by_value,
    "tensor": by_tensor_norm,
    "global": by_global_norm,
}


def clip_rows(
    rows: Tensor, norms: Tensor, limit: float, by: By = "global", layout: Layout | None = None
) -> None:
    """The same in place for rows ``[seed, P]`` whose ``norms`` ``[seed]`` are known, each seed by itself.

    Args:
        layout: where each weight stands in a row; needed for "tensor" alone.
    """
    if by == "global":
        rows *= scale(norms, limit)[:, None]
    elif by == "value":
        rows.clamp_(-limit, limit)
    elif layout is None:
        raise ValueError("clipping by tensor needs the layout of a row")
    else:
        for row in rows:
            for part in layout.views(row).values():
                part *= scale(part.norm(), limit)


def clipped_row(parts: Params, layout: Layout, limit: float | None, by: By) -> tuple[Tensor, Tensor]:
    """A gradient as one row ``[P]``, clipped, and its norm before; None: not clipped."""
    row = layout.join(parts)
    norm = row.norm()
    if limit is None:
        return row, norm
    return row * scale(norm, limit) if by == "global" else layout.join(CLIPS[by](parts, limit)), norm
