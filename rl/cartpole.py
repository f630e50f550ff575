"""CartPole-v1, all rows in one stroke of numpy: Gymnasium's numbers bit for bit, in a tenth of the time.

Barto, Sutton & Anderson 1983; the order of the floating-point operations is that of Gymnasium's CartPoleEnv.
Gymnasium's own vectorised form resets unasked and draws all rows from one generator, hence this one.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl.rows import Array, Bools, Origin, Stepped

GRAVITY, FORCE, TAU = 9.8, 10.0, 0.02
MASS_POLE, LENGTH = 0.1, 0.5  # length: half the pole's
MASS = MASS_POLE + 1.0
MASS_LENGTH = MASS_POLE * LENGTH
LIMITS = np.array([[2.4], [12 * 2 * np.pi / 360]])  # position, angle


class CartPole:
    """Rows of CartPole.

    Args:
        origins: one per row.
        limit: decisions after which an episode is cut.
        first: from an integer to the ``[4]`` state in which an environment seeded by it begins.
    """

    def __init__(
        self, origins: Sequence[Origin], limit: int, first: Callable[[int], NDArray[np.float64]]
    ) -> None:
        self.origins, self.limit, self.first = origins, limit, first
        self.state: NDArray[np.float64] = np.zeros((4, len(origins)))  # x, x', θ, θ'
        self.length = np.zeros(len(origins), np.int64)
        self.episode = [origin.episode for origin in origins]
        self.replay = [np.asarray(origin.actions, np.int64) for origin in origins]

    def reset(self, done: Bools | None = None, episode: int | None = None) -> Array:
        rows = range(len(self.origins)) if done is None else done.nonzero()[0].tolist()
        for row in rows:
            self._begin(row, self.episode[row] if episode is None else episode)
        if any(len(actions) for actions in self.replay):
            self._replay()
        return self.state.T.astype(np.float32, order="C")

    def _begin(self, row: int, episode: int) -> None:
        self.state[:, row] = self.first(self.origins[row].chance(episode))
        self.length[row] = 0
        self.episode[row] = episode + 1

    def _replay(self) -> None:
        """Let every row take the actions of its origin: all end together, each starts on its turn."""
        first = self.state.copy()
        for left in range(max(map(len, self.replay)), 0, -1):
            begins = np.array([len(actions) <= left for actions in self.replay])
            self.state[:, begins] = first[:, begins]
            self.step(np.array([a[-left] if len(a) >= left else 0 for a in self.replay]))
        for row, actions in enumerate(self.replay):
            self.length[row] = len(actions)
            if not len(actions):
                self.state[:, row] = first[:, row]
        self.replay = [actions[:0] for actions in self.replay]

    def step(self, action: Array) -> Stepped:
        _, speed, angle, spin = state = self.state
        force = np.where(action == 1, FORCE, -FORCE)
        cos, sin = np.cos(angle), np.sin(angle)
        push = (force + MASS_LENGTH * np.square(spin) * sin) / MASS
        spin_up = (GRAVITY * sin - cos * push) / (LENGTH * (4.0 / 3.0 - MASS_POLE * np.square(cos) / MASS))
        speed_up = push - MASS_LENGTH * spin_up * cos / MASS
        state = self.state = state + TAU * np.array((speed, speed_up, spin, spin_up))
        self.length += 1
        outside = np.abs(state[::2]) > LIMITS
        terminated: Bools = outside[0] | outside[1]
        obs = state.T.astype(np.float32, order="C")
        return obs, np.ones(len(self.length)), terminated, self.length >= self.limit

    def render(self, row: int) -> Any:
        raise NotImplementedError("these rows have no picture; frozen() gives environments that do")

    def close(self) -> None: ...
