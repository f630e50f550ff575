"""A comparison as text: for a terminal, for Markdown, as JSON and as CSV."""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from core import tables
from core.across import Across
from core.aggregates import STATISTICS
from core.comparison import Contest, Entry
from core.coverage import caution
from core.gate import Verdict, gap, plain
from core.statistics import Interval


def header(contest: Contest) -> tuple[str, ...]:
    """The columns of a contest's table; the last two only where there is a bar."""
    bar = tables.number(contest.threshold)
    reaching = () if contest.threshold is None else (f"steps to {bar}", f"time to {bar}")
    return ("algorithm", "seeds", contest.metric, "95 % interval", "area", "time", "steps/s", *reaching)


def cells(entry: Entry) -> tuple[str, ...]:
    """One entry as the text under `header`."""
    final, number = entry.final, tables.number
    interval = f"[{number(final.low)}, {number(final.high)}]" if final and len(entry.scored) > 1 else "–"
    reached = (
        f"{number(entry.steps_to_threshold)} ({entry.reached} of {len(entry.crossings)})",
        waited(entry.seconds_to_threshold),
    )
    return (
        entry.label,
        seeds(entry),
        number(final.mean if final else None),
        interval,
        number(entry.area),
        tables.span(entry.seconds or None),
        number(entry.speed),
        *(() if entry.threshold is None else reached),
    )


def waited(seconds: float | None) -> str:
    """A length of time, ∞ for one without end."""
    return "∞" if seconds is not None and math.isinf(seconds) else tables.span(seconds)


def seeds(entry: Entry) -> str:
    """How many seeds the mean is of, and what became of the others: `3 of 5 (1 failed, 1 running)`."""
    others = ", ".join(f"{n} {state}" for state, n in sorted(entry.status.items()) if state != "finished")
    return f"{len(entry.scored)} of {len(entry.curves)} ({others})" if others else str(len(entry.scored))


def title(contest: Contest) -> str:
    """The task, its measure, and which way is up."""
    way = {True: ", higher is better", False: ", lower is better", None: ""}[contest.higher_is_better]
    return f"{contest.task} · {contest.metric}{way}"


def remarks(contest: Contest) -> list[str]:
    """What the table leaves out, and what its entries mix."""
    said = []
    if older := sum(entry.older for entry in contest.entries):
        runs = "run" if older == 1 else "runs"
        said.append(
            f"{older} other {runs} of the same settings and seed left out: the newest that ended counts."
        )
    for entry in contest.entries:
        if entry.unmeasured:
            said.append(f"{entry.label} does not measure {contest.metric}.")
        if entry.mixed:
            names = ", ".join(entry.mixed[:4]) + (", …" if len(entry.mixed) > 4 else "")
            said.append(f"{entry.label} mixes runs that differ in {names}; its n counts runs.")
        said += [f"{entry.label}: {fault}" for fault in entry.faults]
    return said


def cautions(chosen: Sequence[Contest]) -> list[str]:
    """How far the tables' intervals can be trusted, said once, of the fewest seeds among them."""
    sizes = {len(e.scored) for contest in chosen for e in contest.entries if len(e.scored) > 1}
    return [said for n in sorted(sizes) if (said := caution("student", n, "the interval of a mean"))][:1]


def as_table(chosen: Sequence[Contest], together: Across | None = None) -> str:
    """For a terminal."""
    return "\n\n".join(_blocks(chosen, together, tables.text, "{}"))


def as_markdown(chosen: Sequence[Contest], together: Across | None = None) -> str:
    """For a README."""
    return "\n\n".join(_blocks(chosen, together, tables.markdown, "### {}\n"))


def _blocks(
    chosen: Sequence[Contest], together: Across | None, draw: Callable[..., str], heading: str
) -> list[str]:
    blocks = []
    for contest in chosen:
        table = draw(
            header(contest),
            [cells(entry) for entry in contest.entries],
            right=(2, 4, 5, 6, 7, 8)[: len(header(contest)) - 3],
        )
        said = [*remarks(contest), contest.verdict]
        blocks.append("\n".join([heading.format(title(contest)), table, "", *said]))
    if together:
        named = heading.format(f"Across {len(together.tasks)} tasks · normalised scores, higher is better")
        table = draw(across_header(together), across_rows(together))
        tasks = (
            f"Tasks: {', '.join(together.tasks)}. Intervals are 95 %, by bootstrap over seeds within tasks."
        )
        said = [tasks, *together.missing, *([together.caution] if together.caution else []), together.verdict]
        blocks.append("\n".join([named, table, "", *said]))
    return [*blocks, *cautions(chosen)]


def across_header(together: Across) -> tuple[str, ...]:
    """The columns of several tasks at once."""
    best = f"P({together.labels[0]} scores above it)"
    names = ["IQM" if name == "iqm" else name for name in STATISTICS]
    return ("algorithm", "seeds a task", *names, *([best] if len(together.labels) > 1 else []))


