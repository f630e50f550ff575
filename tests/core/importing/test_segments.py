"""Axes and the joining of segments, by hand."""

from pathlib import Path
from typing import Any

import pytest

from core.errors import UserError
from core.importing.foreign import Segment
from core.importing.segments import Axis, axis, distinct, joined

W = Axis("_step", "_step")


def segment(rows: list[dict[str, Any]], start: float = 0.0, **more: Any) -> Segment:
    return Segment(Path(f"{start}"), started=start, rows=rows, **more)


def steps(*numbers: int, since: float = 1.0, **more: Any) -> list[dict[str, Any]]:
    return [{"_step": n, "_timestamp": since + i, "loss": n, **more} for i, n in enumerate(numbers)]


def test_sb3s_and_cleanrls_step_counts_environment_steps_in_a_run_of_rl_only() -> None:
    rows = [{"_step": i, "global_step": 4 * i, "loss": 1} for i in range(3)]
    assert axis([segment(rows)], "rl") == Axis("global_step", "env_step")
    assert axis([segment(rows)], "core") == Axis("global_step", "global_step")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"trainer/global_step": i, "epoch": i // 2, "loss": 1} for i in range(4)], "trainer/global_step"),
        ([{"epoch": i, "loss": 1} for i in range(4)], "epoch"),
        ([{"step": i % 2, "epoch": i // 2, "loss": 1} for i in range(4)], "epoch"),  # starts again each epoch
        ([{"epoch": 1, "loss": 1}, {"loss": 1}, {"loss": 1}], "_step"),  # too few rows say it
        ([{"epoch": "one", "loss": 1}], "_step"),
        ([{"epoch": True, "loss": 1}], "_step"),
        ([{"PPO_1/global_step": 1, "PPO_1/loss": 1}], "PPO_1/global_step"),
        ([{"loss": 1}], "_step"),
        ([], "_step"),
    ],
)
def test_the_axis_is_the_first_that_is_one(rows: list[dict[str, Any]], expected: str) -> None:
    assert axis([segment(rows)], "core").theirs == expected


def test_what_the_run_defines_goes_first_and_what_a_person_says_before_that() -> None:
    rows = [{"_step": i, "epoch": i, "mine": 2 * i, "val/loss": 1, "val/acc": 1, "lr": 1} for i in range(3)]
    defined = [segment(rows, axes={"val/*": "mine", "lr": "epoch"})]
    assert axis(defined, "core").theirs == "mine"
    assert axis(defined, "core", "epoch").theirs == "epoch"
    with pytest.raises(UserError, match="no row has the axis 'epochs'; did you mean 'epoch'"):
        axis(defined, "core", "epochs")


def test_copies_of_a_segment_count_once_and_the_longest_is_kept() -> None:
    short, long, later = segment(steps(0), 5.0), segment(steps(0, 1), 5.0), segment(steps(2), 9.0)
    assert distinct([later, short, long]) == [long, later]


def test_a_later_segment_wins_where_they_overlap() -> None:
    earlier = segment(steps(0, 1, 2, 3), 1.0)
    later = segment([{**row, "loss": -1} for row in steps(2, 3, 4, since=100.0)], 100.0)
    rows, said = joined([earlier, later], W)
    assert [(row["_step"], row["loss"]) for row in rows] == [(0, 0), (1, 1), (2, -1), (3, -1), (4, -1)]
    assert said == ["segment 2 begins at _step 2: 2 rows after it left out"]


def test_one_that_goes_on_after_the_other_says_nothing() -> None:
    rows, said = joined([segment(steps(0, 1), 1.0), segment(steps(2, 3), 9.0)], W)
    assert [row["_step"] for row in rows] == [0, 1, 2, 3]
    assert said == []


def test_an_offline_run_resumed_at_0_goes_behind_when_it_began_later() -> None:
    rows, said = joined([segment(steps(0, 1, 2), 1.0), segment(steps(0, 1, since=50.0), 50.0)], W)
    assert [row["_step"] for row in rows] == [0, 1, 2, 3, 4]
    assert [row["_timestamp"] for row in rows] == [1, 2, 3, 50, 51]
    assert said == ["segment 2 counts from 0 again but began later: put behind"]


def test_one_at_0_again_that_ran_at_the_same_time_takes_the_place_of_the_other() -> None:
    rows, said = joined([segment(steps(0, 1, 2, since=1.0), 1.0), segment(steps(0, 1, since=2.0), 2.0)], W)
    assert [row["_timestamp"] for row in rows] == [2, 3]
    assert said == ["segment 2 begins where the run began: 3 earlier rows left out"]


def test_over_an_axis_of_its_own_the_axis_decides() -> None:
    def over(*numbers: int, since: float) -> list[dict[str, Any]]:
        return [{"_step": i, "_timestamp": since + i, "env": n} for i, n in enumerate(numbers)]

    along = Axis("env", "env_step")
    both = [segment(over(10, 20, 30, since=1.0), 1.0), segment(over(20, 40, since=90.0), 90.0)]
    rows, _ = joined(both, along)
    assert [(row["env"], row["_timestamp"]) for row in rows] == [(10, 1), (20, 90), (40, 91)]


def test_rows_that_do_not_say_where_they_stand_follow_the_last_that_did() -> None:
    rows = [{"a": 1}, {"x": 5, "a": 2}, {"a": 3}, {"x": float("nan"), "a": 4}, {"x": 7, "a": 5}]
    placed, said = joined([segment(rows)], Axis("x", "x"))
    assert [(row["x"], row["a"]) for row in placed] == [(5, 1), (5, 2), (5, 3), (5, 4), (7, 5)]
    assert said == ["3 rows do not say x: placed at the last that did"]


def test_rows_out_of_order_are_put_in_order() -> None:
    rows = [{"x": 3, "a": 0}, {"x": 1, "a": 1}, {"x": 3, "a": 2}]
    assert [row["a"] for row in joined([segment(rows)], Axis("x", "x"))[0]] == [1, 0, 2]
