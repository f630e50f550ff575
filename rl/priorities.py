"""How much each stored transition is worth looking at again: proportional prioritisation (Schaul et al. 2016)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.noise import States
from rl.agent import Array

Places = NDArray[np.int64]


class Priorities:
    """p^α of every place of every seed, cut into about √capacity blocks whose sums are kept.

    A draw looks for its block and then inside it, and a change sums one block anew: both touch some √capacity
    numbers. For one seed with 100,000 places that is as quick as a tree of sums in NumPy (0.18 ms for 64 of them, both
    drawn and changed), and no rounding error gathers.

    Args:
        capacity: places of one seed.
        seeds: how many seeds.
        alpha: α: 0 draws uniformly, 1 in proportion to the error.
        floor: what is added to |δ|, so that nothing is never seen again.
    """

    def __init__(self, capacity: int, seeds: int, alpha: float, floor: float = 1e-6) -> None:
        self.alpha, self.floor, self.width = alpha, floor, math.isqrt(capacity - 1) + 1
        blocks = -(-capacity // self.width)
        self.powers: Array = np.zeros((seeds, blocks, self.width))  # p^α, 0 where nothing is stored
        self.sums: Array = np.zeros((seeds, blocks))
        self.least: Array = np.full((seeds, blocks), np.inf)
        self.most: Array = np.zeros((seeds, blocks))
        self.seed_column = np.arange(seeds)[:, None]

    def add(self, places: Sequence[int] | Places) -> None:
        """Transitions were stored here, for every seed: they are worth as much as the best one known, or 1."""
        best = self.most.max(1)
        self._set(np.tile(places, (len(best), 1)), np.where(best > 0, best, 1.0)[:, None])

    def update(self, places: Places, error: Array) -> None:
        """These transitions ``[seed, batch]`` had these TD errors: p = |δ| + floor."""
        self._set(places, (np.abs(error).astype(np.float64) + self.floor) ** self.alpha)

    def _set(self, places: Places, powers: Array) -> None:
        seed, block = self.seed_column, places // self.width
        self.powers[seed, block, places % self.width] = powers
        # The blocks of these places, or all where the places are more.
        which: Any = (seed, block) if places.shape[1] <= self.sums.shape[1] else slice(None)
        changed = self.powers[which]  # [S, …, width]
        self.sums[which] = changed.sum(-1)
        self.most[which] = changed.max(-1)
        self.least[which] = np.where(changed > 0, changed, np.inf).min(-1)

    def draw(self, uniform: Array) -> Places:
        """A place for each number of [0, 1), with probability p^α / Σ p^α: ``[seed, batch]`` to the same."""
        ends = self.sums.cumsum(-1)
        total = ends[:, -1:]
        target = np.minimum(uniform * total, np.nextafter(total, 0))
        block = (ends[:, None] <= target[..., None]).sum(-1)
        inner = self.powers[self.seed_column, block].cumsum(-1)  # [S, B, width]
        rest = target - (ends - self.sums)[self.seed_column, block]
        rest = np.minimum(rest, np.nextafter(inner[..., -1], 0))
        found: Places = block * self.width + (inner <= rest[..., None]).sum(-1)
        return found

    def weights(self, places: Places, beta: float) -> Array:
        """(N P(i))^−β over its largest value, which is (p_min / p_i)^(α β): ``[seed, batch]`` float32."""
        mine = self.powers[self.seed_column, places // self.width, places % self.width]
        weights: Array = (self.least.min(1)[:, None] / mine) ** beta
        return weights.astype(np.float32)

    def state_dict(self) -> States:
        return [{"powers": row.reshape(-1)[row.reshape(-1) > 0].copy()} for row in self.powers]

    def load_state_dict(self, states: States) -> None:
        """Places are filled from the first on, so what was stored stood there without a gap."""
        self.powers[:] = 0
        for row, state in zip(self.powers, states, strict=True):
            row.reshape(-1)[: len(state["powers"])] = state["powers"]
        self.sums, self.most = self.powers.sum(-1), self.powers.max(-1)
        self.least = np.where(self.powers > 0, self.powers, np.inf).min(-1)
