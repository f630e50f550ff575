"""`lab import`: what other people's W&B folders become here."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import annotations, records
from core.cli import main as lab
from core.comparison import contests
from core.errors import UserError
from core.frames import frame
from core.importing.door import files, main
from core.importing.foreign import Record
from core.tracking import Group
from tests.core import wandb_files as w
from tests.core.recorded import OFFLINE, group, lines, run_json
from tests.core.run_folders import evaluations, write_run

PNG = b"\x89PNG\r\n\x1a\n and so on"
CLEANRL = """
    for seed in (1, 2):
        run = init(project="cleanRL", name=f"CartPole-v1__ppo__{seed}__1767323045", config={
            "exp_name": "ppo", "seed": seed, "env_id": "CartPole-v1", "track": True, "learning_rate": 2.5e-4,
            "total_timesteps": 1000,
        })
        for step in range(0, 1000, 100):
            run.log({"global_step": step, "charts/episodic_return": seed * step / 10, "losses/approx_kl": 0.01})
        run.finish()
"""
SB3 = """
    from stable_baselines3 import PPO
    from stable_baselines3.common.logger import KVWriter, Logger
    from wandb.integration.sb3 import WandbCallback

    class ToWandb(KVWriter):
        def write(self, key_values, key_excluded, step=0):
            told = {key: value for key, value in key_values.items() if not isinstance(value, str)}
            run.log({**told, "global_step": step})  # as sync_tensorboard says it
        def close(self):
            pass

    for seed in (5, 6):
        settings = {"env_name": "CartPole-v1", "policy_type": "MlpPolicy"}
        run = init(project="sb3", config=settings, reinit="finish_previous")
        model = PPO("MlpPolicy", "CartPole-v1", n_steps=64, batch_size=64, n_epochs=1, seed=seed, device="cpu")
        model.set_logger(Logger(None, [ToWandb()]))
        model.learn(192, callback=WandbCallback())
        run.finish()
"""
OWN = """
    for seed in range(2):
        settings = {"model": "cnn", "dataset": "mnist", "lr": 0.1, "seed": seed}
        run = init(project="digits", name=f"cnn-{seed}", config=settings)
        for epoch in range(4):
            run.log({"epoch": epoch, "loss": 1 / (epoch + 1), "val/accuracy": 0.5 + epoch / 10 + seed / 100})
            run.log({"epoch": epoch, "samples": wandb.Image(np.full((4, 4, 3), epoch, np.uint8)),
                     "weights": wandb.Histogram(np.arange(10.0)), "table": wandb.Table(columns=["a"], data=[[epoch]])})
        run.finish()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("made")
    for name, script in {"cleanrl": CLEANRL, "sb3": SB3, "own": OWN}.items():
        w.real(home / name, script)
    return home


def take(*words: object) -> list[records.Record]:
    """Import; the records that then lie in --root."""
    assert main([str(word) for word in words]) == 0
    return records.scan(str(words[words.index("--root") + 1]))


def metrics(record: records.Record) -> list[dict[str, Any]]:
    return lines(record.path / "metrics.jsonl")


