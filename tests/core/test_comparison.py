"""Contests gathered from run folders: who is measured by what, and what is said."""

import math
from pathlib import Path

import gymnasium
import pytest

from core import records
from core.comparison import Contest, contests
from core.errors import UserError
from core.fingerprint import hash_of
from core.formats import cells, remarks
from core.measures import BARS, higher_is_better
from tests.core.run_folders import evaluations, write_run


def only(root: Path, **options: object) -> Contest:
    (contest,) = contests(records.scan(root), **options)  # type: ignore[arg-type]
    return contest


def test_what_is_measured(tmp_path: Path) -> None:
    rows = evaluations(100, 480, 460), evaluations(0, 100, 500)
    for seed, (points, final) in enumerate(zip(rows, (470.0, 490.0), strict=True)):
        write_run(
            tmp_path, seed=seed, rows=points, summary={"final/return": final}, pid=7, seconds=4.0 + seed
        )
    contest = only(tmp_path)
    (entry,) = contest.entries
    assert (contest.task, contest.metric, contest.threshold) == ("CartPole-v1", "eval/return", 475.0)
    assert (contest.axis, contest.higher_is_better) == ("env_step", True)
    assert entry.label == "ppo"
    assert entry.scores.tolist() == [470.0, 490.0]  # the final evaluation, not the last of the curve
    # mean 480, s = 14.142, s/√2 = 10, t(1, .975) = 12.7062
    assert entry.final == pytest.approx((480, 480 - 127.062, 480 + 127.062), abs=1e-3)
    # trapezoids over steps 10, 20, 30: (290 + 470)/2 = 380 and (50 + 300)/2 = 175
    assert entry.area == pytest.approx((380 + 175) / 2)
    assert (entry.crossings.tolist(), entry.reached, entry.steps_to_threshold) == ([20, 30], 2, 25)
    assert entry.seconds == 5.0  # one process, one wall
    assert entry.speed == pytest.approx(60 / 5)
    assert contest.verdict == "ppo stands alone on this task."


def test_a_killed_run_still_says_how_long_it_took(tmp_path: Path) -> None:
    rows = [{"env_step": 40, "time/seconds": 3.5}, {"env_step": 80, "time/seconds": 8.0, "eval/return": 1.0}]
    write_run(tmp_path, rows=rows, status="crashed", seconds=0.0)
    write_run(tmp_path, seed=1, rows=evaluations(1.0, every=20), seconds=2.0)
    (entry,) = only(tmp_path).entries
    assert (entry.seconds, entry.speed) == (10.0, 10.0)


def test_failed_and_running_seeds_are_counted_and_shown(tmp_path: Path) -> None:
    for seed in range(5):
        write_run(tmp_path, seed=seed, rows=evaluations(0, 500 + seed))
        write_run(tmp_path, algorithm="dqn", seed=seed, rows=evaluations(0, 100 + seed))
    write_run(tmp_path, seed=5, rows=evaluations(480), status="failed")
    write_run(tmp_path, seed=6, rows=evaluations(9), status="running")
    write_run(tmp_path, seed=7, rows=[{"env_step": 10, "eval/return": "NaN"}])
    contest = only(tmp_path)
    best = contest.entries[0]
    assert best.status == {"finished": 5, "failed": 1, "running": 1, "no value": 1}
    assert (len(best.scored), best.failed) == (5, 2)
    assert best.final is not None
    assert best.final.mean == 502
    assert sorted(best.crossings.tolist()) == [
        10,
        *[20] * 5,
        math.inf,
    ]  # the running seed may still get there
    assert contest.verdict.startswith("No winner is named: 2 of 8 seeds of ppo failed")


def test_the_best_pair_is_compared(tmp_path: Path) -> None:
    for seed in range(5):
        write_run(tmp_path, seed=seed, rows=evaluations(0, 500 + seed))
        write_run(tmp_path, algorithm="dqn", seed=seed, rows=evaluations(0, 100 + seed, every=20))
        write_run(tmp_path, algorithm="a2c", seed=seed, rows=evaluations(0, 10 + seed))
    write_run(tmp_path, algorithm="dqn", seed=5, rows=evaluations(1), status="crashed")
    said = only(tmp_path).verdict
    assert said.startswith("ppo is better than dqn: ppo 502 (n = 5), dqn 102 (n = 5)")
    assert "They trained for different lengths: 20 and 40 steps." in said
    assert "1 of 6 seeds of dqn failed: not in its mean." in said
    assert said.endswith("The pair is the best two of 3.")


