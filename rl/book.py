"""What a step led to, and the book of the running episodes: numbers, returns, lengths, actions."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.noise import States
from rl.rows import Array, Bools, Origin

ROOM = 1024  # steps kept beyond what the running episodes need, before the oldest are forgotten


class Ended(NamedTuple):
    """An episode that just ended."""

    seed_index: int
    env_index: int
    raw_return: float  # sum of the rewards as the environment gave them
    length: int  # decisions


class Step(NamedTuple):
    """What one decision of every environment led to; arrays ``[seed, env, …]``, not to be written into."""

    obs: Array  # what to act on next: after an end, the beginning of the next episode
    reward: NDArray[np.float32]  # scaled if asked for
    terminated: Bools
    truncated: Bools
    next_obs: Array  # where the step truly landed
    start: Bools  # obs begins an episode
    episodes: list[Ended]  # those that just ended: (seed index, env index, raw return, length)


class Book:
    """One entry per row, row ``k * envs + e`` being environment e of seed k.

    Args:
        seeds, envs: how many.
        recorded: remember the actions, so that the episodes can be replayed.
    """

    def __init__(self, seeds: int, envs: int, recorded: bool = True) -> None:
        rows = seeds * envs
        self.seeds, self.envs, self.recorded = seeds, envs, recorded
        self.number = np.full(rows, -1)  # −1: none has begun
        self.returns: NDArray[np.float64] = np.zeros(rows)
        self.lengths = np.zeros(rows, np.int64)
        self._actions: list[Array] = []  # the last steps of all rows; a row's own are its last `length` ones
        self._room = ROOM

    def begin(self, number: int | None = None) -> None:
        """Every row begins its next episode, or the one of that number."""
        self.number = self.number + 1 if number is None else np.full_like(self.number, number)
        self.returns[:], self.lengths[:] = 0.0, 0
        self._actions = []

    def step(self, action: Array, reward: NDArray[np.float64]) -> None:
        """Count one decision of every row, ``[N, …]`` and ``[N]``."""
        self.returns += reward
        self.lengths += 1
        if not self.recorded:
            return
        self._actions.append(action.copy())
        if len(self._actions) > self._room:
            needed = int(self.lengths.max())
            del self._actions[:-needed]
            self._room = 2 * needed + ROOM

    def end(self, done: Bools) -> list[Ended]:
        """Close the episodes of the rows that are done; these go on with their next one."""
        ended = []
        for row in done.nonzero()[0].tolist():
            seed, env = divmod(row, self.envs)
            ended.append(Ended(seed, env, float(self.returns[row]), int(self.lengths[row])))
        self.returns[done], self.lengths[done] = 0.0, 0
        self.number[done] += 1
        return ended

    def origins(self, seeds: Sequence[int], stream: str) -> list[Origin]:
        """What fresh environments need to arrive where the rows stand."""
        places = [(seed, env) for seed in seeds for env in range(self.envs)]
        numbers = np.maximum(self.number, 0).tolist()
        return [
            Origin(seed, stream, env, number, actions)
            for (seed, env), number, actions in zip(places, numbers, self._own_actions(), strict=True)
        ]

    def _own_actions(self) -> list[Array]:
        """The actions of each row's running episode, ``[t, …]``."""
        longest = int(self.lengths.max())
        if not self.recorded or not longest:
            return [np.zeros(0, np.int64)] * len(self.lengths)
        last = np.stack(self._actions[-longest:])
        return [last[longest - length :, row].copy() for row, length in enumerate(self.lengths)]

    def state_dict(self) -> States:
        actions = self._own_actions()
        rows = [slice(k * self.envs, (k + 1) * self.envs) for k in range(self.seeds)]
        return [
            {
                "number": self.number[own].copy(),
                "return": self.returns[own].copy(),
                "length": self.lengths[own].copy(),
                "actions": actions[own],
            }
            for own in rows
        ]

    def load_state_dict(self, states: States) -> None:
        self.number = np.concatenate([np.asarray(state["number"]) for state in states])
        self.returns = np.concatenate([np.asarray(state["return"]) for state in states])
        self.lengths = np.concatenate([np.asarray(state["length"]) for state in states])
        actions = [np.asarray(own) for state in states for own in state["actions"]]
        longest, pattern = int(self.lengths.max()), max(actions, key=len)
        last = np.zeros((longest, len(actions), *pattern.shape[1:]), pattern.dtype)
        for row, own in enumerate(actions):
            if len(own):
                last[longest - len(own) :, row] = own
        self._actions, self._room = list(last), 2 * longest + ROOM
