"""Early stopping, every knob by hand."""

import math

import pytest
import torch

from core.early_stopping import EarlyStopping, Rule
from core.errors import UserError


def told(scores: list[float], **knobs: object) -> EarlyStopping:
    """What it makes of these scores at 1, 2, …, the weights being the score's number."""
    machine = EarlyStopping(Rule(**knobs))  # type: ignore[arg-type]
    for at, score in enumerate(scores, 1):
        machine.see(at, score, lambda at=at: {"w": torch.tensor(float(at))})  # type: ignore[misc]
    return machine


def test_it_stops_after_patience_scores_that_are_no_better_and_keeps_the_best() -> None:
    found = told([5, 3, 4, 3, 2.9, 3, 3, 3, 0], patience=3)
    assert found.stopped_at == 8
    assert (found.best, found.best_at, found.kept["w"].item()) == (2.9, 5, 5)
    assert told([5, 3, 4, 3, 2.9, 3, 3], patience=3).stopped_at is None


def test_the_best_is_kept_also_when_nothing_stopped_it() -> None:
    found = told([3, 1, 2], patience=10)
    assert not found.stopped
    assert (found.best, found.kept["w"].item()) == (1, 2)


def test_patience_of_one_stops_at_the_first_that_is_no_better() -> None:
    assert told([3, 2, 2, 1], patience=1).stopped_at == 3


@pytest.mark.parametrize(
    ("monitor", "mode", "stopped_at"),
    [("eval/loss", "auto", 3), ("eval/accuracy", "auto", None), ("x", "max", None), ("x", "min", 3)],
)
def test_which_way_is_up(monitor: str, mode: str, stopped_at: int | None) -> None:
    assert told([0.1, 0.2, 0.3], monitor=monitor, mode=mode, patience=2).stopped_at == stopped_at


def test_small_gains_count_for_nothing_until_they_add_up_and_the_best_is_the_best() -> None:
    found = told([1.0, 0.95, 0.92], min_delta=0.1, patience=2)
    assert found.stopped_at == 3
    assert (found.best, found.best_at) == (0.92, 3)
    assert told([1.0, 0.95, 0.89, 0.85, 0.78], min_delta=0.1, patience=2).stopped_at is None


def test_until_the_baseline_is_beaten_nothing_is_good_enough() -> None:
    assert told([9, 8, 7, 6], baseline=5, patience=3).stopped_at == 3
    found = told([9, 4, 4.5, 4.5, 4.5], baseline=5, patience=3)
    assert found.stopped_at == 5


def test_what_is_no_number_is_no_better() -> None:
    found = told([math.nan, 2, math.nan, math.nan], patience=2)
    assert (found.best, found.stopped_at) == (2, 4)
    assert told([math.nan, math.nan], patience=2).stopped_at == 2


def test_what_is_kept_is_a_copy() -> None:
    live, machine = {"w": torch.ones(2)}, EarlyStopping(Rule())
    machine.see(1, 0.5, lambda: live)
    live["w"].zero_()
    assert machine.kept["w"].tolist() == [1, 1]


def test_a_place_seen_before_changes_nothing() -> None:
    machine = told([3, 2, 2.5], patience=3)
    for _ in range(5):
        assert not machine.see(3, 2.5, dict)
    assert machine.waited == 1


def test_it_goes_on_where_it_was_saved() -> None:
    scores = [5, 4, 4, 3, 3, 3.5, 3.2, 3.1, 3.05]
    for cut in range(len(scores)):
        again = EarlyStopping(Rule(patience=3))
        again.load_state_dict(told(scores[:cut], patience=3).state_dict())
        for at, score in enumerate(scores[cut:], cut + 1):
            again.see(at, score, lambda at=at: {"w": torch.tensor(float(at))})  # type: ignore[misc]
        assert again.state_dict() == told(scores, patience=3).state_dict()


def test_knobs_that_cannot_work() -> None:
    with pytest.raises(UserError, match="patience of 1 or more"):
        Rule(patience=0)
    with pytest.raises(UserError, match="which way is up for eval/oddity"):
        Rule(monitor="eval/oddity")
