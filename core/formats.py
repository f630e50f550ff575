"""A comparison as text: for a terminal, for Markdown, as JSON and as CSV."""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from core import tables
from core.comparison import Contest, Entry


def header(contest: Contest) -> tuple[str, ...]:
    """The columns of a contest's table; the last only where there is a bar."""
    bar = () if contest.threshold is None else (f"steps to {tables.number(contest.threshold)}",)
    return ("algorithm", "seeds", contest.metric, "95 % interval", "area", "time", "steps/s", *bar)


def cells(entry: Entry) -> tuple[str, ...]:
    """One entry as the text under `header`."""
    final, number = entry.final, tables.number
    interval = f"[{number(final.low)}, {number(final.high)}]" if final and len(entry.scored) > 1 else "–"
    steps = entry.steps_to_threshold
    reached = f"{number(steps)} ({entry.reached} of {len(entry.crossings)})"
    mean = number(final.mean if final else None)
    return (
        entry.label,
        seeds(entry),
        mean,
        interval,
        number(entry.area),
        tables.span(entry.seconds or None),
        number(entry.speed),
        *(() if entry.threshold is None else (reached,)),
    )


def seeds(entry: Entry) -> str:
    """How many seeds the mean is of, and what became of the others: `3 of 5 (1 failed, 1 running)`."""
    others = ", ".join(f"{n} {state}" for state, n in sorted(entry.status.items()) if state != "finished")
    return f"{len(entry.scored)} of {len(entry.curves)} ({others})" if others else str(len(entry.scored))


def title(contest: Contest) -> str:
    """The task, its measure, and which way is up."""
    way = {True: ", higher is better", False: ", lower is better", None: ""}[contest.higher_is_better]
    return f"{contest.task} · {contest.metric}{way}"


def remarks(contest: Contest) -> list[str]:
    """What the table leaves out."""
    older = sum(entry.older for entry in contest.entries)
    runs = "run" if older == 1 else "runs"
    return [f"{older} older {runs} of the same settings and seed left out."] if older else []


def as_table(chosen: Sequence[Contest]) -> str:
    """For a terminal."""
    return "\n\n".join(_block(contest, tables.text, title(contest)) for contest in chosen)


def as_markdown(chosen: Sequence[Contest]) -> str:
    """For a README."""
    return "\n\n".join(_block(contest, tables.markdown, f"### {title(contest)}\n") for contest in chosen)


def _block(contest: Contest, draw: Callable[..., str], heading: str) -> str:
    table = draw(
        header(contest),
        [cells(entry) for entry in contest.entries],
        right=(2, 4, 5, 6, 7)[: len(header(contest)) - 3],
    )
    return "\n".join([heading, table, "", *remarks(contest), contest.verdict])


def as_json(chosen: Sequence[Contest]) -> str:
    """Plain numbers, null where there is none."""
    told = [
        {
            "task": contest.task,
            "suite": contest.suite,
            "metric": contest.metric,
            "axis": contest.axis,
            "higher_is_better": contest.higher_is_better,
            "threshold": contest.threshold,
            "verdict": contest.verdict,
            "entries": [_plain(entry) for entry in contest.entries],
        }
        for contest in chosen
    ]
    return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False)


def as_csv(chosen: Sequence[Contest]) -> str:
    """One line per entry; empty where there is no value."""
    file = io.StringIO()
    rows = [
        {"task": contest.task, "metric": contest.metric, **_plain(entry)}
        for contest in chosen
        for entry in contest.entries
    ]
    for row in rows:
        row["groups"], row["status"] = " ".join(row["groups"]), json.dumps(row["status"])
        row["scores"] = " ".join(map(str, row["scores"]))
    writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().rstrip("\n")


def _plain(entry: Entry) -> dict[str, Any]:
    final = entry.final
    return {
        "label": entry.label,
        "algorithm": entry.algorithm,
        "groups": list(dict.fromkeys(curve.record.group for curve in entry.curves)),
        "n": len(entry.scored),
        "seeds": len(entry.curves),
        "status": dict(entry.status),
        "scores": entry.scores.tolist(),
        "mean": final.mean if final else None,
        "low": _finite(final.low if final else None),
        "high": _finite(final.high if final else None),
        "area": _finite(entry.area),
        "steps_to_threshold": _finite(entry.steps_to_threshold),
        "reached_threshold": entry.reached,
        "steps": entry.steps,
        "seconds": entry.seconds,
        "steps_per_second": entry.speed,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


FORMATS = {"table": as_table, "json": as_json, "csv": as_csv, "markdown": as_markdown}
