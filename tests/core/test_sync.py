"""Logging online and `lab sync`, with wandb itself against a server on this machine."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb

from core import mirror
from core.destination import WandB
from core.errors import UserError
from core.run_folder import load
from core.sync import sync
from core.tracking import Group
from tests.core.loopback_artifacts import versions
from tests.core.loopback_wandb import Server, serving
from tests.core.recorded import (
    OFF,
    OFFLINE,
    group,
    history,
    lines,
    models,
    python,
    run_json,
    table,
    without_time,
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as server:
        monkeypatch.delenv("WANDB_MODE", raising=False)
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
        wandb.teardown()  # it would remember the server of the tests before
        yield server
        wandb.teardown()


def recorded(root: Path, wandb: WandB = OFFLINE) -> Path:
    """A finished group of two seeds with three rows each."""
    made = group(root, wandb)
    for step in range(3):
        made.log(step, {"loss/value": step * 0.5})
    made.finish()
    return made.path


def seen(server: Server, folder: Path) -> list[dict[str, object]]:
    """The rows the server has of a run, without what wandb adds by itself and without times."""
    rows = server.rows[run_json(folder)["wandb"]["id"]]
    return [{k: v for k, v in row.items() if not k.startswith(("_", "time/"))} for row in rows]


def test_online_the_server_is_told_everything(tmp_path: Path, server: Server) -> None:
    made = group(tmp_path, WandB())
    for step in range(3):
        made.log(step, {"loss/value": step * 0.5})
    made.fail(0, "it must", 2)
    made.finish()
    for seed in "37":
        assert seen(server, made.path / seed) == without_time(lines(made.path / seed / "metrics.jsonl"))
    told = [run_json(made.path / seed)["wandb"] for seed in "37"]
    assert [entry["mode"] for entry in told] == ["online", "online"]
    assert [server.ends[entry["id"]] for entry in told] == [1, 0]


def test_an_online_run_is_continued_under_its_id(tmp_path: Path, server: Server) -> None:
    made = group(tmp_path, WandB())
    for step in range(3):
        made.log(step, {"loss/value": step * 0.5})
    made.checkpoint(2, [{}, {}])
    made.log(3, {"loss/value": 1.5})  # told, then taken back, then told again: once in W&B
    made.finish("stopped", 130)
    killed = run_json(made.path / "7")["wandb"]["id"]
    del server.rows[killed][-2:]  # and what a killed process never sent
    server.summaries[killed] = server.rows[killed][-1]
    again = Group.reopen(made.path, (3, 7), step=2)
    for step in range(3, 5):
        again.log(step, {"loss/value": step * 0.5})
    again.finish()
    assert len(server.rows) == 2
    for seed in "37":
        assert seen(server, made.path / seed) == without_time(lines(made.path / seed / "metrics.jsonl"))
        assert [row["env_step"] for row in seen(server, made.path / seed)] == [0, 1, 2, 3, 4]
        assert run_json(made.path / seed)["wandb"]["mode"] == "online"
        assert server.ends[run_json(made.path / seed)["wandb"]["id"]] == 0


def trained(made: Group, start: int, stop: int) -> None:
    """Evaluated and saved at every step, the best at step 1."""
    for step in range(start, stop):
        made.log(step, {"eval/return": 9.0 if step == 1 else step})
        made.table(step, "episodes", [{"return": np.array([float(step)])}] * len(made.seeds))
        states = [{"agent": {"net": np.full(5, step), "replay": np.zeros(9)}}] * len(made.seeds)
        made.checkpoint(step, states, best=step == 1)


def weights(server: Server, version: dict[str, Any], folder: Path) -> list[float]:
    """Of a model as it arrived, read as a checkpoint."""
    (folder / "fetched").write_bytes(server.files[version["files"]["checkpoints/last.safetensors"]])
    found: list[float] = load(folder / "fetched")[1]["agent"]["net"].tolist()
    return found


def test_online_the_table_the_models_and_the_alerts_arrive(tmp_path: Path, server: Server) -> None:
    made = group(tmp_path, WandB(), notes="why", tags=["a"])
    trained(made, 0, 4)
    made.fail(1, "it must", 3)
    made.finish()
    three, seven = (run_json(made.path / seed)["wandb"]["id"] for seed in "37")
    for run in (three, seven):
        assert server.summaries[run]["eval/return"] == {"max": 9, "last": 3}
        assert (server.runs[run]["notes"], server.runs[run]["tags"]) == ("why", ["a"])
        best, latest = versions(server, f"model-{run}")
        assert "best" in best["aliases"]
        assert latest["aliases"] == ["latest"]  # the last to come, and W&B moves `latest` to it
        assert [weights(server, version, tmp_path) for version in (best, latest)] == [[1] * 5, [3] * 5]
        assert server.summaries[run]["episodes"]["nrows"] == 4
        place = server.summaries[run]["episodes"]["path"]
        assert json.loads(server.files[f"/put/{run}/{place}"])["data"] == [[k, float(k)] for k in range(4)]
    assert [(alert["runName"], alert["severity"], alert["text"]) for alert in server.alerts] == [
        (seven, "ERROR", "failed: it must at env_step 3")
    ]
    assert not (made.path / "3" / "wandb" / "model").exists()  # W&B has it


def test_an_online_run_goes_on_as_the_same_one(tmp_path: Path, server: Server) -> None:
    made = group(tmp_path, WandB(), seeds=(3,), notes="why", tags=["a"])
    trained(made, 0, 3)
    made.finish("crashed", 1, "it must")
    run = run_json(made.path / "3")["wandb"]["id"]
    server.runs[run] |= {"notes": "written on the server", "tags": ["a", "there"]}
    again = Group.reopen(made.path, (3,), step=2, wandb=WandB(wandb_tags=("b",)))
    trained(again, 3, 5)
    again.summary(0, {"final/return": 4.0})
    again.finish()
    assert list(server.rows) == [run]
    assert [row["env_step"] for row in seen(server, made.path / "3")] == [0, 1, 2, 3, 4]
    assert server.summaries[run]["eval/return"] == {"max": 9, "last": 4}
    assert server.summaries[run]["final/return"] == 4
    assert server.summaries[run]["episodes"]["nrows"] == 5  # those before the crash too
    assert server.runs[run]["notes"] == "written on the server"
    assert server.runs[run]["tags"] == ["a", "there", "b"]
    assert [alert["text"] for alert in server.alerts] == ["crashed: it must"]
    newest = versions(server, f"model-{run}")[-1]
    assert ("latest" in newest["aliases"], weights(server, newest, tmp_path)) == (True, [4] * 5)
    assert server.ends[run] == 0


def test_a_server_that_stops_answering_costs_nothing_but_its_copy(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mirror, "FINISHING", 1)
    made = group(tmp_path, WandB(), seeds=(3,))
    trained(made, 0, 3)
    server.silent.set()
    made.fail(0, "it must", 2)
    made.finish()
    server.silent.clear()
    assert "W&B failed (TimeoutError" in capsys.readouterr().out
    folder = made.path / "3"
    assert (run_json(folder)["status"], run_json(folder)["wandb"]["mode"]) == ("failed", "offline")
    assert [row["env_step"] for row in history(folder)] == [0, 1, 2]
    assert (len(models(folder)), table(folder)["data"]) == (2, [[0, 0.0], [1, 1.0], [2, 2.0]])
    assert sync(["--root", str(tmp_path)]) == 0
    assert [row["env_step"] for row in seen(server, folder)] == [0, 1, 2]


def test_sync_writes_afresh_what_lacks_something(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    made = group(tmp_path / "before", OFFLINE, seeds=(3,), name="g", notes="first")
    trained(made, 0, 3)
    made.summary(0, {"final/return": 2.0})
    made.finish()
    ran = python(f"""
        import os, signal
        from pathlib import Path
        from tests.core.recorded import OFFLINE, group
        from tests.core.test_sync import trained
        made = group(Path({str(tmp_path)!r}), OFFLINE, seeds=(3,), name="killed")
        trained(made, 0, 3)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    assert ran.returncode == -signal.SIGKILL
    (tmp_path / "before" / "g").rename(tmp_path / "moved")
    shutil.rmtree(tmp_path / "before")
    (tmp_path / "moved" / "3" / "annotations.json").write_text('{"tags": ["seen"], "notes": "by hand"}')
    capsys.readouterr()
    assert sync(["--root", str(tmp_path)]) == 0
    assert all(": uploaded to " in line for line in capsys.readouterr().out.splitlines())
    moved, killed = (run_json(tmp_path / name / "3")["wandb"]["id"] for name in ("moved", "killed"))
    for name, run in (("moved", moved), ("killed", killed)):
        assert [row["env_step"] for row in seen(server, tmp_path / name / "3")] == [0, 1, 2]
        assert len(versions(server, f"model-{run}")) == 2
        assert server.summaries[run]["episodes"]["nrows"] == 3
    assert (server.ends[moved], server.ends[killed]) == (0, 1)
    assert [(alert["runName"], alert["text"]) for alert in server.alerts] == [
        (killed, "crashed: its process is gone")
    ]
    assert (server.runs[moved]["notes"], server.runs[moved]["tags"]) == ("by hand", ["seen"])
    assert server.summaries[moved]["final/return"] == 2
    assert run_json(tmp_path / "killed" / "3")["status"] == "crashed"


