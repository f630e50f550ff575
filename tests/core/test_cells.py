"""Cells: what their figures mean, by numbers worked by hand; which are kept, and which are made again."""

import math
from pathlib import Path
from typing import Any

import pytest

from core import making
from core.cells import Cell, Mark, Measure, Suite, Tier, judged, keep, kept, records
from core.cli import run as from_shell
from core.errors import UserError
from tests.core.cells_by_hand import SUITE
from tests.core.run_folders import write_run


def rows(root: Path, scores: list[float], mark: list[Any] | None, **more: Any) -> list[dict[str, Any]]:
    cell = SUITE.cells["calls"]
    keep(root / "table" / "calls.json", cell.command("table"), [{"scores": scores, "mark": mark, **more}])
    return judged(SUITE, "calls", "table", root)


def lake(root: Path, tier: str = "smoke", status: str = "finished", algorithm: str = "q-learning") -> None:
    """A run of the cell `lake`, two seeds, as `lab train` leaves it."""
    command = ["lab", "train", *SUITE.cells["lake"].command(tier).split(), "--root", str(root)]
    for seed in range(2):
        about: dict[str, Any] = {"summary": {"final/return": seed, "env_step": 200}, "config": {"steps": 200}}
        told = {"group": "lake", "seed": seed, "seconds": 90.0, "command": command, "algorithm": algorithm}
        write_run(root / tier, status=status, **about, **told)


# --- what figures mean


@pytest.mark.parametrize(
    ("rule", "just", "not_quite"),
    [
        ("≥", 2.0, 2.001),
        ("≤", 2.0, 1.999),
        ("upper end ≥", 4.48, 4.49),  # 2 + t(2, .975) · 1/√3 = 2 + 4.302653 · 0.5773503 = 4.4841
    ],
)
def test_a_rule_is_met_just_and_not_quite(tmp_path: Path, rule: str, just: float, not_quite: float) -> None:
    assert rows(tmp_path, [1, 2, 3], [rule, just])[0]["reached"] is True
    assert rows(tmp_path, [1, 2, 3], [rule, not_quite])[0]["reached"] is False


def test_every_seed_must_be_what_it_should_be(tmp_path: Path) -> None:
    assert rows(tmp_path, [-13, -13], ["every seed =", -13])[0]["reached"] is True
    assert rows(tmp_path, [-13, -13.1, -12.9], ["every seed =", -13])[0]["reached"] is False


def test_one_seed_has_no_interval_and_stands_for_itself(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, [4.0], ["upper end ≥", 4.0])
    assert (row["n"], row["low"], row["high"], row["reached"]) == (1, None, None, True)
    assert rows(tmp_path, [4.0], ["upper end ≥", 4.1])[0]["reached"] is False


def test_a_failed_seed_is_counted_and_spoils_the_mark(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, [5.0, 5.0], ["≥", 2], failed=1)
    assert (row["n"], row["failed"], row["mean"], row["reached"]) == (2, 1, 5.0, False)
    (row,) = rows(tmp_path, [5.0, math.nan], ["≥", 2])
    assert (row["n"], row["failed"], row["infinite"], row["seeds"], row["reached"]) == (1, 0, 1, [5.0], False)
    (row,) = rows(tmp_path, [], ["≥", 2], failed=3)
    assert (row["n"], row["failed"], row["mean"], row["reached"]) == (0, 3, None, False)


def test_without_a_mark_it_is_reported_only(tmp_path: Path) -> None:
    assert rows(tmp_path, [1.0], None)[0]["reached"] is None


def test_a_tier_that_is_too_short_is_not_judged(tmp_path: Path) -> None:
    marked = Cell(
        "a", {"smoke": Tier(judged=False), "table": Tier()}, train="x", measures=(Measure(mark=Mark("≥", 9)),)
    )
    suite = Suite("s", "", {"a": marked})
    for tier in ("smoke", "table"):
        keep(tmp_path / tier / "a.json", marked.command(tier), [{"of": "final/return", "scores": [1.0]}])
    assert judged(suite, "a", "smoke", tmp_path)[0]["reached"] is None
    assert judged(suite, "a", "table", tmp_path)[0]["reached"] is False


# --- which figures are kept


