"""Run folders as they are found: whole, live, torn, empty, foreign."""

import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import frames, jsonl, records
from core.errors import UserError
from tests.core.run_folders import evaluations, write_run

PPO = "ppo-CartPole-v1-0123abcd-20260102-030405"


def test_a_record_says_what_was_written(tmp_path: Path) -> None:
    write_run(
        tmp_path, seed=3, rows=evaluations(1.0, 2.0), config={"gamma": 0.98}, summary={"final/return": 2.5}
    )
    (record,) = records.scan(tmp_path)
    assert (record.id, record.group, record.seed) == (f"{PPO}/3", PPO, 3)
    assert (record.suite, record.algorithm, record.task) == ("rl", "ppo", "CartPole-v1")
    assert (record.axis, record.status, record.settings) == ("env_step", "finished", "0123abcd")
    assert record.config["gamma"] == 0.98
    assert record.summary["final/return"] == 2.5
    assert record.step() == 20
    assert frames.metrics(record).to_dict("list") == {"env_step": [10.0, 20.0], "eval/return": [1.0, 2.0]}


def test_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    folder = write_run(
        tmp_path, status="stopped", rows=evaluations(1.0, 2.0), tail=b'{"env_step": 30, "eval/ret'
    )
    record = records.scan(tmp_path)[0]
    assert record.step() == 20
    assert record.series("eval/return")[1].tolist() == [1.0, 2.0]
    assert len(frames.metrics(record)) == 2
    assert record.summary == {}
    # a torn line that a later process wrote on after costs that line alone
    (folder / "metrics.jsonl").write_text(
        '{"env_step": 1, "a": 1}\n{"env_st{"env_step": 2}\n{"env_step": 3, "a": 3}\n'
    )
    assert record.columns()["a"][0].tolist() == [1.0, 3.0]
    # and a last line without its newline is whole when it parses
    (folder / "metrics.jsonl").write_text('{"env_step": 1, "a": 1}\n{"env_step": 7, "a": 3}')
    assert record.step() == 7


def test_numbers_that_json_lacks(tmp_path: Path) -> None:
    rows = [
        {"env_step": 1, "a": "NaN", "b": 1},
        {"env_step": 2, "a": "-Infinity"},
        {"env_step": 3, "a": 4, "b": "?"},
    ]
    write_run(tmp_path, rows=rows)
    record = records.scan(tmp_path)[0]
    values = record.series("a")[1]
    assert math.isnan(values[0])
    assert values[1:].tolist() == [-math.inf, 4.0]
    assert record.columns()["b"][0].tolist() == [1.0, 3.0]  # written points only
    frame = frames.metrics(record)
    assert frame["b"].isna().tolist() == [False, True, True]
    assert [str(kind) for kind in frame.dtypes] == ["float64"] * 3


def test_series_is_not_fooled_by_a_name_within_a_name(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"env_step": 1, "eval/return_stochastic": 5.0},
        {"env_step": 2, "eval/return": 6.0},
    ]
    rows += [{"env_step": 3, "note": "eval/return"}]
    write_run(tmp_path, rows=rows)
    steps, values = records.scan(tmp_path)[0].series("eval/return")
    assert (steps.tolist(), values.tolist()) == ([2.0], [6.0])


def test_junk_and_emptiness_are_no_runs(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "empty-group").mkdir()
    (tmp_path / "other" / "0").mkdir(parents=True)
    (tmp_path / "other" / "0" / "notes.txt").write_text("mine")
    (tmp_path / ".hidden").mkdir()
    assert records.scan(tmp_path) == []
    assert records.scan(tmp_path / "missing") == []
    assert len(frames.frame(tmp_path)) == 0


@pytest.mark.parametrize("told", ["", '{"format": 1, "sta', "[1, 2]", '{"format": 2, "status": "finished"}'])
def test_an_unreadable_run_is_shown_as_that(tmp_path: Path, told: str) -> None:
    folder = write_run(tmp_path, seed=4, rows=evaluations(1.0))
    (folder / "run.json").write_text(told)
    (folder / "config.yaml").write_text("a: [1,\n")
    (record,) = records.scan(tmp_path)
    assert (record.status, record.seed, record.config) == ("unreadable", 4, {})


