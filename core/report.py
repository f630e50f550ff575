"""`lab compare` and `lab report`: which algorithm is better, by how much, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core import page, records
from core.comparison import Contest, contests
from core.config import parse
from core.errors import UserError
from core.formats import FORMATS


@dataclass(frozen=True)
class Selection:
    """Which runs are compared, and by what."""

    root: str = "runs"  # folder that holds the runs
    metric: str = ""  # what is compared, such as eval/return; left out, what suits each task
    threshold: float | None = None  # bar for "steps to"; left out, the one Gymnasium registers for the task


@dataclass(frozen=True)
class Shape:
    """How `lab compare` answers."""

    format: Literal["table", "json", "csv", "markdown"] = "table"  # how the comparison is printed


@dataclass(frozen=True)
class Target:
    """Where `lab report` writes."""

    out: str = "report.html"  # the file to write


def compare(argv: Sequence[str]) -> int:
    """`lab compare [RUN …] [options]`: prints the comparison. Returns the exit code."""
    _, shape, chosen = _chosen(argv, Shape, "lab compare [RUN ...]")
    print(FORMATS[shape.format](chosen))
    return 0


def report(argv: Sequence[str]) -> int:
    """`lab report [RUN …] [--out report.html] [options]`: writes the comparison as one HTML file."""
    selection, target, chosen = _chosen(argv, Target, "lab report [RUN ...]")
    path = Path(target.out)
    if path.is_dir():
        raise UserError(f"{path} is a folder; give --out the name of a file, such as {path / 'report.html'}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page.html(chosen, root=selection.root), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose another file with --out") from error
    runs = sum(len(entry.curves) for contest in chosen for entry in contest.entries)
    print(f"{path}: {len(chosen)} {'task' if len(chosen) == 1 else 'tasks'}, {runs} runs")
    return 0


def _chosen(argv: Sequence[str], extra: type, prog: str) -> tuple[Selection, Any, list[Contest]]:
    words = list(argv)
    options_from = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    selection, more = parse([Selection, extra], words[options_from:], prog=prog).values
    asked = [record for word in words[:options_from] for record in records.find(selection.root, word)]
    found = asked or records.scan(selection.root)
    if not found:
        raise UserError(f"no runs in {selection.root}; `lab train` makes one, --root says where they are")
    unique = list({record.path: record for record in found}.values())
    merge = not asked  # groups a person names are kept apart, whatever their settings
    made = contests(unique, metric=selection.metric, threshold=selection.threshold, merge=merge)
    return selection, more, made
