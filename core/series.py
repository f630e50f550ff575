"""Series of numbers in order of time: columns of a person's own .csv file, or waves by a formula."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.draws import draws
from core.errors import UserError, nearest

WAVES = "waves"
LENGTH = 2_000  # rows of the waves
NOISE = 0.1  # deviation of what is added to every value of them
SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Series:
    """Values ``[row, column]``, one row after the other in time."""

    name: str
    columns: tuple[str, ...]
    values: NDArray[np.float64]
    notes: tuple[str, ...] = ()  # for the person to see


def load(data: str, columns: tuple[str, ...] = ()) -> Series:
    """The waves or a file; of it the columns named, or all whose first value is a number.

    Raises:
        UserError: no such file or column, or something in it that is no number; it names line and column.
    """
    if data != WAVES:
        return read(Path(data).expanduser(), columns)
    found = waves()
    for name in columns:
        _place(data, name, found.columns)
    return found


def waves() -> Series:
    """``sin(2πt/25) + ½ sin(2πt/60 + 1)`` and NOISE, always the same."""
    t = np.arange(LENGTH)
    clean = np.sin(2 * math.pi * t / 25) + 0.5 * np.sin(2 * math.pi * t / 60 + 1)
    return Series(WAVES, ("y",), (clean + NOISE * draws(WAVES).standard_normal(LENGTH))[:, None])


def read(path: Path, columns: tuple[str, ...] = ()) -> Series:
    """A .csv file: names in its first line (or numbers at once), then a row of numbers in every line."""
    if not path.is_file():
        raise UserError(f"no such file: {path}; give a .csv file, or {WAVES}, which needs none")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8; save it as .csv in UTF-8") from None
    first = text.partition("\n")[0]
    reader = csv.reader(text.splitlines(), delimiter=max(SEPARATORS, key=first.count))
    lines = [(reader.line_num, row) for row in reader if row]
    if not lines:
        raise UserError(f"{path} is empty; a row of numbers in every line is wanted")
    names = [name.strip() for name in lines[0][1]]
    if all(number(cell) is not None for cell in names):
        names = [str(k + 1) for k in range(len(names))]
    else:
        lines = lines[1:]
    if not lines or len(set(names)) < len(names):
        raise UserError(f"{path}: line 1 names {', '.join(names)}; a row must follow, and no name come twice")
    first_row = lines[0][1][: len(names)]
    places = [_place(str(path), name, names) for name in columns]
    places = places or [k for k, cell in enumerate(first_row) if number(cell) is not None]
    if not places:
        raise UserError(f"{path}: line {lines[0][0]} has no number; one column of numbers or more is wanted")
    values = [[_value(path, line, row, names, k) for k in places] for line, row in lines]
    out = [name for k, name in enumerate(names) if k not in places]
    notes = (f"left out, for line {lines[0][0]} has no number there: {', '.join(out)}",)
    kept = tuple(names[k] for k in places)
    return Series(path.stem, kept, np.array(values, np.float64), notes if out and not columns else ())


def _place(file: str, name: str, names: Sequence[str]) -> int:
    if name not in names:
        raise UserError(f"{file}: line 1 has no column {name!r}{nearest(name, names)}")
    return names.index(name)


def _value(path: Path, line: int, row: list[str], names: list[str], k: int) -> float:
    if len(row) != len(names):
        raise UserError(f"{path}: line {line} has {len(row)} fields, and there are {len(names)} columns")
    if (found := number(row[k])) is None:
        raise UserError(f"{path}: line {line}, column {names[k]}: {row[k]!r} is no finite number")
    return found


def number(cell: str) -> float | None:
    """The finite number that a cell is; None where it is none."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