def test_cleanrl(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = take(made / "cleanrl", "--root", tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == "imported 2 runs in 1 group"
    assert [(r.suite, r.algorithm, r.task, r.seed, r.status) for r in found] == [
        ("rl", "cleanrl-ppo", "CartPole-v1", seed, "finished") for seed in (1, 2)
    ]
    assert len({record.group for record in found}) == 1
    steps, values = found[1].series("episode/return")
    np.testing.assert_array_equal(steps, np.arange(0, 1000, 100))
    np.testing.assert_array_equal(values, np.arange(0, 200, 20))
    row = metrics(found[1])[3]
    assert row.pop("time/seconds") >= 0
    assert row == {
        "env_step": 300, "charts/episodic_return": 60, "episode/return": 60, "losses/approx_kl": 0.01,
        "policy/kl": 0.01,
    }  # fmt: skip
    assert found[1].config == {
        "algorithm": "cleanrl-ppo", "exp_name": "ppo", "env_id": "CartPole-v1", "track": True, "learning_rate": 0.00025,
        "total_timesteps": 1000, "seeds": [2],
    }  # fmt: skip
    assert found[1].summary["best"] == {"episode/return": {"value": 180, "step": 900}}
    assert found[1].summary["env_step"] == found[1].step() == 900


def test_stable_baselines3(made: Path, tmp_path: Path) -> None:
    found = take(made / "sb3", "--root", tmp_path)
    assert [(r.suite, r.algorithm, r.task, r.seed) for r in found] == [
        ("rl", "imported-sb3-ppo", "CartPole-v1", seed) for seed in (5, 6)
    ]
    assert (
        len({record.group for record in found}) == 1
    )  # objects and times in its settings do not part its seeds
    steps, values = found[0].series("episode/return")
    assert steps.tolist() == [64, 128, 192]
    assert np.isfinite(values).all()
    np.testing.assert_array_equal(values, found[0].series("rollout/ep_rew_mean")[1])
    assert found[0].config["n_steps"] == 64
    assert not any(" at 0x" in str(value) for value in found[0].config.values())


def test_a_persons_own_run_with_media(made: Path, tmp_path: Path) -> None:
    found = take(made / "own", "--root", tmp_path)
    assert [(r.suite, r.algorithm, r.task, r.seed, r.axis) for r in found] == [
        ("core", "cnn", "mnist", seed, "epoch") for seed in (0, 1)
    ]
    assert found[1].series("eval/accuracy")[1].tolist() == pytest.approx([0.51, 0.61, 0.71, 0.81])
    index = lines(found[1].path / "media" / "index.jsonl")
    last = {(entry["kind"], entry["row"], entry["epoch"]) for entry in index if entry["epoch"] == 3}
    assert last == {
        (kind, 4, 3) for kind in ("image", "histograms", "table")
    }  # wandb writes a row in any order
    kinds = {entry["kind"]: entry for entry in index}
    assert (found[1].path / kinds["image"]["file"]).read_bytes()[:8] == PNG[:8]
    assert sum(kinds["histograms"]["of"]["weights"]["counts"]) == 10
    assert (kinds["table"]["columns"], kinds["table"]["rows"]) == (["a"], [[3]])


def test_a_parent_of_many_stands_beside_a_run_of_ours(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (1, 2):
        write_run(tmp_path, algorithm="dqn", seed=seed, rows=evaluations(10, 20, metric="episode/return"))
    found = take(made, "--root", tmp_path)
    assert "imported 6 runs in 3 groups" in capsys.readouterr().out
    assert len(found) == 8
    (contest,) = [contest for contest in contests(found) if contest.task == "CartPole-v1"]
    assert (contest.suite, contest.metric) == ("rl", "episode/return")
    scores = {entry.label: entry.scores.tolist() for entry in contest.entries}
    assert scores["cleanrl-ppo"] == [90, 180]
    assert scores["dqn"] == [20, 20]
    assert len(scores["imported-sb3-ppo"]) == 2
    table = frame(tmp_path, ["episode/return"])
    assert set(table.algorithm) == {"cleanrl-ppo", "dqn", "imported-sb3-ppo"}
    for words in (["compare"], ["runs"], ["compare", "--format", "json"]):
        assert lab([*words, "--root", str(tmp_path)]) == 0
    assert "cleanrl-ppo" in capsys.readouterr().out


def test_again_it_updates_and_keeps_what_people_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = w.write(tmp_path, [w.run(), w.row(0, loss=1)])
    (first,) = take(tmp_path, "--root", tmp_path / "runs")
    assert (first.status, first.seed) == ("crashed", 0)
    annotations.write(first.path, annotations.Annotations(("good",), "keep me"))
    path.write_bytes(w.encoded([w.run(), w.row(0, loss=1), w.row(1, loss=2), w.leave()]))
    (again,) = take(tmp_path, "--root", tmp_path / "runs")
    assert again.path == first.path
    assert again.status == "finished"
    assert [row["loss"] for row in metrics(again)] == [1, 2]
    assert annotations.read(again.path).notes == "keep me"
    assert "imported 1 run in 1 group (1 again)" in capsys.readouterr().out
    (moved,) = take(tmp_path, "--root", tmp_path / "runs", "--set", "task=other", "algorithm=mine")
    assert (moved.task, moved.algorithm, annotations.read(moved.path).notes) == ("other", "mine", "keep me")
    assert [entry.name for entry in (tmp_path / "runs").iterdir()] == [moved.group]


def test_links_and_copies_count_once(tmp_path: Path) -> None:
    path = w.write(tmp_path / "a", [w.run(), w.row(0, loss=1), w.row(1, loss=2), w.leave()])
    (tmp_path / "a" / "wandb" / "latest-run").symlink_to(path.parent.name)
    (tmp_path / "linked").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    os.link(path, path.with_name("hard.wandb"))
    copy = tmp_path / "copy" / "offline-run-x"
    copy.mkdir(parents=True)
    (copy / "run-abc12345.wandb").write_bytes(
        w.encoded([w.run(), w.row(0, loss=1)])
    )  # taken while it was written
    assert len(list(files(tmp_path))) == 2
    for start in (tmp_path, tmp_path / "a" / "wandb" / "latest-run", path):
        (record,) = take(start, "--root", tmp_path / "runs")
        assert [row["loss"] for row in metrics(record)] == [1, 2]


def test_two_segments_of_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = [w.run(), *(w.row(i, time=i, loss=i) for i in range(4))]
    second = [
        w.run(start=w.START + 100, resume=True),
        w.row(2, time=101, loss=-2),
        w.row(3, time=110, loss=-3),
        w.leave(),
    ]
    w.write(tmp_path, first)
    w.write(tmp_path, second, when="20260102_040000")
    (record,) = take(tmp_path, "--root", tmp_path / "runs")
    assert [(row["_step"], row["loss"]) for row in metrics(record)] == [(0, 0), (1, 1), (2, -2), (3, -3)]
    assert record.status == "finished"
    assert record.run["seconds"] == 3 + 10
    assert "segment 2 begins at _step 2: 2 rows after it left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [(0, "finished", None), (3, "failed", "exit code 3"), (None, "crashed", "it never said that it ended")],
)
def test_how_it_ended(tmp_path: Path, code: int | None, status: str, error: str | None) -> None:
    w.write(tmp_path, [w.run(), w.row(0, time=2.5, loss=1), *([] if code is None else [w.leave(code)])])
    (record,) = take(tmp_path, "--root", tmp_path / "runs")
    assert (record.status, record.run["error"], record.run["seconds"]) == (status, error, 2.5)
    assert record.started == int(w.START)
    assert (record.run["ended"] is None) == (code is None)


def test_runs_of_ours_are_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made: Group = group(tmp_path / "ours", OFFLINE)
    made.log(1, {"loss/value": np.array([0.1, 0.2])})
    made.finish("finished")
    capsys.readouterr()
    assert main([str(tmp_path / "ours"), "--root", str(tmp_path / "runs")]) == 0
    assert capsys.readouterr().out == "imported 0 runs in 0 groups; 2 passed over (ours)\n"
    assert not (tmp_path / "runs").exists()
    elsewhere = tmp_path / "elsewhere"  # outside its run folder what it tells W&B says whose it is
    elsewhere.mkdir()
    for path in list((tmp_path / "ours").rglob("*.wandb")):
        path.parent.rename(elsewhere / path.parent.name)
    w.write(tmp_path / "theirs", [w.run(), w.row(0, loss=1)])
    assert len(take(elsewhere, tmp_path / "theirs", "--root", tmp_path / "runs")) == 1
    assert "imported 1 run in 1 group; 2 passed over (ours)" in capsys.readouterr().out


def test_one_that_cannot_be_read_stops_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    w.write(tmp_path / "good", [w.run(), w.row(0, loss=1)])
    bad = tmp_path / "good" / "bad\n.wandb"
    bad.write_bytes(b"no")
    torn = tmp_path / "good" / "torn.wandb"
    torn.write_bytes(w.encoded([w.run("torn0001"), w.row(0, loss=1), w.row(1, loss=2)])[:-1])
    assert len(take(tmp_path / "nowhere", tmp_path / "good", "--root", tmp_path / "runs")) == 2
    *_, said, last = capsys.readouterr().out.splitlines()
    assert "bytes at the end are no whole record" in said
    assert last.startswith(
        f"imported 2 runs in 1 group; 2 unreadable: {tmp_path}/nowhere: there is no such folder; "
    )
    assert last.endswith("bad .wandb: not a W&B file")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "needs a folder first"),
        (["--root", "x"], "needs a folder first"),
        (["nowhere"], "nothing imported: nowhere: there is no such folder"),
        (["EMPTY"], "nothing imported: .*: no .wandb file in it"),
        (["RUN", "--set", "taks=x"], "--set taks=… cannot be; did you mean 'task'"),
        (["RUN", "--set", "task"], "takes NAME=VALUE, not 'task'"),
        (["RUN", "--set", "seed=x"], "takes a whole number"),
        (["RUN", "--set", "suite=games"], "suite=games cannot be"),
        (["RUN", "--set", "axis=epochs"], "no row has the axis 'epochs'"),
        (["RUN", "--metric-map", "=x"], "takes NAME=VALUE"),
        (["RUN", "--rot", "x"], "unknown option --rot"),
    ],
)
def test_mistakes_are_said_and_leave_nothing(tmp_path: Path, words: list[str], why: str) -> None:
    (tmp_path / "EMPTY").mkdir()
    w.write(tmp_path / "RUN", [w.run(), w.row(0, loss=1)])
    with pytest.raises(UserError, match=why):
        main(
            [str(tmp_path / word) if word.isupper() else word for word in words]
            + ["--root", str(tmp_path / "runs")]
        )
    assert not (tmp_path / "runs").exists()


