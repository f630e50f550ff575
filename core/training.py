"""Training, whatever is trained: rows, evaluations and checkpoints when they are due, and an end that is told.

Whenever the process is killed, what goes on from its newest checkpoint ends with the record of a run that was not.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from core import trees
from core.averages import Averages
from core.errors import UserError
from core.measures import higher_is_better
from core.noise import States
from core.rows import Array, to_numpy
from core.sessions import Cadence
from core.stopping import Stopped, Stopping
from core.tracking import FATAL, Group

Check: TypeAlias = Callable[[], None]
"""To be called now and then in long work: raises Stopped when someone asked to stop."""

Evaluate: TypeAlias = Callable[[int, bool, Check], Mapping[str, Array]]
"""Step, whether it is the last time, and what to call now and then, to scores: ``eval/*`` to ``[seed]``, and to more
axes, or in words, what only the summary keeps; ``episodes/*`` to ``[seed, episode]``. Must leave what is learnt as it
was, also when stopped."""


EPISODES = (
    "episodes"  # `episodes/*` of the scores, [seed, episode], are the columns of the table of that name
)


def columns_of(name: str, scores: Mapping[str, Any]) -> dict[str, Any]:
    """The scores that are columns of the table `name`, by the columns' names."""
    return {key.removeprefix(f"{name}/"): v for key, v in scores.items() if key.startswith(f"{name}/")}


def final(scores: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """One seed's last scores as its summary keeps them: `eval/*` as `final/*`."""
    return {
        name.replace("eval/", "final/"): value.tolist()
        for name, value in scores.items()
        if not name.startswith(f"{EPISODES}/")
    }


class Learning(Protocol):
    """What is trained, all seeds side by side. A step is one of each seed."""

    stride: int  # steps that one advance takes
    scale: int  # of the record's axis, in one step
    shown: str  # the metric that stands beside the progress
    selected: (
        str  # the score that chooses the best checkpoint; where there is none the last one is kept alone
    )

    @property
    def done(self) -> bool:
        """Whether there is nothing more to learn, though steps are left; it may become so in an evaluation alone."""
        ...

    def begin(self) -> None:
        """Before the first step of all; not when a state was loaded."""
        ...

    def advance(self, averages: Averages) -> None:
        """Take the next steps, and add what they measured."""
        ...

    def look(self, group: Group, at: int) -> None:
        """Record what there is to look at, histograms and pictures; ``at`` is the place on the record's axis."""
        ...

    def state_dict(self) -> States: ...

    def load_state_dict(self, states: States) -> None: ...


class Training:
    """What is trained and its record, and how far it has come."""

    def __init__(self, learning: Learning, group: Group, steps: int, cadence: Cadence) -> None:
        self.learning, self.group, self.steps, self.cadence = learning, group, steps, cadence
        self.averages = Averages(len(group.seeds))
        self.upwards = higher_is_better(learning.selected) is not False
        self.best = np.full(len(group.seeds), -np.inf if self.upwards else np.inf)
        self.best_at = np.zeros(len(group.seeds), np.int64)  # where on the record's axis
        self.step = 0  # of one seed so far
        self.evaluated = 0  # the step of the last evaluation
        self._fresh = True  # nothing was loaded
        self._timed = (0, 0.0)  # step and seconds at the last row

    @property
    def at(self) -> int:
        """Where on the record's axis it is."""
        return self.step * self.learning.scale

    def run(self, evaluate: Evaluate) -> int:
        """Train until the steps are done, someone asks to stop or every seed failed; returns the exit code."""
        with Stopping() as stopping:
            try:
                self._begin()
                self._train(evaluate, stopping.check)
                return self._end(evaluate, stopping.check)
            except Stopped:
                self._checkpoint()
                name = self.group.path.name
                self.group.say(f"stopped at step {self.step}; lab resume {name} goes on from there")
                self.group.finish("stopped", stopping.exit_code)
                return stopping.exit_code

    def _begin(self) -> None:
        if self._fresh:
            self.learning.begin()
            self._checkpoint()  # from here on it can be resumed, whenever it is killed
        self._tell_best()
        self._timed = (self.step, self.group.seconds)

    def _train(self, evaluate: Evaluate, check: Check) -> None:
        if self.evaluated < self.step < self.steps and self._due("evaluate"):  # stopped in mid-evaluation
            self._evaluate(evaluate, check)
        while self.step < self.steps and self.group.alive.any() and not self.learning.done:
            check()
            self.learning.advance(self.averages)
            self.step += self.learning.stride
            if self._due("log"):
                self._record()
            if self.step >= self.steps:  # what is left to do is _end's
                break
            if self._due("evaluate"):
                self._evaluate(evaluate, check)
            elif self._due("checkpoint"):
                self._checkpoint()

    def _end(self, evaluate: Evaluate, check: Check) -> int:
        """The last evaluation; 1 if a seed failed."""
        self._record()
        if not self.group.alive.any():
            self.group.finish("failed", 1)
            return 1
        scores = evaluate(self.step, True, check)
        self._checkpoint(self._better(scores))  # before its row is written: killed here, it scores again
        if self.evaluated < self.step:  # else the evaluation that ended it has its row
            self._log(scores)
        for k in np.flatnonzero(self.group.alive).tolist():
            self.group.summary(k, final({name: to_numpy(v)[k] for name, v in scores.items()}))
        self.group.finish()
        return 0 if self.group.alive.all() else 1

    def _due(self, what: str) -> bool:
        """Whether the last step crossed a multiple of that cadence."""
        every: int = getattr(self.cadence, what)
        return every > 0 and self.step // every > (self.step - self.learning.stride) // every

    def _record(self) -> None:
        """Write what gathered since the last row."""
        rows = self.averages.flush()
        if not any(rows):
            return
        step, seconds = self._timed
        self._timed = (self.step, self.group.seconds)
        speed = (self.step - step) / max(self._timed[1] - seconds, 1e-9)
        self.group.rows(self.at, [{**row, "time/steps_per_second": speed} if row else {} for row in rows])
        shown = [row[self.learning.shown] for row in rows if self.learning.shown in row]
        label = self.learning.shown.rpartition("/")[2]
        self.group.progress(self.step, self.steps, float(np.mean(shown)) if shown else None, label)

    def _part_with_failed(self) -> None:
        """Not to wait for the next row: a seed that has failed keeps the checkpoint before."""
        if (self.averages.broken(FATAL) & self.group.alive).any():
            self._record()

    def _evaluate(self, evaluate: Evaluate, check: Check) -> None:
        self._part_with_failed()
        scores = evaluate(self.step, False, check)
        self.evaluated = self.step
        self._log(scores)
        self._checkpoint(self._better(scores))

    def _log(self, scores: Mapping[str, Array]) -> None:
        numbers = {
            n: v for n, v in scores.items() if v.ndim == 1 and (isinstance(v, Tensor) or v.dtype.kind != "U")
        }
        self.group.log(self.at, numbers)
        columns = columns_of(EPISODES, scores)
        tables = [{name: to_numpy(v)[k] for name, v in columns.items()} for k in range(len(self.best))]
        self.group.table(self.at, EPISODES, tables)
        self.learning.look(self.group, self.at)

    def _better(self, scores: Mapping[str, Array]) -> NDArray[np.bool_]:
        """Which seeds were never this good before."""
        if self.learning.selected not in scores:
            return np.zeros(len(self.best), np.bool_)
        now = to_numpy(scores[self.learning.selected]).astype(np.float64)
        better: NDArray[np.bool_] = now > self.best if self.upwards else now < self.best
        self.best, self.best_at = np.where(better, now, self.best), np.where(better, self.at, self.best_at)
        self._tell_best()
        return better

    def _tell_best(self) -> None:
        for k in np.flatnonzero(self.group.alive & np.isfinite(self.best)).tolist():
            best = {"value": float(self.best[k]), "step": int(self.best_at[k])}
            self.group.summary(k, {"best": {self.learning.selected: best}})

    def _checkpoint(self, best: NDArray[np.bool_] | None = None) -> None:
        self._part_with_failed()
        flags = np.zeros(len(self.best), np.bool_) if best is None else best
        self.group.checkpoint(self.at, self.state_dict(), best=flags.tolist())

    def state_dict(self) -> States:
        count = len(self.best)
        own = trees.zipped(
            averages=self.averages.state_dict(),
            step=[self.step] * count,
            evaluated=[self.evaluated] * count,
            best=self.best.tolist(),
            best_at=self.best_at.tolist(),
        )
        return [{**theirs, **ours} for theirs, ours in zip(self.learning.state_dict(), own, strict=True)]

    def load_state_dict(self, states: States) -> None:
        """Go on where ``state_dict`` was taken; UserError for a state that another version wrote."""
        try:
            self.learning.load_state_dict(states)
            self.averages.load_state_dict([state["averages"] for state in states])
            self.best = np.array([state["best"] for state in states])
            self.best_at = np.array([state["best_at"] for state in states])
            self.step, self.evaluated, self._fresh = states[0]["step"], states[0]["evaluated"], False
        except KeyError as missing:
            raise UserError(
                f"the checkpoint has no {missing}: it was written by another version of the lab"
            ) from None