def test_lower_is_better_for_a_bound(tmp_path: Path) -> None:
    for algorithm, bound in (("vae", 95.0), ("iwae", 90.0)):
        for seed in range(5):
            rows = [{"examples_seen": 64, "eval/bound": bound + seed / 10, "train/loss": 1.0}]
            write_run(tmp_path, algorithm=algorithm, suite="generative", task="mnist", seed=seed, rows=rows)
    contest = only(tmp_path)
    assert (contest.metric, contest.threshold, contest.axis) == ("eval/bound", None, "examples_seen")
    assert [entry.label for entry in contest.entries] == ["iwae", "vae"]
    assert contest.verdict.startswith("iwae is better than vae")
    assert only(tmp_path, metric="train/loss").metric == "train/loss"


def test_settings_are_told_apart_and_repeats_are_not_counted_twice(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path, seed=seed, rows=evaluations(1.0), group=f"ppo-x-0123abcd-20260101-00000{seed}")
        write_run(tmp_path, seed=seed, rows=evaluations(2.0), settings="ffff0000", config={"lr": 0.1})
    late = {"group": "ppo-x-0123abcd-20260202-000000", "started": "2026-02-02T00:00:00+00:00"}
    write_run(tmp_path, seed=1, rows=evaluations(7.0), **late)  # type: ignore[arg-type]
    write_run(tmp_path, seed=0, rows=evaluations(8.0), status="running", **late)  # type: ignore[arg-type]
    faster, slower = only(tmp_path).entries
    assert (faster.label, faster.scores.tolist(), faster.older) == ("ppo lr=0.001", [1.0, 7.0], 2)
    assert (slower.label, slower.scores.tolist(), slower.older) == ("ppo lr=0.1", [2.0, 2.0], 0)
    apart = only(tmp_path, merge=False)
    assert len(apart.entries) == 4
    assert len({entry.label for entry in apart.entries}) == 4


def test_other_arguments_are_another_task(tmp_path: Path) -> None:
    write_run(tmp_path, task="FrozenLake-v1", rows=evaluations(0.7))
    write_run(
        tmp_path,
        task="FrozenLake-v1",
        settings="ffff0000",
        rows=evaluations(1.0),
        config={"env_args": "{a: 1}"},
    )
    found = contests(records.scan(tmp_path))
    assert [(c.task, c.threshold) for c in found] == [("FrozenLake-v1", 0.7), ("FrozenLake-v1 {a: 1}", None)]


def test_steps_repeated_after_a_resume_count_once(tmp_path: Path) -> None:
    rows = [*evaluations(1, 2, 3), {"env_step": 20, "eval/return": 5}, {"env_step": 30, "eval/return": 6}]
    write_run(tmp_path, rows=rows)
    (curve,) = only(tmp_path).entries[0].curves
    assert (curve.steps.tolist(), curve.values.tolist()) == ([10, 20, 30], [1, 5, 6])


def test_an_unknown_metric_names_the_nearest(tmp_path: Path) -> None:
    write_run(tmp_path, rows=evaluations(1.0))
    with pytest.raises(UserError, match="no run has the metric 'eval/retrun'; did you mean 'eval/return'"):
        contests(records.scan(tmp_path), metric="eval/retrun")


def test_nothing_finished_yet(tmp_path: Path) -> None:
    write_run(tmp_path, status="running")
    contest = only(tmp_path)
    assert contest.verdict == "No seed has finished yet."
    write_run(tmp_path / "lost", status="crashed")
    assert only(tmp_path / "lost").verdict == "No seed has finished, and none will."
    assert (contest.entries[0].final, contest.entries[0].area) == (None, None)


def test_finished_without_the_metric(tmp_path: Path) -> None:
    """As two players on images, which log no bound."""
    row = {"examples_seen": 64, "eval/accuracy_of_the_critic": 0.5}
    write_run(tmp_path, algorithm="gan", task="digits", suite="generative", rows=[row])
    assert only(tmp_path).verdict == "No seed has told eval/bound."


