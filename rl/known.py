"""What an environment tells of itself: its transition table, to plan on and to draw from, and its map."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rl import spaces
from rl.planning import Floats, Model, Table, model_of

SIDES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left: rows and columns


class Outcomes(NamedTuple):
    """A table to draw from: u, uniform on [0, 1), means the first outcome k with u < bound[s, a, k]."""

    bound: Floats  # [S, A, K]
    successor: NDArray[np.int64]  # [S, A, K]
    reward: Floats  # [S, A, K], rounded to float32 as every environment's are
    ended: NDArray[np.bool_]  # [S, A, K]
    start: Floats  # [S]: an episode begins in the first state s with u < start[s]


class Grid(NamedTuple):
    """How states lie on a map: state ``(row * columns + column) * layers + layer``."""

    rows: int
    columns: int
    layers: int  # what else a state knows, such as where Taxi's passenger is
    marks: NDArray[np.str_]  # [row, column], one letter: S start, G goal, H hole, C cliff, or nothing
    walls: NDArray[np.bool_]  # [row, column]: a wall at the right of the cell
    sides: tuple[int, ...]  # of each action: its place in SIDES, or −1 where it does not move
    titles: tuple[str, ...]  # of each layer


class Known(NamedTuple):
    """Everything known of an environment with a table; ``grid`` where it has a map."""

    model: Model
    outcomes: Outcomes
    grid: Grid | None


def known(env: Any) -> Known | None:
    """What this environment tells; None where it has no table, or steps otherwise than by it."""
    inner = env.unwrapped
    table, start = (getattr(inner, name, None) for name in ("P", "initial_state_distrib"))
    whole = isinstance(table, dict) and start is not None and not getattr(inner, "fickle_passenger", False)
    if not whole or spaces.kind(env.observation_space) != "states":
        return None
    assert isinstance(table, dict)
    assert start is not None
    outcomes = outcomes_of(table, start)
    return Known(model_of(table, start), outcomes, grid_of(inner, outcomes))


def outcomes_of(table: Table, start: Sequence[float] | Floats) -> Outcomes:
    """Read a table whose rows may differ in length; what stands behind a row's end is never drawn."""
    states, actions = len(table), len(table[0])
    longest = max(len(row) for of in table.values() for row in of.values())
    shape = (states, actions, longest)
    chance, successor = np.zeros(shape), np.zeros(shape, np.int64)
    reward, ended = np.zeros(shape), np.zeros(shape, np.bool_)
    for s in range(states):
        for a in range(actions):
            for k, (probability, after, gain, over) in enumerate(table[s][a]):
                chance[s, a, k], successor[s, a, k] = probability, after
                reward[s, a, k], ended[s, a, k] = np.float32(gain), over
    return Outcomes(bounds(chance), successor, reward, ended, bounds(np.asarray(start, np.float64)))


def bounds(chance: Floats) -> Floats:
    """Running sums along the last axis, 1 from the last possible outcome on however they were rounded."""
    behind = np.flip(np.cumsum(np.flip(chance, -1), -1), -1) - chance  # what is left after outcome k
    return np.where(behind <= 1e-12, 1.0, np.cumsum(chance, -1))


def grid_of(inner: Any, outcomes: Outcomes) -> Grid | None:
    """The map, from an unwrapped environment's ``desc`` or ``shape`` if one fits its states."""
    states, desc = len(outcomes.start), getattr(inner, "desc", None)
    if desc is not None:
        letters = np.asarray(desc).astype(str)
        taxi = letters.ndim == 2 and (letters == "|").any()
        drawn = letters[1:-1, 1:-1:2] if taxi else letters
        walls = letters[1:-1, 2::2] == "|" if taxi else np.zeros(letters.shape, np.bool_)
    else:
        shape = getattr(inner, "shape", ())
        drawn = np.full(shape, "") if isinstance(shape, tuple) and len(shape) == 2 else np.zeros(())
        walls = np.zeros(drawn.shape, np.bool_)
    if drawn.ndim != 2 or not drawn.size or states % drawn.size:
        return None
    rows, columns = drawn.shape
    layers = states // drawn.size
    marks = np.where(np.isin(drawn, ["F", " "]), "", drawn)
    cliff = getattr(inner, "_cliff", None)
    if desc is None:
        marks = _found(outcomes, rows, columns, marks, cliff)
    sides = _sides(outcomes, rows, columns, layers)
    return Grid(rows, columns, layers, marks, walls, sides, _titles(marks, layers))


def _titles(marks: NDArray[np.str_], layers: int) -> tuple[str, ...]:
    """Taxi's layers are where the passenger waits (or sits in the taxi) and where they want to go."""
    if layers != 20 or not np.isin(list("RGYB"), marks).all():
        return tuple(f"layer {k}" if layers > 1 else "" for k in range(layers))
    return tuple(f"{at} to {to}" for at in ("R", "G", "Y", "B", "taxi") for to in "RGYB")


def _found(outcomes: Outcomes, rows: int, columns: int, marks: Any, cliff: Any) -> NDArray[np.str_]:
    """Where a map without letters begins and ends, and its cliff."""
    found = marks.astype("<U1")
    if isinstance(cliff, np.ndarray) and cliff.shape == found.shape:
        found[cliff.astype(np.bool_)] = "C"
    flat = found.reshape(-1)
    possible = np.diff(outcomes.bound, axis=-1, prepend=0.0) > 0
    flat[np.unique(outcomes.successor[possible & outcomes.ended])] = "G"
    flat[np.flatnonzero(np.diff(outcomes.start, prepend=0.0) > 0)] = "S"
    whole: NDArray[np.str_] = found.reshape(rows, columns)
    return whole


def _sides(outcomes: Outcomes, rows: int, columns: int, layers: int) -> tuple[int, ...]:
    """Which way each action leads: the mean of the single steps it takes, wherever one may stand."""
    place = np.arange(len(outcomes.start)) // layers
    after = outcomes.successor // layers
    move = np.stack((after // columns - (place // columns)[:, None, None],
                     after % columns - (place % columns)[:, None, None]), -1)  # fmt: skip
    chance = np.diff(outcomes.bound, axis=-1, prepend=0.0) * (np.abs(move).sum(-1) == 1)
    mean = (chance[..., None] * move).sum((0, 2)) / len(place)  # [A, 2]
    along = mean @ np.array(SIDES).T
    return tuple(int(k.argmax()) if k.max() > 0.05 else -1 for k in along)
