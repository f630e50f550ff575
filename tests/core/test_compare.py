"""`lab compare` from the folder to the words, and the gate's exit statuses."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core import cli, compare
from core.errors import UserError
from tests.core.run_folders import evaluations, write_run

LAB = Path(sys.executable).parent / "lab"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed in range(5):
        rows = [{**row, "time/seconds": row["env_step"] / 5} for row in evaluations(0, 480 + seed)]
        write_run(tmp_path / "runs", seed=seed, rows=rows)
        write_run(tmp_path / "runs", algorithm="dqn", seed=seed, rows=evaluations(0, 100 + seed))
    write_run(tmp_path / "runs", algorithm="dqn", seed=5, rows=evaluations(3), status="failed")
    write_run(
        tmp_path / "runs",
        algorithm="vae",
        suite="generative",
        task="digits",
        rows=evaluations(30.0, 20.0, metric="eval/bound", axis="examples_seen"),
    )
    return tmp_path / "runs"


def answer(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert compare.main(argv) == 0
    return capsys.readouterr().out


def test_table(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = answer(capsys, "--root", str(root)).splitlines()
    assert lines[0] == "CartPole-v1 · eval/return, higher is better"
    assert re.split(r"\s{2,}", lines[1])[-1] == "time to 475"
    ppo, dqn = (re.split(r"\s{2,}", line) for line in lines[2:4])
    # mean 482, s/√5 = 0.70711, t = 2.77645
    assert ppo == ["ppo", "5", "482", "[480, 484]", "241", "50.0 s", "2", "20 (5 of 5)", "4.0 s"]
    assert dqn[:3] == ["dqn", "5 of 6 (1 failed)", "102"]
    assert dqn[-2:] == ["∞ (0 of 6)", "∞"]
    assert lines[5].startswith("ppo is better than dqn: ppo 482 (n = 5), dqn 102 (n = 5)")
    assert "digits · eval/bound, lower is better" in lines


def test_other_formats_say_the_same(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(answer(capsys, "--root", str(root), "--format", "json"))
    ppo, dqn = told["tasks"][0]["entries"]
    assert (ppo["mean"], ppo["n"], ppo["steps_to_threshold"], ppo["scores"]) == (
        482,
        5,
        20,
        [480, 481, 482, 483, 484],
    )
    assert (dqn["n"], dqn["seeds"], dqn["status"], dqn["steps_to_threshold"]) == (
        5,
        6,
        {"finished": 5, "failed": 1},
        None,
    )
    assert told["tasks"][0]["verdict"].startswith("ppo is better than dqn")
    assert told["tasks"][1]["entries"][0]["low"] is None  # one seed has no interval
    rows = list(csv.DictReader(io.StringIO(answer(capsys, "--root", str(root), "--format", "csv"))))
    assert [(row["task"], row["label"], row["mean"]) for row in rows][:2] == [
        ("CartPole-v1", "ppo", "482.0"),
        ("CartPole-v1", "dqn", "102.0"),
    ]
    assert "| ppo | 5 | 482 |" in answer(capsys, "--root", str(root), "--format", "markdown")


def test_runs_and_threshold_may_be_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(answer(capsys, "ppo", "--root", str(root), "--format", "json", "--threshold", "100"))
    assert [entry["label"] for contest in told["tasks"] for entry in contest["entries"]] == ["ppo"]
    assert told["tasks"][0]["threshold"] == 100


def test_groups_that_are_named_stay_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = "ppo-x-0123abcd-20260101-000000", "ppo-x-0123abcd-20260202-000000"
    for group, final in ((before, 1.0), (after, 2.0)):
        write_run(
            tmp_path, group=group, rows=evaluations(final), started=f"2026-0{final:.0f}-01T00:00:00+00:00"
        )
    named = json.loads(answer(capsys, before, after, "--root", str(tmp_path), "--format", "json"))["tasks"][
        0
    ]["entries"]
    assert [(entry["mean"], entry["groups"]) for entry in named] == [(2.0, [after]), (1.0, [before])]
    every = answer(capsys, "--root", str(tmp_path))
    assert "1 other run of the same settings and seed left out: the newest that ended counts." in every


def test_mistakes(root: Path, tmp_path: Path) -> None:
    for argv, words in (
        (["--root", str(tmp_path / "none")], "no runs in"),
        (["nothing", "--root", str(root)], "no run 'nothing'"),
        (["--root", str(root), "--format", "tabel"], "table"),
        (["--root", str(root), "--metric", "eval/retrun"], "eval/return"),
        (["--root", str(root), "--by", "lrr"], "no run has a setting 'lrr'; did you mean 'lr'"),
        (["--root", str(root), "--where", "algoritm=ppo"], "did you mean 'algorithm'"),
        (["--root", str(root), "--where", "lr=5"], "no run is left by lr=5; lr is 0.001"),
        (["--root", str(root), "--where", "ppo"], "--where takes name=value"),
        (["--root", str(root), "--require-not-worse"], "name both"),
        (["--root", str(root), "--baseline", "ppo"], "two sides"),
        (["ppo", "--root", str(root), "--baseline", "ppo", "--candidate", "dqn"], "name no other runs"),
        (["--root", str(root), "--baseline", "ppo", "--candidate", "ppo"], "share 5 runs"),
        (["--root", str(root), "--baseline", "ppo", "--candidate", "vae"], "no task in common"),
        (
            ["--root", str(root), "--baseline", "ppo", "--candidate", "dqn", "--margin", "-1"],
            "--margin takes",
        ),
    ):
        with pytest.raises(UserError, match=words):
            compare.main(argv)


def test_by_and_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for lr in (0.1, 0.01):
        for envs in (1, 8):
            for seed in range(2):
                write_run(
                    tmp_path,
                    seed=seed,
                    settings=f"{envs:04x}{int(1000 * lr):04x}",
                    rows=evaluations(1000 * lr + envs + seed),
                    config={"lr": lr, "envs": envs},
                )
    base = ("--root", str(tmp_path), "--format", "json")

    def means(*words: str) -> dict[str, tuple[float, int]]:
        (task,) = json.loads(answer(capsys, *base, *words))["tasks"]
        return {entry["label"]: (entry["mean"], entry["n"]) for entry in task["entries"]}

    assert means("--by", "lr", "envs") == {
        "lr=0.1 envs=8": (108.5, 2),
        "lr=0.1 envs=1": (101.5, 2),
        "lr=0.01 envs=8": (18.5, 2),
        "lr=0.01 envs=1": (11.5, 2),
    }
    assert means("--by", "lr") == {"lr=0.1": (105, 4), "lr=0.01": (15, 4)}
    assert means("--by", "task", "algorithm", "--where", "lr=1e-1") == {"ppo": (105, 4)}
    assert means("--where", "lr=0.1", "envs!=8") == {"ppo": (101.5, 2)}
    told = answer(capsys, "--root", str(tmp_path), "--by", "lr")
    assert "lr=0.1 mixes runs that differ in envs; its n counts runs." in told


def test_across_tasks_in_every_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CartPole's 500 is 1 when normalised, Pendulum's −151.3 too."""
    for seed in range(5):
        for task, best in (("CartPole-v1", 500.0), ("Pendulum-v1", -151.3)):
            write_run(tmp_path, task=task, seed=seed, rows=evaluations(best))
            write_run(tmp_path, algorithm="dqn", task=task, seed=seed, rows=evaluations(best - 40))
        write_run(tmp_path, task="maze:Maze-v0", seed=seed, rows=evaluations(3.0))
    base = ("--root", str(tmp_path))
    text = answer(capsys, *base)
    assert "Across 2 tasks · normalised scores" in text
    assert re.search(r"ppo +5 +1.000 \[1.000, 1.000\]", text)
    assert "maze:Maze-v0 is left out: no reference scores to normalise its eval/return by." in text
    assert (
        "ppo is better than dqn more often than not: a run of ppo scores above one of dqn with probability 1.000"
        in text
    )
    assert "| ppo | 5 | 1.000 [1.000, 1.000] |" in answer(capsys, *base, "--format", "markdown")
    told = json.loads(answer(capsys, *base, "--format", "json"))["across"]
    assert (told["labels"], told["tasks"]) == (["ppo", "dqn"], ["CartPole-v1", "Pendulum-v1"])
    assert told["aggregates"]["ppo"]["iqm"] == pytest.approx({"mean": 1, "low": 1, "high": 1})
    assert told["improvements"] == [{"label": "ppo", "than": "dqn", "mean": 1.0, "low": 1.0, "high": 1.0}]
    rows = list(csv.DictReader(io.StringIO(answer(capsys, *base, "--format", "csv"))))
    assert {len(row) for row in rows} == {len(rows[0])}
    (line,) = [r for r in rows if r["metric"] == "normalised iqm" and r["label"] == "ppo"]
    assert (line["task"], float(line["mean"]), line["n"]) == ("across 2 tasks", pytest.approx(1), "5")