def test_what_is_not_measured_has_not_failed(tmp_path: Path) -> None:
    for seed in range(3):
        rows = evaluations(1.0, metric="eval/bound", axis="examples_seen")
        write_run(tmp_path, algorithm="vae", task="digits", suite="generative", seed=seed, rows=rows)
        rows = evaluations(1.0, metric="train/loss", axis="examples_seen")
        write_run(tmp_path, algorithm="gan", task="digits", suite="generative", seed=seed, rows=rows)
    contest = only(tmp_path)
    gan = contest.entries[1]
    assert (gan.label, gan.unmeasured, gan.failed, gan.status) == ("gan", True, 0, {"not measured": 3})
    assert not contest.entries[0].unmeasured
    assert (
        contest.verdict == "Only vae has finished seeds with eval/bound: there is nothing to compare it with."
    )
    assert remarks(contest) == ["gan does not measure eval/bound."]
    assert cells(gan)[1] == "0 of 3 (3 not measured)"
    broken = [{"examples_seen": 64, "eval/bound": "NaN"}]  # told, and no number: that is a failure
    write_run(tmp_path, algorithm="gan", task="digits", suite="generative", seed=9, rows=broken)
    gan = only(tmp_path).entries[1]
    assert (gan.unmeasured, gan.failed, gan.status) == (False, 4, {"no value": 4})


def test_unfinished_seeds_of_the_pair_are_said(tmp_path: Path) -> None:
    for seed in range(5):
        write_run(tmp_path, seed=seed, rows=evaluations(0, 500 + seed))
        write_run(tmp_path, algorithm="dqn", seed=seed, rows=evaluations(0, 100 + seed))
    write_run(tmp_path, seed=5, rows=evaluations(0, 0), status="running")
    write_run(tmp_path, seed=6, rows=evaluations(0, 0), status="stopped")
    write_run(tmp_path, algorithm="dqn", seed=5, rows=evaluations(0, 0), status="stopped")
    said = only(tmp_path).verdict
    assert said.startswith("ppo is better than dqn")
    assert said.endswith(
        " 2 of 7 seeds of ppo have not ended: not in its mean. 1 of 6 seeds of dqn have not ended: not in its mean."
    )


def test_a_newer_run_that_crashed_is_not_hidden_by_an_older_one(tmp_path: Path) -> None:
    write_run(tmp_path, rows=evaluations(1.0))
    later = {"group": "ppo-x-0123abcd-20260202-000000", "started": "2026-02-02T00:00:00+00:00"}
    write_run(tmp_path, rows=evaluations(2.0), status="crashed", **later)  # type: ignore[arg-type]
    (entry,) = only(tmp_path).entries
    assert (entry.failed, len(entry.scored), entry.older) == (1, 0, 1)


def test_named_groups_of_equal_settings_join(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path, group="monday", seed=seed, rows=evaluations(1.0))
        write_run(tmp_path, group="tuesday", seed=seed + 2, rows=evaluations(2.0))
        write_run(tmp_path, group="other", seed=seed, rows=evaluations(3.0), config={"lr": 0.1})
    other, joined = only(tmp_path).entries
    assert (other.label, joined.label) == ("ppo lr=0.1", "ppo lr=0.001")
    assert joined.scores.tolist() == [1.0, 1.0, 2.0, 2.0]
    assert len(only(tmp_path, merge=False).entries) == 3
    (tmp_path / "tuesday" / "2" / "config.yaml").unlink()  # the other seed of its group knows
    assert sorted(len(entry.curves) for entry in only(tmp_path).entries) == [2, 4]
    (tmp_path / "tuesday" / "3" / "config.yaml").write_text("{")  # nobody does
    assert sorted(len(entry.curves) for entry in only(tmp_path).entries) == [2, 2, 2]


def test_a_named_and_an_unnamed_group_of_equal_settings_join(tmp_path: Path) -> None:
    own = hash_of({"algorithm": "ppo", "env": "CartPole-v1", "steps": 100, "lr": 0.001})
    write_run(tmp_path, settings=own, rows=evaluations(1.0))
    write_run(tmp_path, group="mine", seed=1, rows=evaluations(2.0))
    (entry,) = only(tmp_path).entries
    assert (entry.label, len(entry.scored)) == ("ppo", 2)


def test_a_name_says_more_than_a_hash(tmp_path: Path) -> None:
    write_run(tmp_path, group="mine", rows=evaluations(1.0), config={"gamma": 0.9, "size": 2})
    more = {"lr": 0.1, "gamma": 0.5, "size": 3}
    write_run(tmp_path, settings="ffff0000", rows=evaluations(2.0), config=more)
    assert [entry.label for entry in only(tmp_path).entries] == ["ppo ffff0000", "ppo mine"]
    write_run(tmp_path, group="mine", seed=1, rows=evaluations(0.5), config={**more, "lr": 0.2})
    assert len({entry.label for entry in only(tmp_path).entries}) == 3


