"""Where in a sequence something stands: sinusoids, a learned table, rotation (RoPE), distance (ALiBi).

The first two are added to the input, the last two act inside attention. Positions are whole numbers [..., T], so
that a sequence may go on where another call stopped, or begin anew in its middle.
"""

import math

import torch
from torch import Tensor, nn

from core.errors import nearest
from core.networks.embedding import Embedding
from core.networks.net import transformed

POSITIONS = ("none", "sinusoid", "learned", "rope", "alibi")


def check_kind(kind: str) -> str:
    """The kind; ValueError naming the nearest one of POSITIONS if it is none."""
    if kind not in POSITIONS:
        raise ValueError(f"unknown positions {kind!r}{nearest(kind, POSITIONS)}")
    return kind


def since(ages: Tensor, start: Tensor | None) -> Tensor:
    """Steps since the last beginning: ages [T] or [..., T] without beginnings, start [..., T] bool → [..., T]."""
    if start is None:
        return ages
    begun = torch.where(start, ages, -1).cummax(-1).values
    return torch.where(begun >= 0, ages - begun, ages)


def angles(positions: Tensor, width: int, dtype: torch.dtype, longest: float = 10_000.0) -> Tensor:
    """p · longest^(−2i/width) for i < width/2: positions [..., T] → [..., T, width/2]."""
    if width % 2:
        raise ValueError(f"sinusoids and rotations come in pairs: the width must be even, not {width}")
    exponents = torch.arange(0, width, 2, device=positions.device, dtype=torch.float64) / -width
    return (positions.unsqueeze(-1).to(torch.float64) * longest**exponents).to(dtype)


def sinusoid(positions: Tensor, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """PE(p)[2i] = sin(p/10000^(2i/width)), PE(p)[2i+1] = cos of the same (Vaswani et al. 2017, §3.5).

    PE(p)·PE(p+k) = Σ cos(k/10000^(2i/width)) depends on k alone.
    """
    angle = angles(positions, width, dtype)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)


def rotate(x: Tensor, positions: Tensor) -> Tensor:
    """Turn each pair of features by an angle that grows with the position (RoPE, Su et al. 2021, eq. 34).

    Products of a turned query and a turned key depend on the distance of their positions alone.

    Args:
        x: [..., heads, T, d], d even.
        positions: [T] or [..., T].
    """
    angle = angles(positions, x.shape[-1], x.dtype).unsqueeze(-3)  # one head's axis
    sin, cos = angle.sin(), angle.cos()
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], -1).flatten(-2)


def slopes(heads: int) -> list[float]:
    """ALiBi's slope of each head: 2^(−8h/heads), h = 1 … heads, for a power of two.

    For other counts those of the next lower power of two, then every second one of the next higher.
    """
    lower = 2 ** math.floor(math.log2(heads))
    first = [2.0 ** (-8 * h / lower) for h in range(1, lower + 1)]
    between = [2.0 ** (-8 * h / (2 * lower)) for h in range(1, 2 * lower + 1, 2)]
    return first + between[: heads - lower]


def alibi(distance: Tensor, heads: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """−slope · |distance| added to the scores (Press et al. 2022): [Tq, Tk] → [heads, Tq, Tk]."""
    slope = torch.tensor(slopes(heads), dtype=dtype, device=distance.device)
    return -slope.reshape(-1, 1, 1) * distance.abs().to(dtype)


class Sinusoid(nn.Module):
    """x + PE(positions), without parameters and without a limit."""

    stacks = True

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """x [..., T, width], positions [T] or [..., T]."""
        return x + sinusoid(positions, x.shape[-1], x.dtype)


class Learned(nn.Module):
    """x + a learned row for each position below `length`.

    Args:
        length: positions that have a row.
        std: spread of the first rows.
    """

    stacks = True

    def __init__(self, length: int, width: int, std: float = 0.02) -> None:
        super().__init__()
        if length < 1:
            raise ValueError(f"a table of positions needs at least one row, not {length}")
        self.table, self.length = Embedding(length, width, std), length

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """x [..., T, width], positions [T] or [..., T]; ValueError for a position behind the table's end."""
        last = x.shape[-2] - 1 if transformed() else int(positions.max())
        if last >= self.length:
            limit = f"position {last} (counted from 0) of {list(x.shape)}"
            raise ValueError(f"{limit} lies over the table of {self.length} positions")
        stacked = self.table.weight.dim() == 3
        rows: Tensor = self.table(positions.expand(x.shape[:-1]) if stacked else positions)
        return x + rows


def added(kind: str, length: int | None, width: int) -> nn.Module | None:
    """What is added to the input for a kind of POSITIONS; None for those that act inside attention."""
    if check_kind(kind) == "learned":
        if length is None:
            raise ValueError("learned positions need `length`, the number of rows in their table")
        return Learned(length, width)
    return Sinusoid() if kind == "sinusoid" else None
