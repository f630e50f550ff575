"""Tables of action values as a run recorded them, and what they say: values, greedy actions, how far from the best.

Read from two JSON files (runs/README.md): the values at one step, and the ground that all of a run's maps share.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core import jsonl
from core.dashboard.growing import stamp
from core.errors import UserError
from core.jsonl import Floats

FLAT = "C"  # the mark of cells in which nobody ever stands, though no episode ends there: the cliff
CLOSE = 1e-6  # values apart by less than this share are equal: they were rounded to seven digits
WAYS = ("up", "right", "down", "left")

Difference = Literal["values", "actions"]


class Ground(NamedTuple):
    """What all maps of a run share; `rows` is 0 where states lie on no map."""

    rows: int
    columns: int
    layers: int
    titles: tuple[str, ...]  # of the layers
    marks: tuple[tuple[str, ...], ...]  # [row][column]
    walls: NDArray[np.bool_]  # [row, column]: a wall at the cell's right
    sides: tuple[int, ...]  # of each action: its place in WAYS, or −1
    over: NDArray[np.bool_] | None  # [state]
    optimum: Floats | None  # [state, action]

    def flat(self, layer: int, count: int) -> NDArray[np.bool_]:
        """The cells [row, column] in which nothing is chosen: the episode is over, or nobody stands there."""
        over = np.zeros(count, bool) if self.over is None else self.over
        cliff = np.array(self.marks) == FLAT
        return np.asarray(self.on(over, layer) | cliff, bool)

    def on(self, of_states: NDArray[Any], layer: int) -> NDArray[Any]:
        """What belongs to the states [state, …] of one layer, on the map [row, column, …]."""
        shape = (self.rows, self.columns, self.layers, *of_states.shape[1:])
        return of_states.reshape(shape)[:, :, layer]


def read(path: Path) -> Any:
    """The JSON in a file; kept until it changes. UserError says what is wrong with it."""
    return _read(path, stamp(path))


@lru_cache(256)
def _read(path: Path, now: Any) -> Any:
    if now is None:
        raise UserError(f"{path.name} is missing")
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise UserError(f"{path.name} is half-written or no JSON") from None


def values(path: Path) -> Floats:
    """The table [state, action] in a file; what is no number is NaN. UserError when it holds none."""
    return _table(path, stamp(path))


@lru_cache(256)
def _table(path: Path, now: Any) -> Floats:
    found = read(path)
    return numbers(found.get("values") if isinstance(found, dict) else None, path.name)


def numbers(rows: Any, name: str) -> Floats:
    """Nested lists as a table [state, action]; UserError, which names the file, when they are none."""
    whole = isinstance(rows, list) and rows and all(isinstance(row, list) and row for row in rows)
    if not whole or len({len(row) for row in rows}) != 1:
        raise UserError(f"{name} holds no table of numbers")
    return np.array([jsonl.numbers(row) for row in rows])


def ground(path: Path) -> Ground:
    """The ground in a file. UserError when its parts do not fit together."""
    told = read(path)
    if not isinstance(told, dict):
        raise UserError(f"{path.name} is no ground of maps")
    optimum = numbers(told["optimum"], path.name) if told.get("optimum") is not None else None
    over = np.array(told["over"], bool) if isinstance(told.get("over"), list) else None
    if not told.get("rows"):
        return Ground(0, 0, 1, ("",), (), np.zeros((0, 0), bool), (), over, optimum)
    try:
        shape = rows, columns = int(told["rows"]), int(told["columns"])
        layers, titles = int(told["layers"]), tuple(map(str, told["titles"]))
        marks = tuple(tuple(str(mark)[:1] for mark in row) for row in told["marks"])
        walls, sides = np.array(told["walls"], bool), tuple(int(side) for side in told["sides"])
        assert walls.shape == np.array(marks).shape == shape
        assert len(titles) == layers
        assert all(-1 <= side < len(WAYS) for side in sides)
        states = rows * columns * layers
        assert all(part is None or len(part) == states for part in (over, optimum))
    except (AssertionError, KeyError, TypeError, ValueError):
        raise UserError(f"{path.name}: its rows, columns, layers and marks do not fit together") from None
    return Ground(rows, columns, layers, titles, marks, walls, sides, over, optimum)


def fitting(table: Floats, on: Ground, name: str) -> Floats:
    """The table, if it fits the ground; UserError otherwise."""
    states = on.rows * on.columns * on.layers if on.rows else len(table)
    like = table.shape if on.optimum is None else on.optimum.shape
    if len(table) != states or table.shape != like or (on.rows and table.shape[1] != len(on.sides)):
        raise UserError(
            f"{name} has {table.shape[0]} × {table.shape[1]} numbers, which do not fit its ground"
        )
    return table


def greedy(table: Floats) -> NDArray[np.bool_]:
    """Which actions are the best of each state [state, action]; none where all are alike: nothing is known."""
    best = _highest(table)[:, None]
    good = table >= best - CLOSE * np.maximum(1.0, np.abs(best))
    return np.asarray(good & ~good.all(-1, keepdims=True), bool)


def state_values(table: Floats) -> Floats:
    """max over actions [state]; NaN where an action's value is no number."""
    return np.asarray(np.where(np.isfinite(table).all(-1), table.max(-1), np.nan), float)