def test_metrics_can_be_mapped_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    w.write(tmp_path, [w.run(), w.row(0, score=3), w.leave()])
    words = ["--root", tmp_path / "runs", "--metric-map", "score=eval/return", "sore=x"]
    (record,) = take(tmp_path, *words)
    assert record.series("eval/return")[1].tolist() == record.series("score")[1].tolist() == [3]
    assert record.run["imported"]["renamed"] == {"score": "eval/return"}
    assert "--metric-map sore: no run has logged it; did you mean 'score'" in capsys.readouterr().out


def test_seeds_that_are_not_said_are_numbered_and_stay(tmp_path: Path) -> None:
    for i, id in enumerate(("aaaa1111", "bbbb2222", "cccc3333")):
        w.write(tmp_path, [w.run(id, {"lr": 1}, start=w.START + i), w.row(0, loss=i)], id=id)
    found = take(tmp_path, "--root", tmp_path / "runs")
    assert [(record.seed, metrics(record)[0]["loss"]) for record in found] == [(0, 0), (1, 1), (2, 2)]
    assert len({record.group for record in found}) == 1
    again = take(tmp_path / "wandb" / "offline-run-20260102_030405-cccc3333", "--root", tmp_path / "runs")
    assert [(record.seed, metrics(record)[0]["loss"]) for record in again] == [(0, 0), (1, 1), (2, 2)]


