"""What a suite of cells still lacks and how long that takes, in one line before it is begun."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from core import jsonl
from core.cells import Suite, kept, records
from core.tables import span


def outlook(
    suite: Suite,
    names: Sequence[str],
    missing: Sequence[str],
    tier: str,
    root: Path,
    jobs: int,
    elsewhere: Mapping[str, float],
) -> str:
    """The line.

    Args:
        names: the cells that were asked for; missing: those of them to be made.
        jobs: so many at once.
        elsewhere: minutes that cells took where they were made before, as far as that is known.
    """
    head = f"{suite.name}, tier {tier}" if tier else suite.name
    if not missing:
        return f"{head}: nothing is missing"
    took = dict(elsewhere)
    for name in suite.cells:
        found = [row["minutes"] for row in kept(suite, name, tier, root) if row.get("minutes") is not None]
        took |= {name: max(found)} if found else {}
    count = f"{len(missing)} of {len(names)} cells are missing ({', '.join(missing)})"
    if not took:
        return f"{head}: {count}; how long they take is not known before one is made"
    left = [max(_like(suite, name, took) - _spent(root / tier / name), 0.0) for name in missing]
    minutes = max(sum(left) / min(jobs, len(left)), *left)
    by = "what they took before" if set(missing) <= set(took) else "what was made before"
    return f"{head}: {count}; about {span(60 * minutes)} with --jobs {jobs}, going by {by}"


def _like(suite: Suite, name: str, took: Mapping[str, float]) -> float:
    """Minutes of a cell, or the median of those of the same algorithm, or of all."""
    algorithm = suite.cells[name].train.split(" ")[0]
    same = [took[n] for n in took if n in suite.cells and suite.cells[n].train.split(" ")[0] == algorithm]
    return took.get(name, median(same or took.values()))


def _spent(folder: Path) -> float:
    """Minutes already spent on a cell that is begun."""
    seconds = [jsonl.as_float(record.run.get("seconds")) for record in records(folder)]
    return max((value for value in seconds if value >= 0), default=0.0) / 60
