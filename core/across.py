"""Several tasks at once: which labels share which tasks, their normalised scores, and what follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np

from core.aggregates import (
    STATISTICS,
    Profile,
    aggregate,
    iqm,
    performance_profile,
    probability_of_improvement,
)
from core.comparison import Contest, Entry
from core.coverage import caution
from core.curves import Curves, sample_efficiency
from core.draws import draws
from core.references import normalised
from core.statistics import ENOUGH, Floats, Interval

LOWEST, HIGHEST = -0.5, 2.0  # normalised scores beyond which a profile is not drawn


@dataclass(frozen=True)
class Across:
    """Labels over the tasks they have in common. Failed seeds have no score; `missing` says how many."""

    labels: tuple[str, ...]  # the highest IQM first
    tasks: tuple[str, ...]
    entries: dict[str, tuple[Entry, ...]] = field(repr=False)  # label -> its entry on each task
    scores: dict[str, list[Floats]] = field(repr=False)  # label -> normalised scores [n] on each task
    curves: dict[str, list[list[tuple[Floats, Floats]]]] = field(repr=False)  # (steps, normalised values)
    missing: tuple[str, ...]  # what is left out, and why

    @property
    def axis(self) -> str:
        """The key of the x-axis."""
        return self.entries[self.labels[0]][0].curves[0].record.axis

    @property
    def seeds(self) -> dict[str, tuple[int, int]]:
        """Least and most seeds of a label on a task."""
        sizes = {label: [len(each) for each in self.scores[label]] for label in self.labels}
        return {label: (min(n), max(n)) for label, n in sizes.items()}

    @cached_property
    def aggregates(self) -> dict[str, dict[str, Interval]]:
        """label -> statistic of core.aggregates.STATISTICS -> its value and bootstrap interval."""
        return {
            label: {
                name: aggregate(self.scores[label], name, draws("aggregate", name, label, *self.tasks))
                for name in STATISTICS
            }
            for label in self.labels
        }

    @cached_property
    def profiles(self) -> dict[str, Profile]:
        """label -> its performance profile over normalised scores τ that suit all labels."""
        every = np.concatenate([task for scores in self.scores.values() for task in scores])
        low, high = max(LOWEST, min(0.0, every.min())), min(HIGHEST, max(1.0, every.max()))
        taus = np.linspace(low, high, 121)
        return {
            label: performance_profile(self.scores[label], taus, draws("profile", label, *self.tasks))
            for label in self.labels
        }

    @cached_property
    def improvements(self) -> dict[tuple[str, str], Interval]:
        """(the first label, another) -> how likely a run of the first scores above one of the other."""
        return {(self.labels[0], other): self.improvement(self.labels[0], other) for other in self.labels[1:]}

    def improvement(self, x: str, y: str) -> Interval:
        """How likely a run of x scores above one of y on a task taken at random."""
        chance = draws("improvement", x, y, *self.tasks)
        return probability_of_improvement(self.scores[x], self.scores[y], chance)

    @cached_property
    def efficiency(self) -> dict[str, Curves]:
        """label -> IQM of normalised scores against steps, as far as every task goes."""
        return {
            label: sample_efficiency(self.curves[label], draws("efficiency", label, *self.tasks))
            for label in self.labels
        }

    @cached_property
    def failed(self) -> dict[str, int]:
        """label -> seeds on these tasks that will never have a score."""
        return {label: sum(entry.failed for entry in self.entries[label]) for label in self.labels}

    @property
    def caution(self) -> str | None:
        """Which aggregates' intervals are known to hold the truth too rarely with so few seeds."""
        least = min(n for n, _ in self.seeds.values())
        poor = ["IQM" if name == "iqm" else name for name in STATISTICS if caution(name, least)]
        if least < 2 or not poor:
            return None
        return (
            f"Caution: with n = {least} the intervals of {', '.join(poor)} hold the truth in under 90 % of simulated "
            "cases for some kinds of scores."
        )

    @cached_property
    def verdict(self) -> str:
        """The best label against the second in words."""
        over = f"over {len(self.tasks)} tasks"
        if len(self.labels) < 2:
            return f"{self.labels[0]} stands alone {over}."
        best, second = self.labels[:2]
        chance = self.improvements[best, second]
        ends = f" [{chance.low:.3f}, {chance.high:.3f}]" if np.isfinite(chance.low) else ""
        least = {label: self.seeds[label][0] for label in (best, second)}
        facts = (
            f"a run of {best} scores above one of {second} with probability {chance.mean:.3f}{ends} {over}, "
            f"with at least {least[best]} and {least[second]} seeds on each"
        )
        said = caution("improvement", min(least.values()))
        warning = f" {said}" if said else ""
        if min(least.values()) < ENOUGH:
            return f"No winner is named with fewer than {ENOUGH} seeds on a task: {facts}."
        if lost := self.failed[best]:
            return (
                f"No winner is named, since failed seeds of {best} ({lost}) are not in its scores: {facts}."
            )
        if chance.low > 0.5:
            return f"{best} is better than {second} more often than not: {facts}.{warning}"
        if chance.high < 0.5:
            torn = f"since {best} has the higher IQM and {second} wins more often"
            return f"No winner is named, {torn}: {facts}.{warning}"
        return f"No difference shown: {facts}, which includes ½.{warning}"