def across_rows(together: Across) -> list[tuple[str, ...]]:
    """Each label as the text under `across_header`."""
    rows = []
    for label in together.labels:
        least, most = together.seeds[label]
        chance = together.improvements.get((together.labels[0], label))
        rows.append(
            (
                label,
                str(least) if least == most else f"{least}–{most}",
                *[_interval(together.aggregates[label][name]) for name in STATISTICS],
                *([_interval(chance) if chance else "–"] if len(together.labels) > 1 else []),
            )
        )
    return rows


def _interval(of: Interval) -> str:
    """Three digits do for a normalised score."""
    mean, low, high = (f"{end:.3f}".replace("-", "−") for end in of)
    return f"{mean} [{low}, {high}]" if math.isfinite(of.low) else mean


def as_json(chosen: Sequence[Contest], together: Across | None = None) -> str:
    """Plain numbers, null where there is none: {"tasks": […], "across": {…} or null}."""
    tasks = [
        {
            "task": contest.task,
            "suite": contest.suite,
            "metric": contest.metric,
            "axis": contest.axis,
            "higher_is_better": contest.higher_is_better,
            "threshold": contest.threshold,
            "verdict": contest.verdict,
            "remarks": remarks(contest),
            "entries": [_plain(entry) for entry in contest.entries],
        }
        for contest in chosen
    ]
    across = _plain_across(together) if together else None
    return _dumped({"tasks": tasks, "across": across, "cautions": cautions(chosen)})


def _dumped(told: Any) -> str:
    return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False)


def as_csv(chosen: Sequence[Contest], together: Across | None = None) -> str:
    """One line per entry, empty where there is no value; several tasks at once are lines of `across N tasks`."""
    rows = [
        {"task": contest.task, "metric": contest.metric, **_plain(entry)}
        for contest in chosen
        for entry in contest.entries
    ]
    for row in rows:
        row["groups"], row["status"] = " ".join(row["groups"]), json.dumps(row["status"])
        row["scores"] = " ".join(map(str, row["scores"]))
    if together:
        rows += _across_lines(together)
    return _csv(rows)


def _across_lines(together: Across) -> list[dict[str, Any]]:
    told = _plain_across(together)
    lines = [
        {"metric": f"normalised {name}", "label": label, "n": min(told["seeds"][label]), **interval}
        for label, statistics in told["aggregates"].items()
        for name, interval in statistics.items()
    ]
    lines += [
        {"metric": f"P({chance['label']} scores above {chance['than']})", "label": chance["label"], **chance}
        for chance in told["improvements"]
    ]
    kept = ("metric", "label", "n", "mean", "low", "high")
    task = f"across {len(together.tasks)} tasks"
    return [{"task": task, **{name: line[name] for name in kept if name in line}} for line in lines]


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    file = io.StringIO()
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
        "seconds_to_threshold": _finite(entry.seconds_to_threshold),
        "reached_threshold": entry.reached,
        "steps": entry.steps,
        "seconds": entry.seconds,
        "steps_per_second": entry.speed,
    }


def _plain_across(together: Across) -> dict[str, Any]:
    return {
        "labels": list(together.labels),
        "tasks": list(together.tasks),
        "seeds": {label: list(together.seeds[label]) for label in together.labels},
        "aggregates": {
            label: {name: _ends(interval) for name, interval in statistics.items()}
            for label, statistics in together.aggregates.items()
        },
        "improvements": [
            {"label": label, "than": than, **_ends(chance)}
            for (label, than), chance in together.improvements.items()
        ],
        "missing": list(together.missing),
        "caution": together.caution,
        "verdict": together.verdict,
    }


def _ends(interval: Interval) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in zip(("mean", "low", "high"), interval, strict=True)}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def judged(verdict: Verdict, form: str) -> str:
    """A gate's verdict in one of FORMATS; as text its last line says it."""
    told = plain(verdict)
    if form == "json":
        return _dumped(told)
    if form == "csv":
        return _csv([{**task, "notes": " ".join(task["notes"])} for task in told["tasks"]])
    rows = [
        (
            task["task"],
            f"{tables.number(task['baseline_mean'])} (n = {task['baseline_n']})",
            f"{tables.number(task['candidate_mean'])} (n = {task['candidate_n']})",
            gap(each.difference) if each.difference else "–",
            "–" if each.p is None else f"{each.p:.3f}" if each.p >= 0.001 else "< 0.001",
            each.outcome,
        )
        for task, each in zip(told["tasks"], verdict.judgements, strict=True)
    ]
    draw = tables.markdown if form == "markdown" else tables.text
    head = ("task", verdict.baseline, verdict.candidate, "difference [95 % interval]", "p worse", "judged")
    notes = [
        f"{each.task}: {note}." for each in verdict.judgements for note in (each.why, *each.notes) if note
    ]
    several = len([each for each in verdict.judgements if each.p is not None]) > 1
    holm = (
        ["p is one-sided, after Holm's correction for several tasks; worse below 0.025."] if several else []
    )
    return "\n".join([draw(head, rows), "", *notes, *verdict.notes, *holm, verdict.line])


FORMATS = {"table": as_table, "json": as_json, "csv": as_csv, "markdown": as_markdown}
