"""A stretch of experience that is learned from once and then forgotten."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from core import trees
from core.noise import States
from rl.agent import Array, Transition


class Rollout:
    """The last ``length`` steps of every environment, oldest first; leaves ``[time, seed, env, …]``."""

    def __init__(self, length: int, seeds: int) -> None:
        self.length, self.seeds = length, seeds
        self.filled = 0
        self._steps: Any = None

    @property
    def full(self) -> bool:
        return self.filled == self.length

    def add(self, transition: Transition) -> None:
        """Remember one step; leaves ``[seed, env, …]``."""
        if self._steps is None:
            self._steps = Transition(*(_room(self.length, np.asarray(leaf)) for leaf in transition))
        for row, leaf in zip(self._steps, transition, strict=True):
            row[self.filled] = leaf
        self.filled += 1

    def take(self) -> Transition:
        """All steps, leaves ``[time, seed, env, …]``, valid until the next ``add``; it starts anew."""
        self.filled = 0
        steps: Transition = self._steps
        return steps

    def state_dict(self) -> States:
        if self.filled == 0:  # the same whether it was just emptied or never filled
            return [{"filled": 0} for _ in range(self.seeds)]
        return [
            {"filled": self.filled, "steps": [leaf[: self.filled, k].copy() for leaf in self._steps]}
            for k in range(self.seeds)
        ]

    def load_state_dict(self, states: States) -> None:
        self._steps, self.filled = None, 0
        if all(state["filled"] == 0 for state in states):
            return
        parts = [np.stack(parts, axis=1) for parts in zip(*(state["steps"] for state in states), strict=True)]
        for t in range(states[0]["filled"]):
            self.add(Transition(*trees.map(lambda leaf, t=t: leaf[t], parts)))


def by_seed(leaf: Array, device: str) -> Tensor:
    """``[T, S, E, …]`` to rows ``[S, T·E, …]`` on the device."""
    swapped = np.ascontiguousarray(leaf.swapaxes(0, 1))
    rows = torch.from_numpy(swapped.reshape(leaf.shape[1], -1, *leaf.shape[3:]))
    return rows.clone().to(
        device
    )  # into torch's aligned memory: products may round by where their numbers lie


def by_time(rows: Tensor, like: Array) -> Array:
    """Rows ``[S, T·E]`` back to the order of ``like``, ``[T, S, E]``."""
    time, seeds, envs = like.shape[:3]
    series: Array = rows.cpu().numpy().reshape(seeds, time, envs).swapaxes(0, 1)
    return series


def _room(length: int, leaf: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Space for ``length`` arrays like ``leaf``."""
    return np.empty((length, *leaf.shape), leaf.dtype)
