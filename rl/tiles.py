"""Tile coding: a vector as the tiles it lies in, one of each of several grids that are shifted against one another.

Sutton & Barto 2018, section 9.5.4. A value that is a sum over the tiles generalises to near vectors, and can be learnt
by the same rules as a table.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError

MOST = 5_000_000  # tiles


class Tiles:
    """Box observations to numbers of tiles.

    Grid t is shifted by t/n of a tile along the first axis, 3t/n along the second, 5t/n along the third …, which keeps
    the grids' corners apart (n grids; Sutton & Barto, figure 9.11).

    Args:
        space: the Box; every bound must be a number.
        grids: how many of them: the active tiles of every vector.
        across: tiles of a grid along each axis.
        low, high: bounds in place of the space's, where given.

    Raises:
        UserError: a bound is infinite, or there would be too many tiles.
    """

    def __init__(
        self, space: Any, grids: int, across: int, low: Sequence[float] = (), high: Sequence[float] = ()
    ) -> None:
        self.low = np.array(low or space.low, np.float64).ravel()
        span = np.array(high or space.high, np.float64).ravel() - self.low
        if len(self.low) != math.prod(space.shape) or len(span) != len(self.low):
            raise UserError(
                f"--low and --high need {math.prod(space.shape)} numbers each, one for each part of {space}"
            )
        if (low or high) and (span <= 0).any():
            raise UserError(f"--high must be above --low; for part {int((span <= 0).argmax())} it is not")
        wide = ~np.isfinite(span) | (span > 1e6) | (span <= 0)
        if wide.any():
            raise UserError(
                f"tiles need bounds, and part {int(wide.argmax())} of {space} has none that serve; "
                "give --low and --high, a number for each part"
            )
        self.axes, self.grids, self.across = len(space.shape), grids, across
        self.scale = across / span
        self.count = grids * (across + 1) ** len(span)
        if self.count > MOST:
            raise UserError(f"{self.count:,} tiles are too many (at most {MOST:,}); lower --tiles or --grids")
        odd = 2 * np.arange(len(span)) + 1
        self.shift = (np.arange(grids)[:, None] * odd % grids) / grids  # [grid, part], in tiles
        self.place = (across + 1) ** np.arange(len(span))[::-1]

    def __call__(self, obs: NDArray[Any]) -> NDArray[np.int64]:
        """``[…, *shape]`` to the active tiles ``[…, grid]``; what lies outside the bounds counts as at the edge."""
        parts = obs.reshape(*obs.shape[: obs.ndim - self.axes], -1)
        inside = np.clip((parts - self.low) * self.scale, 0, self.across)  # [..., part], in tiles
        cell = np.minimum((inside[..., None, :] + self.shift).astype(np.int64), self.across)
        first = np.arange(self.grids) * (self.across + 1) ** len(self.low)
        return np.asarray(cell @ self.place + first)
