"""What is taken back on resume: entries of the media index, and the files they had."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.tracking import Group
from tests.core.recorded import group, lines

GROUND = {"rows": 1, "columns": 2, "over": [False, True], "optimum": [[1.0, -np.inf], [0.0, 0.0]]}


def test_a_map_is_a_file_of_numbers_and_its_ground_stands_once(tmp_path: Path) -> None:
    made = group(tmp_path)
    tables = np.array([[[1 / 3, np.nan], [0.0, -1e-9]], [[2.0, 3.0], [4.0, 12345678.9]]])
    made.maps(5, "q", tables, GROUND)
    made.maps(9, "q", tables * 2, {**GROUND, "rows": 99})  # one run has one ground: the first
    made.finish()
    media = made.path / "3" / "media"
    assert json.loads((media / "q-5.json").read_text()) == {"values": [[0.3333333, "NaN"], [0.0, -1e-9]]}
    assert json.loads((made.path / "7" / "media" / "q-5.json").read_text())["values"][1][1] == 12345680.0
    ground = {**GROUND, "optimum": [[1.0, "-Infinity"], [0.0, 0.0]]}
    assert json.loads((media / "q-ground.json").read_text()) == ground
    entry = {"kind": "map", "name": "q", "file": "media/q-5.json", "ground": "media/q-ground.json"}
    assert lines(media / "index.jsonl")[0] == {"row": 0, "env_step": 5, **entry}


@pytest.mark.parametrize("before", [True, False])
def test_maps_behind_the_checkpoint_are_taken_back(before: bool, tmp_path: Path) -> None:
    made = group(tmp_path)
    if before:
        made.maps(1, "q", np.zeros((2, 2, 2)), GROUND)
    made.checkpoint(2, [{}, {}])
    made.maps(3, "q", np.ones((2, 2, 2)), GROUND)
    made.finish("stopped", 130)
    Group.reopen(made.path, made.seeds, step=2).finish()
    kept = {"q-1.json", "q-ground.json"} if before else set()  # the ground stays while a map stands on it
    assert {path.name for path in (made.path / "3" / "media").iterdir()} == {"index.jsonl", *kept}
