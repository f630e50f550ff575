"""Runs gathered into contests: on each task, every algorithm's seeds measured by one metric, and who won."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from core import jsonl
from core.curves import Crossing, Curves, align, area_under_curve, crossing, steps_to_threshold
from core.draws import draws
from core.errors import UserError, nearest
from core.grouping import Key, Task, grouped, labels, latest, varied
from core.measures import BARS, MEASURES, higher_is_better
from core.records import Record
from core.seed_curve import Curve, curve_of
from core.selection import names_of
from core.statistics import Floats, Interval, student_interval, verdict


@dataclass(frozen=True)
class Entry:
    """One algorithm with one setting on one task: its seeds and what is known of them."""

    label: str  # the algorithm, with what sets it apart where it runs with several settings
    algorithm: str
    curves: tuple[Curve, ...] = field(repr=False)
    older: int  # earlier runs of the same settings and seed, left out
    threshold: float | None
    higher_is_better: bool | None
    mixed: tuple[str, ...] = ()  # settings in which its runs differ, where they were grouped by others

    @cached_property
    def status(self) -> Counter[str]:
        """How many seeds are in which state.

        "no value" has finished without a finite final score, where some seed told the metric; "not measured" where
        none did: it is not what such runs are for.
        """
        nothing = "no value" if any(curve.told for curve in self.curves) else "not measured"
        return Counter(
            nothing
            if curve.record.status == "finished" and not np.isfinite(curve.final)
            else curve.record.status
            for curve in self.curves
        )

    @property
    def unmeasured(self) -> bool:
        """Whether seeds finished and none ever told the metric."""
        return self.status["not measured"] > 0

    @property
    def failed(self) -> int:
        """Seeds that will never have a score."""
        return sum(self.status[state] for state in ("failed", "crashed", "no value", "unreadable"))

    @property
    def unfinished(self) -> int:
        """Seeds that train still, or could go on."""
        return self.status["running"] + self.status["stopped"]

    @cached_property
    def scored(self) -> tuple[Curve, ...]:
        """The seeds that finished with a score."""
        return tuple(c for c in self.curves if c.record.status == "finished" and np.isfinite(c.final))

    @property
    def scores(self) -> Floats:
        """Final scores [n]."""
        return np.array([curve.final for curve in self.scored], float)

    @cached_property
    def faults(self) -> tuple[str, ...]:
        """What stands against its curves: values that are no numbers, seeds that finished at different steps."""
        said = []
        if broken := sum(not np.isfinite(curve.values).all() for curve in self.curves):
            said.append(
                f"{broken} of {len(self.curves)} seeds told values that are no finite numbers: "
                "not in the mean at these steps, and they leave no area."
            )
        ends = {curve.reached for curve in self.scored}
        if len(ends) > 1:
            said.append(f"its seeds finished at different steps, {min(ends):,} to {max(ends):,}.")
        return tuple(said)

    @cached_property
    def final(self) -> Interval | None:
        """Mean final score with its Student interval; None before a seed has finished."""
        return student_interval(self.scores) if len(self.scored) else None

    @cached_property
    def area(self) -> float | None:
        """Mean over the scored seeds of the area under the curve."""
        areas = [area_under_curve(curve.steps, curve.values) for curve in self.scored if len(curve.steps)]
        return float(np.mean(areas)) if areas else None

    @property
    def ended(self) -> list[Curve]:
        """The seeds that will not go on; the others may still get anywhere."""
        return [curve for curve in self.curves if curve.record.status != "running"]

    @cached_property
    def crossings(self) -> Floats:
        """For every seed at an end, the steps it took to the threshold; ∞ where it never got there."""
        if self.threshold is None:
            return np.empty(0)
        up = self.higher_is_better is not False
        taken = [
            steps_to_threshold(c.steps, c.values, self.threshold, higher_is_better=up) for c in self.ended
        ]
        return np.array(taken, float)

    @cached_property
    def seconds_taken(self) -> Floats:
        """The same in seconds since the run began; NaN where it got there and no row says when.

        Seeds trained together share one clock: the time is that of all of them.
        """
        steps = zip(self.ended, self.crossings, strict=True) if self.threshold is not None else ()
        return np.array(
            [c.record.seconds_at(step) if np.isfinite(step) else np.inf for c, step in steps], float
        )

    @property
    def reached(self) -> int:
        """How many seeds got to the threshold."""
        return int(np.isfinite(self.crossings).sum())

    @cached_property
    def to_threshold(self) -> Crossing | None:
        """The median of the crossings with its interval: ∞ when half the seeds or more never got there."""
        return crossing(self.crossings) if len(self.crossings) else None

    @property
    def steps_to_threshold(self) -> float | None:
        """The median of the crossings."""
        return self.to_threshold.median if self.to_threshold else None

    @property
    def seconds_to_threshold(self) -> float | None:
        """The median in seconds; None where some seed's time is not known."""
        known = len(self.seconds_taken) and not np.isnan(self.seconds_taken).any()
        return crossing(self.seconds_taken).median if known else None

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
        return max(curve.reached for curve in self.curves)

    @cached_property
    def speed(self) -> float | None:
        """Steps of all seeds per second of wall time."""
        return sum(curve.reached for curve in self.curves) / self.seconds if self.seconds > 0 else None

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
        if any(entry.unmeasured or entry.status["no value"] for entry in self.entries):
            return f"No seed has told {self.metric}."
        open_still = any(entry.unfinished for entry in self.entries)
        return "No seed has finished yet." if open_still else "No seed has finished, and none will."

    def _alone(self, label: str) -> str:
        """What is said of the only entry with a score."""
        if len(self.entries) == 1:
            return f"{label} stands alone on this task."
        return f"Only {label} has finished seeds with {self.metric}: there is nothing to compare it with."

    @cached_property
    def verdict(self) -> str:
        """The best pair compared in words, with what stands against the comparison."""
        ranked = [entry for entry in self.entries if entry.final]
        if len(ranked) < 2:
            return self._alone(ranked[0].label) if ranked else self._nobody()
        best, second = ranked[:2]
        if best.failed:
            said = (
                f"No winner is named: {best.failed} of {len(best.curves)} seeds of {best.label} failed, "
                "and its mean is of the others alone."
            )
        else:
            names = (best.label, second.label)
            up, chance = self.higher_is_better, draws("verdict", self.task, *names)
            said = verdict(best.scores, second.scores, names=names, higher_is_better=up, draws=chance)
        if best.steps != second.steps:
            said += f" They trained for different lengths: {best.steps:,} and {second.steps:,} steps."
        if second.failed:
            said += (
                f" {second.failed} of {len(second.curves)} seeds of {second.label} failed: not in its mean."
            )
        for entry in (best, second):
            if entry.unfinished:
                said += (
                    f" {entry.unfinished} of {len(entry.curves)} seeds of {entry.label} have not ended: "
                    "not in its mean."
                )
        if len(ranked) > 2:
            said += f" The pair is the best two of {len(ranked)}."
        return said


