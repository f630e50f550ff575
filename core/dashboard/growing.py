"""Files of a run that another process writes: metrics.jsonl read on where it was left, small files read once."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import numpy as np

from core import jsonl
from core.records import Series

TAILS = (
    1 << 13,
    1 << 18,
)  # bytes at the end of metrics.jsonl that tell a run's last values; more for long rows
SEAM = 64  # bytes before the place that was reached; when they change, the file was cut and written anew

T = TypeVar("T")
Stamp = tuple[int, int, int]  # inode, size, time of change; none of them the same after any change


def stamp(path: str | Path) -> Stamp | None:
    """What tells one state of a file from another; None when there is no such file."""
    try:
        found = os.stat(path)  # noqa: PTH116 – thousands of these a second, no Path for each
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class Loaded(Generic[T]):
    """What `load` makes of a small file, made again only when the file has changed."""

    def __init__(self, path: Path, load: Callable[[Path], T]) -> None:
        self._path, self._load = path, load
        self._known: tuple[Stamp | None, T] | None = None

    def __call__(self) -> T:
        now = stamp(self._path)
        if self._known is None or self._known[0] != now:
            self._known = now, self._load(self._path)
        return self._known[1]


@dataclass
class _Kept:
    """Points parsed so far, and the place in the file up to which they were."""

    stamp: Stamp | None = None
    offset: int = 0
    seam: bytes = b""  # the bytes before `offset`
    points: dict[str, tuple[list[float], list[Any]]] = field(default_factory=dict)
    arrays: dict[str, Series] = field(default_factory=dict)  # of `points`


class Growing:
    """metrics.jsonl as series. Appended bytes alone are parsed; a file that was cut back is read anew."""

    def __init__(self, path: Path, axis: str) -> None:
        self._path, self.axis = path, axis
        self._lock = threading.Lock()
        self._all: _Kept | None = None  # every metric, once someone asked for all
        self._each: dict[str, _Kept] = {}  # metrics asked for by name
        self._tail: tuple[Stamp | None, dict[str, Any]] = (None, {})

    def columns(self) -> dict[str, Series]:
        """As `Record.columns`."""
        with self._lock:
            self._all = self._all or _Kept()
            self._read_on(self._all, None)
            return dict(self._all.arrays)

    def series(self, metric: str) -> Series:
        """As `Record.series`: only lines that name the metric are parsed."""
        with self._lock:
            kept = self._all or self._each.setdefault(metric, _Kept())
            self._read_on(kept, None if self._all else metric)
            return kept.arrays.get(metric, (np.empty(0), np.empty(0)))

    def last(self) -> dict[str, Any]:
        """The last value of each key in the file's last rows, the axis among them."""
        now = stamp(self._path)
        with self._lock:
            if self._tail[0] != now:
                values: dict[str, Any] = {}
                for row in _last_rows(self._path):
                    values.update(row)
                self._tail = now, values
            return self._tail[1]

    def _read_on(self, kept: _Kept, metric: str | None) -> None:
        now = stamp(self._path)
        if now is None:
            kept.__init__()  # type: ignore[misc]  # the file is gone, and what it said with it
        if now == kept.stamp or now is None:
            return
        try:
            with self._path.open("rb") as file:
                raw = _rest(file, kept)
        except OSError:
            return
        kept.stamp = now
        whole = _whole(raw)
        kept.offset += len(whole)
        kept.seam = (kept.seam + whole[-SEAM:])[-SEAM:]
        if metric is None:
            self._add(kept, jsonl.rows(whole), None)
        elif (quick := jsonl.series(whole, self.axis, metric)) is not None:
            steps, values = kept.points.setdefault(metric, ([], []))
            steps += quick[0].tolist()
            values += quick[1].tolist()
            kept.arrays[metric] = np.array(steps, float), jsonl.numbers(values)
        else:
            self._add(kept, jsonl.rows(b"\n".join(jsonl.naming(whole, metric)) + b"\n"), metric)

    def _add(self, kept: _Kept, rows: list[dict[str, Any]], metric: str | None) -> None:
        changed: set[str] = set()
        for row in rows:
            step = row.get(self.axis)
            if not isinstance(step, int | float):
                continue
            for name in row if metric is None else (metric,):
                if name in row and name != self.axis:
                    steps, values = kept.points.setdefault(name, ([], []))
                    steps.append(step)
                    values.append(row[name])
                    changed.add(name)
        for name in changed:
            steps, values = kept.points[name]
            kept.arrays[name] = np.array(steps, float), jsonl.numbers(values)


def _rest(file: BinaryIO, kept: _Kept) -> bytes:
    """What follows the place that was reached; the whole file when it is not the one that was read."""
    file.seek(max(0, kept.offset - len(kept.seam)))
    if file.read(len(kept.seam)) != kept.seam:
        kept.__init__()  # type: ignore[misc]
        file.seek(0)
    return file.read()


def _whole(raw: bytes) -> bytes:
    """`raw` without a last line that is still being written."""
    end = raw.rfind(b"\n") + 1
    return raw if end == len(raw) or jsonl.rows(raw[end:]) else raw[:end]


def _last_rows(path: Path) -> list[dict[str, Any]]:
    """The file's last rows. A first line that is cut is no JSON, and passed over."""
    rows: list[dict[str, Any]] = []
    with suppress(OSError), path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        for tail in TAILS:
            file.seek(max(0, size - tail))
            if rows := jsonl.rows(file.read()):
                break
    return rows