def side(root: Path, name: str, *finals: float, **run: object) -> None:
    for seed, final in enumerate(finals):
        write_run(root, group=name, algorithm=name, seed=seed, rows=evaluations(final), **run)  # type: ignore[arg-type]


@pytest.fixture
def sides(tmp_path: Path) -> Path:
    """old 100 … 104, worse by 40, equal, few, one of six failed, one still running."""
    root = tmp_path / "runs"
    side(root, "old", 100, 101, 102, 103, 104)
    side(root, "low", 60, 61, 62, 63, 64)
    side(root, "same", 101, 100, 104, 103, 102)
    side(root, "few", 1, 2, 3)
    side(root, "broken", 200, 201, 202, 203, 204)
    write_run(root, group="broken", algorithm="broken", seed=5, rows=evaluations(9), status="failed")
    side(root, "going", 200, 201, 202, 203, 204)
    write_run(root, group="going", algorithm="going", seed=5, rows=evaluations(9), status="running")
    return root


@pytest.mark.parametrize(
    ("candidate", "margin", "status", "words"),
    [
        (
            "low",
            "0",
            1,
            "Worse: low is worse than old on CartPole-v1: 62 (n = 5) against 102 (n = 5), worse by 40",
        ),
        ("low", "45", 0, "Not worse: low is not shown to be worse than old"),
        ("low", "45%", 0, "a margin of 45.9 allowed"),
        ("low", "35%", 1, "Worse"),
        ("same", "0", 0, "Not worse"),
        (
            "few",
            "0",
            3,
            "Cannot say whether few is worse than old on CartPole-v1: it takes 5 finished seeds each; ",
        ),
        (
            "broken",
            "0",
            1,
            "Worse: broken is worse than old on CartPole-v1: seeds of the candidate failed (1 failed, 5 fin",
        ),
        ("going", "0", 3, "1 of 6 seeds of the candidate have not ended"),
    ],
)
def test_gate(
    sides: Path, capsys: pytest.CaptureFixture[str], candidate: str, margin: str, status: int, words: str
) -> None:
    argv = [
        "compare",
        "--root",
        str(sides),
        "--baseline",
        "old",
        "--candidate",
        candidate,
        "--margin",
        margin,
    ]
    assert cli.main([*argv, "--require-not-worse"]) == status
    last = capsys.readouterr().out.splitlines()[-1]
    assert words in last
    assert cli.main(argv) == 0  # without it the verdict is only told
    assert capsys.readouterr().out.splitlines()[-1] == last


