"""Folds and hold-outs: disjoint, covering, alike in labels; what is fitted is fitted inside."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from core.draws import draws
from core.errors import UserError
from core.folds import Fold, fitted_inside, hold_out, k_folds, standardised

Rows: TypeAlias = NDArray[Any]


@pytest.mark.parametrize(("rows", "count"), [(12, 4), (14, 4), (7, 7), (5, 2)])
def test_folds_are_disjoint_cover_all_and_are_equally_large(rows: int, count: int) -> None:
    folds = k_folds(rows, count, draws("test"))
    assert len(folds) == count
    assert sorted(np.concatenate([fold.held_out for fold in folds]).tolist()) == list(range(rows))
    for fold in folds:
        assert sorted([*fold.train, *fold.held_out]) == list(range(rows))
        assert len(fold.held_out) in (rows // count, -(-rows // count))


def test_folds_depend_on_the_draws_alone() -> None:
    def held(word: str) -> list[list[int]]:
        return [fold.held_out.tolist() for fold in k_folds(20, 4, draws(word))]

    assert held("a") == held("a")
    assert held("a") != held("b")
    assert held("a") != [list(range(k, 20, 4)) for k in range(4)]


def test_labels_are_dealt_evenly() -> None:
    labels = np.array([0] * 8 + [1] * 20 + [2] * 4)
    for fold in k_folds(32, 4, draws("test"), labels):
        assert np.bincount(labels[fold.held_out]).tolist() == [2, 5, 1]
    part = hold_out(32, 0.25, draws("test"), labels)
    assert np.bincount(labels[part.held_out]).tolist() == [2, 5, 1]


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_a_hold_out_has_its_share(share: float) -> None:
    part = hold_out(40, share, draws("test"))
    assert len(part.held_out) == 40 * share
    assert sorted([*part.train, *part.held_out]) == list(range(40))


def test_what_cannot_be_divided_is_said() -> None:
    with pytest.raises(UserError, match="3 rows cannot make 4 folds; give from 2 to 3"):
        k_folds(3, 4, draws("test"))
    with pytest.raises(UserError, match="cannot make 1 folds"):
        k_folds(3, 1, draws("test"))
    with pytest.raises(UserError, match="neither part may be empty"):
        hold_out(3, 0.1, draws("test"))
    with pytest.raises(ValueError, match=r"shape \(4,\), got \(3,\)"):
        k_folds(4, 2, draws("test"), np.zeros(3))


def test_what_is_fitted_sees_the_rows_that_are_trained_on_alone() -> None:
    rows = np.array([[0.0], [2.0], [100.0]])
    train, held_out = fitted_inside(Fold(np.array([0, 1]), np.array([2])), rows, standardised)
    assert train.tolist() == [[-1], [1]]  # mean 1, deviation 1
    assert held_out.tolist() == [[99]]
    constant, _ = fitted_inside(Fold(np.array([0, 1]), np.array([2])), np.ones((3, 1)), standardised)
    assert constant.tolist() == [[0], [0]]


def nearest_mean(train: Rows, held_out: Rows) -> float:
    """Share of held-out rows nearer to their own class's mean; labels stand in the last column."""
    means = np.array([train[train[:, -1] == label, :-1].mean(0) for label in (0, 1)])
    apart = ((held_out[:, None, :-1] - means) ** 2).sum(-1)
    return float((apart.argmin(1) == held_out[:, -1]).mean())


def chosen(train: Rows) -> Callable[[Rows], Rows]:
    """The 10 columns that tell the labels of these rows apart best, and the labels."""
    label = train[:, -1] - train[:, -1].mean()
    best = np.abs(label @ (train[:, :-1] - train[:, :-1].mean(0))).argsort()[-10:]
    return lambda rows: rows[:, [*best, -1]]


def test_noise_is_told_apart_by_chance_alone_unless_what_is_fitted_saw_the_held_out_rows() -> None:
    """Hastie et al. 2009, section 7.10.2: choosing columns beforehand makes something of nothing."""
    chance = draws("noise")
    inside, outside = [], []
    for _ in range(8):
        rows = np.column_stack([chance.standard_normal((48, 2000)), np.arange(48) % 2])
        before = chosen(rows)(rows)
        for fold in k_folds(48, 4, chance, np.arange(48) % 2):
            inside.append(nearest_mean(*fitted_inside(fold, rows, chosen)))
            outside.append(nearest_mean(before[fold.train], before[fold.held_out]))
    assert np.mean(inside) == pytest.approx(0.5, abs=0.08)  # 384 guesses: 0.5 ± 3 · 0.026
    assert np.mean(outside) > 0.8
