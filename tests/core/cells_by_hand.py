"""A suite of cells so small that tests can make them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.cells import Cell, Mark, Measure, Suite, Tier
from core.errors import UserError
from core.records import Record

LAKE = "q-learning --env FrozenLake-v1"


def called(folder: Path, tier: str) -> dict[str, Any]:
    """Counts how often it was called."""
    calls = folder / "calls"
    calls.write_text(calls.read_text() + "." if calls.exists() else ".")
    print("counting", tier)
    return {"rows": [{"what": "calls", "scores": [1, 2, 3], "steps": 7, "minutes": 0.5, "mark": ["≥", 2]}]}


def refuses(folder: Path, tier: str) -> dict[str, Any]:
    raise UserError("there is nothing to be had")


def steps(records: Sequence[Record]) -> list[int]:
    """A measure that reads more than the summary."""
    return [record.step() for record in records]


def _lake(title: str, smoke: str, table: str, *measures: Measure) -> Cell:
    tiers = {"smoke": Tier(f"{smoke} --seeds 0 1", judged=False), "table": Tier(f"{table} --seeds 0 1")}
    return Cell(title, tiers, train=LAKE, measures=measures or (Measure(),))


BOTH = {"smoke": Tier(), "table": Tier()}
SUITE = Suite(
    "by-hand",
    "tests.core.cells_by_hand:SUITE",
    {
        "lake": _lake(
            "a lake",
            "--steps 200",
            "--steps 400",
            Measure(mark=Mark("≥", 2), published="0.74"),
            Measure("tests.core.cells_by_hand:steps", "steps", Mark("every seed =", 400)),
        ),
        "long": _lake("a long lake", "--steps 20000 --checkpoint-every 200", "--steps 30000"),
        "calls": Cell("a function", BOTH, figures="tests.core.cells_by_hand:called"),
        "refuses": Cell("none", {"smoke": Tier()}, figures="tests.core.cells_by_hand:refuses"),
        "absent": Cell(
            "elsewhere", BOTH, figures="tests.core.cells_by_hand:called", absent=lambda: "no data"
        ),
    },
)
