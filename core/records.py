"""Reads run folders: what `core.tracking` wrote, whole or half-written, as records and series."""

import math
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from core import jsonl
from core.config import parse
from core.errors import UserError, nearest
from core.fingerprint import hash_of
from core.measures import MEASURES
from core.processes import gone
from core.tables import age, number, text

FORMAT = 1  # the newest run.json this file understands
AXES = {"rl": "env_step", "generative": "examples_seen"}  # suite -> the key every row of its metrics carries
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is built in: ten times faster
SETTINGS = re.compile(r"-([0-9a-f]{8})-\d{8}-\d{6}(?:-\d+)?$")  # the end of a group's name

Series = tuple[jsonl.Floats, jsonl.Floats]  # steps, values; each [n]


@dataclass(frozen=True)
class Record:
    """One seed's run folder. Files are read when asked for, so a record of a live run is never stale."""

    path: Path
    group: str
    status: str  # running|finished|failed|crashed|stopped, or "unreadable" when run.json cannot be read
    run: Mapping[str, Any] = field(repr=False)  # run.json, {} when unreadable

    @property
    def id(self) -> str:
        """`<group>/<seed>`."""
        return f"{self.group}/{self.path.name}"

    @property
    def suite(self) -> str:
        """rl, generative or core."""
        return str(self.run.get("suite", "core"))

    @property
    def algorithm(self) -> str:
        """The algorithm's id, such as ppo."""
        return str(self.run.get("algorithm", "unknown"))

    @property
    def task(self) -> str:
        """The environment's id or the data set's name."""
        return str(self.run.get("task", "unknown"))

    @property
    def seed(self) -> int:
        """The seed; where run.json does not say, the folder's name; −1 when that is no number either."""
        named = self.run.get("seed", self.path.name)
        return int(named) if str(named).lstrip("-").isdigit() else -1

    @property
    def axis(self) -> str:
        """The key of the x-axis: env_step or examples_seen."""
        return str(self.run.get("axis") or AXES.get(self.suite, "examples_seen"))

    @cached_property
    def settings(self) -> str:
        """Eight hex digits, equal where the settings are: in the group's name, else of config.yaml.

        A seed that lost its config.yaml has its group's. The group's name itself where no seed has one, and for
        imported runs, whose seeds may be anywhere in it.
        """
        if found := SETTINGS.search(self.group):
            return found[1]
        if "imported" in self.run:
            return self.group
        told = self.config or next(filter(None, map(_settings, sorted(_folders(self.path.parent)))), {})
        return hash_of(told) if told else self.group

    @property
    def started(self) -> float:
        """When the run began, in seconds since 1970; the folder's own time when run.json does not say."""
        try:
            return datetime.fromisoformat(str(self.run.get("started"))).timestamp()
        except ValueError:
            return self.path.stat().st_mtime

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.yaml as a flat mapping; {} when it is missing or broken."""
        return _settings(self.path)

    @property
    def summary(self) -> dict[str, Any]:
        """summary.json; {} when it is missing or half-written."""
        return jsonl.load(self.path / "summary.json")

    def columns(self) -> dict[str, Series]:
        """metric -> (steps, values): only the points that were written, so a NaN here was logged."""
        points: dict[str, tuple[list[float], list[Any]]] = {}
        for row in jsonl.rows(self.written()):
            step = row.pop(self.axis, None)
            if not isinstance(step, int | float):
                continue
            for metric, value in row.items():
                steps, values = points.setdefault(metric, ([], []))
                steps.append(step)
                values.append(value)
        return {
            metric: (np.array(steps, float), jsonl.numbers(values))
            for metric, (steps, values) in points.items()
        }

    def series(self, metric: str) -> Series:
        """(steps, values) of one metric. Only what it is made of is parsed: many runs open quickly."""
        raw = self.written()
        quick = jsonl.series(raw, self.axis, metric)
        if quick is not None:
            return quick
        rows = jsonl.rows(b"\n".join(jsonl.naming(raw, metric)) + b"\n")
        rows = [row for row in rows if metric in row and isinstance(row.get(self.axis), int | float)]
        return np.array([row[self.axis] for row in rows], float), jsonl.numbers([row[metric] for row in rows])

    def seconds_at(self, step: float) -> float:
        """Wall time from the run's start to the first row at or after `step`; NaN when none says."""
        line = jsonl.last_with(self.written(), self.axis, step)
        if "time/seconds" in line:
            return jsonl.as_float(line["time/seconds"])
        steps, seconds = self.series("time/seconds")
        later = seconds[steps >= step]
        return float(later[0]) if len(later) else float("nan")

    def step(self) -> int:
        """How far the run got on its axis: what a finished run says, else the last row's step."""
        if self.status == "finished" and isinstance(reached := self.summary.get(self.axis), int | float):
            return int(reached)
        rows = jsonl.rows(self.written(tail=1 << 16))
        steps = [row[self.axis] for row in rows if isinstance(row.get(self.axis), int | float)]
        reached = steps[-1] if steps else self.summary.get(self.axis, 0)
        return int(reached) if isinstance(reached, int | float) else 0

    def written(self, tail: int | None = None) -> bytes:
        """metrics.jsonl as it stands, or about its last `tail` bytes; nothing when it is missing."""
        try:
            with (self.path / "metrics.jsonl").open("rb") as file:
                if tail is not None:
                    file.seek(max(0, file.seek(0, os.SEEK_END) - tail))
                return file.read()
        except OSError:
            return b""