def test_sync_uploads_what_was_offline_once(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    one, two = recorded(tmp_path), recorded(tmp_path)
    recorded(tmp_path, OFF)
    capsys.readouterr()
    assert sync([two.name, f"{two.name}/3", "--root", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in said] == [f"{two.name}/3", f"{two.name}/7"]
    assert all(f"uploaded to {server.url}/me/lab/runs/" in line for line in said)
    assert len(server.rows) == 2
    assert not list(Path.cwd().iterdir())  # nothing of wandb's is left where the command was typed
    for seed in "37":
        assert seen(server, two / seed) == without_time(lines(two / seed / "metrics.jsonl"))
        assert run_json(two / seed)["wandb"]["synced"] is True
        assert run_json(two / seed)["status"] == "finished"

    assert sync(["--root", str(tmp_path)]) == 0  # the other group only
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        f"{one.name}/3",
        f"{one.name}/7",
    ]
    assert sync(["--root", str(tmp_path)]) == 0
    assert "nothing to upload" in capsys.readouterr().out
    assert len(server.rows) == 4


def test_sync_says_what_went_wrong(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded(tmp_path)
    capsys.readouterr()
    server.refuse = 401
    assert sync([str(path / "3")]) == 1
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith(f"{path.name}/3: not uploaded: ")
    server.refuse = 500  # wandb would try for ever
    assert sync([str(path / "3"), "--limit", "3"]) == 1
    assert capsys.readouterr().out == f"{path.name}/3: not uploaded: no end within 3 s\n"
    assert run_json(path / "3")["wandb"]["synced"] is False
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"http://127.0.0.1:9 does not answer; the runs stay as they are"):
        sync([str(path / "3")])
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(UserError, match="no API key for http"):
        sync(["--root", str(tmp_path)])
    with pytest.raises(UserError, match="no run 'nonsense'"):
        sync(["nonsense", "--root", str(tmp_path)])
