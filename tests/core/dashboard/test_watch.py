"""The watch over runs: the same answers as plain records, kept up while files grow."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from core import records
from core.dashboard import growing
from core.dashboard.watch import Watch
from tests.core.run_folders import evaluations, write_run


def same(watch: Watch, root: Path) -> None:
    """The watch tells of every run what a fresh reading of the disk tells."""
    fresh, kept = records.scan(root), watch.records()
    assert [one.id for one in kept] == [one.id for one in fresh]
    for plain, live in zip(fresh, kept, strict=True):
        assert (live.status, live.step(), live.summary, live.config) == (
            plain.status, plain.step(), plain.summary, plain.config,
        )  # fmt: skip
        assert live.columns().keys() == plain.columns().keys()
        for metric, series in plain.columns().items():
            np.testing.assert_array_equal(live.columns()[metric], series)
            np.testing.assert_array_equal(live.series(metric), series)
        assert len(live.series("no such metric")[0]) == 0


def append(folder: Path, *rows: object, end: str = "\n") -> None:
    with (folder / "metrics.jsonl").open("a") as file:
        file.write("".join((row if isinstance(row, str) else json.dumps(row)) + end for row in rows))


def test_records_are_those_of_the_disk_while_a_run_grows(tmp_path: Path) -> None:
    folder = write_run(tmp_path, status="running", rows=evaluations(1.0, 2.0), machine={"host": "elsewhere"})
    write_run(tmp_path, algorithm="dqn", rows=evaluations(5.0), summary={"env_step": 99})
    stopped = write_run(tmp_path, algorithm="a2c", status="stopped", rows=evaluations(5.0))
    (stopped / "summary.json").write_text('{"env_step": 4}')
    watch = Watch(tmp_path)
    first = watch.refresh()
    same(watch, tmp_path)
    assert watch.refresh() == first
    append(folder, {"env_step": 30, "eval/return": 3.0, "loss": "NaN"})
    assert watch.refresh() == first + 1
    same(watch, tmp_path)
    append(folder, '{"env_step": 40, "eval/re', end="")
    watch.refresh()
    same(watch, tmp_path)
    append(folder, 'turn": 4.0}')
    watch.refresh()
    same(watch, tmp_path)
    (live,) = [one for one in watch.records() if one.status == "running"]
    assert live.series("eval/return")[1].tolist() == [1, 2, 3, 4]
    assert live.last() == {"env_step": 40, "eval/return": 4.0, "loss": "NaN"}


def test_appended_bytes_alone_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(tmp_path, rows=evaluations(*range(50)))
    live = Watch(tmp_path).records()[0]
    assert len(live.columns()["eval/return"][0]) == len(live.series("eval/return")[0]) == 50
    parsed: list[bytes] = []
    plain = growing.jsonl.rows
    monkeypatch.setattr(growing.jsonl, "rows", lambda raw: parsed.append(raw) or plain(raw))  # type: ignore[func-returns-value]
    live.columns()
    assert parsed == []
    append(folder, {"env_step": 510, "eval/return": 7.0})
    assert live.columns()["eval/return"][1][-1] == 7
    assert parsed == [b'{"env_step": 510, "eval/return": 7.0}\n']


@pytest.mark.parametrize("ahead", [False, True])
def test_a_file_that_was_cut_back_is_read_anew(tmp_path: Path, ahead: bool) -> None:
    folder = write_run(tmp_path, rows=evaluations(1, 2, 3))
    watch = Watch(tmp_path)
    watch.refresh()
    same(watch, tmp_path)
    resumed = evaluations(1, 8, 9, *([10] * 5 if ahead else []))[: None if ahead else 2]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in resumed))
    watch.refresh()
    same(watch, tmp_path)
    (folder / "metrics.jsonl").unlink()
    watch.refresh()
    same(watch, tmp_path)


def test_runs_come_and_go(tmp_path: Path) -> None:
    watch = Watch(tmp_path / "later")
    assert watch.refresh() == 0
    assert watch.records() == []
    one = write_run(tmp_path / "later", rows=evaluations(1))
    assert watch.refresh() == 1
    two = write_run(tmp_path / "later", seed=1, rows=evaluations(1))
    assert watch.refresh() == 2
    assert [live.seed for live in watch.records()] == [0, 1]
    shutil.rmtree(two)
    assert watch.refresh() == 3
    assert watch.record(f"{one.parent.name}/0") is not None
    assert watch.record(f"{two.parent.name}/1") is None
    shutil.rmtree(tmp_path / "later")
    assert watch.refresh() == 4
    assert watch.records() == []


def test_a_run_laid_within_one_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    write_run(tmp_path, group="one")
    watch = Watch(tmp_path)
    watch.refresh()
    known = watch._listed[str(tmp_path)][1]
    write_run(tmp_path, group="two")
    watch._listed[str(tmp_path)] = (
        growing.stamp(tmp_path),
        known,
    )  # as if listed in the same tick, just before
    watch.refresh()
    assert [live.group for live in watch.records()] == ["one", "two"]


@pytest.mark.parametrize(
    "name",
    ["run.json", "summary.json", "config.yaml", "annotations.json", "media/index.jsonl", "console.log"],
)
def test_every_file_counts_and_other_runs_keep_their_version(tmp_path: Path, name: str) -> None:
    folder = write_run(tmp_path, rows=evaluations(1))
    write_run(tmp_path, seed=1, rows=evaluations(1))
    watch = Watch(tmp_path)
    watch.refresh()
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + " ")
    assert watch.refresh() == 2
    assert [live.version for live in watch.records()] == [2, 1]


def test_half_written_records_are_unreadable_until_they_are_whole(tmp_path: Path) -> None:
    folder = write_run(tmp_path, rows=evaluations(1))
    whole = (folder / "run.json").read_text()
    (folder / "run.json").write_text(whole[:40])
    broken = tmp_path / "odd" / "7"
    broken.mkdir(parents=True)
    (broken / "run.json").write_text('{"format": 1, "status": "finished", "seed": "²", "started": 3}')
    (tmp_path / "no run" / "0").mkdir(parents=True)
    watch = Watch(tmp_path)
    watch.refresh()
    assert {live.id: live.status for live in watch.records()} == {
        f"{folder.parent.name}/0": "unreadable",
        "odd/7": "unreadable",
    }
    (folder / "run.json").write_text(whole)
    watch.refresh()
    assert watch.record(f"{folder.parent.name}/0").status == "finished"  # type: ignore[union-attr]


def test_a_process_that_is_gone_is_a_crash_without_any_file_changing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path, status="running", machine={"host": os.uname().nodename}, pid=os.getpid())
    watch = Watch(tmp_path)
    watch.refresh()
    alive = watch.records()[0].status
    monkeypatch.setattr("core.dashboard.watch.gone", lambda run, written: True)
    assert watch.refresh() == 2
    assert (alive, watch.records()[0].status) == ("running", "crashed")
    assert watch.refresh() == 2


def test_rows_longer_than_the_tail_are_found(tmp_path: Path) -> None:
    write_run(tmp_path, status="stopped", rows=[{"env_step": 5, "eval/return": 1.0, "long": "x" * 20_000}])
    live = Watch(tmp_path).records()[0]
    assert live.step() == 5
    assert live.last()["eval/return"] == 1.0