def test_running_with_a_dead_process_is_crashed(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here: dict[str, Any] = {"machine": {"host": platform.node()}, "status": "running"}
    write_run(tmp_path, seed=0, pid=gone.pid, **here)
    write_run(tmp_path, seed=1, pid=os.getpid(), **here)
    write_run(tmp_path, seed=2, pid=gone.pid, status="running", machine={"host": "another"})
    reused = write_run(tmp_path, seed=3, pid=os.getpid(), **here)
    os.utime(reused / "run.json", (1e9, 1e9))  # written long before this process was born
    assert [record.status for record in records.find(tmp_path, PPO)] == [
        "crashed",
        "running",
        "running",
        "crashed",
    ]


def test_a_zombie_trains_no_more(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, nobody has asked how
    write_run(tmp_path, pid=child.pid, machine={"host": platform.node()}, status="running")
    assert records.scan(tmp_path)[0].status == "crashed"
    child.wait()


def test_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in (0, 1, 10):
        write_run(tmp_path / "runs", seed=seed)
    write_run(tmp_path / "runs", algorithm="dqn", started="2026-01-03T00:00:00+00:00")
    monkeypatch.chdir(tmp_path)

    def seeds(query: str) -> list[str]:
        return [record.id for record in records.find("runs", query)]

    every = [f"{PPO}/0", f"{PPO}/1", f"{PPO}/10"]
    assert seeds(PPO) == every
    assert seeds("ppo") == every
    assert seeds(f"runs/{PPO}") == every
    assert seeds(str(tmp_path / "runs" / PPO / "10")) == [f"{PPO}/10"]
    assert seeds(f"{PPO}/1") == [f"{PPO}/1"]  # exactly that one, though 10 begins with it
    assert seeds("dqn") == seeds("last") == ["dqn-CartPole-v1-0123abcd-20260102-030405/0"]


def test_find_says_what_would_be_right(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no runs in"):
        records.find(tmp_path, "last")
    write_run(tmp_path)
    write_run(tmp_path, settings="ffff0000")
    with pytest.raises(UserError, match=r"'ppo-Cart' fits 2 runs.*0123abcd.*ffff0000"):
        records.find(tmp_path, "ppo-Cart")
    with pytest.raises(UserError, match=rf"no run 'poo.*did you mean '{PPO}'"):
        records.find(tmp_path, PPO.replace("ppo", "poo"))
    with pytest.raises(UserError, match="no run 'zzz'"):
        records.find(tmp_path, "zzz")


def test_frame_is_long(tmp_path: Path) -> None:
    write_run(tmp_path, seed=1, rows=[{"env_step": 5, "a": 1.0, "b": "NaN"}, {"env_step": 6, "a": 2.0}])
    write_run(
        tmp_path, algorithm="vae", suite="generative", task="digits", rows=[{"examples_seen": 64, "a": 3.0}]
    )
    frame = frames.frame(tmp_path)
    assert frame.columns.tolist() == [
        *("id", "group", "suite", "algorithm", "task", "seed"),
        *("axis", "step", "metric", "value"),
    ]
    told = frame[["algorithm", "seed", "axis", "step", "metric", "value"]].values.tolist()
    assert [row for row in told if row[0] == "vae"] == [["vae", 0, "examples_seen", 64.0, "a", 3.0]]
    ppo = [row[3:] for row in told if row[0] == "ppo"]
    assert ppo[:2] == [[5.0, "a", 1.0], [6.0, "a", 2.0]]
    assert ppo[2][:2] == [5.0, "b"]  # the NaN that was logged, and no other
    assert len(ppo) == 3
    assert math.isnan(ppo[2][2])
    only = frames.frame(tmp_path, ["b"])
    assert (only["metric"].tolist(), np.isnan(only["value"]).tolist()) == (["b"], [True])


def test_lab_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(3):
        write_run(tmp_path, seed=seed, rows=evaluations(1.0, 2.0 + seed), config={"steps": 5000})
    write_run(tmp_path, seed=3, rows=evaluations(1.0), status="failed")
    batches = {"steps": 3, "batch": 64}
    row = {"examples_seen": 128, "eval/bound": 90.5}
    write_run(tmp_path, algorithm="vae", task="digits", suite="generative", rows=[row], config=batches)
    players = {"steps": 3, "batch_size": 64, "critic_steps": 5}
    row = {"examples_seen": 640, "eval/modes": 6.0, "eval/wasserstein": 0.5}
    write_run(tmp_path, algorithm="wgan-gp", task="ring", suite="generative", rows=[row], config=players)
    row = {"examples_seen": 640, "eval/wasserstein": 0.5, "eval/real": 1.0}
    write_run(tmp_path, algorithm="wgan-gp", task="digits", suite="generative", rows=[row], group="pictures")
    assert records.main(["--root", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["group", "seeds", "status", "progress", "last", "age"]
    assert "eval/wasserstein 0.5 " in next(line for line in lines if line.startswith("pictures"))
    shown = next(line for line in lines if line.startswith(PPO))
    assert "0–3" in shown
    assert "3 finished, 1 failed" in shown
    assert "10 / 5,000" in shown  # the one furthest behind
    assert "eval/return 2.5 " in shown  # (2 + 3 + 4 + 1) / 4
    assert "128 / 192" in next(line for line in lines if line.startswith("vae"))
    shown = next(line for line in lines if line.startswith("wgan-gp"))
    assert "640 / 960" in shown  # every update of the generator shows the critic five batches
    assert "eval/modes 6 " in shown
    assert records.main(["--root", str(tmp_path / "none")]) == 0
    assert "no runs" in capsys.readouterr().out


def test_summary_half_written(tmp_path: Path) -> None:
    folder = write_run(tmp_path, rows=evaluations(1.0))
    (folder / "summary.json").write_text(json.dumps({"env_step": 999})[:-3])
    record = records.scan(tmp_path)[0]
    assert record.summary == {}
    assert record.step() == 10


@pytest.mark.parametrize(
    "text",
    [
        '{"env_step": 1, "a": 1.5}\n{"env_step": 2, "b": 3}\n{"env_step": 3, "b": 1, "a": -2e-05}\n',
        '{"env_step": 1, "a": 1}\n{"env_step": 2, "a": "NaN"}\n',
        '{"env_step": 1, "a": 1}\n{"env_step": 2, "a": null}\n{"env_step": 3, "a": [4, 5]}\n',
        '{"env_step": 1, "a": 1}\n{"env_step": 2, "a": 2.7',
        '{"env_step": 1, "a": 12\n{"env_step": 2, "a": 3}\n',
        '{"env_step": 1, "a": 12\n{"env_step": 2, "a": 3}}\n',
        '{"env_step": 1, "a": 12}{\n"env_step": 2, "a": 3}\n',
        '{"env_step": 1, "a{"env_step": 2, "a": 3}\n{"env_step": 3, "a": 4}\n',
        '{"env_step": 1, "b": {"a": 7}}\n{"env_step": 2, "a": 3}\n',
        '{"env_step": 1, "b": {"a": 7}, "c": 1}\n',
        '{"env_step": 1, "b": "\\"a\\": 7, "}\n{"env_step": 2, "a": 3}\n',
        '{"env_step": 1, "b": "a"}\n{"env_step": 2, "a": 3}\n',
        '{"b": 1, "a": 3}\n{"env_step": 2, "a": 3}\n',
        '{"env_step":1,"a":3}\n{"env_step":2,"a":4}\n',
        '{"a": 3, "env_step": 1}\n',
        "",
    ],
)
def test_the_quick_way_reads_what_the_slow_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (write_run(tmp_path) / "metrics.jsonl").write_text(text)
    (record,) = records.scan(tmp_path)
    quick = record.series("a")
    every = record.columns().get("a", ([], []))
    np.testing.assert_array_equal(quick, every)
    monkeypatch.setattr(jsonl, "series", lambda *_: None)
    np.testing.assert_array_equal(record.series("a"), quick)


def test_seconds_at_a_step(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"env_step": 10, "time/seconds": 1.5},
        {"env_step": 20, "eval/return": 1.0},
        {"env_step": 100, "time/seconds": 4.0},
        {"env_step": 100, "time/seconds": 6.0, "eval/return": 2.0},  # written again after a resume
    ]
    write_run(tmp_path, rows=rows)
    (record,) = records.scan(tmp_path)
    assert [record.seconds_at(step) for step in (5, 10, 20, 100)] == [1.5, 1.5, 4.0, 6.0]
    assert math.isnan(record.seconds_at(101))