def across(contests: Sequence[Contest]) -> Across | None:
    """What the contests say together; None where no two tasks that can be normalised have labels in common."""
    known = [contest for contest in contests if normalised(contest.task, contest.metric, [0.0]) is not None]
    scored = {
        contest.task: {entry.label: entry for entry in contest.entries if len(entry.scored)}
        for contest in known
    }
    metrics = {contest.task: contest.metric for contest in known}
    every = list(dict.fromkeys(entry.label for contest in contests for entry in contest.entries))
    on = {label: frozenset(task for task in scored if label in scored[task]) for label in every}
    tasks, labels = _common(on)
    if not tasks:
        return None
    order = [task for task in scored if task in tasks]
    entries = {label: tuple(scored[task][label] for task in order) for label in labels}
    scores = {
        label: [_normal(task, metrics[task], e.scores) for task, e in zip(order, entries[label], strict=True)]
        for label in labels
    }
    curves = {
        label: [
            [(c.steps, _normal(task, metrics[task], c.values)) for c in e.scored if len(c.steps)]
            for task, e in zip(order, entries[label], strict=True)
        ]
        for label in labels
    }
    ranked = tuple(sorted(labels, key=lambda label: (-iqm(scores[label]), label)))
    missing = _missing(contests, metrics, on, order, ranked)
    return Across(ranked, tuple(order), entries, scores, curves, missing)


def _normal(task: str, metric: str, values: Floats) -> Floats:
    made = normalised(task, metric, values)
    assert made is not None  # only tasks that can be
    return made


def _common(on: dict[str, frozenset[str]]) -> tuple[frozenset[str], list[str]]:
    """The tasks, two or more, that the most labels share: the largest tasks × labels; nothing where there are none."""
    sets = {*on.values(), *(a & b for a, b in combinations(set(on.values()), 2))}
    best: tuple[int, int, list[str], frozenset[str]] = (0, 0, [], frozenset())
    for tasks in sorted(sets, key=sorted):
        labels = [label for label, own in on.items() if tasks <= own]
        enough = len(tasks) > 1 and (len(labels) > 1 or len(on) == 1)
        if enough and (len(tasks) * len(labels), len(tasks)) > best[:2]:
            best = (len(tasks) * len(labels), len(tasks), labels, tasks)
    return best[3], best[2]


def _missing(
    contests: Sequence[Contest],
    metrics: dict[str, str],
    on: dict[str, frozenset[str]],
    tasks: Sequence[str],
    labels: Sequence[str],
) -> tuple[str, ...]:
    said = []
    for contest in contests:
        if contest.task not in metrics:
            said.append(
                f"{contest.task} is left out: no reference scores to normalise its {contest.metric} by."
            )
        elif contest.task not in tasks:
            lack = [label for label in labels if contest.task not in on[label]]
            said.append(f"{contest.task} is left out: {', '.join(lack)} without a score there.")
    for label, own in on.items():
        if label not in labels:
            lack = [task for task in tasks if task not in own]
            said.append(f"{label} is left out: without a score on {', '.join(lack)}.")
    lengths: dict[tuple[int, int], list[str]] = {}
    for contest in contests:
        ends = {entry.steps for entry in contest.entries if entry.label in labels}
        if contest.task in tasks and len(ends) > 1:
            lengths.setdefault((min(ends), max(ends)), []).append(contest.task)
        for entry in contest.entries:
            lost = len(entry.curves) - len(entry.scored)
            if contest.task in tasks and entry.label in labels and lost:
                states = ", ".join(f"{n} {state}" for state, n in entry.status.items() if state != "finished")
                said.append(
                    f"{entry.label} on {contest.task}: {lost} of {len(entry.curves)} seeds are not in it ({states})."
                )
    for (low, high), where in lengths.items():
        said.append(f"Trained for different lengths on {', '.join(where)}: {low:,} to {high:,} steps.")
    return tuple(said)
