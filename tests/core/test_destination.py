"""Where W&B logs: flags before variables before defaults, and never a prompt or a long wait."""

import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb

from core.destination import PUBLIC, WandB, answers, base_url, has_key, resolve
from core.errors import UserError
from core.tracking import Group
from tests.core.recorded import group, history, run_json

KEY = "a" * 40
NO_FILE = {"NETRC": "/dev/null", "WANDB_CONFIG_DIR": "/nonexistent"}


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers, but lets nobody in."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.do_GET()

    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not on the console of a test."""


@pytest.fixture
def refusing() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def dribbling() -> Iterator[str]:
    """A server that sends one byte now and then: each read is quick, the answer never comes."""
    over = threading.Event()

    def dribble() -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            for byte in b"HTTP/1.1 200 OK" * 10:
                connection.send(bytes([byte]))
                if over.wait(0.1):
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=dribble, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        over.set()
        thread.join()


def test_flags_before_variables_before_defaults() -> None:
    variables = {
        "WANDB_MODE": "disabled", "WANDB_PROJECT": "p", "WANDB_ENTITY": "e", "WANDB_RUN_GROUP": "g",
        "WANDB_TAGS": "a, b,", "WANDB_NAME": "n", "WANDB_DIR": "d", "WANDB_NOTES": "why",
    }  # fmt: skip
    to = resolve(WandB(), variables)
    assert (to.mode, to.project, to.entity, to.group, to.name) == ("disabled", "p", "e", "g", "n")
    assert (to.tags, to.dir, to.notes) == (("a", "b"), "d", "why")
    flags = WandB("offline", "P", "E", "G", "N", ("c",), "because", "D")
    to = resolve(flags, variables)
    assert (to.mode, to.project, to.entity, to.group, to.name) == ("offline", "P", "E", "G", "N")
    assert (to.tags, to.dir, to.notes) == (("c",), "D", "because")
    to = resolve(WandB(), NO_FILE)
    assert (to.mode, to.project, to.why) == ("offline", "lab", "no API key is set")
    assert resolve(WandB(), {"WANDB_MODE": "dryrun"}).mode == "offline"


def test_a_wrong_mode_names_the_right_one() -> None:
    with pytest.raises(UserError, match=r"WANDB_MODE=ofline is not a mode; did you mean 'offline'\?"):
        resolve(WandB(), {"WANDB_MODE": "ofline"})


def test_online_must_be_possible(refusing: str) -> None:
    with pytest.raises(UserError, match="--wandb online cannot be: no API key is set; set WANDB_API_KEY"):
        resolve(WandB(wandb="online"), NO_FILE)
    away = {**NO_FILE, "WANDB_API_KEY": KEY, "WANDB_BASE_URL": "http://127.0.0.1:9"}
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9 does not answer"):
        resolve(WandB(wandb="online"), away)
    assert resolve(WandB(), away).mode == "offline"
    assert resolve(WandB(), {**away, "WANDB_BASE_URL": refusing}).mode == "online"


def test_a_server_that_never_finishes_is_not_waited_for(dribbling: str, refusing: str) -> None:
    began = time.monotonic()
    assert not answers(dribbling, patience=0.5)
    assert time.monotonic() - began < 2
    assert answers(refusing, patience=5)


def test_key_and_server_are_found_where_wandb_login_leaves_them(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine here.example:8080\n  login user\n  password secret\n")
    (tmp_path / "settings").write_text("[default]\nbase_url = http://here.example:8080/\n")
    environment = {"NETRC": str(tmp_path / "netrc"), "WANDB_CONFIG_DIR": str(tmp_path)}
    assert base_url(environment) == "http://here.example:8080"
    assert base_url(NO_FILE) == PUBLIC
    assert has_key("http://here.example:8080", environment)
    assert not has_key(PUBLIC, environment)
    (tmp_path / "netrc").write_text("machine\n")
    assert not has_key("http://here.example:8080", environment)


def test_a_server_that_refuses_means_offline(
    tmp_path: Path, refusing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("WANDB_BASE_URL", refusing)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    wandb.teardown()  # it would remember the server of the tests before
    made = group(tmp_path, WandB())
    made.log(1, {"loss/value": 0.5})
    made.finish()
    said = capsys.readouterr().out.splitlines()
    assert f"W&B online, project lab (an API key is set and {refusing} answers;" in said[0]
    assert "W&B offline, project lab (the server refused: CommError" in said[1]
    assert len(said) == 2
    assert run_json(made.path / "3")["wandb"]["mode"] == "offline"
    assert history(made.path / "7") == [{"env_step": 1, "loss/value": 0.5}]


def test_wandb_files_lie_where_wandb_dir_says(tmp_path: Path) -> None:
    made = group(tmp_path / "runs", WandB(wandb="offline", wandb_dir=str(tmp_path / "elsewhere")))
    made.checkpoint(0, [{}, {}])
    made.finish()
    assert not list(made.path.glob("*/wandb/offline-run-*"))
    assert len(list((tmp_path / "elsewhere" / "wandb").glob("offline-run-*"))) == 2
    again = Group.reopen(made.path, (3,), step=0)  # the other seed's W&B run must be left alone
    again.finish()
    assert len(list((tmp_path / "elsewhere" / "wandb").glob("offline-run-*"))) == 2
