"""The watched runs as the Compare page asks for them: filtered, parted by task, compared and made into lines."""

import shlex
import threading
from collections import Counter, OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import NamedTuple

from core.across import Across, across
from core.comparison import Contest, contests
from core.dashboard.lines import Drawer, Line, Style
from core.dashboard.watch import Live, Watch
from core.errors import UserError
from core.grouping import OWN_AFFAIR, task_of
from core.selection import select

MOST_TASKS = 6  # drawn when nobody says which
KEPT = 200  # contests
KEPT_TOGETHER = 8
Question = tuple[str, float | None, tuple[str, ...], bool]  # metric, threshold, by, merge


class Task(NamedTuple):
    """A task and its runs, oldest first."""

    suite: str
    name: str
    records: tuple[Live, ...]


class Part(NamedTuple):
    """A task as it is shown; without a contest, `said` is why."""

    task: Task
    contest: Contest | None
    said: str


def tasks_of(records: Sequence[Live]) -> list[Task]:
    """The tasks in order of suite and name. A group's runs stay together, half-written ones too."""
    names: dict[str, tuple[str, str]] = {}
    held: dict[tuple[str, str], list[Live]] = {}
    for record in sorted(records, key=lambda record: record.status == "unreadable"):
        key = names.setdefault(record.group, (record.suite, task_of(record)))
        held.setdefault(key, []).append(record)
    suites = {"rl": 0, "generative": 1}
    ordered = sorted(held.items(), key=lambda item: (suites.get(item[0][0], 2), item[0]))
    return [Task(*key, tuple(sorted(runs, key=lambda run: run.started))) for key, runs in ordered]


def metrics_of(records: Sequence[Live]) -> list[str]:
    """The metrics these runs have, the commonest first; one run of each group is asked."""
    asked = {record.group: record for record in records}.values()
    names = Counter(name for record in asked for name in record.last() if _is_metric(record, name))
    return sorted(names, key=lambda name: (not name.startswith("eval/"), name))


def _is_metric(record: Live, name: str) -> bool:
    return name not in (record.axis, "best") and not name.startswith(("final/", "time/"))


def settings_of(records: Sequence[Live]) -> list[str]:
    """What sets these runs apart and can make the entries: settings with more than one value."""
    values: dict[str, set[str]] = {}
    configs = [record.config for record in records]
    for config in configs:
        for name, value in config.items():
            values.setdefault(str(name), set()).add(str(value))
    apart = [
        name
        for name, seen in values.items()
        if name not in OWN_AFFAIR and (len(seen) > 1 or any(name not in c for c in configs))
    ]
    return ["algorithm", "group", *sorted(set(apart) - {"algorithm", "group"})]


class Gathered:
    """What is known of one watch's runs; contests and lines that have not changed are kept."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self._lock = threading.Lock()
        self._contests: OrderedDict[Hashable, tuple[Contest | None, str]] = OrderedDict()
        self._together: OrderedDict[Hashable, Across | None] = OrderedDict()
        self._drawer = Drawer()

    def chosen(self, groups: Sequence[str], where: str) -> tuple[list[Live], str]:
        """The runs of the named groups (all where none is named) that pass the filter, and what is wrong with it."""
        records = self.watch.records()
        if groups:
            records = [record for record in records if record.group in groups]
        try:
            kept = {record.id for record in select(records, shlex.split(where))}
        except (UserError, ValueError) as error:  # ValueError: a quotation mark that is not closed
            return records, str(error)
        return [record for record in records if record.id in kept], ""

    def part(self, task: Task, question: Question, hidden: Sequence[str] = ()) -> Part:
        """The contest on one task, without the hidden entries."""
        metric, threshold, by, merge = question
        key = (question, tuple((record.id, record.version) for record in task.records))
        with self._lock:
            if (found := self._contests.get(key)) is None:
                try:
                    made = contests(task.records, metric=metric, threshold=threshold, merge=merge, by=by)
                    found = (made[0] if made else None, "")
                except UserError as error:
                    found = None, str(error)
                self._contests[key] = found
                while len(self._contests) > KEPT:
                    self._contests.popitem(last=False)
            self._contests.move_to_end(key)
        contest, said = found
        if contest is not None and any(entry.label in hidden for entry in contest.entries):
            shown = tuple(entry for entry in contest.entries if entry.label not in hidden)
            contest = replace(contest, entries=shown)
        return Part(task, contest, said)

    def together(self, shown: Sequence[Contest]) -> Across | None:
        """The contests at once; worked out anew only when a final score or a state has changed."""
        key = tuple(
            (c.task, c.metric, e.label, e.scores.tobytes(), tuple(e.status.items()))
            for c in shown
            for e in c.entries
        )
        if key not in self._together:
            made = across(shown) if len(shown) > 1 else None
            with self._lock:
                self._together[key] = made
                while len(self._together) > KEPT_TOGETHER:
                    self._together.popitem(last=False)
        return self._together.get(key)

    def lines(self, contest: Contest, style: Style) -> list[Line]:
        """The contest's lines, those that are the same as before not worked out anew."""
        with self._lock:
            return self._drawer.lines(contest, style)
