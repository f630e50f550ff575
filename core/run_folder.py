"""One seed's run folder on disk: the only code that writes there. Format 1, described in runs/README.md.

`metrics.jsonl` is the truth. `media/index.jsonl` lists pictures, films, histograms and maps, each with the number
of metrics rows before it, so that the two files together give back everything W&B was told, in order.
"""

import errno
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

from core import checkpoint
from core.config import to_yaml
from core.errors import UserError
from core.noise import State

FORMAT = 1
NEWEST_FIRST = ("next", "last", "previous")  # checkpoints a resume may start from
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NAMES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}  # JSON has no word for these


class RunFolder:
    """Opens a run folder for writing; `create` lays a new one. `run` is what run.json says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run: dict[str, Any] = json.loads((path / "run.json").read_text())
        self._metrics = _Lines(path / "metrics.jsonl")
        self._index = _Lines(path / "media" / "index.jsonl")
        self._console = _Lines(path / "console.log")
        self.rows = self._metrics.count()
        self._serial = 0  # of the newest checkpoint

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any], run: Mapping[str, Any]) -> "RunFolder":
        """Lay the folder of a new run; OSError when it exists or cannot be written."""
        path.mkdir()
        for name in ("checkpoints", "media", "wandb"):
            (path / name).mkdir()
        (path / "config.yaml").write_text(to_yaml(config))
        write_json(path / "run.json", {"format": FORMAT, **run})
        return cls(path)

    def append(self, row: Mapping[str, Any]) -> None:
        """One row of metrics."""
        self._metrics.write(text(row))
        self.rows += 1

    def note(self, entry: Mapping[str, Any]) -> None:
        """One entry of the media index; its files must be there already."""
        self._index.write(text({"row": self.rows, **entry}))

    def say(self, line: str) -> None:
        """One line of console.log."""
        self._console.write(line)

    def update(self, **fields: Any) -> None:
        """Change fields of run.json."""
        self.run |= fields
        with room(self.path / "run.json"):
            write_json(self.path / "run.json", self.run)

    def summarise(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json."""
        with room(self.path / "summary.json"):
            write_json(self.path / "summary.json", strict(summary))

    def media(self, name: str, step: int | str, suffix: str) -> Path:
        """Where a picture, film or map called `name` belongs."""
        return self.path / "media" / f"{name.replace('/', '-')}-{step}{suffix}"

    def save(self, step: int, state: State, seconds: float, best: bool = False) -> None:
        """First half of a checkpoint: its file is whole and on the disk, the older ones are untouched."""
        self._serial += 1
        whole = {
            "serial": self._serial,
            "step": step,
            "seconds": seconds,
            "best": best,
            "metrics": self._metrics.settle(),
            "index": self._index.settle(),
            "state": state,
        }
        path = self._checkpoint("next")
        with room(path):
            checkpoint.save(path, whole)

    def commit(self, best: bool = False) -> None:
        """Second half: last becomes previous, next last. Files are replaced, never changed in place."""
        following, last = self._checkpoint("next"), self._checkpoint("last")
        with room(following):
            if best:
                duplicate(following, self._checkpoint("best"))
            if last.exists():
                last.replace(self._checkpoint("previous"))
            following.replace(last)

    def cut(self, path: Path, whole: Mapping[str, Any]) -> None:
        """Take back everything after the checkpoint at `path`, whose contents are `whole`."""
        if whole.get("best"):  # it may have been killed before `commit` could say so
            duplicate(path, self._checkpoint("best"))
        for newer in takewhile(lambda other: other != path, existing(self.path)):
            newer.unlink()  # never to be joined with checkpoints of the run that now begins
        gone = self._index.cut(whole["index"])
        kept = {file for line in self._index.lines() for file in _files(line)}
        for file in {file for line in gone for file in _files(line)} - kept:
            (self.path / file).unlink(missing_ok=True)
        self._metrics.cut(whole["metrics"])
        self.rows = self._metrics.count()
        self._serial = int(whole["serial"])

    def replay(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Everything that was recorded, in order: ("row", metrics) and ("media", entry of the index)."""
        entries = [_read(line) for line in self._index.lines()]
        at = 0
        for number, line in enumerate(self._metrics.lines()):
            while at < len(entries) and entries[at]["row"] <= number:
                yield "media", entries[at]
                at += 1
            yield "row", _read(line)
        yield from (("media", entry) for entry in entries[at:])

    def close(self) -> None:
        """Close the files."""
        for file in (self._metrics, self._index, self._console):
            file.close()

    def _checkpoint(self, which: str) -> Path:
        return self.path / "checkpoints" / f"{which}.safetensors"


class _Lines:
    """A file of lines, each written whole, at once and to the operating system: a kill loses none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab", buffering=0)

    def write(self, line: str) -> None:
        start, rest = self._file.tell(), memoryview(line.encode(errors="replace") + b"\n")
        with room(self.path):
            try:
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError:
                with suppress(OSError):
                    self._file.truncate(start)  # half a line helps nobody
                raise

    def settle(self) -> int:
        """Have everything on the disk; the bytes there."""
        with room(self.path):
            os.fsync(self._file.fileno())
        return self.path.stat().st_size

    def cut(self, size: int) -> list[bytes]:
        """Keep the first `size` bytes and return the lines behind them."""
        whole = self.path.read_bytes()
        if len(whole) < size:
            raise UserError(f"{self.path} is shorter than its checkpoint says ({len(whole)} < {size} bytes)")
        self._file.truncate(size)
        return whole[size:].splitlines()

    def lines(self) -> list[bytes]:
        return self.path.read_bytes().splitlines()

    def count(self) -> int:
        return self.path.read_bytes().count(b"\n")

    def close(self) -> None:
        self._file.close()


def existing(folder: Path) -> list[Path]:
    """The checkpoints of one seed a resume may start from, the newest first."""
    paths = (folder / "checkpoints" / f"{which}.safetensors" for which in NEWEST_FIRST)
    return [path for path in paths if path.exists()]


def live_seeds(group: Path) -> tuple[int, ...]:
    """The seeds of a group that a resume can continue: all but those that failed.

    Raises:
        UserError: there is no such group, or every seed failed.
    """
    runs = [json.loads(path.read_text()) for path in group.glob("*/run.json")]
    seeds = tuple(sorted(int(run["seed"]) for run in runs if run["status"] != "failed"))
    if not seeds:
        why = "every seed failed" if runs else "it is not the folder of a group"
        raise UserError(f"{group} cannot be resumed: {why}")
    return seeds


def load(path: Path) -> tuple[int, State]:
    """The step and the state a checkpoint file holds; UserError names a file that is missing or damaged."""
    whole = read(path)
    return int(whole["step"]), whole["state"]


def read(path: Path) -> dict[str, Any]:
    """A whole checkpoint: its serial number, step, seconds, places in the files of lines, and state."""
    whole = checkpoint.load(path)
    if not {"serial", "step", "seconds", "metrics", "index", "state"} <= whole.keys():
        raise UserError(f"{path} is not the checkpoint of a run")
    return whole


def newest_common(folders: list[Path]) -> list[tuple[Path, dict[str, Any]]]:
    """Each seed's file and contents of the newest checkpoint that all of these seeds have.

    Raises:
        UserError: a checkpoint is damaged, or the seeds have none in common.
    """
    waiting = [existing(folder) for folder in folders]
    found: list[dict[int, tuple[Path, dict[str, Any]]]] = [{} for _ in folders]
    while any(waiting):
        for paths, seen in zip(waiting, found, strict=True):
            if paths:
                path = paths.pop(0)
                whole = read(path)
                seen.setdefault(int(whole["serial"]), (path, whole))
        # every list runs from new to old, so nothing newer than the first meeting can be common
        if common := set.intersection(*(set(seen) for seen in found)):
            return [seen[max(common)] for seen in found]
    raise UserError(f"no checkpoint to resume from in {folders[0].parent if folders else 'an empty group'}")


def duplicate(source: Path, target: Path) -> None:
    """A second name for a file that nobody changes in place, or a copy where names cannot be shared."""
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
    partial.replace(target)


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """A JSON file, replaced whole."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(json.dumps(value, indent=indent, allow_nan=False) + "\n")
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def room(path: Path) -> Iterator[None]:
    """Turns a disk that refuses into one clear line."""
    try:
        yield
    except OSError as error:
        what = "the disk is full" if error.errno in FULL else error.strerror or str(error)
        raise UserError(
            f"cannot write {path}: {what}; the last checkpoint is whole, `lab resume` continues from it"
        ) from None


def text(row: Mapping[str, Any]) -> str:
    """A row as strict JSON on one line."""
    try:
        return json.dumps(row, allow_nan=False)
    except ValueError:  # seldom: something is not finite
        return json.dumps(strict(row), allow_nan=False)


def strict(value: Any) -> Any:
    """The same value in words JSON has: a float that is not finite becomes its name."""
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _files(line: bytes) -> list[str]:
    """What an entry of the media index has in files of its own."""
    entry = _read(line)
    return [entry[key] for key in ("file", "ground") if key in entry]


def _read(line: bytes) -> dict[str, Any]:
    """A line as it was written, names of floats turned back into floats."""
    row: dict[str, Any] = json.loads(line)
    return {key: NAMES.get(item, item) if isinstance(item, str) else item for key, item in row.items()}