def test_a_seed_that_ran_twice_makes_a_group_of_its_own(tmp_path: Path) -> None:
    for i, id in enumerate(("aaaa1111", "bbbb2222")):
        w.write(tmp_path, [w.run(id, {"seed": 4}, start=w.START + i), w.row(0, loss=i)], id=id)
    found = take(tmp_path, "--root", tmp_path / "runs")
    assert [record.seed for record in found] == [4, 4]
    assert len({record.group for record in found}) == 2
    assert len({record.settings for record in found}) == 1


def hostile(path: str, **more: Any) -> Any:
    record = w.row(0, loss=1)
    told = {"_type": "image-file", "path": path, **more}
    for key, value in told.items():
        record.history.item.add(nested_key=["../../x/y", key], value_json=json.dumps(value))
    return record


@pytest.mark.parametrize(
    "path", ["../secret.png", "LINK/secret.png", "link.png", "x.html", "fake.png", "a\0b.png", "/etc/passwd"]
)
def test_media_come_only_from_the_runs_own_folder(tmp_path: Path, path: str) -> None:
    own = w.write(tmp_path, [w.run(), hostile(path)]).parent
    (own / "secret.png").write_bytes(PNG)
    (own / "files" / "fake.png").write_bytes(b"<script>")
    (own / "files" / "x.html").write_bytes(PNG)
    (own / "files" / "LINK").symlink_to(own)
    (own / "files" / "link.png").symlink_to(own / "secret.png")
    (record,) = take(tmp_path, "--root", tmp_path / "runs")
    assert [entry.name for entry in (record.path / "media").iterdir()] == ["index.jsonl"]
    assert lines(record.path / "media" / "index.jsonl") == []
    assert record.run["imported"]["left_out"] == {"image-file": 1}


def test_several_pictures_of_one_row_are_told_apart(tmp_path: Path) -> None:
    record = w.row(0, loss=1)
    for key, value in {"_type": "images/separated", "filenames": ["a.png", "b.png"]}.items():
        record.history.item.add(nested_key=["samples", key], value_json=json.dumps(value))
    own = w.write(tmp_path, [w.run(), record]).parent
    for name in ("a", "b"):
        (own / "files" / f"{name}.png").write_bytes(PNG + name.encode())
    (run,) = take(tmp_path, "--root", tmp_path / "runs")
    index = lines(run.path / "media" / "index.jsonl")
    assert [(entry["name"], (run.path / entry["file"]).read_bytes()[-1:]) for entry in index] == [
        ("samples", b"a"), ("samples 2", b"b")
    ]  # fmt: skip


