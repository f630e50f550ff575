"""Monte-Carlo control: whole episodes, each action valued by what was truly earned after it.

Sutton & Barto 2018, sections 5.3 and 5.4. When an episode has ended, backwards from its last step:

    G ← r + γ G,   Q(s, a) ← Q(s, a) + α [ G − Q(s, a) ],   α = 1 / N(s, a) for the plain mean of all returns

An episode that a time limit cuts has no return, and nothing is learnt from it: to take what it had earned by then for
all there is would teach that the limit is the end of the world.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.noise import States
from rl.agent import Spec
from rl.tabular import Moment, Settings, Table, Values

TAGS = {"model": "free", "kind": "value", "policy": "on", "spaces": "discrete -> discrete"}

Episode: TypeAlias = list[tuple[int, int, float]]  # (state, action, reward)


@dataclass(frozen=True)
class Config(Settings):
    epsilon_end: float = 0.0  # and at the end, on a straight line
    step_size: Literal["mean", "lr"] = "mean"  # 1 / visits, so that a value is the mean of its returns; or lr
    visits: Literal["first", "every"] = "first"  # of a state and action in an episode, those that count


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "FrozenLake-v1": {"steps": 300_000},
        "CliffWalking-v1": {"gamma": 1.0, "step_size": "lr", "lr": 0.05, "steps": 300_000},
    },
}


def update(q: Values, visits: Values, episode: Episode, gamma: float, lr: float | None, first: bool) -> float:
    """Moves ``q`` and counts ``visits`` [state, action] by one whole episode: Σ |G − Q|.

    Args:
        lr: the step size; None: 1 / visits.
        first: of several visits to a state and action the first alone counts.
    """
    gain, error = 0.0, 0.0
    earliest = {(s, a): t for t, (s, a, _) in reversed(list(enumerate(episode)))}
    for t, (state, action, reward) in reversed(list(enumerate(episode))):
        gain = reward + gamma * gain
        if first and earliest[state, action] != t:
            continue
        visits[state, action] += 1
        missed = gain - q[state, action]
        q[state, action] += (1 / visits[state, action] if lr is None else lr) * missed
        error += abs(missed)
    return float(error)


class MonteCarlo(Table):
    id = "monte-carlo"

    def __init__(self, spec: Spec, config: Config) -> None:
        super().__init__(spec, config)
        self.first, self.mean = config.visits == "first", config.step_size == "mean"
        self.visits: NDArray[np.float64] = np.zeros_like(self.q)
        self.episodes: list[list[Episode]] = [[[] for _ in range(spec.envs)] for _ in spec.seeds]

    def moved(self, seed: int, env: int, now: Moment) -> float:
        episode, error = self.episodes[seed][env], 0.0
        episode.append((now.state, now.action, now.reward))
        if now.terminated:
            lr = None if self.mean else now.lr
            error = update(self.q[seed], self.visits[seed], episode, self.config.gamma, lr, self.first)
        if now.over:
            episode.clear()
        return error

    def state_dict(self) -> States:
        return [
            {**state, "visits": self.visits[k].copy(), "episodes": self._kept(k)}
            for k, state in enumerate(super().state_dict())
        ]

    def _kept(self, k: int) -> list[NDArray[np.float64]]:
        return [np.array(episode, np.float64).reshape(-1, 3) for episode in self.episodes[k]]

    def load_state_dict(self, states: States) -> None:
        super().load_state_dict(states)
        self.visits = np.stack([state["visits"] for state in states])
        self.episodes = [
            [[(int(s), int(a), r) for s, a, r in np.asarray(rows).tolist()] for rows in state["episodes"]]
            for state in states
        ]


AGENT = MonteCarlo
