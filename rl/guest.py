"""An algorithm that is not ours: its policy under our contract, and its record.

The record has the rows, at the steps, that core/training.py writes for our own agents.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from core.averages import Averages
from core.noise import Chance, State, States
from core.sessions import Cadence
from core.tracking import FATAL, Group
from core.training import EPISODES, columns_of, final
from rl.agent import Array, Memory
from rl.exploration import epsilon_greedy
from rl.playing import Scores

EPSILON = "exploration_rate"  # as DQN calls it, which acts at random so often; others have none


class Model(Protocol):
    """What Stable-Baselines3 trains."""

    policy: Any


class GuestPolicy:
    """The policies of all seeds, to be evaluated as ours are."""

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = list(models)

    def memory(self, envs: int) -> Memory:
        return ()

    def act(
        self, obs: Array, memory: Memory, *, start: Array, explore: Chance | None
    ) -> tuple[Array, Memory]:
        """Greedily, or exploring: a policy by torch's global chance, as they know no other, values by ε."""
        greedy = explore is None
        pairs = zip(self.models, obs, strict=True)
        action = np.stack([model.policy.predict(rows, deterministic=greedy)[0] for model, rows in pairs])
        if explore is None or (rate := getattr(self.models[0], EPSILON, None)) is None:
            return action, memory
        count = self.models[0].policy.action_space.n
        return epsilon_greedy(np.eye(count)[action], rate, explore.uniform(obs.shape[1], 1 + count)), memory

    def executed(self, action: Array) -> Array:
        return action

    def state_dict(self) -> States:
        return [
            {
                "weights": {name: value.clone() for name, value in model.policy.state_dict().items()},
                "epsilon": getattr(model, EPSILON, None),
            }
            for model in self.models
        ]

    def load_state_dict(self, states: States) -> None:
        for model, state in zip(self.models, states, strict=True):
            model.policy.load_state_dict(state["weights"])
            if hasattr(model, EPSILON):
                setattr(model, EPSILON, state["epsilon"])


@dataclass(frozen=True)
class Player:
    """What is scored now and then.

    Attributes:
        score: from a step and whether it is the last time to scores ``[1]``; must leave training as it was.
        state: what to keep of it.
    """

    score: Callable[[int, bool], Scores]
    state: Callable[[], State]


class Recorder:
    """Gathers what one seed does, and writes it when it is due.

    Args:
        group: the record of all seeds.
        index: which of them this is.
        steps: environment steps it trains for.
        envs: environment steps taken at once.
        cadence: when rows and scores are due.
        player: what is scored.
    """

    def __init__(
        self, group: Group, index: int, steps: int, envs: int, cadence: Cadence, player: Player
    ) -> None:
        self.group, self.index, self.steps, self.envs = group, index, steps, envs
        self.cadence, self.player = cadence, player
        self.averages = Averages(1)
        self.step = 0  # environment steps so far
        self.best, self.best_moment = -np.inf, (0, State())  # the score, and the step and what was kept there
        self._timed = (0, group.seconds)  # step and seconds at the last row

    @property
    def alive(self) -> bool:
        return bool(self.group.alive[self.index])

    @property
    def done(self) -> bool:
        return self.step >= self.steps

    def add(self, numbers: Mapping[str, float]) -> None:
        """Remember numbers; a row has their means."""
        for name, value in numbers.items():
            self.averages.add_one(0, name, float(value))

    def due(self) -> None:
        """Write and score if the last step crossed a multiple of the cadence."""
        before, cadence = self.step - self.envs, self.cadence
        row, scores = (n > 0 and self.step // n > before // n for n in (cadence.log, cadence.evaluate))
        if row or (scores and self.averages.broken(FATAL).any()):
            self._record()
        if scores and self.alive and not self.done:  # the last one is finish's
            self._score(last=False)

    def finish(self) -> None:
        """The last row, the last scores and the summary."""
        self._record()
        if self.alive:
            found = self._score(last=True)
            self.group.summary(self.index, final(found))

    def _record(self) -> None:
        """Write what gathered since the last row."""
        (row,) = self.averages.flush()
        if not row:
            return
        step, seconds = self._timed
        self._timed = (self.step, self.group.seconds)
        speed = (self.step - step) / max(self._timed[1] - seconds, 1e-9)
        self._write({**row, "time/steps_per_second": speed})
        done, total = self.index * self.steps + self.step, len(self.group.seeds) * self.steps
        self.group.progress(done, total, row.get("episode/return"))

    def _score(self, last: bool) -> dict[str, Any]:
        found = {name: value[0] for name, value in self.player.score(self.step, last).items()}
        if found["eval/return"] > self.best:
            self.best, self.best_moment = float(found["eval/return"]), (self.step, self.player.state())
            best = {"value": self.best, "step": self.step}
            self.group.summary(self.index, {"best": {"eval/return": best}})
        self._write({name: value for name, value in found.items() if value.ndim == 0})
        tables: list[Mapping[str, Any]] = [{} for _ in self.group.seeds]
        tables[self.index] = columns_of(EPISODES, found)
        self.group.table(self.step, EPISODES, tables)
        return found

    def _write(self, row: Mapping[str, Any]) -> None:
        rows: list[Mapping[str, Any]] = [{} for _ in self.group.seeds]
        rows[self.index] = row
        self.group.rows(self.step, rows)