@pytest.mark.parametrize("more", [(), ("--where", "lr=0.001")])
def test_a_candidate_named_by_its_algorithm_has_its_torn_runs_too(
    sides: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    torn = write_run(sides, group="same", algorithm="same", seed=5, rows=evaluations(9)) / "run.json"
    argv = ["compare", "--root", str(sides), "--baseline", "old", "--candidate", "same", *more]
    assert cli.main([*argv, "--require-not-worse"]) == 0
    torn.write_text("{")
    assert cli.main([*argv, "--require-not-worse"]) == 3
    assert "unknown: 1 of the candidate's runs cannot be read." in capsys.readouterr().out


def test_gate_in_other_formats(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ("--root", str(sides), "--baseline", "old", "--candidate", "low")
    told = json.loads(answer(capsys, *base, "--format", "json"))
    assert (told["outcome"], told["exit"]) == ("worse", 1)
    assert (told["tasks"][0]["better_by"], told["tasks"][0]["candidate_n"]) == (-40, 5)
    assert told["tasks"][0]["p_worse"] < 1e-6
    (row,) = csv.DictReader(io.StringIO(answer(capsys, *base, "--format", "csv")))
    assert (row["outcome"], row["baseline_mean"]) == ("worse", "102.0")
    assert "| CartPole-v1 | 102 (n = 5) | 62 (n = 5) |" in answer(capsys, *base, "--format", "markdown")


def test_sides_may_be_folders_and_labels_and_must_be_one_entry(
    sides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "yesterday"
    side(other, "anything", 70, 71, 72, 73, 74)
    base = ["compare", "--root", str(sides), "--require-not-worse", "--candidate"]
    assert cli.main([*base, "low", "--baseline", str(other)]) == 1
    assert cli.main([*base, "old", "--baseline", str(other)]) == 0
    assert (
        cli.main(
            [*base, "lr=0.001", "--baseline", str(other), "--by", "lr", "--where", "algorithm=low,anything"]
        )
        == 1
    )
    capsys.readouterr()
    for seed in range(5):
        for lr in (0.1, 0.2):
            write_run(sides, algorithm="two", settings=f"{lr:08.4f}".replace(".", "a"), seed=seed,
                      rows=evaluations(lr), config={"lr": lr})  # fmt: skip
    assert cli.main([*base, "two", "--baseline", "old"]) == 2
    assert (
        "--candidate two means 2 entries on CartPole-v1: two lr=0.2, two lr=0.1; name one"
        in capsys.readouterr().err
    )
    assert cli.main([*base, "two lr=0.2", "--baseline", "two lr=0.1"]) == 0
    assert cli.main([*base, "two", "--baseline", "old", "--where", "lr=0.2,0.001"]) == 1


def test_the_command_itself(sides: Path, tmp_path: Path) -> None:
    """Once as a pipeline runs it."""
    if not LAB.exists():
        pytest.skip("the package is not installed here")
    base = [
        str(LAB),
        "compare",
        "--root",
        str(sides),
        "--baseline",
        "old",
        "--require-not-worse",
        "--candidate",
    ]
    for candidate, status in (("low", 1), ("same", 0), ("few", 3), ("nobody", 2)):
        done = subprocess.run([*base, candidate], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == status, done.stderr
        assert len(done.stderr.splitlines()) == (status == 2)


def test_compare_is_light() -> None:
    code = "import sys, core.compare; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    ).stdout.split()
    heavy = {"torch", "wandb", "dash", "plotly", "matplotlib", "pandas", "scipy.stats", "tyro", "gymnasium"}
    assert "numpy" in loaded
    assert not heavy & set(loaded)
