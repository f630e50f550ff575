"""JSON lines as a run leaves them: whole, or torn where its process was killed."""

import json
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PIECE = 1 << 16  # bytes looked at together: what a processor keeps near


def load(path: Path) -> dict[str, Any]:
    """The one JSON object in a file; {} when the file is missing, half-written or something else."""
    try:
        loaded = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def rows(raw: bytes) -> list[dict[str, Any]]:
    """The lines that are whole JSON objects; a torn line, at the end or in the middle, is passed over."""
    lines = [line for line in raw.splitlines() if line.strip()]
    try:
        rows = json.loads(b"[" + b",".join(lines) + b"]")  # one call for all: a third of the time
    except ValueError:
        rows = list(_whole(lines))
    return [row for row in rows if isinstance(row, dict)]


def _whole(lines: list[bytes]) -> Iterator[Any]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue


def naming(raw: bytes, key: str) -> Iterator[bytes]:
    """The lines in which `key` is named, found without parsing any."""
    word = json.dumps(key).encode()
    end = 0
    while (at := raw.find(word, end)) >= 0:
        start = raw.rfind(b"\n", end, at) + 1 or end
        end = raw.find(b"\n", at)
        end = len(raw) if end < 0 else end
        yield raw[start:end]


def series(raw: bytes, axis: str, key: str) -> tuple[Floats, Floats] | None:
    """(steps, values) of the rows that hold `key`, found without parsing the rest: a fourth of the time.

    None where the bytes are not the regular rows of plain numbers for which that is sure to be the same.
    """
    rows = _regular(raw)
    if rows is None:
        return None
    values = _after(key).findall(raw)
    if len(values) != rows:
        word = json.dumps(key).encode()
        lines = [line for line in raw.split(b"\n") if word in line]
        rows, raw = len(lines), b"\n".join(lines)
        if len(values) != rows:
            return None  # named elsewhere than as a key
    steps = _after(axis).findall(raw)
    if len(steps) != rows:
        return None
    try:
        return _floats(b" ".join(steps)), np.array([*map(float, values)])
    except ValueError:
        return None  # text, null, a list


def _regular(raw: bytes) -> int | None:
    """How many rows, if every line is one flat object and no text in it hides a quote; None if not."""
    if b"\\" in raw or not (raw.startswith(b"{") and raw.endswith(b"}\n")):
        return None
    letters = np.frombuffer(raw, np.uint8)
    opened = closed = 0
    found = []
    for start in range(0, len(raw), PIECE):
        piece = letters[start : start + PIECE]
        opened += int(np.count_nonzero(piece == ord("{")))
        closed += int(np.count_nonzero(piece == ord("}")))
        found.append(np.flatnonzero(piece == ord("\n")) + start)
    ends = np.concatenate(found)
    flat = opened == closed == len(ends)  # so none inside another
    whole = (letters[ends - 1] == ord("}")).all() and (letters[ends[:-1] + 1] == ord("{")).all()
    return len(ends) if flat and whole else None


@lru_cache(maxsize=32)  # seeds of a group, and often all runs of a task, are evaluated at the same steps
def _floats(words: bytes) -> Floats:
    made = np.array([*map(float, words.split())])
    made.flags.writeable = False
    return made


@cache
def _after(key: str) -> re.Pattern[bytes]:
    return re.compile(re.escape(json.dumps(key).encode()) + rb": ([^,}]+)")


def last_with(raw: bytes, key: str, number: float) -> dict[str, Any]:
    """The last row in which `key` is the whole number `number`; {} when there is none."""
    word = f"{json.dumps(key)}: {number:.0f}".encode()
    at = raw.rfind(word + b",")
    if at < 0 and (at := raw.rfind(word + b"}")) < 0:
        return {}
    end = raw.find(b"\n", at)
    found = rows(raw[raw.rfind(b"\n", 0, at) + 1 : end if end >= 0 else len(raw)])
    return found[0] if found and found[0].get(key) == number else {}


def numbers(values: list[Any]) -> Floats:
    """Floats [n]; the strings "NaN", "Infinity" and "-Infinity" are what they say, any other thing is NaN."""
    try:
        return np.array(values, float).reshape(len(values))
    except (TypeError, ValueError):
        return np.array([as_float(value) for value in values], float)


def as_float(value: object) -> float:
    """The number a JSON value stands for, NaN when it stands for none."""
    try:
        return float(value) if isinstance(value, int | float | str) else float("nan")
    except ValueError:
        return float("nan")
