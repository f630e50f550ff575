"""Tables as numbers: what a run keeps of them, and that a resumed run keeps the same."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import trees
from core.run_folder import load
from rl.drawing import Drawing
from rl.environments import Envs
from rl.maps import ground
from rl.task import Task
from tests.core.recorded import history, lines
from tests.killing import assert_equal_runs, finished, kill_and_resume, told

UP, RIGHT, DOWN, LEFT = range(4)
NOTHING = "--wandb disabled --quiet --eval-max-steps 50 --final-episodes 2 --eval-episodes 2"


def drawing(env: str, gamma: float) -> Drawing:
    known = Envs(Task(env=env), [0], 1).known
    assert known is not None
    return Drawing(known, gamma)


def maps(run: Path) -> list[dict[str, Any]]:
    return [entry for entry in lines(run / "media" / "index.jsonl") if entry["kind"] == "map"]


def values(run: Path, entry: dict[str, Any]) -> Any:
    return np.array(json.loads((run / entry["file"]).read_text())["values"])


def test_the_ground_is_the_map_and_the_best_there_is() -> None:
    lake = ground(drawing("FrozenLake-v1", 0.99))
    assert (lake["rows"], lake["columns"], lake["layers"], lake["titles"]) == (4, 4, 1, [""])
    assert ["".join(mark or "." for mark in row) for row in lake["marks"]] == ["S...", ".H.H", "...H", "H..G"]
    assert lake["sides"] == [LEFT, DOWN, RIGHT, UP]
    assert [state for state, over in enumerate(lake["over"]) if over] == [5, 7, 11, 12, 15]
    assert max(lake["optimum"][0]) == pytest.approx(0.5420, abs=1e-4)  # as published, γ = 0.99
    cliff = ground(drawing("CliffWalking-v1", 1.0))
    assert cliff["optimum"][36][UP] == -13  # eleven steps to the right, one up, one down
    assert cliff["optimum"][36][RIGHT] == -113
    taxi = ground(drawing("Taxi-v4", 0.99))
    assert (len(taxi["optimum"]), len(taxi["optimum"][0]), taxi["sides"][4:]) == (500, 6, [-1, -1])
    assert taxi["walls"][0][:4] == [False, True, False, False]


def test_without_a_map_the_table_stands_alone() -> None:
    assert ground(Drawing(None, 0.9)) == {"over": None, "optimum": None}


@pytest.mark.parametrize("vector", ["sync", "table"])
def test_they_are_recorded_at_every_evaluation_of_every_seed(vector: str, tmp_path: Path) -> None:
    line = (
        f"train q-learning --env CliffWalking-v1 --steps 900 --seeds 0 4 --eval-every 300 --vector {vector}"
    )
    assert finished([*line.split(), "--name", "it", *NOTHING.split()], tmp_path) == 0, told(tmp_path)
    for seed in "04":
        run = tmp_path / "runs" / "it" / seed
        noted = maps(run)
        assert [entry["env_step"] for entry in noted] == [300, 600, 900]
        assert {entry["ground"] for entry in noted} == {"media/q-ground.json"}
        assert json.loads((run / "media" / "q-ground.json").read_text())["rows"] == 4
        first, last = values(run, noted[0]), values(run, noted[-1])
        assert first.shape == last.shape == (48, 4)
        state = dict(trees.walk(load(run / "checkpoints" / "last.safetensors")[1]))
        (learnt,) = (array for place, array in state.items() if place[-2:] == ("agent", "q"))
        np.testing.assert_allclose(last, learnt, rtol=1e-6, atol=0)
        assert not np.allclose(first, last)


def test_a_world_without_a_known_table_has_its_own_recorded(tmp_path: Path) -> None:
    fickle = ["--env", "Taxi-v4", "--env-args", "{fickle_passenger: true}"]
    line = f"train sarsa --steps 60 --eval-every 30 --name it {NOTHING}"
    assert finished([*line.split(), *fickle], tmp_path) == 0, told(tmp_path)
    run = tmp_path / "runs" / "it" / "0"
    assert json.loads((run / "media" / "q-ground.json").read_text()) == {"over": None, "optimum": None}
    assert values(run, maps(run)[-1]).shape == (500, 6)


def test_a_killed_run_resumed_has_the_same_maps(tmp_path: Path) -> None:
    line = "q-learning --env CliffWalking-v1 --steps 1500 --seeds 3 1 --log-every 20 --checkpoint-every 150"
    killed = kill_and_resume(
        [*line.split(), "--eval-every", "100", *NOTHING.split()], tmp_path, chance=random.Random(11), kills=3
    )
    assert_equal_runs(killed.cut, killed.whole)
    for seed in "13":
        ours, theirs = killed.cut / seed / "media", killed.whole / seed / "media"
        names = sorted(path.name for path in theirs.iterdir())
        assert sorted(path.name for path in ours.iterdir()) == names
        assert len([name for name in names if name.startswith("q-")]) == 15 + 1
        for name in names:
            assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name


def test_wandb_is_told_the_picture_and_not_the_map(tmp_path: Path) -> None:
    line = "train q-learning --env FrozenLake-v1 --steps 90 --eval-every 30 --log-every 30 --name it"
    often = [*line.split(), *NOTHING.split(), "--wandb", "offline"]
    assert finished(often, tmp_path) == 0, told(tmp_path)
    run = tmp_path / "runs" / "it" / "0"
    rows = history(run)
    assert len(maps(run)) == 3
    assert sum("q_table._type" in row for row in rows) == 3
    assert all(len(row) > 1 for row in rows)  # none with a step and nothing else
