"""Suites of cells, for `lab bench`: make what is missing, judge it, and draw the table.

Finished cells are kept and stopped ones go on: the command may be interrupted and repeated at any time.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Literal

from core import config as settings_file
from core import side_by_side
from core.cells import TIERS, Row, Suite, judged, kept
from core.errors import UserError, nearest
from core.jsonl import as_float
from core.outlook import outlook
from core.tables import between, markdown, write_between

HEADER = ("cell", "what", "tier", "steps", "mean [95 % Student]", "every seed", "mark", "reached", "published",
          "minutes")  # fmt: skip

LOST = {"failed": "failed", "infinite": "not finite"}  # of a row: what is told beside its scores


@dataclass(frozen=True)
class Options:
    tier: Literal["smoke", "table", "full"] = "smoke"  # smoke: every command works; table: numbers to quote
    only: tuple[str, ...] = ()  # names of cells; none: all of the tier
    jobs: int = 2  # cells made side by side, one torch thread each
    root: str = ""  # where <tier>/<cell> go, the run folders; empty: runs/bench/<suite>
    out: str = ""  # a Markdown file whose part between the marks `bench <suite>` is rewritten with the table
    draw: bool = False  # make nothing: the table of what is there


def main(suite: Suite, argv: Sequence[str]) -> int:
    """``argv`` is the suite's options; 1 when a mark of the tier is not reached, or a cell could not be made."""
    options: Options = settings_file.parse([Options], argv, prog=f"lab bench {suite.name}").values[0]
    root = Path(options.root or f"runs/bench/{suite.name}")
    names = chosen(suite, options.tier, options.only)
    standing = (
        between(Path(options.out), f"bench {suite.name}") if options.out else ""
    )  # or refused when all is made
    took = minutes_of(standing, options.tier)
    status = 0 if options.draw else make(suite, names, options.tier, root, options.jobs, took)
    rows = {name: found for name in suite.cells if (found := best(suite, name, root))}
    if not rows:
        raise UserError(f"nothing is finished in {root}; leave --draw out to make it")
    print("\n" + draw(suite, rows))
    if options.out:
        out, name = Path(options.out), f"bench {suite.name}"
        write_between(out, name, draw(suite, rows, between(out, name)))
    (root / f"{suite.name}.json").write_text(json.dumps(rows, indent=2) + "\n")
    mine = [row for name in names for row in judged(suite, name, options.tier, root)]
    return max(status, int(any(row["reached"] is False for row in mine)))


def chosen(suite: Suite, tier: str, only: Sequence[str]) -> list[str]:
    """The cells to make; UserError for one that is not there, and for a tier that none has."""
    for name in only:
        if name not in suite.cells:
            raise UserError(f"unknown cell {name!r}{nearest(name, suite.cells)}")
        if tier not in suite.cells[name].tiers:
            raise UserError(
                f"{name} has no tier {tier!r}; it has {' and '.join(filter(None, suite.cells[name].tiers))}"
            )
    if not any(tier in cell.tiers for cell in suite.cells.values()):
        known = [known for known in TIERS if any(known in cell.tiers for cell in suite.cells.values())]
        raise UserError(f"no cell of {suite.name} has a tier {tier!r}; they have {' and '.join(known)}")
    return [name for name, cell in suite.cells.items() if tier in cell.tiers and (not only or name in only)]


def make(
    suite: Suite,
    names: Sequence[str],
    tier: str,
    root: Path,
    jobs: int,
    took: Mapping[str, float] | None = None,
) -> int:
    """Make the cells that are not finished, each in a process of its own; 1 when one could not be made.

    Args:
        took: minutes that cells took where they were made before, to tell how long it will be.
    """
    if jobs < 1:
        raise UserError(f"--jobs is {jobs}; it must be at least 1")
    missing = [name for name in names if not kept(suite, name, tier, root)]
    passed = {name: why for name in missing if (why := suite.cells[name].absent())}
    missing = [name for name in missing if name not in passed]
    print(outlook(suite, names, missing, tier, root, jobs, took or {}), flush=True)
    for name, why in passed.items():
        print(f"{name} is passed over: {why}", flush=True)
    command = [sys.executable, "-m", "core.making", suite.place]
    found = side_by_side.run({name: [*command, name, tier, str(root)] for name in missing}, jobs)
    for name, status in found.items():
        if status:
            print(f"{name} was not made (exit status {status}); the same command tries again", flush=True)
    return int(any(found.values()))


def best(suite: Suite, name: str, root: Path) -> list[Row]:
    """A cell's rows of the highest tier that is finished."""
    for tier in reversed(TIERS):
        if rows := judged(suite, name, tier, root):
            return rows
    return []


# --- the table


def words_of(row: Row) -> dict[str, str]:
    """A row as text, by the heading of the column."""
    seeds = ", ".join(f"{score:.4g}" for score in row["seeds"])
    lost = [f"{row[key]} {why}" for key, why in LOST.items() if row[key]]
    ends = "" if row["low"] is None else f" [{row['low']:.4g}, {row['high']:.4g}]"
    mean = "–" if row["mean"] is None else f"{row['mean']:.4g}"
    rule, value = row["mark"] or ("reported", None)
    return {
        "cell": row["cell"],
        "what": row["title"],
        "tier": row["tier"],
        "steps": "–" if row["steps"] is None else f"{row['steps']:,}",
        "mean [95 % Student]": f"{mean}{ends}, n = {row['n']}",
        "every seed": f"{seeds} ({', '.join(lost)})".strip() if lost else seeds,
        "mark": rule if value is None else f"{rule} {value:g}",
        "reached": {True: "yes", False: "**no**", None: "–"}[row["reached"]],
        "published": row["published"],
        "minutes": "–" if row["minutes"] is None else f"{row['minutes']:.1f}",
    }


def columns(rows: Sequence[Row], header: Sequence[str]) -> str:
    """A table of some of the columns, as Markdown."""
    return markdown(header, [[words_of(row)[name] for name in header] for row in rows])


def draw(suite: Suite, rows: Mapping[str, Sequence[Row]], standing: str = "") -> str:
    """The suite's table; what a standing one says of a cell stays unless ours is of the same tier or a higher one."""
    before = lines_of(standing)
    lines: list[list[str]] = []
    for name in suite.cells:
        ours = [[words_of(row)[column] for column in HEADER] for row in rows.get(name, ())]
        higher = max((ours, before.get(name, [])), key=_height)  # of equals the first
        lines += higher
    return markdown(HEADER, lines)


def lines_of(standing: str) -> dict[str, list[list[str]]]:
    """A table as ``draw`` made it: cell to the words of its lines."""
    found: dict[str, list[list[str]]] = {}
    for line in standing.splitlines()[2:]:
        words = [word.strip().replace("\\|", "|") for word in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(words) == len(HEADER):
            found.setdefault(words[0], []).append(words)
    return found


def minutes_of(standing: str, tier: str) -> dict[str, float]:
    """The minutes a table says of the cells of that tier."""
    took = {}
    for name, lines in lines_of(standing).items():
        row = dict(zip(HEADER, lines[0], strict=True))
        if row["tier"] == tier and isfinite(minutes := as_float(row["minutes"])):
            took[name] = minutes
    return took


def _height(lines: list[list[str]]) -> int:
    """How high the tier is that a cell's lines are of; 0 where there are none."""
    tier = lines[0][HEADER.index("tier")] if lines else ""
    return TIERS.index(tier) + 1 if tier in TIERS else 0
