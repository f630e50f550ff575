"""Experience that is learned from again and again, in an order of its own (Lin 1992)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.noise import Noise, States
from rl.agent import Array, Transition
from rl.priorities import Priorities


class Sample(NamedTuple):
    """Transitions of n steps; leaves ``[seed, batch, …]``."""

    obs: Tensor
    action: Tensor
    reward: Tensor  # Σ γ^i r_i over the k ≤ n steps taken
    discount: Tensor  # γ^k, or 0 where the world ended: what the value of next_obs counts
    next_obs: Tensor
    weight: Tensor  # of importance sampling; ones where all are drawn alike


class Replay:
    """The last transitions of every environment of every seed; storage ``[row, seed, env, …]``.

    Steps are joined to n-step transitions when they are drawn. A transition ends before n steps where its episode
    was terminated or cut, and at the newest step: what stands behind it in the ring is the oldest experience.

    Args:
        capacity: transitions of one seed.
        seeds: the run's seeds.
        envs: environments per seed.
        n_step: steps in one transition, n.
        gamma: discount γ.
        alpha: exponent of the priorities; None: every transition is drawn alike.
        device: where samples go.
    """

    def __init__(
        self,
        capacity: int,
        seeds: Sequence[int],
        envs: int,
        *,
        n_step: int = 1,
        gamma: float = 0.99,
        alpha: float | None = None,
        device: str = "cpu",
    ) -> None:
        self.rows, self.seeds, self.envs = capacity // envs, len(seeds), envs
        self.n_step, self.gamma, self.device = n_step, gamma, device
        self.noise = Noise(seeds, "replay")
        self.added = 0  # rows ever written
        self.priorities = None if alpha is None else Priorities(self.rows * envs, len(seeds), alpha)
        self._known = 0  # rows that have a priority
        self._steps: Any = None
        self._flat: Any = None  # the same storage, [row · seed · env, …]
        self._seed_column = np.arange(len(seeds))[:, None]

    def __len__(self) -> int:
        """Transitions of one seed."""
        return min(self.added, self.rows) * self.envs

    def add(self, transition: Transition) -> None:
        """Remember one step of every environment, forgetting the oldest where there is no room."""
        if self._steps is None:
            self._make_room([np.asarray(leaf) for leaf in transition])
        row = self.added % self.rows
        for room, leaf in zip(self._steps, transition, strict=True):
            room[row] = leaf
        self.added += 1

    def _make_room(self, like: Sequence[Array]) -> None:
        """``like``: arrays ``[seed, env, …]``."""
        room = [np.empty((self.rows, *leaf.shape), leaf.dtype) for leaf in like]
        self._steps = Transition(*room)
        self._flat = Transition(*(leaf.reshape(-1, *leaf.shape[3:]) for leaf in room))

    def sample(self, count: int) -> Sample:
        """``count`` transitions of every seed, drawn alike and with replacement."""
        return self.at(self.noise.integers(len(self), count).numpy())

    def sample_by_priority(self, count: int, beta: float) -> tuple[Sample, NDArray[np.int64]]:
        """``count`` transitions of every seed by their priorities, one from each of ``count`` equal shares of them.

        Args:
            beta: how much of the bias that this brings ``weight`` takes back; 1: all.

        Returns:
            The sample, and the places to give to ``prioritise`` with the errors.
        """
        assert self.priorities is not None
        self._prioritise_new()
        uniform = (self.noise.uniform(count).numpy().astype(np.float64) + np.arange(count)) / count
        places = self.priorities.draw(uniform)
        weight = torch.from_numpy(self.priorities.weights(places, beta))
        return self.at(places)._replace(weight=weight.to(self.device)), places

    def prioritise(self, places: NDArray[np.int64], error: Tensor) -> None:
        """What was drawn from these places had these TD errors; both ``[seed, batch]``."""
        assert self.priorities is not None
        self.priorities.update(places, error.cpu().numpy())

    def _prioritise_new(self) -> None:
        """Priorities for what was stored since the last draw."""
        if self.priorities is not None and self._known < self.added:
            rows = np.arange(max(self._known, self.added - self.rows), self.added) % self.rows
            self.priorities.add((rows[:, None] * self.envs + np.arange(self.envs)).reshape(-1))
        self._known = self.added

    def at(self, places: NDArray[np.int64]) -> Sample:
        """The n-step transitions that begin at these places ``[seed, batch]``: row · envs + env."""
        row, env = places // self.envs, places % self.envs
        first = self._index(row, env)
        if self.n_step > 1:
            last, reward, discount = self._joined(row, env)
        else:
            last, reward, discount = first, self._flat.reward[first], np.asarray(self.gamma)
        arrays = (
            self._flat.obs[first],
            self._flat.action[first],
            reward.astype(np.float32),
            (discount * ~self._flat.terminated[last]).astype(np.float32),
            self._flat.next_obs[last],
            np.ones(places.shape, np.float32),
        )
        return Sample(*(torch.from_numpy(leaf).to(self.device) for leaf in arrays))

    def _index(self, row: Array, env: Array) -> NDArray[np.int64]:
        """Places in the flat storage, for rows and environments ``[seed, …]``."""
        seed = self._seed_column.reshape(-1, *[1] * (row.ndim - 1))
        found: NDArray[np.int64] = (row * self.seeds + seed) * self.envs + env
        return found

    def _joined(self, row: Array, env: Array) -> tuple[NDArray[np.int64], Array, Array]:
        """From the first step of each to its last: where that is, Σ γ^i r_i, and γ^k for the k steps taken."""
        ahead = np.arange(self.n_step)
        rows = (row[..., None] + ahead) % self.rows  # [S, B, n]
        steps = self._index(rows, env[..., None])
        over = self._flat.terminated[steps] | self._flat.truncated[steps]
        over |= rows == (self.added - 1) % self.rows
        over[..., -1] = True
        taken = over.argmax(-1) + 1
        inside = ahead < taken[..., None]
        # never multiplied away: behind the newest row lies what was in memory before, and 0 · NaN is NaN
        reward = np.where(inside, self._flat.reward[steps] * self.gamma**ahead, 0.0).sum(-1)
        last = np.take_along_axis(steps, taken[..., None] - 1, -1)[..., 0]
        return last, reward, self.gamma**taken

    def state_dict(self) -> States:
        """Per seed what is stored, the generator and the priorities."""
        self._prioritise_new()
        filled, own = min(self.added, self.rows), self.noise.state_dict()
        for k, state in enumerate(own):
            state["added"] = self.added
            state["steps"] = [leaf[:filled, k].copy() for leaf in self._steps or ()]
            if self.priorities is not None:
                state["priorities"] = self.priorities.state_dict()[k]
        return own

    def load_state_dict(self, states: States) -> None:
        self.noise.load_state_dict(states)
        self.added = self._known = states[0]["added"]
        self._steps = self._flat = None
        for k, state in enumerate(states):
            if state["steps"] and self._steps is None:
                self._make_room([np.stack([leaf[0]] * self.seeds) for leaf in state["steps"]])
            for room, leaf in zip(self._steps or (), state["steps"], strict=True):
                room[: len(leaf), k] = leaf
        if self.priorities is not None:
            self.priorities.load_state_dict([state["priorities"] for state in states])


def parted(leaf: Tensor, times: int) -> Tensor:
    """``[seed, times · batch, …]`` to ``[times, seed, batch, …]``: one draw for several gradient steps."""
    rows: Tensor = leaf.unflatten(1, (times, -1))
    return rows.transpose(0, 1).contiguous()