def test_directions() -> None:
    told = [higher_is_better(name) for name in ("eval/return", "eval/bound", "loss/policy", "train/loss")]
    assert told == [True, False, None, False]


def test_bars_are_gymnasiums() -> None:
    registered = {
        task: gymnasium.registry[task].reward_threshold for task in BARS if task in gymnasium.registry
    }
    assert len(registered) >= 10
    assert {task: BARS[task] for task in registered} == registered


def test_seconds_to_the_threshold(tmp_path: Path) -> None:
    for seed, reached in enumerate((10, 30, 20)):
        rows = [
            {
                "env_step": step,
                "time/seconds": step / 2 + seed,
                "eval/return": 480.0 if step >= reached else 1.0,
            }
            for step in (10, 20, 30)
        ]
        write_run(tmp_path, seed=seed, rows=rows)
    (entry,) = only(tmp_path).entries
    assert entry.seconds_taken.tolist() == [5, 16, 12]
    assert (entry.steps_to_threshold, entry.seconds_to_threshold) == (20, 12)
    (entry,) = only(tmp_path, threshold=999.0).entries
    assert (entry.steps_to_threshold, entry.seconds_to_threshold) == (math.inf, math.inf)
    write_run(tmp_path, seed=3, rows=evaluations(500.0))  # got there, and no row says when
    (entry,) = only(tmp_path).entries
    assert (entry.reached, entry.seconds_to_threshold) == (4, None)


def test_grouped_by_settings(tmp_path: Path) -> None:
    for index, (algorithm, lr, envs) in enumerate(
        [("ppo", 1, 1), ("ppo", 1, 2), ("dqn", 1, 1), ("dqn", 2, 1)]
    ):
        for seed in range(2):
            config = {"lr": lr, "envs": envs} if algorithm == "ppo" else {"lr": lr}
            write_run(
                tmp_path, algorithm=algorithm, settings=f"{index:08x}", seed=seed, config=config,
                rows=evaluations(10.0 * index + seed),
            )  # fmt: skip

    def grouped(*by: str) -> dict[str, tuple[list[float], tuple[str, ...]]]:
        return {e.label: (sorted(e.scores), e.mixed) for e in only(tmp_path, by=by).entries}

    assert grouped("algorithm") == {
        "dqn": ([20, 21, 30, 31], ("lr",)),
        "ppo": ([0, 1, 10, 11], ("envs",)),
    }
    assert grouped("lr") == {
        "lr=2": ([30, 31], ()),
        "lr=1": ([0, 1, 10, 11, 20, 21], ("algorithm", "envs")),
    }
    assert grouped("lr", "envs") == {
        "lr=1 envs=1": ([0, 1], ()),
        "lr=1 envs=2": ([10, 11], ()),
        "lr=1 envs=–": ([20, 21], ()),
        "lr=2 envs=–": ([30, 31], ()),
    }
    assert list(grouped("task")) == ["dqn lr=2", "dqn lr=1", "ppo envs=2", "ppo envs=1"]  # as without
    with pytest.raises(UserError, match="no run has a setting 'rollout'"):
        grouped("rollout")


def test_a_seed_that_was_run_twice_counts_once_in_a_group_of_several_settings(tmp_path: Path) -> None:
    for name, final, day in (("first", 1.0, 1), ("second", 2.0, 2)):
        write_run(tmp_path, group=name, rows=evaluations(final), started=f"2026-01-0{day}T00:00:00+00:00")
    write_run(tmp_path, group="third", rows=evaluations(3.0), config={"lr": 5})
    (entry,) = only(tmp_path, by=("algorithm",)).entries
    assert (sorted(entry.scores), entry.older, entry.mixed) == ([2, 3], 1, ("lr",))


def test_what_stands_against_curves_is_said(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, rows=evaluations(1, 2, 3))
    write_run(
        tmp_path,
        seed=1,
        rows=[*evaluations(1), {"env_step": 20, "eval/return": "NaN"}, {"env_step": 25, "eval/return": 4}],
    )
    (entry,) = only(tmp_path).entries
    assert entry.faults == (
        "1 of 2 seeds told values that are no finite numbers: not in the mean at these steps, and they leave no area.",
        "its seeds finished at different steps, 25 to 30.",
    )
    assert entry.area is not None
    assert math.isnan(entry.area)
    assert entry.mean_curve.seeds.tolist() == [2, 1, 2, 1]  # at 20 one is NaN, at 30 one has ended
