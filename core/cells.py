"""Cells: what tables of results are made of – something trained or computed, its figures, and what they should reach.

A suite of cells is made by tiers: `smoke` shows that every command works, `table` makes numbers to quote. What a cell
has found is kept as <root>/<tier>/<cell>.json beside its run folders, and belongs to the command that made it.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, TypeAlias

from core import jsonl
from core.records import Record, read
from core.run_folder import strict, write_json
from core.statistics import Interval, student_interval

TIERS = ("smoke", "table", "full")  # of two that are there, the later one is shown

Row: TypeAlias = dict[str, Any]
"""Figures: ``scores`` (one number per seed that did not fail), ``failed`` (how many did), ``steps``, ``minutes``;
and where they are no measure of the cell's, ``what``, ``mark`` ([rule, value]) and ``published``."""

RULES: dict[str, Callable[[Sequence[float], Interval, float], bool]] = {
    "≥": lambda scores, interval, value: interval.mean >= value,
    "≤": lambda scores, interval, value: interval.mean <= value,
    "upper end ≥": lambda scores, interval, value: max(interval.mean, interval.high) >= value,  # NaN if n = 1
    "every seed =": lambda scores, interval, value: all(score == value for score in scores),
}


@dataclass(frozen=True)
class Mark:
    """What scores should reach: a rule of RULES, and its value."""

    rule: str
    value: float


@dataclass(frozen=True)
class Measure:
    """One number for every seed of a finished run; a row of the table."""

    of: str = "final/return"  # a key of summary.json; or `module:function` of the records, a number for each
    what: str = ""  # said after the cell's title
    mark: Mark | None = None  # None: reported only
    published: str = ""  # what others have, and who


@dataclass(frozen=True)
class Tier:
    words: str = ""  # added to the cell's command
    judged: bool = True  # False: too short for the marks, so that they are not looked at


def here() -> str:
    """Nothing is missing."""
    return ""


@dataclass(frozen=True)
class Cell:
    """Either ``train`` with its ``measures``, or ``figures``."""

    title: str
    tiers: Mapping[str, Tier]
    train: str = ""  # a command line of `lab train`
    measures: tuple[Measure, ...] = (Measure(),)
    figures: str = ""  # `module:function` of the cell's own folder and the tier, to {"rows": [Row, …]}
    absent: Callable[[], str] = here  # why it cannot be made on this machine, such as data that are not there

    def command(self, tier: str) -> str:
        """What makes it, and what tells it from a cell that was changed since."""
        words = (self.train or self.figures, self.tiers[tier].words or (tier if self.figures else ""))
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class Suite:
    name: str  # for `lab bench`, and of the marks in a Markdown file
    place: str  # `module:NAME` where it stands: how the process that makes a cell finds it
    cells: Mapping[str, Cell]


def named(place: str) -> Any:
    """What `module:name` names."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


# --- what was found


def records(folder: Path) -> list[Record]:
    """The seeds of a cell's run, in order; [] where it has not begun."""
    try:
        found = [record for path in folder.iterdir() if path.is_dir() and (record := read(path))]
    except OSError:
        return []
    return sorted(found, key=lambda record: record.seed)


def finished(runs: Sequence[Record]) -> bool:
    """Whether nothing is left to train; a seed that failed is done too."""
    return bool(runs) and all(record.status in ("finished", "failed") for record in runs)


def same_command(cell: Cell, tier: str, runs: Sequence[Record]) -> bool:
    """Whether this command made the runs; `lab train` wrote down how it was called, with --root as the next word."""
    words = cell.command(tier).split()
    called = [list(record.run.get("command", []))[2:] for record in runs]
    return all(c[: len(words)] == words and c[len(words) :][:1] in ([], ["--root"]) for c in called)


def measured(cell: Cell, runs: Sequence[Record]) -> list[Row]:
    """The figures of a finished run, a row for each of the cell's measures."""
    done = [record for record in runs if record.status == "finished"]
    about = {
        "failed": len(runs) - len(done),
        "steps": int(runs[0].config["steps"]),
        "minutes": max(float(record.run["seconds"]) for record in runs) / 60,
    }
    return [{"of": measure.of, "scores": _scores(measure.of, done), **about} for measure in cell.measures]


def _scores(of: str, done: Sequence[Record]) -> list[float]:
    if ":" in of:
        return [float(score) for score in named(of)(done)] if done else []
    return [jsonl.as_float(record.summary.get(of)) for record in done]


def keep(path: Path, command: str, rows: Sequence[Row]) -> None:
    """Write down what a cell found."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, strict({"command": command, "rows": rows}))


def kept(suite: Suite, name: str, tier: str, root: Path) -> list[Row]:
    """What a cell has found, [] where that is not all there or was made by another command."""
    cell, folder = suite.cells[name], root / tier
    if tier not in cell.tiers:
        return []
    found = jsonl.load(folder / f"{name}.json")
    rows: list[Row] = found.get("rows", []) if found.get("command") == cell.command(tier) else []
    if cell.figures:
        return rows
    asked = [measure.of for measure in cell.measures]
    if not rows and not any(":" in of for of in asked) and finished(runs := records(folder / name)):
        rows = measured(cell, runs) if same_command(cell, tier, runs) else []  # cheap enough to look up
    by_measure = {row["of"]: row for row in rows}
    if any(of not in by_measure for of in asked):
        return []
    return [
        {**by_measure[m.of], "what": m.what, "published": m.published, "mark": m.mark and [m.mark.rule, m.mark.value]}
        for m in cell.measures
    ]  # fmt: skip


# --- what it means


def judged(suite: Suite, name: str, tier: str, root: Path, found: list[Row] | None = None) -> list[Row]:
    """The rows of a cell as the table shows them: every seed, their mean and interval, and whether the mark is reached.

    A seed that failed, or whose figure is no number, is counted and spoils the mark.

    Args:
        found: the cell's figures; None: those that are kept.
    """
    cell, rows = suite.cells[name], []
    for row in kept(suite, name, tier, root) if found is None else found:
        scores = [score for score in map(jsonl.as_float, row["scores"]) if isfinite(score)]
        failed, infinite = int(row.get("failed", 0)), len(row["scores"]) - len(scores)
        interval = student_interval(scores) if scores else None
        low, high = interval[1:] if interval and len(scores) > 1 else (None, None)
        mark = row.get("mark") if cell.tiers[tier].judged else None
        reached = None
        if mark is not None:
            reached = not (failed or infinite) and bool(
                interval and RULES[mark[0]](scores, interval, mark[1])
            )
        rows.append({
            "cell": name, "title": ", ".join(filter(None, (cell.title, row.get("what")))), "tier": tier,
            "command": cell.command(tier), "steps": row.get("steps"), "n": len(scores),
            "failed": failed, "infinite": infinite, "mean": interval and interval.mean,
            "low": low, "high": high, "seeds": scores, "mark": mark, "reached": reached,
            "published": row.get("published", ""), "minutes": row.get("minutes"),
        })  # fmt: skip
    return rows
