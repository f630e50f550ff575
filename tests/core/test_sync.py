"""Logging online and `lab sync`, with wandb itself against a server on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb

from core.destination import WandB
from core.errors import UserError
from core.sync import sync
from core.tracking import Group
from tests.core.loopback_wandb import Server, serving
from tests.core.recorded import OFF, OFFLINE, group, lines, run_json, without_time


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
