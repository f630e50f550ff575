"""The segments of one run put together: over which axis, and what counts where two of them overlap."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any, TypeGuard

from core.errors import UserError, nearest
from core.importing.foreign import Segment
from core.importing.vocabulary import COUNTS, STEPS

Row = dict[str, Any]
OWN = "_step"  # what W&B counts itself: rows


@dataclass(frozen=True)
class Axis:
    """What a run's rows are laid along."""

    theirs: str  # the key in W&B's history
    ours: str  # the key in metrics.jsonl


def distinct(segments: Sequence[Segment]) -> list[Segment]:
    """In the order they began; of copies of one segment, the one that goes furthest."""
    kept: dict[object, Segment] = {}
    for segment in segments:
        start: object = segment.started or segment.digest
        if start not in kept or len(kept[start].rows) < len(segment.rows):
            kept[start] = segment
    return sorted(kept.values(), key=lambda segment: (segment.started, str(segment.path)))


def axis(segments: Sequence[Segment], suite: str, given: str = "") -> Axis:
    """The key the run itself names (define_metric), else the first of the known ones, else W&B's row number.

    Raises:
        UserError: a person named one that no row has.
    """
    rows = [row for segment in segments for row in segment.rows]
    keys = Counter(chain.from_iterable(rows))
    if given and given not in keys:
        raise UserError(f"no row has the axis {given!r}{nearest(given, [*keys])}")
    counts = ("env_step", "examples_seen") if suite == "rl" else ("examples_seen",)
    ours = {theirs: name for name in counts for theirs in COUNTS[name]}
    metrics = sum(any(not key.startswith("_") for key in row) for row in rows)
    for theirs in [given] if given else [*_told(segments, keys), *ours, *STEPS]:
        found = next((key for key in keys if key == theirs or key.endswith("/" + theirs)), "")
        told = sum(finite(row.get(found)) for row in rows) if found else 0
        enough = 2 * told >= metrics and (theirs in ours or _rises(segments, found))
        if told and (given or enough):
            return Axis(found, ours.get(theirs, found))
    return Axis(OWN, OWN)


def _told(segments: Sequence[Segment], keys: Mapping[str, int]) -> list[str]:
    """The axes that metrics were defined over, the one of most metrics first."""
    votes: Counter[str] = Counter()
    for pattern, step in segments[-1].axes.items():
        votes[step] += sum(fnmatchcase(key, pattern) for key in keys)
    return [step for step, count in votes.most_common() if count and not step.startswith("_")]


def _rises(segments: Sequence[Segment], key: str) -> bool:
    """A step that starts again every epoch is no axis."""
    for segment in segments:
        highest = -math.inf
        for row in segment.rows:
            if finite(value := row.get(key)):
                if value < highest:
                    return False
                highest = value
    return True


def joined(segments: Sequence[Segment], along: Axis) -> tuple[list[Row], list[str]]:
    """All rows in order, each with its place under `along.theirs`, and what was decided, in words.

    Where a later segment begins before an earlier one's end, the later counts from there on. W&B's own row number
    starts at 0 again when an offline run is resumed: if it began after the earlier one's last row it goes behind it.
    """
    rows: list[Row] = []
    said: list[str] = []
    for number, segment in enumerate(segments):
        placed, carried = _placed(segment.rows, along.theirs)
        if carried:
            said.append(f"{carried:,} rows do not say {along.theirs}: placed at the last that did")
        if not placed or not rows:
            rows += placed
            continue
        start, last = placed[0][along.theirs], rows[-1][along.theirs]
        if along.theirs == OWN and start <= rows[0][OWN] and _time(placed[0]) > _time(rows[-1]) > 0:
            said.append(f"segment {number + 1} counts from {start:g} again but began later: put behind")
            shift = last + 1 - start
            placed = [{**row, OWN: row[OWN] + shift} for row in placed]
        elif kept := [row for row in rows if row[along.theirs] < start]:
            gone = len(rows) - len(kept)
            said += [
                f"segment {number + 1} begins at {along.theirs} {start:g}: {gone:,} rows after it left out"
            ] * bool(gone)
            rows = kept
        else:
            said.append(
                f"segment {number + 1} begins where the run began: {len(rows):,} earlier rows left out"
            )
            rows = []
        rows += placed
    return rows, said


def _placed(rows: Sequence[Row], key: str) -> tuple[list[Row], int]:
    """Rows in order of `key`; one without it stands where the last one before it stood."""
    at = next((row[key] for row in rows if finite(row.get(key))), 0)
    placed, carried, ordered = [], 0, True
    for row in rows:
        if finite(value := row.get(key)):
            ordered, at = ordered and value >= at, value
        else:
            row, carried = {**row, key: at}, carried + 1
        placed.append(row)
    return placed if ordered else sorted(placed, key=lambda row: float(row[key])), carried


def _time(row: Row) -> float:
    value = row.get("_timestamp")
    return float(value) if finite(value) else 0.0


def finite(value: object) -> TypeGuard[int | float]:
    """Whether it is a number to count with; true and false are not."""
    if type(value) is int:
        return abs(value) < 1 << 63
    return type(value) is float and math.isfinite(value)
