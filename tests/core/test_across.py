"""Several tasks at once: which have what in common, what is left out, and what is said."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from core import records
from core.across import Across, across
from core.comparison import contests
from core.references import REFERENCES, Reference
from tests.core.run_folders import evaluations, write_run


@pytest.fixture(autouse=True)
def _references(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three tasks whose scores are normalised by hand: 0 … 10, 0 … 100 and −100 … 0."""
    for task, low, high in (("ten", 0.0, 10.0), ("hundred", 0.0, 100.0), ("below", -100.0, 0.0)):
        monkeypatch.setitem(REFERENCES, task, Reference(low, high, "made up", "made up"))


def made(root: Path, scores: dict[str, dict[str, Sequence[float]]]) -> Across | None:
    for label, tasks in scores.items():
        for task, finals in tasks.items():
            for seed, final in enumerate(finals):
                write_run(root, algorithm=label, task=task, seed=seed, rows=evaluations(final / 2, final))
    return across(contests(records.scan(root)))


def found(root: Path, scores: dict[str, dict[str, Sequence[float]]]) -> Across:
    together = made(root, scores)
    assert together is not None
    return together


def test_scores_are_normalised_and_labels_ranked(tmp_path: Path) -> None:
    together = found(
        tmp_path,
        {
            "weak": {"ten": [1, 2, 3, 4, 5], "hundred": [20] * 5},
            "strong": {"ten": [6, 7, 8, 9, 10], "hundred": [90] * 5},
        },
    )
    assert (together.labels, together.tasks) == (("strong", "weak"), ("hundred", "ten"))
    assert np.allclose(together.scores["strong"], [[0.9] * 5, [0.6, 0.7, 0.8, 0.9, 1.0]])
    # sorted: .6 .7 .8 .9×6 1; a quarter of 10 runs is 2 whole ones from each end: .8 and five of .9
    assert together.aggregates["strong"]["iqm"].mean == pytest.approx((0.8 + 5 * 0.9) / 6)
    assert together.aggregates["strong"]["mean"].mean == pytest.approx(0.85)
    assert together.aggregates["weak"]["optimality gap"].mean == pytest.approx(1 - 0.25)
    assert together.improvements[("strong", "weak")] == pytest.approx((1, 1, 1))
    assert together.profiles["weak"].share[0] == 1
    assert together.seeds == {"strong": (5, 5), "weak": (5, 5)}
    assert together.efficiency["weak"].steps.tolist() == [10, 20]
    # half of the last scores: .1 twenty-five and ten, fifteen, … : sorted .05 .1×6 .15 .2 .25
    assert together.efficiency["weak"].mean[0] == pytest.approx((4 * 0.1 + 0.1 + 0.15) / 6)
    assert together.missing == ()
    assert together.verdict.startswith("strong is better than weak more often than not: ")
    assert together.verdict.partition("seeds on each.")[0].endswith(
        "1.000 [1.000, 1.000] over 2 tasks, with at least 5 and 5 "
    )


def test_the_same_numbers_every_time_and_whatever_else_was_asked(tmp_path: Path) -> None:
    scores = {label: {"ten": [1, 5, 2, 8, 3.0], "below": [-9, -50, -3, -70, -20.0]} for label in "ab"}
    first, second = found(tmp_path / "1", scores), found(tmp_path / "2", scores)
    assert second.improvements == first.improvements
    assert second.aggregates == first.aggregates


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    five = [1.0, 2, 3, 4, 5]
    write_run(tmp_path, algorithm="a", task="ten", seed=5, rows=evaluations(9), status="failed")
    together = found(
        tmp_path,
        {
            "a": {"ten": five, "hundred": five, "below": five, "maze": five},
            "b": {"ten": five, "hundred": five, "below": five},
            "c": {"ten": five},
        },
    )
    assert (set(together.labels), together.tasks) == ({"a", "b"}, ("below", "hundred", "ten"))
    assert together.missing == (
        "maze is left out: no reference scores to normalise its eval/return by.",
        "c is left out: without a score on below, hundred.",
        "a on ten: 1 of 6 seeds are not in it (1 failed).",
    )