def scan(root: str | Path) -> list[Record]:
    """Every run two levels below `root`, oldest first. What is no run folder is passed over."""
    root = Path(root)
    groups = [entry for entry in _folders(root) if not entry.name.startswith(".")]
    records = [record for group in groups for seed in _folders(group) if (record := read(seed))]
    return sorted(records, key=lambda record: (record.started, record.group, record.seed))


def read(folder: Path) -> Record | None:
    """The record in `folder`; None when it holds neither run.json nor metrics.jsonl."""
    run = jsonl.load(folder / "run.json")
    if not run and not any((folder / name).is_file() for name in ("run.json", "metrics.jsonl")):
        return None
    if not run or not isinstance(run.get("format", FORMAT), int) or run.get("format", FORMAT) > FORMAT:
        return Record(folder, folder.parent.name, "unreadable", {})
    status = str(run.get("status", "unreadable"))
    if status == "running" and gone(run, folder / "run.json"):
        status = "crashed"
    return Record(folder, folder.parent.name, status, run)


def find(root: str | Path, query: str) -> list[Record]:
    """The runs meant by `query`: a path, `last` (the newest group), a group, an id, or a unique prefix.

    Returns one record, or all seeds of one group in order of seed. UserError when nothing or too much fits.
    """
    if (path := Path(query)).is_dir():
        here = [record for folder in (path, *_folders(path)) if (record := read(folder.resolve()))]
        if here:
            return _by_seed(here)
    records = scan(root)
    if not records:
        raise UserError(f"no runs in {root}; `lab train` makes one, --root says where they are")
    if query == "last":
        return _by_seed(record for record in records if record.group == records[-1].group)
    query = query.rstrip("/")
    exact = [record for record in records if query in (record.group, record.id)]
    found = exact or [record for record in records if record.id.startswith(query)]
    groups = list(dict.fromkeys(record.group for record in found))
    if len(groups) == 1 and (exact or len(found) == 1 or "/" not in query):
        return _by_seed(found)
    if not found:
        newest = dict.fromkeys(record.group for record in reversed(records))
        raise UserError(f"no run {query!r} in {root}{nearest(query, [*list(newest)[:10], 'last'])}")
    names = groups if len(groups) > 1 else [record.id for record in found]
    raise UserError(f"{query!r} fits {len(names)} runs; say which: {', '.join(names[-6:])}")


def _settings(folder: Path) -> dict[str, Any]:
    try:
        loaded = yaml.load((folder / "config.yaml").read_bytes(), LOADER)
    except (OSError, yaml.YAMLError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _by_seed(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda record: (record.seed, record.path.name))


def _folders(path: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(path) if entry.is_dir()]
    except OSError:
        return []


@dataclass(frozen=True)
class Options:
    """What `lab runs` understands."""

    root: str = "runs"  # folder that holds the runs


def main(argv: Sequence[str]) -> int:
    """`lab runs`: one line per group, newest last. Returns the exit code."""
    options: Options = parse([Options], argv, prog="lab runs").values[0]
    groups: dict[str, list[Record]] = {}
    for record in scan(options.root):
        groups.setdefault(record.group, []).append(record)
    if not groups:
        print(f"no runs in {options.root}; `lab train` makes one, --root says where they are")
        return 0
    header = ("group", "seeds", "status", "progress", "last", "age")
    print(
        text(header, [_line(group, _by_seed(records)) for group, records in groups.items()], right=(3, 4, 5))
    )
    return 0


def _line(group: str, records: list[Record]) -> tuple[str, ...]:
    status = Counter(record.status for record in records)
    states = (
        next(iter(status)) if len(status) == 1 else ", ".join(f"{n} {name}" for name, n in status.items())
    )
    steps, planned = min(record.step() for record in records), _planned(records[0])
    progress = f"{steps:,}" + (f" / {planned:,}" if planned else "")
    youngest = max(record.started for record in records)
    return group, _seeds(records), states, progress, _last(records), age(time.time() - youngest)


def _planned(record: Record) -> int | None:
    if "imported" in record.run:
        return None  # what its settings are called, nobody knows
    config = record.config
    counts: list[Any] = [config.get("steps")]
    if (
        record.axis != "env_step"
    ):  # a training step sees a batch of examples, or one for each update of a critic
        counts += [config.get("batch", config.get("batch_size", 1)), config.get("critic_steps", 1)]
    return math.prod(counts) if all(isinstance(count, int) for count in counts) else None


def _seeds(records: list[Record]) -> str:
    seeds = [record.seed for record in records]
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}–{seeds[-1]}"
    return " ".join(map(str, seeds))


def _last(records: list[Record]) -> str:
    suite = next((record.suite for record in records if record.run), "core")
    for metric in MEASURES.get(suite, MEASURES["core"]):
        values = [values[-1] for record in records if len(values := record.series(metric)[1])]
        if values:
            return f"{metric} {number(float(np.mean(values)))}"
    return "–"
