"""A task on its examples, every seed at once: what is trained here. core/training.py does the rest."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from core import trees
from core.averages import Averages
from core.early_stopping import EarlyStopping, Rule
from core.errors import UserError
from core.history import History
from core.noise import Noise, State, States
from core.order import Order
from core.rows import Array, to_numpy
from core.task import Batch, Keeping, Task, Telling, rows_of
from core.tracking import Group
from core.training import Check

PIECE = 500  # rows that are scored at once


class Fitting:
    """A task and its examples, and everything that must be saved to go on exactly. A step is one update.

    A seed that stops early takes its best weights back and rests: it has no more rows of its own training, and its
    scores stay as they are until all seeds have stopped or the steps are done.

    Args:
        task: what learns.
        seeds: the run's seeds.
        steps: how many there will be.
        selected: the score that chooses the best weights.
        rule: when a seed stops early; None: it does not, and keeps its last weights.
        stream: parts what is drawn for it.
    """

    stride, shown = 1, "train/loss"

    def __init__(
        self,
        task: Task,
        seeds: Sequence[int],
        steps: int,
        selected: str,
        rule: Rule | None = None,
        stream: str = "data",
    ) -> None:
        self.task, self.seeds, self.steps = task, seeds, steps
        self.scale, self.selected = task.batch, selected
        device = task.net.device
        self.train, self.validation, self.test = (
            tuple(torch.from_numpy(array).to(device) for array in part)
            for part in (task.train, task.validation, task.test)
        )
        self.order = Order(rows_of(task.train), seeds, task.batch, stream, device)
        self.noise = Noise(seeds, f"{stream} prepared", device)
        self.histories = [History() for _ in seeds]
        self.stops = [EarlyStopping(rule) for _ in seeds] if rule else []
        self.updates = 0
        known = [f"eval/{name}" for name in self.scores(tuple(array[:2] for array in self.validation))]
        if self.selected not in known:
            raise UserError(f"no score is named {self.selected!r}; --monitor takes one of {', '.join(known)}")

    @property
    def done(self) -> bool:
        """Every seed has stopped, or has failed."""
        return bool(self.stops) and all(stop.stopped or not alive for stop, alive in self._seeds())

    def _seeds(self) -> list[tuple[EarlyStopping, bool]]:
        return list(zip(self.stops, self.task.net.alive.tolist(), strict=True))

    def begin(self) -> None:
        """What is known before anything was learnt: the histories' beginning."""
        self._remember(0, *self._losses())

    def advance(self, averages: Averages) -> None:
        """One update of every seed that has not stopped."""
        places = self.order.next()  # [seed, batch]
        drawn = tuple(array[places] for array in self.train)
        batch = self.task.prepared(drawn, self.noise)
        lr = self.task.lr(self.updates / self.steps)
        metrics = self.task.net.step(self.task.loss, *batch, lr=lr)
        self.updates += 1
        found = {f"train/{name}": value for name, value in metrics.items()}
        if not any(stop.stopped for stop in self.stops):
            averages.add({**found, "train/lr": torch.full_like(found["train/loss"], lr)})
            return
        for k in (k for k, stop in enumerate(self.stops) if not stop.stopped):
            for name, value in found.items():
                averages.add_one(k, name, float(value[k]))

    def evaluate(self, step: int, last: bool, check: Check) -> Mapping[str, Array]:
        """``eval/*`` of what is held out, ``fitted/*`` of about as many examples trained on, ``gap/*`` between the two.

        The last time the best weights are in force again where early stopping is on, and ``eval/test_*`` is added.
        """
        self._rest()
        found = self._both(check)
        fitted, held_out = found["fitted/loss"], found["eval/loss"]
        self._remember(step, fitted, held_out)
        self._see(step, found)
        if last:
            if self.stops:
                for k in range(len(self.seeds)):
                    self._take_back(k)
                found = self._both(check)
            found |= {f"eval/test_{name}": value for name, value in self.scores(self.test, check).items()}
            found |= self.task.words(found) if isinstance(self.task, Telling) else {}
            return {**found, "eval/fit": np.array([history.word for history in self.histories])}
        return found

    def look(self, group: Group, at: int) -> None:
        """Histograms of weights and gradients, and what the task has to show."""
        if isinstance(self.task, Telling):
            self.task.look(group, at)
        net = self.task.net
        found = {f"weights/{name}": value for name, value in net.weights().items()}
        group.histograms(at, found | {f"gradients/{name}": value for name, value in net.gradients().items()})

    # --- scores

    def _both(self, check: Check) -> dict[str, Array]:
        fitted = self.scores(self._some_of(self.train), check)
        held_out = self.scores(self.validation, check)
        found: dict[str, Array] = {f"eval/{name}": value for name, value in held_out.items()}
        found |= {f"fitted/{name}": value for name, value in fitted.items()}
        return found | {f"gap/{name}": held_out[name] - fitted[name] for name in held_out}

    def _some_of(self, rows: Batch) -> Batch:
        """As many rows as are held out but no fewer than a piece, equally far apart; or all."""
        step = max(len(rows[0]) // max(len(self.validation[0]), PIECE), 1)
        return tuple(array[::step] for array in rows)

    def scores(self, rows: Batch, check: Check = lambda: None) -> dict[str, Tensor]:
        """What the task scores on these rows ``[n, …]``, read in pieces: means by name, ``[seed]``."""
        sums: dict[str, Tensor] = {}
        for piece in zip(*(array.split(PIECE) for array in rows), strict=True):
            check()
            of_every_seed = tuple(array.expand(len(self.seeds), *array.shape) for array in piece)
            for name, mean in self.task.scores(of_every_seed).items():
                sums[name] = sums.get(name, 0.0) + mean.double() * len(piece[0])
        return {name: total / len(rows[0]) for name, total in sums.items()}

    def _losses(self) -> tuple[Tensor, Tensor]:
        return self.scores(self._some_of(self.train))["loss"], self.scores(self.validation)["loss"]

    def _remember(self, step: int, fitted: Array, held_out: Array) -> None:
        pairs = zip(to_numpy(fitted).tolist(), to_numpy(held_out).tolist(), strict=True)
        for k, (history, pair) in enumerate(zip(self.histories, pairs, strict=True)):
            if not self.stops or not self.stops[k].stopped:
                history.add(step, *pair)

    # --- early stopping

    def _see(self, step: int, found: Mapping[str, Array]) -> None:
        for k, stop in enumerate(self.stops):
            score = float(to_numpy(found[self.selected])[k])
            if not stop.stopped and stop.see(step, score, lambda k=k: self._weights(k)):  # type: ignore[misc]
                self._take_back(k)
                self.task.net.alive[k] = False  # its weights move no more

    def _weights(self, k: int) -> State:
        """What a seed's network is: its weights and its buffers, sharing their memory."""
        net = self.task.net
        return {
            "weights": net.layout.views(net.matrix[k]),
            "buffers": dict(net.modules[k].named_buffers()),
        }

    def _take_back(self, k: int) -> None:
        if self.stops[k].kept:
            trees.map(lambda mine, best: mine.copy_(best), self._weights(k), self.stops[k].kept)

    def _rest(self) -> None:
        """Learning moves the running statistics of seeds that have stopped, though not their weights."""
        for k, stop in enumerate(self.stops):
            if stop.stopped:
                self._take_back(k)

    # --- going on

    def state_dict(self) -> States:
        parts: dict[str, trees.Stateful] = {
            "net": self.task.net,
            "order": self.order,
            "noise": self.noise,
        }
        kept = {"task": [self.task.kept()] * len(self.seeds)} if isinstance(self.task, Keeping) else {}
        return trees.states_of(
            parts,
            **kept,
            history=[history.state_dict() for history in self.histories],
            stop=[stop.state_dict() for stop in self.stops] or [None] * len(self.seeds),
            updates=[self.updates] * len(self.seeds),
        )

    def load_state_dict(self, states: States) -> None:
        """Go on where ``state_dict`` was taken, in the middle of an epoch."""
        trees.load_states({"net": self.task.net, "order": self.order, "noise": self.noise}, states)
        for history, state in zip(self.histories, states, strict=True):
            history.load_state_dict(state["history"])
        for stop, state in zip(self.stops, states, strict=bool(self.stops)):
            stop.load_state_dict(state["stop"])
        self.updates = int(states[0]["updates"])