def test_a_task_that_only_some_ran(tmp_path: Path) -> None:
    five = [1.0, 2, 3, 4, 5]
    together = found(
        tmp_path, {"a": {"ten": five, "hundred": five}, "b": {"ten": five, "hundred": five, "below": five}}
    )
    assert together.tasks == ("hundred", "ten")
    assert together.missing == ("below is left out: a without a score there.",)


def test_nothing_in_common(tmp_path: Path) -> None:
    five = [1.0, 2, 3, 4, 5]
    assert made(tmp_path / "1", {"a": {"ten": five}, "b": {"ten": five}}) is None
    assert made(tmp_path / "2", {"a": {"ten": five, "hundred": five}, "b": {"ten": five}}) is None
    assert (
        made(tmp_path / "3", {"a": {"maze": five, "cave": five}, "b": {"maze": five, "cave": five}}) is None
    )
    assert (
        found(tmp_path / "4", {"a": {"ten": five, "hundred": five}}).verdict == "a stands alone over 2 tasks."
    )


def test_no_winner_with_few_or_failed_seeds_or_by_chance(tmp_path: Path) -> None:
    def said(name: str, high: Sequence[float], low: Sequence[float], status: str = "finished") -> str:
        root = tmp_path / name
        write_run(root, algorithm="high", task="ten", seed=9, rows=evaluations(high[-1]), status=status)
        return found(
            root, {"high": {"ten": high, "hundred": high}, "low": {"ten": low, "hundred": low}}
        ).verdict

    assert said("few", [9, 9, 9], [1, 1, 1, 1, 1]).startswith("No winner is named with fewer than 5 seeds")
    assert said("lost", [9] * 5, [1] * 5, "failed").startswith(
        "No winner is named, since failed seeds of high (1)"
    )
    assert said("won", [9] * 5, [1] * 5).startswith("high is better")
    drawn = said("drawn", [3, 4, 5, 6, 7], [2, 3, 4, 5, 8])
    assert drawn.startswith("No difference shown: ")
    assert "includes ½" in drawn
    assert "a run of high scores above one of low" in drawn


def test_iqm_and_chance_may_disagree(tmp_path: Path) -> None:
    """Two runs in five far above the others' steady score: an IQM of (4·0 + 2·9)/6 = 3, and above in 40 %."""
    high, low = [0.0, 0.0, 0.0, 9.0, 9.0], [1.0, 1.0, 1.0, 1.0, 1.0]
    together = found(
        tmp_path,
        {
            "rare": {"ten": high, "hundred": [10 * x for x in high]},
            "often": {"ten": low, "hundred": [10.0] * 5},
        },
    )
    assert together.labels[0] == "rare"
    assert together.improvements["rare", "often"].mean == pytest.approx(0.4)
    assert "which includes ½" in together.verdict
    many = {"ten": high * 12, "hundred": [10 * x for x in high] * 12}
    together = found(tmp_path / "many", {"rare": many, "often": {"ten": low * 12, "hundred": [10.0] * 60}})
    assert together.improvements["rare", "often"].high < 0.5
    assert together.verdict.startswith(
        "No winner is named, since rare has the higher IQM and often wins more often: "
    )
    assert "½" not in together.verdict


def test_different_lengths_are_said(tmp_path: Path) -> None:
    for task in ("ten", "hundred"):
        for seed in range(5):
            write_run(tmp_path, task=task, seed=seed, rows=evaluations(5, 6, 7))
            write_run(tmp_path, algorithm="dqn", task=task, seed=seed, rows=evaluations(5, 6))
    together = across(contests(records.scan(tmp_path)))
    assert together is not None
    assert together.missing == ("Trained for different lengths on hundred, ten: 20 to 30 steps.",)
    assert together.efficiency["dqn"].steps.tolist() == [10, 20]
