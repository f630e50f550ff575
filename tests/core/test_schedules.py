"""Schedules and trees, by hand."""

from typing import NamedTuple

import numpy as np
import pytest
import torch

from core import trees
from core.averages import Averages
from core.errors import UserError
from core.schedules import epochs, first_part, linear, schedule, warmed_up


@pytest.mark.parametrize(
    ("name", "quarter", "half", "end"),
    [
        ("constant", 8.0, 8.0, 8.0),
        ("linear", 6.5, 5.0, 2.0),
        ("cosine", 7.121320, 5.0, 2.0),
        ("exponential", 5.656854, 4.0, 2.0),
        ("steps", 8.0, 4.0, 2.0),
        ("hundredths", 6.5, 5.0, 2.0),
    ],
)
def test_schedules_at_a_quarter_half_and_end(name: str, quarter: float, half: float, end: float) -> None:
    value = schedule(name, 8.0, 2.0)
    assert value(0.0) == 8.0
    assert [value(0.25), value(0.5), value(1.0)] == pytest.approx([quarter, half, end], abs=1e-6)
    assert value(1.5) == pytest.approx(end)


def test_an_unknown_schedule_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'linear'"):
        schedule("liner", 1.0)


def test_the_first_part_falls_and_then_stays() -> None:
    epsilon = first_part(1.0, 0.05, 0.5)
    assert [epsilon(0.0), epsilon(0.25), epsilon(0.5), epsilon(0.9)] == pytest.approx([1, 0.525, 0.05, 0.05])


def test_the_rate_of_the_notes_falls_by_a_hundredth_each_epoch() -> None:
    lr = epochs(linear(0.2, 0.0), 100)
    for epoch in range(100):
        exact = 0.2 * (100 - epoch) / 100
        assert lr(epoch / 100) == pytest.approx(exact, abs=1e-15)
        assert lr((epoch + 0.99) / 100) == lr(epoch / 100)
    assert schedule("hundredths", 0.2, 0.0)(0.375) == pytest.approx(0.2 * 63 / 100)


def test_steps_divide_by_ten_twice() -> None:
    lr = schedule("steps", 0.1, 0.001)
    assert [lr(x) for x in (0, 0.49, 0.5, 0.74, 0.75, 1)] == pytest.approx(
        [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    )
    with pytest.raises(UserError, match="positive ends"):
        schedule("steps", 0.1, 0.0)


def test_warm_up_rises_and_then_leaves_the_schedule_alone() -> None:
    lr = warmed_up(linear(1.0, 0.0), 0.2)
    assert [lr(0.0), lr(0.1), lr(0.2), lr(0.6)] == pytest.approx([0.0, 0.45, 0.8, 0.4])
    assert warmed_up(linear(1.0, 0.0), 0.0)(0.0) == 1.0


class Pair(NamedTuple):
    a: object
    b: object


def test_trees_keep_their_shape() -> None:
    tree = {"x": [1, (2, 3)], "y": Pair(4, {"z": 5})}
    doubled = trees.map(lambda a, b: a + b, tree, tree)
    assert doubled == {"x": [2, (4, 6)], "y": Pair(8, {"z": 10})}
    assert isinstance(doubled["y"], Pair)
    assert trees.leaves(tree) == [1, 2, 3, 4, 5]
    assert [".".join(path) for path, _ in trees.walk(tree)] == ["x.0", "x.1.0", "x.1.1", "y.0", "y.1.z"]
    assert trees.of_seed({"a": np.array([[1, 2], [3, 4]])}, 1)["a"].tolist() == [3, 4]


def test_averages_are_per_seed_and_survive_saving() -> None:
    averages = Averages(2)
    averages.add({"loss": torch.tensor([1.0, 10.0])})
    averages.add({"loss": torch.tensor([3.0, 20.0])})
    averages.add_one(1, "episode/return", 7.0)
    again = Averages(2)
    again.load_state_dict(averages.state_dict())
    assert again.flush() == [{"loss": 2.0}, {"loss": 15.0, "episode/return": 7.0}]
    assert again.flush() == [{}, {}]


def test_a_state_that_lacks_something_is_refused_in_one_line() -> None:
    with pytest.raises(UserError, match="no 'counts': it was written by another version"):
        trees.load_states({"averages": Averages(1)}, [{"averages": {"sums": {}}}])
