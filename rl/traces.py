"""Eligibility traces: an error moves every value on the way that led to it, the less the longer ago.

Sutton & Barto 2018, chapter 12. Values are sums over the active features of a state: one for each Discrete state, or
the tiles of a Box (rl/tiles.py). A trace is kept for every episode that runs.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError
from core.noise import States
from rl import spaces
from rl.agent import Array, Spec
from rl.tabular import Settings, Table, Values
from rl.tiles import Tiles

Active: TypeAlias = NDArray[np.int64]  # features that are 1


@dataclass(frozen=True)
class TraceSettings(Settings):
    """What agents with traces are set by, beside the settings of every table."""

    trace: float = 0.9  # λ: how much of a trace is left after a step, beside the discount
    traces: Literal["accumulating", "replacing", "dutch"] = "replacing"  # what a visit does to its trace
    grids: int = 8  # of a Box: overlapping grids of tiles, over which the step size is shared out
    tiles: int = 8  # of a Box: tiles of a grid along each axis
    low: tuple[float, ...] = ()  # of a Box: where the tiles begin, in place of its own bounds
    high: tuple[float, ...] = ()  # and where they end

    def __post_init__(self) -> None:
        if not 0 <= self.trace <= 1:
            raise UserError(f"--trace is {self.trace}; it must lie between 0 and 1")
        for name in ("grids", "tiles"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name} is {getattr(self, name)}; it must be at least 1")


def update(
    q: Values, e: Values, active: Active, action: int, reward: float, following: float, foreseen: float,
    decay: float, lr: float, kind: str,
) -> float:  # fmt: skip
    """Moves ``q`` along the traces ``e``, both [feature, action], and lets these fade; returns the error.

    With Q the value of the active features, and δ = r + following − Q (following is γ Q(s', a'), 0 after an end):

        accumulating   e ← e + x,                   q ← q + α δ e,   e ← γ λ e
        replacing      e ← 1 where x is 1,          q ← q + α δ e,   e ← γ λ e
        Dutch          e ← e + (1 − α eᵀx) x,       q ← q + α (δ + Q − foreseen) e − α (Q − foreseen) x,   e ← γ λ e

    Dutch traces are those of true online TD(λ) (van Seijen et al. 2016; Sutton & Barto 2018, sections 12.5 and 12.7).

    Args:
        foreseen: what Q was one step ago, when it was the value to come.
        decay: γ λ.
    """
    value = float(q[active, action].sum())
    error = reward + following - value
    if kind == "dutch":
        e[active, action] += 1 - lr * e[active, action].sum()
        q += lr * (error + value - foreseen) * e
        q[active, action] -= lr * (value - foreseen)
    else:
        e[active, action] = 1 if kind == "replacing" else e[active, action] + 1
        q += lr * error * e
    e *= decay
    return error


class Traces(Table):
    """``q`` [seed, feature, action] and its traces ``e`` [seed, env, feature, action]."""

    def __init__(self, spec: Spec, config: TraceSettings) -> None:
        space = spec.observation_space
        self.tiles: Tiles | None = None
        if spaces.kind(space) == "vector":
            self.tiles = Tiles(space, config.grids, config.tiles, config.low, config.high)
        super().__init__(spec, config)
        self.decay, self.kind = config.gamma * config.trace, config.traces
        self.share = 1 / self.tiles.grids if self.tiles else 1.0  # of the step size, for each active feature
        if self.tiles:
            self.q *= self.share  # so that the first values are what they are set to be
        self.e = np.zeros((len(spec.seeds), spec.envs, *self.q.shape[1:]))
        self.foreseen = np.zeros((len(spec.seeds), spec.envs))

    def size(self, spec: Spec) -> tuple[int, int]:
        return (self.tiles.count, 0) if self.tiles else super().size(spec)

    def states(self, obs: Array) -> Array:
        """``[…]`` numbers, or vectors ``[…, part]``, to active features ``[…, n]``."""
        return self.tiles(obs) if self.tiles else super().states(obs)[..., None]

    def values(self, states: Array) -> Array:
        return np.asarray(self.q[self.seed_column[..., None], states].sum(-2))

    def follow(
        self, at: tuple[int, int], now: tuple[Active, int, float], value: float, ended: bool, lr: float
    ) -> float:
        """Learn from (features, action, reward) and the value to come: the absolute error."""
        following = 0.0 if ended else self.config.gamma * value
        error = update(
            self.q[at[0]], self.e[at], *now, following, float(self.foreseen[at]),
            self.decay, lr * self.share, self.kind,
        )  # fmt: skip
        self.foreseen[at] = value
        return abs(error)

    def forget(self, at: tuple[int, int]) -> None:
        """An episode is over: nothing leads from it into the next."""
        self.e[at], self.foreseen[at] = 0.0, 0.0

    def state_dict(self) -> States:
        parts = ("e", "foreseen")
        return [
            {**state, **{name: getattr(self, name)[k].copy() for name in parts}}
            for k, state in enumerate(super().state_dict())
        ]

    def load_state_dict(self, states: States) -> None:
        super().load_state_dict(states)
        for name in ("e", "foreseen"):
            setattr(self, name, np.stack([state[name] for state in states]))
