"""The gate's judgement: numbers by hand, several tasks, what cannot be said."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from core import gate, records
from core.comparison import Contest, contests
from core.errors import UserError
from core.gate import Verdict, judge
from tests.core.run_folders import evaluations, write_run


def contests_of(root: Path, tasks: dict[str, Sequence[float]], metric: str = "eval/return") -> list[Contest]:
    for task, finals in tasks.items():
        for seed, final in enumerate(finals):
            write_run(root, task=task, seed=seed, rows=evaluations(final, metric=metric))
    return contests(records.scan(root), metric=metric)


def verdict(
    tmp_path: Path,
    old: dict[str, Sequence[float]],
    new: dict[str, Sequence[float]],
    margin: str = "0",
    metric: str = "eval/return",
) -> Verdict:
    sides = (
        (name, contests_of(tmp_path / name, tasks, metric)) for name, tasks in (("old", old), ("new", new))
    )
    return judge(*sides, margin)


def test_by_hand(tmp_path: Path) -> None:
    """Means 10 and 8, both s² = 2.5, n = 5: error √(2.5/5 + 2.5/5) = 1, ν = 8, t(8, .975) = 2.306.

    The interval of the difference is −2 ± 2.306, which includes 0; p one-sided of t = −2 at ν = 8 is 0.0403.
    """
    done = verdict(tmp_path, {"a": [8, 9, 10, 11, 12]}, {"a": [6, 7, 8, 9, 10]})
    (each,) = done.judgements
    assert each.difference == pytest.approx((-2, -4.306, 0.306, 0.0805), abs=5e-4)
    assert each.p == pytest.approx(0.04026, abs=5e-5)
    assert (each.outcome, done.outcome, done.exit) == ("not worse", "not worse", 0)
    assert done.line == (
        "Not worse: new is not shown to be worse than old on a: "
        "8 (n = 5) against 10 (n = 5), worse by 2 [−0.306, 4.306]; a loss of up to 4.306 is not excluded."
    )


@pytest.mark.parametrize(("shift", "exit"), [(2.3, 0), (2.32, 1)])
def test_one_task_is_judged_as_its_interval_is(tmp_path: Path, shift: float, exit: int) -> None:
    old = [8.0, 9, 10, 11, 12]
    assert verdict(tmp_path, {"a": old}, {"a": [x - shift for x in old]}).exit == exit


@pytest.mark.parametrize(("margin", "exit"), [("0", 1), ("1", 1), ("2", 0), ("10%", 1), ("20%", 0)])
def test_margin(tmp_path: Path, margin: str, exit: int) -> None:
    """4 worse: with a margin of 1, and 10 % of 10, the interval of what is left is −3 ± 2.306; with 2, −2 ± 2.306."""
    assert verdict(tmp_path, {"a": [8, 9, 10, 11, 12]}, {"a": [4, 5, 6, 7, 8]}, margin).exit == exit


def test_lower_may_be_better(tmp_path: Path) -> None:
    old, new = [8.0, 9, 10, 11, 12], [4.0, 5, 6, 7, 8]
    assert verdict(tmp_path / "1", {"a": old}, {"a": new}, metric="train/loss").exit == 0
    found = verdict(tmp_path / "2", {"a": new}, {"a": old}, metric="train/loss")
    assert found.exit == 1
    assert "10 (n = 5) against 6 (n = 5), worse by 4 [1.694, 6.306]" in found.line


def test_seeds_that_never_vary(tmp_path: Path) -> None:
    same = [500.0] * 5
    level = verdict(tmp_path / "1", {"a": same}, {"a": same})
    assert (level.exit, level.line.partition("old on a: ")[2]) == (
        0,
        "500 (n = 5) against 500 (n = 5), equal [0, 0].",
    )
    assert verdict(tmp_path / "2", {"a": same}, {"a": [499.0] * 5}).exit == 1
    assert verdict(tmp_path / "3", {"a": same}, {"a": [501.0] * 5}).exit == 0
    assert verdict(tmp_path / "4", {"a": [-0.83] * 20}, {"a": [-0.83] * 19}).exit == 0  # rounding is no loss
    assert verdict(tmp_path / "5", {"a": [0.83] * 19}, {"a": [0.83] * 20}).exit == 0


def test_several_tasks_are_corrected_as_holm_does(tmp_path: Path) -> None:
    """Shifts of 2.4 and 5 at an error of 1 and ν = 8: one-sided p 0.0216 and 0.00053.

    Alone 0.0216 < 0.025. With three tasks the smallest is multiplied by 3, the next by 2: 0.0432, no longer.
    """
    base = [8.0, 9, 10, 11, 12]
    tasks = dict.fromkeys("abc", base)
    done = verdict(tmp_path, tasks, {"a": [x - 2.4 for x in base], "b": [x - 5 for x in base], "c": base})
    p = {each.task: each.p for each in done.judgements}
    assert p["a"] == pytest.approx(2 * 0.02160, abs=2e-4)
    assert p["b"] == pytest.approx(3 * 0.000527, abs=2e-5)
    assert p["c"] == pytest.approx(0.5)
    assert [each.outcome for each in done.judgements] == ["not worse", "worse", "not worse"]
    assert (done.exit, "on 1 of 3 tasks: b." in done.line) == (1, True)


def test_what_is_missing(tmp_path: Path) -> None:
    base = [8.0, 9, 10, 11, 12]
    done = verdict(tmp_path / "1", {"a": base, "b": base}, {"a": base, "c": base})
    assert [(each.task, each.outcome) for each in done.judgements] == [
        ("a", "not worse"),
        ("b", "cannot say"),
    ]
    assert (done.exit, done.notes) == (3, ("c is not judged: no baseline there.",))
    assert "on 1 of 2 tasks: b." in done.line
    assert verdict(tmp_path / "2", {"a": base[:4]}, {"a": base}).exit == 3
    with pytest.raises(UserError, match="no task in common: they are on a and b"):
        verdict(tmp_path / "3", {"a": base}, {"b": base})


def test_worse_on_one_task_outweighs_what_cannot_be_said_of_another(tmp_path: Path) -> None:
    base = [8.0, 9, 10, 11, 12]
    assert verdict(tmp_path, {"a": base, "b": base}, {"a": [0.0, 1, 2, 1, 0], "b": base[:3]}).exit == 1


def test_failed_seeds_of_the_baseline_are_said_and_those_of_the_candidate_count(tmp_path: Path) -> None:
    old = contests_of(tmp_path / "old", {"a": [8, 9, 10, 11, 12]})
    new = contests_of(tmp_path / "new", {"a": [80, 90, 100, 110, 120]})
    for status, exit in (("crashed", 1), ("failed", 1), ("stopped", 3), ("running", 3)):
        root = tmp_path / status
        contests_of(root, {"a": [80, 90, 100, 110, 120]})
        write_run(root, task="a", seed=9, rows=evaluations(1), status=status)
        hurt = contests(records.scan(root))
        assert judge(("old", old), ("new", hurt)).exit == exit
        turned = judge(("old", hurt), ("new", old))
        assert turned.judgements[0].notes[0] == "1 of 6 seeds of the baseline are not in its mean"
    assert judge(("old", old), ("new", new)).exit == 0


def test_a_candidate_that_cannot_be_read_or_does_not_measure_does_not_pass(tmp_path: Path) -> None:
    base = [8.0, 9, 10, 11, 12]
    old, new = (contests_of(tmp_path / name, {"a": base}) for name in ("old", "new"))
    torn = write_run(tmp_path / "new", task="a", seed=7, rows=evaluations(1))
    (torn / "run.json").write_text('{"status": "fini')
    done = judge(("old", old), ("new", contests(records.scan(tmp_path / "new"))))
    assert done.exit == 3
    assert done.line.endswith("on 1 of 2 tasks: unknown.")
    assert [(each.outcome, each.why) for each in done.judgements] == [
        ("not worse", ""),
        ("cannot say", "1 of the candidate's runs cannot be read"),
    ]
    done = judge(("new", contests(records.scan(tmp_path / "new"))), ("old", old))
    assert (done.exit, done.notes) == (0, ("1 of the baseline's runs cannot be read.",))
    for seed in range(5):
        write_run(tmp_path / "mute", task="a", seed=seed, rows=evaluations(1, metric="train/loss"))
    mute = contests(records.scan(tmp_path / "mute"))
    assert judge(("old", old), ("new", mute)).line.endswith(
        "on a: the candidate does not measure eval/return."
    )
    assert judge(("old", old), ("new", mute)).exit == 3
    assert judge(("mute", mute), ("new", new)).line.endswith(
        "on a: the baseline does not measure eval/return."
    )


def test_a_metric_without_direction_cannot_be_judged(tmp_path: Path) -> None:
    for name in ("old", "new"):
        for seed in range(5):
            write_run(tmp_path / name, seed=seed, rows=evaluations(1, metric="policy/entropy"))
    old, new = (contests(records.scan(tmp_path / name), metric="policy/entropy") for name in ("old", "new"))
    with pytest.raises(UserError, match="policy/entropy has no better or worse"):
        judge(("old", old), ("new", new))


@pytest.mark.parametrize("margin", ["-1", "nan", "inf", "5 %%", "much", ""])
def test_margins_that_are_none(tmp_path: Path, margin: str) -> None:
    base = [8.0, 9, 10, 11, 12]
    with pytest.raises(UserError, match="--margin takes a number"):
        verdict(tmp_path, {"a": base}, {"a": base}, margin)


def test_exit_statuses_are_four() -> None:
    assert (gate.NOT_WORSE, gate.WORSE, gate.CANNOT_SAY) == (0, 1, 3)  # 2 is a mistake in the command