def contests(
    records: Iterable[Record],
    *,
    metric: str = "",
    threshold: float | None = None,
    merge: bool = True,
    by: Sequence[str] = (),
) -> list[Contest]:
    """One contest per task, in order of suite and name.

    `merge` puts runs of equal settings into one entry, the latest of each seed; without it each group is one.
    `by`: names of fields (core.selection.FIELDS) or settings; runs that agree in all of them are one entry.
    Raises UserError when no run has `metric`, or knows a name in `by`.
    """
    every = list(records)
    by = [name for name in names_of(by, every) if name != "task"]  # each is compared by itself anyway
    tasks = grouped(every, merge=merge, by=by)
    found = [_contest(*key, tasks[key], metric, threshold, by) for key in sorted(tasks, key=_place)]
    held = [contest for contest in found if contest]
    if metric and every and not held:
        known = {name for record in every[-20:] for name in record.columns()}
        raise UserError(f"no run has the metric {metric!r}{nearest(metric, known)}")
    return held


def _contest(
    suite: str,
    task: str,
    entries: dict[Key, list[Record]],
    metric: str,
    threshold: float | None,
    by: Sequence[str],
) -> Contest | None:
    runs = [record for records in entries.values() for record in records]
    asked = metric
    if not metric:
        measures = MEASURES.get(suite, MEASURES["core"])
        metric = next((name for name in measures if any(len(r.series(name)[0]) for r in runs)), measures[0])
    if threshold is None and metric in ("eval/return", "episode/return"):
        threshold = BARS.get(task)
    up = higher_is_better(metric)
    called = labels(entries, by)
    made = []
    for key, records in entries.items():
        counted = latest(records, pooled=bool(by))
        curves = tuple(curve_of(record, metric) for record in counted)
        algorithm = "+".join(sorted({record.algorithm for record in records}))
        mixed = varied(counted) if by else ()
        made.append(Entry(called[key], algorithm, curves, len(records) - len(counted), threshold, up, mixed))
    if asked and not any(len(curve.steps) or np.isfinite(curve.final) for e in made for curve in e.curves):
        return None
    sign = 1 if up is False else -1
    made.sort(
        key=lambda entry: (entry.final is None, sign * entry.final.mean if entry.final else 0, entry.label)
    )
    return Contest(task, suite, metric, runs[0].axis, up, threshold, tuple(made))


def _place(task: Task) -> tuple[int, str]:
    suite, name = task
    return [*MEASURES, suite].index(suite), name