def _highest(table: Floats) -> Floats:
    return np.asarray(np.where(np.isnan(table), -np.inf, table).max(-1), float)


def apart(table: Floats, optimum: Floats, kind: Difference) -> Floats:
    """How far each state [state] is from the optimum: its value, or the worst of its actions' values."""
    if kind == "values":
        return np.abs(state_values(table) - state_values(optimum))
    return np.asarray(np.abs(table - optimum).max(-1), float)


def playing(on: Ground, count: int) -> NDArray[np.bool_]:
    """The states [state] in which something is chosen."""
    if on.rows:
        flat = np.stack([on.flat(layer, count) for layer in range(on.layers)], -1)
        return ~flat.reshape(-1)
    return np.ones(count, bool) if on.over is None else ~on.over


def agreement(table: Floats, on: Ground) -> tuple[int, int] | None:
    """In how many states the greedy action is an optimal one, and of how many; None without an optimum."""
    if on.optimum is None:
        return None
    kept = playing(on, len(table))
    ours, best = greedy(table)[kept], greedy(on.optimum)[kept]
    best |= ~best.any(-1, keepdims=True)  # where every action is as good, any is right
    right = ours.any(-1) & (best | ~ours).all(-1)
    return int(right.sum()), int(kept.sum())


def scale(on: Ground, newest: Floats) -> tuple[float, float]:
    """The values with the first and the last colour, the same at every step: the optimum's, else the newest's.

    A quarter is added below, so that what is learnt too low still has a colour, but no single fall takes all.
    """
    table = newest if on.optimum is None else on.optimum
    found = state_values(table)[playing(on, len(table))]
    found = found[np.isfinite(found)]
    if not len(found):
        return 0.0, 1.0
    low, high = float(found.min()), float(found.max())
    return (low - (high - low) / 4, high) if high > low else (low, low + 1.0)


def told(table: Floats, on: Ground, state: int) -> str:
    """A state's numbers, a line each, for who points at it."""
    lines = [f"state {state}"]
    if on.rows:
        row, column = divmod(state // on.layers, on.columns)
        lines[0] += f" · row {row + 1}, column {column + 1}"
    for title, of in (("learnt", table), ("optimum", on.optimum)):
        if of is not None:
            best = np.flatnonzero(greedy(of[state : state + 1])[0]).tolist()
            chosen = ", ".join(action(on, k) for k in best) or "nothing preferred"
            lines.append(f"<b>{title} {_short(_highest(of[state : state + 1])[0])}</b> ({chosen})")
            lines.append(" · ".join(f"{action(on, k)} {_short(value)}" for k, value in enumerate(of[state])))
    return "<br>".join(lines)


def action(on: Ground, k: int) -> str:
    """An action's name: where it leads, or its number."""
    side = on.sides[k] if on.rows else -1
    alone = side >= 0 and on.sides.count(side) == 1
    return WAYS[side] if alone else f"action {k}"


def _short(value: float) -> str:
    return f"{value:.4g}".replace("-", "−") if np.isfinite(value) else str(value)


def course(
    find: Callable[[str], Path], entries: Sequence[Mapping[str, Any]], axis: str, on: Ground
) -> dict[str, tuple[Floats, Floats]]:
    """Over the steps: the share of states with an optimal action, and the mean distance of their values.

    `find` gives the path of an entry's file. A file that cannot be read is passed over.
    """
    points = []
    for entry in entries:
        try:
            table = fitting(values(find(str(entry["file"]))), on, str(entry["file"]))
        except (UserError, KeyError):
            continue
        if (found := agreement(table, on)) and on.optimum is not None and found[1]:
            far = apart(table, on.optimum, "values")[playing(on, len(table))]
            mean = float(far[np.isfinite(far)].mean()) if np.isfinite(far).any() else np.nan
            points.append((entry[axis], found[0] / found[1], mean))
    if not points:
        return {}
    steps, right, far = np.array(points, float).T
    return {"share of states with an optimal action": (steps, right), "mean |V − V*|": (steps, far)}
