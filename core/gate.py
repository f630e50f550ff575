"""Is a candidate worse than a baseline? A gate for continuous integration.

Per task, Welch's test of "the candidate is worse by more than the margin", at 2.5 % to that one side, so that one
task is judged as its 95 % interval is. Several tasks are corrected as Holm (1979, Scandinavian Journal of Statistics 6)
does: the chance that any of them is called worse by mistake stays under 2.5 %. Seeds that failed count against the
candidate. With fewer than five seeds each, or seeds that have not ended, it cannot be said: neither pass nor fail,
but an exit status of its own, so that a pipeline tells "train more seeds" (3) from "worse" (1) and from a mistyped
command (2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from core.comparison import Contest, Entry
from core.coverage import caution
from core.errors import UserError
from core.statistics import ENOUGH, Difference, welch_test
from core.tables import number

NOT_WORSE, WORSE, CANNOT_SAY = 0, 1, 3  # exit statuses; 2 is a mistake in the command
ALPHA = 0.025  # to one side

Outcome = Literal["not worse", "worse", "cannot say"]


@dataclass(frozen=True)
class Judgement:
    """One task: the two sides, and what is said of the candidate."""

    task: str
    metric: str
    baseline: Entry | None
    candidate: Entry | None
    margin: float  # in the metric's unit
    difference: Difference | None  # candidate − baseline, turned so that more is better; its p as Welch's
    p: float | None  # of "worse by more than the margin", one-sided, after Holm
    outcome: Outcome
    why: str  # "" where the test decided
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """All tasks."""

    baseline: str
    candidate: str
    judgements: tuple[Judgement, ...]
    notes: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """Worse when it is on any task; not worse only when that can be said of every task."""
        outcomes = [each.outcome for each in self.judgements]
        kinds: tuple[Outcome, ...] = ("worse", "cannot say", "not worse")
        return next(kind for kind in kinds if kind in outcomes)

    @property
    def exit(self) -> int:
        """The exit status for it."""
        return {"not worse": NOT_WORSE, "worse": WORSE, "cannot say": CANNOT_SAY}[self.outcome]

    @property
    def line(self) -> str:
        """The verdict in one line."""
        told = [each for each in self.judgements if each.outcome == self.outcome]
        said = {
            "not worse": f"Not worse: {self.candidate} is not shown to be worse than {self.baseline}",
            "worse": f"Worse: {self.candidate} is worse than {self.baseline}",
            "cannot say": f"Cannot say whether {self.candidate} is worse than {self.baseline}",
        }[self.outcome]
        if len(self.judgements) == 1:
            return f"{said} on {told[0].task}: {reason(told[0])}."
        return (
            f"{said} on {len(told)} of {len(self.judgements)} tasks: {', '.join(each.task for each in told)}."
        )


def judge(
    baseline: tuple[str, Sequence[Contest]], candidate: tuple[str, Sequence[Contest]], margin: str = "0"
) -> Verdict:
    """Both sides as (name, one contest of one entry per task), see `one_entry_each`.

    `margin`: how much worse is allowed, in the metric's unit (`5`) or of the baseline's mean (`5%`).
    Raises UserError where no task is common, the metrics differ or have no good direction, or `margin` is no number.
    """
    old, new = ({contest.task: contest for contest in side[1]} for side in (baseline, candidate))
    lost = [task for task in old if _unreadable(old[task])]
    torn = [task for task in new if _unreadable(new[task])]
    common = [task for task in old if task in new and task not in (*lost, *torn)]
    if not common:
        tasks = " and ".join(", ".join(each) for each in (old, new))
        raise UserError(f"baseline and candidate have no task in common: they are on {tasks}")
    found = [_one(old[task], new.get(task), margin) for task in old if task not in lost]
    found += [_unread(new[task]) for task in torn]
    notes = [f"{task} is not judged: no baseline there." for task in new if task not in (*old, *torn)]
    notes += [f"{_unreadable(old[task])} of the baseline's runs cannot be read." for task in lost]
    return Verdict(baseline[0], candidate[0], _holm(found), tuple(notes))


def one_entry_each(side: str, query: str, contests: Sequence[Contest]) -> Sequence[Contest]:
    """The contests, if each has one entry; else a UserError that says which there are."""
    for contest in contests:
        if len(contest.entries) > 1:
            names = ", ".join(entry.label for entry in contest.entries)
            raise UserError(
                f"--{side} {query} means {len(contest.entries)} entries on {contest.task}: {names}; "
                "name one of them or a group, or narrow them with --where"
            )
    return contests


def _one(old: Contest, new: Contest | None, margin: str) -> Judgement:
    """One task judged by itself; its p is not corrected yet."""
    baseline, up = old.entries[0], old.higher_is_better
    allowed = _margin(margin, baseline)
    if up is None:
        raise UserError(f"{old.metric} has no better or worse; choose another with --metric")
    if new is None:
        unsaid = Judgement(old.task, old.metric, baseline, None, allowed, None, None, "cannot say", "")
        return replace(unsaid, why="the candidate has no runs on it")
    if new.metric != old.metric:
        raise UserError(
            f"{old.task}: the baseline told {old.metric} and the candidate {new.metric}; choose one with --metric"
        )
    candidate, sign = new.entries[0], 1 if up else -1
    judged = Judgement(old.task, old.metric, baseline, candidate, allowed, None, None, "not worse", "")
    judged = replace(judged, notes=tuple(_notes(baseline, candidate)))
    if len(baseline.scored) and len(candidate.scored):
        a, b = sign * candidate.scores, sign * baseline.scores
        shifted = welch_test(a + allowed, b)
        p = shifted.p / 2 if shifted.mean < 0 else 1 - shifted.p / 2
        judged = replace(judged, difference=welch_test(a, b), p=p)
    if candidate.failed:
        states = ", ".join(f"{n} {state}" for state, n in sorted(candidate.status.items()))
        return replace(judged, outcome="worse", why=f"seeds of the candidate failed ({states})", p=None)
    if lack := _lack(old.metric, baseline, candidate):
        return replace(judged, outcome="cannot say", why=lack, p=None)
    return judged


def _unreadable(contest: Contest) -> int:
    return sum(entry.status["unreadable"] for entry in contest.entries)


def _unread(contest: Contest) -> Judgement:
    """Runs of the candidate whose run.json is broken: what they were, and on which task, nobody can tell."""
    why = f"{_unreadable(contest)} of the candidate's runs cannot be read"
    return Judgement(contest.task, contest.metric, None, None, 0.0, None, None, "cannot say", why)


def _lack(metric: str, baseline: Entry, candidate: Entry) -> str:
    """What is missing for a judgement, or nothing."""
    for side, entry in (("candidate", candidate), ("baseline", baseline)):
        if entry.unmeasured:
            return f"the {side} does not measure {metric}"
    if candidate.unfinished:
        return f"{candidate.unfinished} of {len(candidate.curves)} seeds of the candidate have not ended"
    n, m = len(candidate.scored), len(baseline.scored)
    if min(n, m) < ENOUGH:
        return f"it takes {ENOUGH} finished seeds each; the candidate has {n}, the baseline {m}"
    return ""


def _notes(baseline: Entry, candidate: Entry) -> list[str]:
    lost = len(baseline.curves) - len(baseline.scored)
    least = min(len(baseline.scored), len(candidate.scored))
    poor = caution("welch", least, "the interval of the difference") if least >= ENOUGH else None
    said = [f"{lost} of {len(baseline.curves)} seeds of the baseline are not in its mean"] if lost else []
    if baseline.steps != candidate.steps:
        said.append(f"trained for {baseline.steps:,} (baseline) and {candidate.steps:,} steps (candidate)")
    return [*said, *([poor.rstrip(".")] if poor else [])]


def _holm(judged: Sequence[Judgement]) -> tuple[Judgement, ...]:
    """p of rank i of m times m − i + 1, never falling; worse where that is below ALPHA."""
    tested = sorted(
        (each.p, index) for index, each in enumerate(judged) if each.p is not None and not each.why
    )
    done, highest = list(judged), 0.0
    for rank, (p, index) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p))
        outcome: Outcome = "worse" if highest < ALPHA else "not worse"
        done[index] = replace(judged[index], p=highest, outcome=outcome)
    return tuple(done)


def _margin(text: str, baseline: Entry) -> float:
    try:
        share = float(text.removesuffix("%")) / 100 if text.endswith("%") else None
        margin = float(text) if share is None else share * abs(baseline.final.mean if baseline.final else 0)
    except ValueError:
        margin = -1.0
    if not 0 <= margin < float("inf"):
        raise UserError(
            f"--margin takes a number or a share of the baseline such as 5%, none below 0, not {text!r}"
        )
    return margin


def reason(each: Judgement) -> str:
    """What a judgement rests on."""
    if each.difference is None or each.why:
        return each.why
    assert each.baseline is not None
    assert each.candidate is not None
    pair = [
        f"{number(side.final.mean if side.final else None)} (n = {len(side.scored)})"
        for side in (each.candidate, each.baseline)
    ]
    allowed = f", a margin of {number(each.margin)} allowed" if each.margin else ""
    hidden = each.outcome == "not worse" and -each.difference.low > each.margin
    unseen = f"; a loss of up to {number(-each.difference.low)} is not excluded" if hidden else ""
    return f"{pair[0]} against {pair[1]}, {gap(each.difference)}{allowed}{unseen}"


def gap(difference: Difference) -> str:
    """`better by 3 [−1, 7]` or `worse by 3 [−7, 1]`."""
    mean, low, high, _ = difference
    if mean == 0:
        return f"equal [{number(low)}, {number(high)}]"
    if mean < 0:
        return f"worse by {number(-mean)} [{number(-high)}, {number(-low)}]"
    return f"better by {number(mean)} [{number(low)}, {number(high)}]"


def plain(verdict: Verdict) -> dict[str, Any]:
    """For JSON: plain numbers, None where there is none."""
    return {
        "verdict": verdict.line,
        "outcome": verdict.outcome,
        "exit": verdict.exit,
        "baseline": verdict.baseline,
        "candidate": verdict.candidate,
        "notes": list(verdict.notes),
        "tasks": [_plain(each) for each in verdict.judgements],
    }


def _plain(each: Judgement) -> Mapping[str, Any]:
    difference = each.difference
    known = difference is not None and difference.low == difference.low
    return {
        "task": each.task,
        "metric": each.metric,
        "outcome": each.outcome,
        "why": each.why,
        "baseline_mean": each.baseline.final.mean if each.baseline and each.baseline.final else None,
        "baseline_n": len(each.baseline.scored) if each.baseline else 0,
        "candidate_mean": each.candidate.final.mean if each.candidate and each.candidate.final else None,
        "candidate_n": len(each.candidate.scored) if each.candidate else 0,
        "better_by": difference.mean if difference else None,
        "low": difference.low if difference and known else None,
        "high": difference.high if difference and known else None,
        "p_worse": each.p,
        "margin": each.margin,
        "notes": list(each.notes),
    }
