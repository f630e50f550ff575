"""Suites: their cells made side by side, gone on with, and drawn so that a short tier never hides a longer one."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core import suites
from core.cells import judged, keep, records
from core.errors import UserError
from core.outlook import outlook
from core.tables import between
from tests.core.cells_by_hand import SUITE
from tests.core.run_folders import write_run

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = "<!-- bench by-hand -->\n<!-- end -->\n"


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes that make cells find the suite, wherever they run."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def have(root: Path, tier: str, score: float, name: str = "calls") -> None:
    keep(
        root / tier / f"{name}.json", SUITE.cells[name].command(tier), [{"what": "x | y", "scores": [score]}]
    )


def lab_bench(root: Path, *words: str) -> int:
    return suites.main(SUITE, ["--root", str(root), *words])


# --- making


def test_cells_side_by_side_with_what_fails_among_them(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("--only", "lake", "calls", "refuses", "absent")
    assert lab_bench(tmp_path, *words, "--jobs", "2") == 1
    printed = capfd.readouterr().out
    assert "absent is passed over: no data\n" in printed
    assert "calls | counting smoke\n" in printed
    assert "refuses | lab: there is nothing to be had\n" in printed
    assert "refuses was not made (exit status 2); the same command tries again\n" in printed
    assert "lake | $ lab train q-learning --env FrozenLake-v1 --steps 200 --seeds 0 1 --root" in printed
    assert (
        "| lake | a lake, steps | smoke | 200 | 200 [200, 200], n = 2 | 200, 200 | reported | – |" in printed
    )
    assert (
        "| calls | a function, calls | smoke | 7 | 2 [-0.4841, 4.484], n = 3 | 1, 2, 3 | ≥ 2 | yes |"
        in printed
    )
    assert lab_bench(tmp_path, "--only", "lake", "calls", "absent") == 0  # nothing is made again
    assert "$" not in capfd.readouterr().out
    assert (tmp_path / "smoke" / "calls" / "calls").read_text() == "."
    assert (tmp_path / "by-hand.json").exists()


def test_a_mark_of_the_chosen_tier_decides_the_exit_status(tmp_path: Path) -> None:
    for tier, score in (("smoke", 1.0), ("table", 3.0)):
        row = {"scores": [score], "mark": ["≥", 2]}
        keep(tmp_path / tier / "calls.json", SUITE.cells["calls"].command(tier), [row])
    assert lab_bench(tmp_path, "--draw", "--tier", "smoke") == 1
    assert lab_bench(tmp_path, "--draw", "--tier", "table") == 0
    assert lab_bench(tmp_path, "--draw", "--tier", "smoke", "--only", "lake") == 0


@pytest.mark.slow
def test_what_was_interrupted_goes_on(tmp_path: Path) -> None:
    code = "import sys; from core import suites; from tests.core.cells_by_hand import SUITE; "
    code += "from core.cli import run; sys.exit(run(lambda argv: suites.main(SUITE, argv), sys.argv[1:]))"
    words = [sys.executable, "-c", code, "--only", "long", "calls", "--jobs", "1", "--root", str(tmp_path)]
    process = subprocess.Popen(words, cwd=ROOT, env={**os.environ, "WANDB_MODE": "disabled"})
    metrics = tmp_path / "smoke" / "long" / "0" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.stat().st_size > 2_000) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    runs = records(tmp_path / "smoke" / "long")
    assert [run.status for run in runs] == ["stopped", "stopped"]
    assert not (tmp_path / "smoke" / "calls").exists()  # it never began
    assert lab_bench(tmp_path, "--only", "long", "calls") == 0
    runs = records(tmp_path / "smoke" / "long")
    assert [(run.status, len(run.run["resumed"])) for run in runs] == [("finished", 1)] * 2
    assert judged(SUITE, "long", "smoke", tmp_path)[0]["steps"] == 20_000


# --- what is missing


def first_line(capfd: pytest.CaptureFixture[str]) -> str:
    return capfd.readouterr().out.splitlines()[0]


def test_the_first_line_says_what_is_missing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert lab_bench(tmp_path, "--only", "calls", "absent") == 0
    assert first_line(capfd) == (
        "by-hand, tier smoke: 1 of 2 cells are missing (calls); how long they take is not known before one is made"
    )
    assert lab_bench(tmp_path, "--only", "calls") == 0
    assert first_line(capfd) == "by-hand, tier smoke: nothing is missing"


def test_how_long_it_takes_is_told_by_what_was_made_and_what_is_begun(tmp_path: Path) -> None:
    def line(jobs: int, elsewhere: dict[str, float]) -> str:
        names = ["lake", "long", "calls"]
        return outlook(SUITE, names, ["lake", "long"], "table", tmp_path, jobs, elsewhere).split("; ")[1]

    command = SUITE.cells["calls"].command("table")
    keep(tmp_path / "table" / "calls.json", command, [{"what": "x", "scores": [1], "minutes": 6.0}])
    # Both are guessed by the one that was made: 6 minutes each.
    assert line(1, {}) == "about 12 min 00 s with --jobs 1, going by what was made before"
    assert line(2, {}) == "about 6 min 00 s with --jobs 2, going by what was made before"
    # Of the same algorithm one took 2 minutes, so the other is guessed to take as long.
    assert line(1, {"long": 2.0}) == "about 4 min 00 s with --jobs 1, going by what was made before"
    # A page says 30 and 10 minutes of them: two at a time take as long as the longer one.
    took = {"lake": 30.0, "long": 10.0}
    assert line(1, took) == "about 40 min 00 s with --jobs 1, going by what they took before"
    assert line(2, took) == "about 30 min 00 s with --jobs 2, going by what they took before"
    write_run(tmp_path / "table", group="lake", status="stopped", seconds=1_500.0)  # 25 of the 30 are spent
    assert line(1, took) == "about 15 min 00 s with --jobs 1, going by what they took before"


def test_the_minutes_of_the_page_count_where_they_are_of_the_same_tier(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page, made = tmp_path / "page.md", tmp_path / "made"
    page.write_text(PAGE)
    row = {"what": "x | y", "scores": [1], "minutes": 9.0}
    keep(made / "smoke" / "calls.json", SUITE.cells["calls"].command("smoke"), [row])
    assert lab_bench(made, "--draw", "--out", str(page)) == 0
    assert suites.minutes_of(between(page, "bench by-hand"), "table") == {}
    capfd.readouterr()
    assert lab_bench(tmp_path / "new", "--only", "calls", "--out", str(page)) == 0
    assert first_line(capfd).endswith(
        "(calls); about 9 min 00 s with --jobs 2, going by what they took before"
    )


# --- the table


def test_the_higher_tier_is_shown(tmp_path: Path) -> None:
    have(tmp_path, "smoke", 1.0)
    assert [row["tier"] for row in suites.best(SUITE, "calls", tmp_path)] == ["smoke"]
    have(tmp_path, "table", 2.0)
    assert [(row["tier"], row["mean"]) for row in suites.best(SUITE, "calls", tmp_path)] == [("table", 2.0)]


def test_a_smoke_row_never_replaces_a_table_row_in_the_page(tmp_path: Path) -> None:
    page, mine, other = tmp_path / "page.md", tmp_path / "mine", tmp_path / "other"
    page.write_text(PAGE)
    have(mine, "smoke", 1.0)
    have(mine, "smoke", 1.0, "absent")
    assert lab_bench(mine, "--draw", "--out", str(page)) == 0
    assert page.read_text().count("| smoke |") == 2
    have(mine, "table", 2.0)
    assert lab_bench(mine, "--draw", "--out", str(page)) == 0
    assert "| calls | a function, x \\| y | table | – | 2, n = 1 | 2 |" in page.read_text()
    have(other, "smoke", 9.0)  # another machine, or its results were thrown away
    assert lab_bench(other, "--draw", "--out", str(page)) == 0
    whole = page.read_text()
    assert "| calls | a function, x \\| y | table | – | 2, n = 1 | 2 |" in whole
    assert "| absent | elsewhere, x \\| y | smoke |" in whole  # of which we have nothing
    assert "9" not in whole.replace("95 %", "")
    have(other, "table", 9.0)
    assert lab_bench(other, "--draw", "--out", str(page)) == 0
    assert "| calls | a function, x \\| y | table | – | 9, n = 1 | 9 |" in page.read_text()


def test_a_page_without_marks_is_refused(tmp_path: Path) -> None:
    have(tmp_path, "smoke", 1.0)
    (tmp_path / "page.md").write_text("nothing\n")
    with pytest.raises(UserError, match="add the two marks"):
        lab_bench(tmp_path, "--draw", "--out", str(tmp_path / "page.md"))


def test_a_page_that_cannot_take_the_table_is_refused_before_hours_of_work(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="add the two marks"):
        lab_bench(tmp_path, "--only", "calls", "--out", str(tmp_path / "page.md"))
    assert not (tmp_path / "smoke").exists()


def test_a_cell_that_is_gone_leaves_the_page(tmp_path: Path) -> None:
    have(tmp_path, "smoke", 1.0)
    rows = {"calls": suites.best(SUITE, "calls", tmp_path)}
    gone = suites.draw(SUITE, rows).replace("| calls |", "| former |")
    assert "former" in gone
    assert suites.draw(SUITE, rows, gone) == suites.draw(SUITE, rows)


def test_what_is_missing_is_told_beside_the_scores(tmp_path: Path) -> None:
    rows = [{"scores": [1.0, math.inf], "failed": 2}, {"scores": [-math.inf]}, {"scores": [1.0]}]
    keep(tmp_path / "smoke" / "calls.json", SUITE.cells["calls"].command("smoke"), rows)
    found = [suites.words_of(row) for row in suites.best(SUITE, "calls", tmp_path)]
    assert [row["every seed"] for row in found] == ["1 (2 failed, 1 not finite)", "(1 not finite)", "1"]
    assert [row["mean [95 % Student]"] for row in found] == ["1, n = 1", "–, n = 0", "1, n = 1"]


# --- what a person mistypes


def test_an_unknown_cell_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown cell 'lkae'; did you mean 'lake'"):
        lab_bench(tmp_path, "--only", "lkae")
    with pytest.raises(UserError, match="refuses has no tier 'table'; it has smoke"):
        lab_bench(tmp_path, "--only", "refuses", "--tier", "table")
    with pytest.raises(UserError, match="no cell of by-hand has a tier 'full'; they have smoke and table"):
        lab_bench(tmp_path, "--tier", "full")
    with pytest.raises(UserError, match="--jobs is 0"):
        lab_bench(tmp_path, "--jobs", "0")
    with pytest.raises(UserError, match="nothing is finished"):
        lab_bench(tmp_path, "--draw")
