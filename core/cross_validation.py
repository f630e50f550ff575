"""The scores of a cross-validation: of every fold, and their mean over folds."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

from core import jsonl
from core.tables import number

PASSED = "final/"


def scores(folder: Path) -> dict[str, float]:
    """A fold's final scores, each the mean over its seeds."""
    summaries = [jsonl.load(path) for path in sorted(folder.glob("*/summary.json"))]
    names = dict.fromkeys(name for summary in summaries for name in summary if name.startswith(PASSED))
    found = {}
    for name in names:
        values = [summary.get(name) for summary in summaries]
        numbers = [value for value in values if isinstance(value, int | float)]
        if numbers:
            found[name.removeprefix(PASSED)] = fmean(numbers)
    return found


def report(folders: Sequence[Path]) -> str:
    """A line for every fold, then mean and standard deviation over them.

    The deviation says how much depends on which part was held out. It is no error bar of the mean: folds share
    most of what they are trained on.
    """
    rows = [scores(folder) for folder in folders]
    names = [name for name in rows[0] if all(name in row for row in rows)]
    table = [["fold", *names, "run"]]
    for k, (row, folder) in enumerate(zip(rows, folders, strict=True), 1):
        table.append([str(k), *(number(row[name]) for name in names), folder.name])
    columns = [[row[name] for row in rows] for name in names]
    table.append(["mean", *(number(fmean(column)) for column in columns), ""])
    spread = [stdev(column) if len(column) > 1 else math.nan for column in columns]
    table.append(["deviation", *map(number, spread), ""])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in table)
