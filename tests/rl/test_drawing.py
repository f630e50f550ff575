"""Tables as pictures: which triangle has which value's colour, where arrows point, what a map is read from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rl.drawing import FLAT, MARGIN, TITLE, Drawing, Scale
from rl.dynamic_programming import value_iteration
from rl.environments import Envs
from rl.known import SIDES, Known
from rl.task import Task
from tests.core.recorded import lines
from tests.killing import finished, told

UP, RIGHT, DOWN, LEFT = range(4)


def known(env: str, args: str = "") -> Known:
    found = Envs(Task(env=env, env_args=args), [0], 1).known
    assert found is not None
    return found


def cell_of(picture: Any, cell: int, row: int, column: int) -> Any:
    """[y, x, 3] of the learnt map, which stands first."""
    top, left = MARGIN + TITLE + row * cell, MARGIN + column * cell
    return picture[:, top : top + cell, left : left + cell].transpose(1, 2, 0).astype(int)


def side_of(tile: Any, side: int) -> Any:
    """The colour near the middle of one border, beside the number written there."""
    half, (down, right) = len(tile) // 2, SIDES[side]
    y, x = half + down * int(half * 0.93), half + right * int(half * 0.93)
    return tile[y, x]


def test_the_scale_is_linear_between_its_colours_and_ends_at_both() -> None:
    scale = Scale(-10.0, 10.0)
    assert scale(-10.0).tolist() == scale(-1000.0).tolist() == [42, 30, 84]
    assert scale(10.0).tolist() == scale(1000.0).tolist() == [253, 246, 190]
    assert scale(-6.0).tolist() == [48, 78, 140]  # a fifth of the way: the second colour
    assert scale(-8.0).tolist() == [45, 54, 112]  # half way to it
    assert scale(np.nan).tolist() == [128, 128, 128]


def test_each_action_colours_the_triangle_it_leads_to() -> None:
    lake = known("FrozenLake-v1")
    drawing, q = Drawing(lake, 0.99), np.zeros((1, 16, 4))
    q[0, 6] = [0.2, 0.8, 0.5, 0.1]  # left, down, right, up
    scale, tile = drawing.scale(q), cell_of(drawing(q)[0, 0], 104, 1, 2)
    for side, value in ((LEFT, 0.2), (DOWN, 0.8), (RIGHT, 0.5), (UP, 0.1)):
        assert np.abs(side_of(tile, side) - scale(value).astype(int)).max() <= 2, side


def test_arrows_show_the_greedy_action_and_none_where_nothing_is_known() -> None:
    lake = known("FrozenLake-v1")
    drawing, q = Drawing(lake, 0.99), np.zeros((1, 16, 4))
    q[0, 6, 1] = 0.3  # down
    q[0, 2, [0, 2]] = 0.3  # left and right alike
    picture = drawing(q)[0, 0]

    def pointed(row: int, column: int) -> list[int]:
        tile = cell_of(picture, 104, row, column)
        half = len(tile) // 2
        ways = [np.array((half, half)) + (np.array(SIDES[k]) * 104 * 0.12).astype(int) for k in range(4)]
        return [k for k, (y, x) in enumerate(ways) if (tile[y, x] > 250).all()]

    assert pointed(1, 2) == [DOWN]
    assert pointed(0, 2) == [RIGHT, LEFT]
    assert pointed(2, 1) == []


def test_holes_goals_and_the_cliff_are_flat() -> None:
    picture = Drawing(known("FrozenLake-v1"), 0.99)(np.zeros((1, 16, 4)))[0, 0]
    assert cell_of(picture, 104, 1, 1)[5, 5].tolist() == list(FLAT["H"][0])
    assert cell_of(picture, 104, 3, 3)[5, 5].tolist() == list(FLAT["G"][0])
    picture = Drawing(known("CliffWalking-v1"), 1.0)(np.zeros((1, 48, 4)))[0, 0]
    assert cell_of(picture, 60, 3, 4)[5, 5].tolist() == list(FLAT["C"][0])
    assert cell_of(picture, 60, 3, 11)[5, 5].tolist() == list(FLAT["G"][0])


def test_beside_it_stands_the_best_there_is() -> None:
    lake = known("FrozenLake-v1")
    best = value_iteration(lake.model, 0.99).q
    picture = Drawing(lake, 0.99)(best[None])[0, 0]
    wide = 4 * 104
    learnt = picture[:, MARGIN + TITLE : MARGIN + TITLE + wide, MARGIN : MARGIN + wide]
    optimal = picture[:, MARGIN + TITLE : MARGIN + TITLE + wide, 2 * MARGIN + wide : 2 * MARGIN + 2 * wide]
    assert np.abs(learnt.astype(int) - optimal).mean() < 0.1  # solved to 1e-6, not to the bit


def test_colours_do_not_depend_on_one_fall_from_the_cliff() -> None:
    scale = Drawing(known("CliffWalking-v1"), 1.0).scale(np.zeros((1, 48, 4)))
    assert (scale.low, scale.high) == (
        pytest.approx(-17.25),
        -1.0,
    )  # values from −14 to −1, and a quarter below


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_tables_that_are_no_numbers_are_drawn_too(broken: float) -> None:
    for env in ("FrozenLake-v1", "Taxi-v4"):
        found = known(env)
        q = np.full((2, *found.model.R.shape), broken)
        assert Drawing(found, 0.9)(q).shape[:3] == (2, 1, 3)
    assert Drawing(None, 0.9)(np.full((1, 7, 3), broken)).dtype == np.uint8


def test_maps_are_read_from_the_environment() -> None:
    lake, cliff, taxi = (known(env).grid for env in ("FrozenLake-v1", "CliffWalking-v1", "Taxi-v4"))
    assert lake is not None
    assert cliff is not None
    assert taxi is not None
    assert lake.sides == (LEFT, DOWN, RIGHT, UP)
    assert ["".join(mark or "." for mark in row) for row in lake.marks] == ["S...", ".H.H", "...H", "H..G"]
    assert cliff.sides == (UP, RIGHT, DOWN, LEFT)
    assert "".join(cliff.marks[3]) == "SCCCCCCCCCCG"
    assert (taxi.rows, taxi.columns, taxi.layers) == (5, 5, 20)
    assert taxi.sides == (DOWN, UP, RIGHT, LEFT, -1, -1)
    assert taxi.walls[:, :4].astype(int).tolist() == [[0, 1, 0, 0]] * 2 + [[0] * 4] + [[1, 0, 1, 0]] * 2
    assert taxi.titles[2] == "R to Y"
    assert taxi.titles[16] == "taxi to R"


def test_an_environment_that_steps_otherwise_than_by_its_table_is_not_known() -> None:
    assert Envs(Task(env="Taxi-v4", env_args="{fickle_passenger: true}"), [0], 1).known is None
    assert Envs(Task(env="CartPole-v1"), [0], 1).known is None


def test_they_are_recorded_at_every_evaluation_of_every_seed(tmp_path: Path) -> None:
    line = (
        "train sarsa --env CliffWalking-v1 --steps 90 --seeds 0 4 --eval-every 30 --name it --wandb disabled"
    )
    assert finished([*line.split(), "--eval-max-steps", "50", "--quiet"], tmp_path) == 0, told(tmp_path)
    for seed in "04":
        run = tmp_path / "runs" / "it" / seed
        noted = [row for row in lines(run / "media" / "index.jsonl") if row.get("name") == "q_table"]
        assert [row["env_step"] for row in noted] == [30, 60, 90]
        for row in noted:
            with Image.open(run / row["file"]) as picture:
                assert picture.size == (744, 594)
