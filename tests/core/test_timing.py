"""The comparison of speeds: taking turns, warmed up."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.timing import Contender, keep, measure


def paced(seconds_per_step: float, first: float = 0.0) -> Callable[[int], int]:
    """Something that takes so long for a step, and longer the first time."""
    late = [first]

    def run(steps: int) -> int:
        time.sleep(steps * seconds_per_step + (late.pop() if late else 0.0))
        return steps

    return run


def test_ratios_are_to_the_first_of_the_same_round_without_its_warm_up() -> None:
    slow = Contender("slow", 1, paced(1e-3, first=0.3), {}, {})
    quick = Contender("quick", 2, paced(0.25e-3), {"path": "vmap"}, {})
    found = measure([slow, quick], rounds=3, units=40)
    assert [row["ratio"]["median"] for row in found] == [1.0, pytest.approx(4.0, rel=0.3)]
    assert found[0]["per_second"]["median"] == pytest.approx(1000, rel=0.3)
    assert found[1]["facts"] == {"path": "vmap"}
    assert [len(row["ratio"]["all"]) for row in found] == [3, 3]


def test_milliseconds_are_of_one_unit_of_one_seed() -> None:
    spent = {"all": 0.0}

    def run(units: int) -> int:
        spent["all"] += 2e-3 * units
        return units

    (found,) = measure([Contender("two seeds", 2, run, {}, spent)], rounds=2, units=10)
    assert found["milliseconds"] == {"all": pytest.approx(4.0)}


def test_figures_are_written_with_their_machine_and_the_table_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench pace -->\nold\n<!-- end -->\nafter\n")
    keep("pace", str(tmp_path), str(page), {"contenders": [1, 2]}, "| new |", "so measured")
    figures = json.loads((tmp_path / "bench" / "pace.json").read_text())
    assert figures["contenders"] == [1, 2]
    assert {"machine", "versions", "commit"} <= figures.keys()
    assert page.read_text() == "before\n<!-- bench pace -->\n| new |\n<!-- end -->\nafter\n"
