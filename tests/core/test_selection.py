"""Filters over runs: what passes, and what is said when nothing does."""

from pathlib import Path

import pytest

from core import annotations, records
from core.annotations import Annotations
from core.errors import UserError
from core.selection import filters_of, names_of, select
from tests.core.run_folders import write_run


@pytest.fixture
def runs(tmp_path: Path) -> list[records.Record]:
    write_run(
        tmp_path,
        seed=0,
        config={"lr": 3e-4, "fast": True, "hidden": [64, 32], "note": None},
        tags=["good", "x"],
    )
    write_run(tmp_path, seed=1, settings="ffff0000", config={"lr": 1e-3, "env_args": ""})
    write_run(tmp_path, algorithm="dqn", seed=2, status="failed", config={"lr": 1, "rollout": 8})
    write_run(tmp_path, algorithm="vae", task="digits", suite="generative", seed=3)
    return sorted(records.scan(tmp_path), key=lambda record: record.seed)


@pytest.mark.parametrize(
    ("words", "seeds"),
    [
        ([], [0, 1, 2, 3]),
        (["lr=3e-4"], [0]),  # as a number, however it is written
        (["lr=0.0003", "1"], [0, 2]),  # a value more, as --where lr=0.0003,1 comes
        (["lr=0.0003,1"], [0, 2]),
        (["lr!=0.001"], [0, 2]),
        (["algorithm=ppo,dqn", "status=finished"], [0, 1]),
        (["task~cart"], [0, 1, 2]),
        (["task!~cart"], [3]),
        (["fast=true"], [0]),
        (["fast!=True"], [1, 2, 3]),  # they have no such setting
        (["rollout=8"], [2]),
        (["rollout=none"], [0, 1, 3]),
        (["hidden=32"], [0]),
        (["tags=good"], [0]),
        (["seed=3,1"], [1, 3]),
        (["env-args="], [0, 1, 2, 3]),
        (["group~ffff0000"], [1]),
    ],
)
def test_select(runs: list[records.Record], words: list[str], seeds: list[int]) -> None:
    assert [record.seed for record in select(runs, words)] == seeds


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lrr=1"], "no run has a setting 'lrr'; did you mean 'lr'"),
        (["algorihtm=ppo"], "did you mean 'algorithm'"),
        (["lr=7"], r"no run is left by lr=7; lr is 0.0003, 0.001, 1"),
        (
            ["algorithm=ppo", "rollout=8"],
            "no run has a setting 'rollout'",
        ),  # dqn, which has it, is out already
        (["ppo"], "--where takes name=value"),
        (["=3"], "--where takes name=value"),
    ],
)
def test_what_is_wrong_is_said(runs: list[records.Record], words: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        select(runs, words)


def test_nothing_to_select_from() -> None:
    assert select([], ["anything=1"]) == []


def test_names(runs: list[records.Record]) -> None:
    assert names_of(["--lr", "env-args", "lr", "algorithm"], runs) == ("lr", "env_args", "algorithm")
    with pytest.raises(UserError, match="did you mean 'rollout'"):
        names_of(["rolout"], runs)


def test_a_value_may_hold_an_operator() -> None:
    (found,) = filters_of(["task=maze.py:Maze{a=1}"])
    assert (found.name, found.operator, found.values) == ("task", "=", ("maze.py:Maze{a=1}",))


def test_tags_that_people_put_on_later_count(runs: list[records.Record]) -> None:
    annotations.write(runs[3].path, Annotations(("keep", "good")))
    annotations.write(runs[0].path, Annotations(("x",)))  # from now on it stands instead of run.json's
    assert [record.seed for record in select(runs, ["tags=good"])] == [3]
    assert [record.seed for record in select(runs, ["tags!=keep"])] == [0, 1, 2]
