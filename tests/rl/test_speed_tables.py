"""The comparison of speeds on tables: both train what they say, and the figures are kept."""

import json
from pathlib import Path

from rl.speed_tables import ENVS, STEPWISE, contenders, main


def test_both_train_as_many_steps_as_they_say_and_count_the_processors_time() -> None:
    stepwise, compiled = contenders("FrozenLake-v1")
    assert stepwise.run(20 * STEPWISE) == 20
    assert compiled.run(40_000) == 2 * (1 << 15)  # whole chunks
    assert compiled.seconds["processor"] > 0
    assert stepwise.facts == {"vector": "sync"}


def test_the_figures_are_kept_and_written_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- bench speed-tables -->\n<!-- end -->\nb\n")
    argv = ["speed-tables", "--rounds", "1", "--steps", "1000", "--root", str(tmp_path), "--out", str(page)]
    assert main(argv) == 0
    kept = json.loads((tmp_path / "bench" / "speed-tables.json").read_text())
    assert set(kept["contenders"]) == set(ENVS)
    assert all(rows[1]["ratio"]["median"] > 1 for rows in kept["contenders"].values())
    assert page.read_text().count("| FrozenLake-v1 |") == 1
