"""Which examples are trained on and which are held out: places of rows, never the rows themselves.

A single hold-out and k folds are parted here. What is fitted to data (a mean, a vocabulary) is fitted inside the
fold, to what is trained on there: ``fitted_inside``.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.draws import Draws
from core.errors import UserError

Places = NDArray[np.int64]


class Fold(NamedTuple):
    """Places in rising order; together they are all rows, and none is in both."""

    train: Places
    held_out: Places


def hold_out(rows: int, share: float, draws: Draws, labels: NDArray[Any] | None = None) -> Fold:
    """One division: ``share`` of the rows is held out, of every label alike where labels are given.

    This is no cross-validation: whatever is in the held-out part is never trained on.
    """
    wanted = round(rows * share)
    if not 0 < wanted < rows:
        raise UserError(f"{share:g} of {rows} rows is {wanted}: neither part may be empty")
    order = _dealt(rows, draws, labels)
    return _fold(order[_evenly(rows, wanted)], rows)


def k_folds(rows: int, count: int, draws: Draws, labels: NDArray[Any] | None = None) -> list[Fold]:
    """Every row is held out in just one of ``count`` folds, whose sizes differ by one at most.

    Args:
        rows: how many there are.
        count: of folds, 2 or more.
        draws: what puts the rows in order.
        labels: a label for each row; then the folds also have every label alike, within one.

    Raises:
        UserError: fewer than two folds, or more folds than rows.
    """
    if not 2 <= count <= rows:
        raise UserError(f"{rows} rows cannot make {count} folds; give from 2 to {rows}")
    order = _dealt(rows, draws, labels)
    return [_fold(order[k::count], rows) for k in range(count)]


def _dealt(rows: int, draws: Draws, labels: NDArray[Any] | None) -> Places:
    """An order of the rows; with labels, equal ones follow one another, so that dealing spreads them evenly."""
    order = draws.permuted(np.arange(rows), axis=0)
    if labels is None:
        return np.asarray(order, np.int64)
    if np.shape(labels) != (rows,):
        raise ValueError(f"{rows} rows need labels of shape ({rows},), got {np.shape(labels)}")
    return np.asarray(order[np.argsort(labels[order], kind="stable")], np.int64)


def _evenly(rows: int, wanted: int) -> Places:
    """``wanted`` places of ``rows``, equally far apart."""
    return np.asarray((np.arange(wanted) * rows + rows // 2) // wanted, np.int64).clip(max=rows - 1)


def _fold(held_out: Places, rows: int) -> Fold:
    rest = np.ones(rows, bool)
    rest[held_out] = False
    return Fold(np.flatnonzero(rest), np.sort(held_out))


Fit = Callable[[NDArray[Any]], Callable[[NDArray[Any]], NDArray[Any]]]
"""Rows that are trained on, to what is then done to any rows."""


def fitted_inside(fold: Fold, rows: NDArray[Any], fit: Fit) -> tuple[NDArray[Any], NDArray[Any]]:
    """What is trained on and what is held out, both transformed by what was fitted to the former alone."""
    transform = fit(rows[fold.train])
    return transform(rows[fold.train]), transform(rows[fold.held_out])


def standardised(train: NDArray[Any], axes: Sequence[int] = (0,)) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """(x − mean) / deviation, both taken over these axes of the rows that are trained on; constants stay constant."""
    mean = train.mean(tuple(axes), keepdims=True, dtype=np.float64)
    deviation = train.std(tuple(axes), keepdims=True, dtype=np.float64)
    scale = np.where(deviation > 1e-12, deviation, 1.0)
    return lambda rows: ((rows - mean) / scale).astype(np.float32)