def test_a_finished_run_is_made_into_rows_and_only_measured(tmp_path: Path) -> None:
    lake(tmp_path)
    before = (tmp_path / "smoke" / "lake" / "0" / "run.json").stat().st_mtime_ns
    assert kept(SUITE, "lake", "smoke", tmp_path) == []  # one measure is more than a look
    assert making.main([SUITE.place, "lake", "smoke", str(tmp_path)]) == 0
    value, steps = judged(SUITE, "lake", "smoke", tmp_path)
    assert (value["title"], value["seeds"], value["minutes"], value["steps"]) == (
        "a lake",
        [0.0, 1.0],
        1.5,
        200,
    )
    assert (steps["title"], steps["seeds"], steps["published"]) == ("a lake, steps", [200.0, 200.0], "")
    assert (tmp_path / "smoke" / "lake" / "0" / "run.json").stat().st_mtime_ns == before
    assert kept(SUITE, "lake", "table", tmp_path) == []


def test_a_failed_seed_of_a_run_is_finished_too(tmp_path: Path) -> None:
    lake(tmp_path)
    command = ["lab", "train", *SUITE.cells["lake"].command("smoke").split()]
    write_run(tmp_path / "smoke", group="lake", seed=2, status="failed", command=command)
    assert making.main([SUITE.place, "lake", "smoke", str(tmp_path)]) == 0
    assert [(row["n"], row["failed"]) for row in judged(SUITE, "lake", "smoke", tmp_path)] == [(2, 1), (2, 1)]


def test_what_another_command_made_is_not_taken_for_this_one(tmp_path: Path) -> None:
    lake(tmp_path)
    making.main([SUITE.place, "lake", "smoke", str(tmp_path)])
    changed = {**SUITE.cells, "lake": Cell("a lake", {"smoke": Tier("--steps 300")}, train="q-learning")}
    other = Suite("by-hand", "", changed)
    assert kept(other, "lake", "smoke", tmp_path) == []
    (tmp_path / "table").mkdir()
    (tmp_path / "smoke" / "lake").rename(tmp_path / "table" / "lake")
    with pytest.raises(UserError, match="made by another command; remove it"):
        making.main([SUITE.place, "lake", "table", str(tmp_path)])


def test_a_run_of_more_seeds_is_not_taken_for_one_of_fewer(tmp_path: Path) -> None:
    """Whose command only begins as the cell's does."""
    words = [*SUITE.cells["lake"].command("smoke").split(), "2", "--root", str(tmp_path)]
    for seed in range(3):
        write_run(tmp_path / "smoke", group="lake", seed=seed, command=["lab", "train", *words])
    with pytest.raises(UserError, match="made by another command; remove it"):
        making.main([SUITE.place, "lake", "smoke", str(tmp_path)])


def test_a_measure_that_was_added_is_missing(tmp_path: Path) -> None:
    cell = SUITE.cells["lake"]
    found = [{"of": "final/return", "scores": [1.0]}]
    keep(tmp_path / "smoke" / "lake.json", cell.command("smoke"), found)
    assert kept(SUITE, "lake", "smoke", tmp_path) == []


def test_a_function_is_called_once(tmp_path: Path) -> None:
    for _ in range(2):
        assert making.main([SUITE.place, "calls", "smoke", str(tmp_path)]) == 0
    assert (tmp_path / "smoke" / "calls" / "calls").read_text() == "."
    (row,) = judged(SUITE, "calls", "smoke", tmp_path)
    assert (row["title"], row["steps"], row["minutes"], row["reached"]) == ("a function, calls", 7, 0.5, True)


def test_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [SUITE.place, "refuses", "smoke", str(tmp_path)]
    assert from_shell(making.main, words) == 2
    assert capsys.readouterr().err == "lab: there is nothing to be had\n"
    assert kept(SUITE, "refuses", "smoke", tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["sb3-ppo", "q-learning"])
def test_what_cannot_go_on_is_trained_anew(tmp_path: Path, algorithm: str) -> None:
    lake(
        tmp_path, status="stopped", algorithm=algorithm
    )  # no checkpoint; and the baselines have none to go on from
    assert making.main([SUITE.place, "lake", "smoke", str(tmp_path)]) == 0
    assert [record.status for record in records(tmp_path / "smoke" / "lake")] == ["finished"] * 2
    assert judged(SUITE, "lake", "smoke", tmp_path)[1]["seeds"] == [200.0, 200.0]
