"""Runs gathered into contests: on each task, every algorithm's seeds measured by one metric, and who won."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from core import jsonl
from core.curves import Curves, align, area_under_curve, steps_to_threshold
from core.errors import UserError, nearest
from core.measures import BARS, MEASURES, higher_is_better
from core.records import Record, Series
from core.statistics import Floats, Interval, student_interval, verdict

OWN_AFFAIR = {
    "seeds",
    "root",
    "name",
    "wandb",
    "notes",
    "tags",
    "quiet",
    "resume",
    "video",
}  # say nothing about results


@dataclass(frozen=True)
class Curve:
    """One seed's metric over its run, and its final score (NaN when it has none)."""

    record: Record
    steps: Floats
    values: Floats
    final: float


@dataclass(frozen=True)
class Entry:
    """One algorithm with one setting on one task: its seeds and what is known of them."""

    label: str  # the algorithm, with what sets it apart where it runs with several settings
    algorithm: str
    curves: tuple[Curve, ...] = field(repr=False)
    older: int  # earlier runs of the same settings and seed, left out
    threshold: float | None
    higher_is_better: bool | None

    @cached_property
    def status(self) -> Counter[str]:
        """How many seeds are in which state; "no value" has finished without a finite final score."""
        return Counter(
            "no value"
            if curve.record.status == "finished" and not np.isfinite(curve.final)
            else curve.record.status
            for curve in self.curves
        )

    @property
    def failed(self) -> int:
        """Seeds that will never have a score."""
        return sum(self.status[state] for state in ("failed", "crashed", "no value", "unreadable"))

    @cached_property
    def scored(self) -> tuple[Curve, ...]:
        """The seeds that finished with a score."""
        return tuple(c for c in self.curves if c.record.status == "finished" and np.isfinite(c.final))

    @property
    def scores(self) -> Floats:
        """Final scores [n]."""
        return np.array([curve.final for curve in self.scored], float)

    @cached_property
    def final(self) -> Interval | None:
        """Mean final score with its Student interval; None before a seed has finished."""
        return student_interval(self.scores) if len(self.scored) else None

    @cached_property
    def area(self) -> float | None:
        """Mean over the scored seeds of the area under the curve."""
        areas = [area_under_curve(curve.steps, curve.values) for curve in self.scored if len(curve.steps)]
        return float(np.mean(areas)) if areas else None

    @cached_property
    def crossings(self) -> Floats:
        """For every seed at an end, the steps it took to the threshold; ∞ where it never got there."""
        if self.threshold is None:
            return np.empty(0)
        up = self.higher_is_better is not False
        ended = [curve for curve in self.curves if curve.record.status != "running"]
        taken = [steps_to_threshold(c.steps, c.values, self.threshold, higher_is_better=up) for c in ended]
        return np.array(taken, float)

    @property
    def reached(self) -> int:
        """How many seeds got to the threshold."""
        return int(np.isfinite(self.crossings).sum())

    @property
    def steps_to_threshold(self) -> float | None:
        """The median of the crossings: ∞ when half the seeds or more never got there."""
        return float(np.median(self.crossings)) if len(self.crossings) else None

    @cached_property
    def seconds(self) -> float:
        """Wall time of all its seeds; seeds trained together in one process share one wall."""
        walls: dict[object, float] = {}
        for curve in self.curves:
            run = curve.record.run
            process = (curve.record.group, run["pid"]) if "pid" in run else curve.record.id
            seconds = jsonl.as_float(run.get("seconds") or 0.0)
            if not seconds > 0:  # still running, or killed before it could say
                seconds = max([0.0, *curve.record.series("time/seconds")[1][-1:]])
            walls[process] = max(walls.get(process, 0.0), seconds)
        return sum(walls.values())

    @cached_property
    def steps(self) -> int:
        """How far its furthest seed got."""
        return max(curve.record.step() for curve in self.curves)

    @cached_property
    def speed(self) -> float | None:
        """Steps of all seeds per second of wall time."""
        return sum(curve.record.step() for curve in self.curves) / self.seconds if self.seconds > 0 else None

    @cached_property
    def mean_curve(self) -> Curves:
        """Mean and interval over the seeds, at common steps."""
        return align([(curve.steps, curve.values) for curve in self.curves])


@dataclass(frozen=True)
class Contest:
    """One task: the entries, best first."""

    task: str
    suite: str
    metric: str
    axis: str
    higher_is_better: bool | None
    threshold: float | None
    entries: tuple[Entry, ...]

    def _nobody(self) -> str:
        """Why no entry has a final score."""
        done = any(entry.status["no value"] for entry in self.entries)
        return f"No seed has told {self.metric}." if done else "No seed has finished yet."

    @cached_property
    def verdict(self) -> str:
        """The best pair compared in words, with what stands against the comparison."""
        ranked = [entry for entry in self.entries if entry.final]
        if len(ranked) < 2:
            return f"{ranked[0].label} stands alone on this task." if ranked else self._nobody()
        best, second = ranked[:2]
        if best.failed:
            said = (
                f"No winner is named: {best.failed} of {len(best.curves)} seeds of {best.label} failed, "
                "and its mean is of the others alone."
            )
        else:
            names = (best.label, second.label)
            said = verdict(best.scores, second.scores, names=names, higher_is_better=self.higher_is_better)
        if best.steps != second.steps:
            said += f" They trained for different lengths: {best.steps:,} and {second.steps:,} steps."
        if second.failed:
            said += (
                f" {second.failed} of {len(second.curves)} seeds of {second.label} failed: not in its mean."
            )
        if len(ranked) > 2:
            said += f" The pair is the best two of {len(ranked)}."
        return said