def test_names_of_other_people_stay_inside_the_runs_folder(tmp_path: Path) -> None:
    config = {"algo": "../../../etc", "env_id": "..", "seed": 2}
    own = w.write(
        tmp_path, [w.run("../../up", config, display_name="/x", project="../p"), hostile("ok.png"), w.leave()]
    ).parent
    (own / "files" / "ok.png").write_bytes(PNG)
    (record,) = take(tmp_path, "--root", tmp_path / "runs")
    assert record.path.parent.parent == tmp_path / "runs"
    assert (record.algorithm, record.task) == ("../../../etc", "..")
    (entry,) = lines(record.path / "media" / "index.jsonl")
    assert (entry["name"], entry["file"]) == ("../../x/y", "media/x-y-0.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["runs", "wandb"]


def test_values_that_no_curve_can_hold_are_left_out_and_counted(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "text": "x",
        "list": [1],
        "none": None,
        "huge": 10**400,
        "env_step": 3,
        "yes": True,
    }
    w.write(tmp_path, [w.run(), w.row(0, loss=float("nan"), **values), w.row(1, text="y"), w.leave()])
    (record,) = take(tmp_path, "--root", tmp_path / "runs", "--set", "suite=rl", "axis=_step")
    assert metrics(record) == [{"_step": 0, "loss": "NaN", "train/loss": "NaN", "env_step": 3, "yes": 1}]
    assert record.run["imported"]["left_out"] == {
        "text: no number": 2, "list: no number": 1, "none: no number": 1, "huge: no number": 1
    }  # fmt: skip


def test_a_summary_set_by_hand_is_kept_apart_from_what_ours_means(tmp_path: Path) -> None:
    summary = Record()
    for key, value in {"best": 4.5, "final/returns": 3, "best_acc": 7, "loss": 0.5}.items():
        summary.summary.update.add(key=key, value_json=json.dumps(value))
    w.write(tmp_path, [w.run(), w.row(0, loss=2), w.row(1, loss=1), w.row(2, loss=3), summary, w.leave()])
    (record,) = take(tmp_path, "--root", tmp_path / "runs")
    best = {"train/loss": {"value": 1, "step": 1}}
    assert record.summary == {"_step": 2, "loss": 3, "train/loss": 3, "best_acc": 7, "best": best}
    assert record.run["imported"]["summary"] == {"best": 4.5, "final/returns": 3, "loss": 0.5}


def test_run_json_says_where_it_came_from(tmp_path: Path) -> None:
    more: dict[str, Any] = {"display_name": "n", "notes": "why", "host": "far", "entity": "me"}
    path = w.write(tmp_path, [w.run(config={"lr": 1}, **more), w.row(0, loss=1), w.leave()])
    (record,) = take(path, "--root", tmp_path / "runs")
    run = run_json(record.path)
    assert (run["format"], run["id"], run["group"], run["seed"]) == (1, record.id, record.group, 0)
    assert (run["notes"], run["machine"]["host"], run["wandb"]["mode"]) == ("why", "far", "disabled")
    told = run["imported"]
    assert told["from"] == [str(path)]
    assert (told["key"], told["id"], told["project"]) == ("me/mine/abc12345", "abc12345", "mine")
    assert told["renamed"] == {"loss": "train/loss"}


@pytest.mark.parametrize("verb", [["eval"], ["resume"], ["sync"]])
def test_other_verbs_answer_in_one_line(
    tmp_path: Path, verb: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"exp_name": "ppo", "env_id": "CartPole-v1", "seed": 0}
    w.write(tmp_path, [w.run(config=config), w.row(0, **{"charts/episodic_return": 1})])
    (record,) = take(tmp_path, "--root", tmp_path / "runs")
    capsys.readouterr()
    status = lab([*verb, record.group, "--root", str(tmp_path / "runs")])
    said = "".join(capsys.readouterr()).strip()
    assert (status, said.count("\n")) == (0 if verb == ["sync"] else 2, 0), said


def test_many_runs_are_shared_among_processes(tmp_path: Path) -> None:
    for i in range(9):
        w.write(tmp_path, [w.run(f"run{i:05d}", {"seed": i}), w.row(0, loss=i)], id=f"run{i:05d}")
    found = take(tmp_path, "--root", tmp_path / "runs")
    assert [(record.seed, metrics(record)[0]["loss"]) for record in found] == [(i, i) for i in range(9)]
    assert len(list((tmp_path / "runs").iterdir())) == 1
