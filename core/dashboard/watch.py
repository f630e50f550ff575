"""Watches a folder of runs while they train: who is there, what has changed, each file read no more than once."""

import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from core import annotations, jsonl, records
from core.annotations import Annotations
from core.dashboard.growing import Growing, Loaded, Stamp, stamp
from core.processes import gone
from core.records import Record, Series

# A change of any of these is a change of the run. run.json first: it alone makes the record be read again.
FILES = (
    "run.json", "metrics.jsonl", "summary.json", "config.yaml", annotations.NAME, "media/index.jsonl", "console.log"
)  # fmt: skip
SETTLED = (
    2.0  # seconds; a folder that changed later than this ago may change again within one tick of its clock
)


class _Files:
    """What has been read of one run."""

    def __init__(self, path: Path, axis: str) -> None:
        self.metrics = Growing(path / "metrics.jsonl", axis)
        self.summary = Loaded(path / "summary.json", jsonl.load)
        self.config = Loaded(path / "config.yaml", _config)
        self.annotated = Loaded(path / annotations.NAME, jsonl.load)


@dataclass(frozen=True, eq=False)
class Live(Record):
    """A record whose files are read on, never again; the same answers as `Record` gives."""

    files: _Files = field(repr=False)
    version: int  # of the watch when this run last changed

    @property
    def config(self) -> dict[str, Any]:
        """config.yaml as a flat mapping; {} when it is missing or broken."""
        return dict(self.files.config())

    @property
    def summary(self) -> dict[str, Any]:
        """summary.json; {} when it is missing or half-written."""
        return dict(self.files.summary())

    @property
    def annotations(self) -> Annotations:
        """Tags and notes, as people last left them."""
        return annotations.said(self.files.annotated() or self.run)

    def columns(self) -> dict[str, Series]:
        """metric -> (steps, values)."""
        return self.files.metrics.columns()

    def series(self, metric: str) -> Series:
        """(steps, values) of one metric."""
        return self.files.metrics.series(metric)

    def last(self) -> dict[str, Any]:
        """The last value of each metric: of the summary, and of the last rows, which are newer."""
        return {**self.files.summary(), **self.files.metrics.last()}

    def step(self) -> int:
        """How far the run got on its axis: what a finished run says, else the last row's step."""
        said: list[Callable[[], dict[str, Any]]] = [self.files.metrics.last, self.files.summary]
        for ask in reversed(said) if self.status == "finished" else said:  # one answer is enough
            told = ask().get(self.axis)
            if isinstance(told, int | float) and math.isfinite(told):
                return int(told)
        return 0


@dataclass
class _Seen:
    """One folder at the last look."""

    stamps: tuple[Stamp | None, ...]
    live: Live | None  # None: no run


class Watch:
    """The runs two levels below `root`. Threads may share one."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._lock = threading.Lock()
        self._version = 0
        self._listed: dict[str, tuple[Stamp | None, list[str]]] = {}  # folder -> its folders
        self._seen: dict[str, _Seen] = {}
        self._order: list[Live] = []
        self._by_id: dict[str, Live] = {}

    def refresh(self) -> int:
        """Look at the disk. Returns a number that rises when anything changed; without change only stats."""
        with self._lock:
            following, changed = self._version + 1, False
            folders = [
                seed
                for group in self._folders(str(self.root))
                if not group.rpartition(os.sep)[2].startswith(".")
                for seed in self._folders(group)
            ]
            for gone_folder in self._seen.keys() - set(folders):
                changed |= self._seen.pop(gone_folder).live is not None
            for folder in folders:
                changed |= self._look(folder, following)
            if changed:
                self._version = following
                found = [seen.live for seen in self._seen.values() if seen.live]
                self._order = sorted(found, key=lambda record: (record.started, record.group, record.seed))
                self._by_id = {record.id: record for record in self._order}
            return self._version

    def records(self) -> list[Live]:
        """Every run at the last refresh, oldest first."""
        if not self._version:
            self.refresh()
        return list(self._order)

    def record(self, id: str) -> Live | None:
        """The run of that id, `<group>/<seed>`."""
        if not self._version:
            self.refresh()
        return self._by_id.get(id)

    def _folders(self, folder: str) -> list[str]:
        """The folders in a folder, listed again only when it has changed."""
        now = stamp(folder)
        known = self._listed.get(folder)
        if now is not None and known and known[0] == now and time.time() - now[2] / 1e9 > SETTLED:
            return known[1]
        try:
            with os.scandir(folder) as entries:
                found = sorted(entry.path for entry in entries if entry.is_dir())
        except OSError:
            found = []
        self._listed[folder] = now, found
        return found

    def _look(self, folder: str, following: int) -> bool:
        """Whether the run in `folder` has changed; then its record is of version `following`."""
        stamps = tuple([stamp(f"{folder}/{name}") for name in FILES])
        seen = self._seen.get(folder)
        live = seen.live if seen else None
        if seen and seen.stamps == stamps:
            if live and live.status == "running" and gone(live.run, live.path / "run.json"):
                seen.live = replace(live, status="crashed", version=following)
                return True
            return False
        if live and seen and seen.stamps[:1] == stamps[:1]:
            self._seen[folder] = _Seen(stamps, replace(live, version=following))
            return True
        self._seen[folder] = _Seen(stamps, made := _live(Path(folder), live, following))
        return made is not None or live is not None


def _live(folder: Path, before: Live | None, version: int) -> Live | None:
    try:
        record = records.read(folder)
        if record:
            _ = record.started, record.seed
    except OSError:  # it went away meanwhile
        return None
    except (ArithmeticError, ValueError):
        record = Record(folder, folder.parent.name, "unreadable", {})
    if record is None:
        return None
    files = before.files if before and before.axis == record.axis else _Files(folder, record.axis)
    return Live(record.path, record.group, record.status, record.run, files, version)


def _config(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.load(path.read_bytes(), records.LOADER)
    except (OSError, yaml.YAMLError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
