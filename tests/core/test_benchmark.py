"""The spine's table: every seed shown, marks judged from both sides, nothing dropped."""

import json
from pathlib import Path
from typing import Any

import pytest

from core import benchmark
from core.errors import UserError
from tests.core.run_folders import write_run


def figures(root: Path, *nll: float) -> None:
    rows = {str(seed): {"nll": value, "seconds": 60.0} for seed, value in enumerate(nll)}
    (root / "vae-mnist.json").write_text(json.dumps({"steps 90000, samples 5000, images all": rows}))


def test_a_row_has_every_seed_its_interval_and_its_judgement(tmp_path: Path) -> None:
    figures(tmp_path, 88.0, 88.2, 88.4)
    (row,) = benchmark.rows_of("vae", tmp_path)
    assert row["mean"] == pytest.approx(88.2)
    assert row["high"] - row["mean"] == pytest.approx(4.302653 * 0.2 / 3**0.5, rel=1e-5)  # t(2, .975) s / √n
    assert (row["n"], row["seeds"], row["reached"], row["minutes"]) == (3, [88.0, 88.2, 88.4], True, 3.0)
    figures(tmp_path, 88.0, 88.2, 90.4)
    rows = benchmark.rows_of("vae", tmp_path)
    assert rows[0]["reached"] is False
    drawn = benchmark.table({"vae": rows})
    assert "88, 88.2, 90.4" in drawn
    assert "**no**" in drawn


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    figures(tmp_path, 88.0)
    drawn = benchmark.table({"vae": benchmark.rows_of("vae", tmp_path)})
    assert "| 88, n = 1 |" in drawn


def test_a_failed_seed_is_counted_and_spoils_the_mark(tmp_path: Path) -> None:
    for seed, status in enumerate(("finished", "finished", "failed")):
        about: dict[str, Any] = {
            "summary": {"final/return": 500.0},
            "config": {"steps": 100},
            "seconds": 60.0,
        }
        words = ["lab", "train", *benchmark.SPINE.cells["cartpole"].train.split()]
        write_run(tmp_path, group="cartpole", seed=seed, status=status, command=words, **about)
    (row,) = benchmark.rows_of("cartpole", tmp_path)
    assert (row["n"], row["failed"], row["mean"], row["reached"]) == (2, 1, 500.0, False)


def test_nothing_finished_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing is finished"):
        benchmark.main(["spine", "--draw", "--root", str(tmp_path)])


def test_an_unknown_cell_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'pendulum'"):
        benchmark.main(["spine", "--only", "pendulm", "--root", str(tmp_path)])


def test_the_table_goes_between_its_marks_and_nowhere_else(tmp_path: Path) -> None:
    figures(tmp_path, 88.0)
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench spine -->\nold\n<!-- end -->\nafter\n<!-- end -->\n")
    assert benchmark.main(["spine", "--draw", "--root", str(tmp_path), "--out", str(page)]) == 0
    text = page.read_text()
    assert text.startswith("before\n<!-- bench spine -->\n| what |")
    assert text.endswith("<!-- end -->\nafter\n<!-- end -->\n")
    assert "old" not in text
    page.write_text("no marks")
    with pytest.raises(UserError, match="add the two marks"):
        benchmark.main(["spine", "--draw", "--root", str(tmp_path), "--out", str(page)])
