"""`lab compare`: which algorithm is better, by how much, how sure that is; and a gate that fails a pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core import gate, records
from core.across import Across, across
from core.comparison import Contest, contests
from core.config import parse
from core.errors import UserError
from core.formats import FORMATS, judged
from core.records import Record
from core.selection import select


@dataclass(frozen=True)
class Selection:
    """Which runs are compared, and by what."""

    root: str = "runs"  # folder that holds the runs
    metric: str = ""  # what is compared, such as eval/return; left out, what suits each task
    threshold: float | None = None  # bar for "steps to"; left out, the one Gymnasium registers for the task
    by: tuple[str, ...] = ()  # group by these: settings such as lr, or algorithm, group, status, …
    where: tuple[str, ...] = ()  # only runs with lr=3e-4 algorithm=ppo,dqn status!=failed task~Cart


@dataclass(frozen=True)
class Shape:
    """How `lab compare` answers."""

    format: Literal["table", "json", "csv", "markdown"] = "table"  # how the comparison is printed


@dataclass(frozen=True)
class Gate:
    """Two sides to judge: each a run, group or folder of runs, an algorithm, or a label as the table shows it."""

    baseline: str = ""  # what the candidate is held against
    candidate: str = ""  # what is judged
    require_not_worse: bool = False  # exit 1 when the candidate is worse beyond chance, 3 where it cannot say
    margin: str = "0"  # how much worse is allowed: in the metric's unit, or of the baseline's mean as 5%


def main(argv: Sequence[str]) -> int:
    """`lab compare [RUN …] [options]`: prints the comparison, or the gate's verdict. Returns the exit status."""
    words, options = parted(argv)
    sections = [Selection, Shape, Gate]
    selection, shape, asked = parse(sections, options, prog="lab compare [RUN ...]").values
    if not (asked.baseline or asked.candidate):
        if asked != Gate():
            raise UserError(
                "--require-not-worse and --margin judge a --candidate against a --baseline; name both"
            )
        chosen = chosen_runs(words, selection)
        print(FORMATS[shape.format](chosen, _together(chosen)))
        return 0
    if not (asked.baseline and asked.candidate) or words:
        raise UserError(
            "a gate has two sides; say them as --baseline RUN --candidate RUN and name no other runs"
        )
    verdict = _judged(selection, asked)
    print(judged(verdict, shape.format))
    return verdict.exit if asked.require_not_worse else 0


def parted(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The runs that are named first, and the options after them."""
    words = list(argv)
    first = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    return words[:first], words[first:]


def chosen_runs(words: Sequence[str], selection: Selection) -> list[Contest]:
    """Contests of the runs named, or of all there are."""
    named = [record for word in words for record in records.find(selection.root, word)]
    found = list({record.path: record for record in named}.values()) or _every(selection.root)
    # groups a person names are kept apart, whatever their settings
    return _contests(select(found, selection.where), selection, merge=not named)


def _contests(found: Sequence[Record], selection: Selection, *, merge: bool) -> list[Contest]:
    metric, threshold, by = selection.metric, selection.threshold, selection.by
    return contests(found, metric=metric, threshold=threshold, merge=merge, by=by)


def _every(root: str) -> list[Record]:
    found = records.scan(root)
    if not found:
        raise UserError(f"no runs in {root}; `lab train` makes one, --root says where they are")
    return found


def _together(chosen: Sequence[Contest]) -> Across | None:
    return across(chosen) if len(chosen) > 1 else None


def _judged(selection: Selection, asked: Gate) -> gate.Verdict:
    sides = {"baseline": asked.baseline, "candidate": asked.candidate}
    runs = {side: _meant(query, selection) for side, query in sides.items()}
    shared = {record.path for record in runs["baseline"]} & {record.path for record in runs["candidate"]}
    if shared:
        raise UserError(
            f"baseline and candidate share {len(shared)} runs, such as {min(shared)}; name two groups"
        )
    old, new = (
        (query, gate.one_entry_each(side, query, _contests(runs[side], selection, merge=True)))
        for side, query in sides.items()
    )
    return gate.judge(old, new, asked.margin)


def _meant(query: str, selection: Selection) -> list[Record]:
    """The runs of an algorithm, of a label, below a folder, or those `records.find` finds."""
    every = records.scan(selection.root)
    own = [record for record in every if record.algorithm == query]
    if not own and every:
        labelled = _contests(select(every, selection.where), selection, merge=True)
        entries = [entry for contest in labelled for entry in contest.entries if entry.label == query]
        own = [curve.record for entry in entries for curve in entry.curves]
    if not own and Path(query).is_dir():
        own = records.scan(query)
    groups = {record.path.parent for record in own}
    torn = [r for r in every if r.status == "unreadable" and r.path.parent in groups and r not in own]
    return [*select(own or records.find(selection.root, query), selection.where), *torn]
