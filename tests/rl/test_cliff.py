"""Along the cliff: what counts as its edge, and the whole comparison in short."""

from pathlib import Path

import numpy as np
import pytest

from rl.cliff import EDGE, cliff_walking, figures, path
from rl.environments import Envs
from rl.task import Task

UP, RIGHT, DOWN, LEFT = range(4)


def table(*rows: str) -> np.ndarray:
    return np.array(["^>v<".index(letter) for row in rows for letter in row])


@pytest.mark.parametrize(
    ("rows", "entered", "length"),
    [
        ((">" * 12, ">" * 12, ">" * 11 + "v", "^" * 12), 10, 13),  # the shortest way
        ((">" * 12, ">" * 11 + "v", "^" + ">" * 10 + "v", "^" * 12), 0, 15),  # a row further inland
        ((">" * 12, ">" * 11 + "v", "<" * 12, "^" * 12), 0, 2),  # comes round: 36, 24
        ((">" * 12, ">" * 12, ">" * 12, ">" * 12), 0, 1),  # falls at once
    ],
)
def test_the_greedy_way_and_the_cells_above_the_cliff(
    rows: tuple[str, ...], entered: int, length: int
) -> None:
    known = Envs(Task(env="CliffWalking-v1"), [0], 1).known
    assert known is not None
    way = path(table(*rows), known.outcomes.successor, known.outcomes.ended)
    assert len(EDGE.intersection(way)) == entered
    assert len(way) == length


def test_both_are_trained_by_the_ordinary_command_and_read_from_their_records(tmp_path: Path) -> None:
    found = cliff_walking(tmp_path, seeds=(0, 1), steps=2_000)
    again = cliff_walking(tmp_path, seeds=(0, 1), steps=2_000)  # finished runs are read, not trained anew
    assert found == again
    assert all(len(values) == 2 for of in found.values() for values in of.values())
    assert all(value <= -13 for value in found["q-learning"]["greedy"])
    assert all(-1000 < value < -13 for of in found.values() for value in of["training"])
    rows = figures(tmp_path, "smoke")["rows"]
    assert rows[0]["scores"] == found["q-learning"]["greedy"]
    assert rows[0]["mark"] == ["every seed =", -13]
    assert len(list(tmp_path.glob("cliff-*"))) == 2


@pytest.mark.slow
def test_sarsa_keeps_away_and_earns_more_while_it_trains(tmp_path: Path) -> None:
    found = cliff_walking(tmp_path, seeds=(3, 4), steps=20_000)
    assert found["q-learning"]["greedy"] == [-13.0, -13.0]
    assert found["sarsa"]["edge"] == [0.0, 0.0]
    assert np.array(found["sarsa"]["training"]).min() > np.array(found["q-learning"]["training"]).max()
