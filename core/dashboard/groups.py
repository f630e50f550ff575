"""The watched runs as the Overview shows them: seeds told in numbers, gathered into groups, sifted and ordered."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, nan, prod
from statistics import fmean
from typing import Any

from core import jsonl
from core.dashboard.watch import Live
from core.measures import MEASURES

MOST = 1 << 53  # steps; more is a slip of someone's hand
STATES = ("running", "finished", "stopped", "failed", "crashed", "unreadable")


@dataclass(frozen=True)
class Seed:
    """One run in numbers."""

    record: Live
    step: int
    planned: int | None
    measured: dict[str, float]  # the last value of each metric that its suite is measured by
    seconds: float  # NaN where nobody knows

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1; what has finished is done whatever was planned."""
        if self.record.status == "finished":
            return 1.0
        return max(0.0, min(1.0, self.step / self.planned)) if self.planned else 0.0


@dataclass(frozen=True)
class Group:
    """What one command made: its seeds, in order."""

    name: str
    seeds: tuple[Seed, ...]

    @property
    def records(self) -> list[Live]:
        return [seed.record for seed in self.seeds]

    @property
    def algorithm(self) -> str:
        return self._told().algorithm

    @property
    def task(self) -> str:
        return self._told().task

    @cached_property
    def states(self) -> Counter[str]:
        """How many seeds are in which state."""
        return Counter(record.status for record in self.records)

    @cached_property
    def slowest(self) -> Seed:
        """The seed that is least far."""
        return min(self.seeds, key=lambda seed: (seed.share, seed.step))

    @cached_property
    def last(self) -> tuple[str, float, int]:
        """(metric, mean, n) over the seeds that have it; ("", NaN, 0) before the first evaluation."""
        for metric in MEASURES.get(self._told().suite, MEASURES["core"]):
            values = [seed.measured[metric] for seed in self.seeds if metric in seed.measured]
            if values:
                return metric, fmean(values), len(values)
        return "", nan, 0

    @cached_property
    def started(self) -> float:
        """When its youngest run began, in seconds since 1970."""
        return max(record.started for record in self.records)

    @property
    def seconds(self) -> float:
        """The longest of its seeds' wall times; NaN where nobody knows."""
        return max((seed.seconds for seed in self.seeds if isfinite(seed.seconds)), default=nan)

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The tags of any seed."""
        return tuple(dict.fromkeys(tag for record in self.records for tag in record.annotations.tags))

    @cached_property
    def notes(self) -> str:
        """The notes of its seeds; each different one once."""
        told = dict.fromkeys(record.annotations.notes for record in self.records)
        return "\n".join(notes for notes in told if notes)

    @cached_property
    def words(self) -> str:
        """What a search looks in."""
        return "\n".join((self.name, self.algorithm, self.task, *self.tags, self.notes)).casefold()

    def _told(self) -> Live:
        """A seed whose run.json can be read, where there is one."""
        return next((record for record in self.records if record.run), self.records[0])


class Groups:
    """Groups of a watch's records; only runs that changed are looked at again."""

    def __init__(self) -> None:
        self._seeds: dict[str, tuple[int, Seed]] = {}

    def of(self, records: Sequence[Live]) -> list[Group]:
        """One group per folder, oldest first."""
        gathered: dict[str, list[Seed]] = {}
        for record in records:
            known = self._seeds.get(record.id)
            # the wall of a running seed goes on by itself
            if known is None or known[0] != record.version or record.status == "running":
                known = self._seeds[record.id] = record.version, _seed(record)
            gathered.setdefault(record.group, []).append(known[1])
        by_seed: Callable[[Seed], Any] = lambda one: (one.record.seed, one.record.path.name)  # noqa: E731
        return [Group(name, tuple(sorted(seeds, key=by_seed))) for name, seeds in gathered.items()]


def _seed(record: Live) -> Seed:
    try:
        return seed(record)
    except (ArithmeticError, TypeError, ValueError):  # numbers no computer counts to: the rest is still shown
        return Seed(record, 0, None, {}, nan)


def seed(record: Live) -> Seed:
    """One run in numbers, from the ends of its files."""
    last = record.last()
    measured: dict[str, float] = {}
    for metric in MEASURES.get(record.suite, MEASURES["core"]):
        if metric in last:
            measured[metric] = jsonl.as_float(last[metric])
        elif not record.summary and len(values := record.series(metric)[1]):
            measured[metric] = float(values[-1])  # a run that never came to write a summary
    seconds = jsonl.as_float(record.run.get("seconds") or nan)
    if record.status == "running":
        seconds = time.time() - record.started
    elif not seconds > 0:  # killed before it could say
        seconds = jsonl.as_float(last.get("time/seconds", nan))
    return Seed(record, record.step(), _planned(record), measured, seconds)


def _planned(record: Live) -> int | None:
    """How far the run means to go on its axis."""
    if "imported" in record.run:
        return None  # what its settings are called, nobody knows
    config = record.config
    counts: list[Any] = [config.get("steps")]
    if record.axis != "env_step":  # a training step sees a batch, or one for each update of a critic
        counts += [config.get("batch", config.get("batch_size", 1)), config.get("critic_steps", 1)]
    planned = prod(counts) if all(isinstance(count, int) for count in counts) else 0
    return planned if 0 < planned < MOST else None


def sift(
    groups: Iterable[Group],
    *,
    search: str = "",
    states: Sequence[str] = (),
    algorithms: Sequence[str] = (),
    tasks: Sequence[str] = (),
) -> list[Group]:
    """The groups that hold every word of `search`, a seed in one of the states, and one of each other choice."""
    words = search.casefold().split()
    return [
        group
        for group in groups
        if (not states or any(state in group.states for state in states))
        and (not algorithms or group.algorithm in algorithms)
        and (not tasks or group.task in tasks)
        and all(word in group.words for word in words)
    ]


KEYS: dict[str, Callable[[Group], Any]] = {
    "name": lambda group: group.name.casefold(),
    "algorithm": lambda group: group.algorithm.casefold(),
    "task": lambda group: group.task.casefold(),
    "state": lambda group: min(STATES.index(s) if s in STATES else len(STATES) for s in group.states),
    "progress": lambda group: group.slowest.share,
    "last": lambda group: group.last[1],
    "duration": lambda group: group.seconds,
    "started": lambda group: group.started,
}


def order(groups: Sequence[Group], key: str, rising: bool) -> list[Group]:
    """Sorted by a column; what has no value there comes last either way."""
    told = [(KEYS[key](group), group) for group in groups]
    known = [pair for pair in told if pair[0] == pair[0]]
    known.sort(key=lambda pair: pair[0], reverse=not rising)
    return [group for _, group in known] + [group for value, group in told if value != value]
