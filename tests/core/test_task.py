"""How examples are divided into what is learnt from, chosen by, and kept for the end."""

import numpy as np
import pytest

from core.errors import UserError
from core.task import Examples, Parts, divided, module_of, rows_of


def examples(count: int = 20, **more: object) -> Examples:
    rows = np.arange(count)
    return Examples("numbers", (rows, rows * 10), (np.array([-1]), np.array([-10])), **more)  # type: ignore[arg-type]


def check(parts: Parts) -> None:
    for inputs, targets in (parts.train, parts.validation, parts.test):
        assert (inputs * 10 == targets).all()
    assert not set(parts.train[0]) & set(parts.validation[0])
    assert parts.test[0].tolist() == [-1]


def test_a_hold_out() -> None:
    parts = divided(examples(), 0.25)
    check(parts)
    assert (len(parts.train[0]), len(parts.validation[0])) == (15, 5)
    assert divided(examples(), 0.25).validation[0].tolist() == parts.validation[0].tolist()


def test_folds_hold_every_row_out_once() -> None:
    held = []
    for fold in range(1, 5):
        parts = divided(examples(), 0.1, 4, fold)
        check(parts)
        held += parts.validation[0].tolist()
    assert sorted(held) == list(range(20))


def test_labels_are_held_out_alike() -> None:
    labels = np.array([0] * 16 + [1] * 4)
    parts = divided(examples(labels=labels), 0.1, 4, 2)
    assert labels[parts.validation[0]].tolist() == [0] * 4 + [1]


def test_a_validation_part_of_its_own_is_used_and_in_folds_dealt_out() -> None:
    own = (np.array([100, 101, 102, 103]), np.array([1000, 1010, 1020, 1030]))
    assert divided(examples(validation=own), 0.5).validation[0].tolist() == [100, 101, 102, 103]
    held = [divided(examples(validation=own), 0.5, 3, fold).validation[0] for fold in (1, 2, 3)]
    assert sorted(np.concatenate(held)) == [*range(20), 100, 101, 102, 103]


def test_what_is_ordered_is_held_out_at_the_end_and_in_blocks() -> None:
    assert divided(examples(ordered=True), 0.1).validation[0].tolist() == [18, 19]
    blocks = [divided(examples(ordered=True), 0.1, 3, fold).validation[0].tolist() for fold in (1, 2, 3)]
    assert [block for part in blocks for block in part] == list(range(20))


def test_what_cannot_be_divided() -> None:
    for ordered in (False, True):
        with pytest.raises(UserError, match="20 rows cannot make 21 folds; give from 2 to 20"):
            divided(examples(ordered=ordered), 0.1, 21, 1)
    with pytest.raises(UserError, match="--fold is 5; of 4 folds it must be 1 to 4"):
        divided(examples(), 0.1, 4, 5)
    with pytest.raises(UserError, match="between 0 and 1"):
        divided(examples(), 1.0)
    with pytest.raises(ValueError, match="equally long"):
        rows_of((np.zeros(3), np.zeros(4)))
    with pytest.raises(UserError, match="did you mean 'classifier'"):
        module_of("clasifier")
