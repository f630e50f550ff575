"""`lab eval RUN` of a supervised task: what a trained network is worth on the rows kept for the end."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from core import config as settings_file
from core.confusion import confusion, matrix
from core.errors import UserError
from core.fit import build, settings_of
from core.fitting import Fitting
from core.records import Record
from core.rows import Array, to_numpy
from core.run_folder import strict
from core.sessions import saved_of
from core.statistics import Interval, student_interval
from core.tables import number, text
from core.task import Sorting, Telling, module_of

Which = Literal["last", "best"]


@dataclass(frozen=True)
class Evaluation:
    """Options of `lab eval`."""

    checkpoint: Which = "last"  # last, or best: the one with the best score on what was held out to choose by
    json: bool = False  # print JSON instead of tables


@dataclass(frozen=True)
class Learned:
    """The trained networks of some seeds of one run, and the data they are tested on.

    Attributes:
        steps: where on the record's axis each seed's checkpoint was taken.
        fitting: the task with those weights; ``fitting.test`` are the rows kept for the end.
    """

    records: Sequence[Record]
    steps: tuple[int, ...]
    fitting: Fitting

    def scores(self) -> dict[str, Array]:
        """``test_*`` and what they mean in words, by name: ``[seed]``."""
        found: dict[str, Array] = {f"test_{n}": v for n, v in self.fitting.scores(self.fitting.test).items()}
        if isinstance(self.fitting.task, Telling):
            said = self.fitting.task.words({f"eval/{name}": value for name, value in found.items()})
            found |= {name.removeprefix("eval/"): value for name, value in said.items()}
        return found

    def confusion(self) -> NDArray[np.int64] | None:
        """How many test rows of each class are taken for each ``[seed, K, K]``; None where there are no classes."""
        task = self.fitting.task
        return confusion(task, self.fitting.test, len(self.records)) if isinstance(task, Sorting) else None

    @property
    def sound(self) -> list[int]:
        """The places of the seeds that did not fail; means are over them."""
        return [k for k, record in enumerate(self.records) if record.status != "failed"]


def load(records: Sequence[Record], checkpoint: Which = "last") -> Learned:
    """What a run learned, from its checkpoints alone: ``load(find("runs", "last")).scores()``.

    Raises:
        UserError: no run of a task, or it has no such checkpoint.
    """
    if any(record.suite != "core" for record in records):
        raise UserError(f"{records[0].id} is no run of a supervised task; see `lab runs`")
    saved = [saved_of(record, checkpoint) for record in records]
    options, _, config = settings_of(records[0], seeds=tuple(record.seed for record in records))
    facts = {**records[0].run["facts"], "compile": False}
    if facts["device"] != "cpu" and not torch.cuda.is_available():
        facts["device"] = "cpu"
    algorithm = records[0].algorithm
    kept = saved[0][1].get("task")
    fitting, _ = build(algorithm, config, module_of(algorithm).load(config), options, facts, kept)
    fitting.task.net.load_state_dict([state["net"] for _, state in saved])
    return Learned(records, tuple(step for step, _ in saved), fitting)


def main(records: Sequence[Record], argv: Sequence[str]) -> int:
    """`lab eval RUN`: the scores of every seed, their means with intervals, and class by class where there are any."""
    options: Evaluation = settings_file.parse([Evaluation], argv, prog="lab eval RUN").values[0]
    learned = load(records, options.checkpoint)
    found, counts = {name: to_numpy(value) for name, value in learned.scores().items()}, learned.confusion()
    if options.json:
        print(json.dumps(strict(told(learned, found, counts, options.checkpoint)), ensure_ascii=False))
        return 0
    rows = len(learned.fitting.test[0])
    print(f"{records[0].group}: {rows:,} test rows of {records[0].task}, {options.checkpoint} checkpoint")
    print("\n".join(table(learned, found)))
    task = learned.fitting.task
    if counts is not None and isinstance(task, Sorting) and learned.sound:
        print("\nof each class, what per cent is taken for which, over all seeds")
        print("\n".join(matrix(counts[learned.sound].sum(0), task.classes)))
    return 0


def table(learned: Learned, found: Mapping[str, NDArray[Any]]) -> list[str]:
    """One line for each seed, and under it the means over those that did not fail."""
    header = ["seed", learned.records[0].axis, *(name.removeprefix("test_") for name in found)]
    rows = []
    for k, record in enumerate(learned.records):
        failed = " (failed)" if record.status == "failed" else ""
        cells = (str(v[k]) if v.dtype.kind == "U" else number(float(v[k])) for v in found.values())
        rows.append([f"{record.seed}{failed}", f"{learned.steps[k]:,}", *cells])
    lines = text(header, rows, right=range(1, len(header))).splitlines()
    for name, (mean, low, high) in means(learned, found).items():
        count = len(learned.sound)
        interval = f" [{number(low)}, {number(high)}], 95 % Student interval" if count > 1 else ""
        lines.append(f"{name.removeprefix('test_')}, mean over seeds: {number(mean)}{interval}, n = {count}")
    return lines


def means(learned: Learned, found: Mapping[str, NDArray[Any]]) -> dict[str, Interval]:
    """Mean and interval over the seeds that did not fail, of every score that is a number."""
    sound = learned.sound
    return {
        name: student_interval(values[sound].astype(float))
        for name, values in found.items()
        if values.dtype.kind != "U" and sound
    }


def told(
    learned: Learned, found: Mapping[str, NDArray[Any]], counts: NDArray[np.int64] | None, checkpoint: Which
) -> dict[str, Any]:
    """The same for programs."""
    first, task = learned.records[0], learned.fitting.task
    about: dict[str, Any] = {
        "group": first.group,
        "task": first.task,
        "checkpoint": checkpoint,
        "test_rows": len(learned.fitting.test[0]),
        "seeds": [record.seed for record in learned.records],
        "failed": [record.seed for record in learned.records if record.status == "failed"],
        first.axis: list(learned.steps),
        "scores": {name: values.tolist() for name, values in found.items()},
        "means": {
            name: {"mean": mean, "low": low, "high": high}
            for name, (mean, low, high) in means(learned, found).items()
        },
    }
    if counts is not None and isinstance(task, Sorting):
        about |= {"classes": list(task.classes), "confusion": counts.tolist()}
    return about