def contests(
    records: Iterable[Record], *, metric: str = "", threshold: float | None = None, merge: bool = True
) -> list[Contest]:
    """One contest per task, in order of suite and name.

    `merge` puts runs of equal settings into one entry, the latest of each seed; without it each group is one.
    Raises UserError when no run has `metric`.
    """
    tasks: dict[tuple[str, str], dict[tuple[str, str], list[Record]]] = {}
    names: dict[str, str] = {}
    for record in (every := list(records)):
        task = names.setdefault(record.group, task_of(record))
        entry = (record.algorithm, record.settings if merge else record.group)
        tasks.setdefault((record.suite, task), {}).setdefault(entry, []).append(record)
    found = [_contest(*key, entries, metric, threshold) for key, entries in sorted(tasks.items(), key=_place)]
    held = [contest for contest in found if contest]
    if metric and every and not held:
        known = {name for record in every[-20:] for name in record.columns()}
        raise UserError(f"no run has the metric {metric!r}{nearest(metric, known)}")
    return held


def _contest(
    suite: str,
    task: str,
    entries: dict[tuple[str, str], list[Record]],
    metric: str,
    threshold: float | None,
) -> Contest | None:
    runs = [record for records in entries.values() for record in records]
    asked = metric
    if not metric:
        measures = MEASURES.get(suite, MEASURES["core"])
        metric = next((name for name in measures if any(len(r.series(name)[0]) for r in runs)), measures[0])
    if threshold is None and metric in ("eval/return", "episode/return"):
        threshold = BARS.get(task)
    up = higher_is_better(metric)
    labels = _labels(entries)
    made = []
    for key, records in entries.items():
        latest = _latest(records)
        curves = tuple(_curve(record, metric) for record in latest)
        made.append(Entry(labels[key], key[0], curves, len(records) - len(latest), threshold, up))
    if asked and not any(len(curve.steps) or np.isfinite(curve.final) for e in made for curve in e.curves):
        return None
    sign = 1 if up is False else -1
    made.sort(
        key=lambda entry: (entry.final is None, sign * entry.final.mean if entry.final else 0, entry.label)
    )
    return Contest(task, suite, metric, runs[0].axis, up, threshold, tuple(made))


def _place(task: tuple[tuple[str, str], object]) -> tuple[int, str]:
    (suite, name), _ = task
    return [*MEASURES, suite].index(suite), name


def _curve(record: Record, metric: str) -> Curve:
    steps, values = _in_order(record.series(metric))
    final = (
        record.summary.get(f"final/{metric.removeprefix('eval/')}") if metric.startswith("eval/") else None
    )
    if final is None:
        final = values[-1] if len(values) else float("nan")
    return Curve(record, steps, values, jsonl.as_float(final))


def _in_order(series: Series) -> Series:
    """Rising steps; of points at one step the last written, for a step repeated after a resume."""
    steps, values = series
    unique, first_from_the_end = np.unique(steps[::-1], return_index=True)
    return unique, values[::-1][first_from_the_end]


def _latest(records: list[Record]) -> list[Record]:
    """One run of each seed: one that is at its end rather than not, then the newest."""
    chosen: dict[object, Record] = {}
    for record in sorted(records, key=lambda r: (r.status in ("finished", "failed"), r.started)):
        chosen[record.seed if record.seed >= 0 else record.id] = record
    return sorted(chosen.values(), key=lambda record: record.seed)


def task_of(record: Record) -> str:
    """The task's name, with its arguments where it has some: another size of world is another task."""
    arguments = record.config.get("env_args")
    return f"{record.task} {arguments}" if arguments not in (None, "", {}, "{}") else record.task


def _labels(entries: dict[tuple[str, str], list[Record]]) -> dict[tuple[str, str], str]:
    """The algorithm's name, where it has several settings with the options that differ or the hash."""
    labels = {}
    for key in entries:
        algorithm, settings = key
        rivals = [records[-1].config for other, records in entries.items() if other[0] == algorithm]
        own = entries[key][-1].config
        differing = [name for name in own if name not in OWN_AFFAIR and not _same(rivals, name)]
        told = f"{algorithm} {' '.join(f'{name}={own[name]}' for name in differing)}"
        apart = len({tuple(str(rival.get(name)) for name in differing) for rival in rivals}) == len(rivals)
        short = 0 < len(differing) <= 2 and apart and len(told) <= 48
        labels[key] = algorithm if len(rivals) == 1 else told if short else f"{algorithm} {settings}"
    return labels


def _same(configs: Sequence[dict[str, Any]], name: str) -> bool:
    return all(config.get(name) == configs[0].get(name) for config in configs)
