"""Just enough of a W&B server, on this machine alone, to log to and upload to; it keeps what it is told."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.core import loopback_artifacts as artifacts

PROJECT = {"id": "p", "name": "lab", "entity": {"id": "e", "name": "me"}}


class Server(http.server.ThreadingHTTPServer):
    """What it was told, by run id, and the artifacts in the order in which they were committed."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.rows: dict[str, list[dict[str, Any]]] = {}  # of history
        self.ends: dict[str, int] = {}  # exit codes
        self.summaries: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}  # notes, tags, config, …
        self.alerts: list[dict[str, Any]] = []
        self.artifacts: dict[str, dict[str, Any]] = {}  # by id; those with "committed" are whole
        self.files: dict[str, bytes] = {}  # what was put, by path
        self.silent = threading.Event()  # it takes what it is told and does not answer until this is cleared
        self.refuse = 0  # the status to answer every request for data with, if not 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no news."""


class Answer(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/graphql":
            self.reply({"data": self.graphql(json.loads(body))})
        elif self.path.endswith("/file_stream"):
            self.stream(self.path.split("/")[-2], json.loads(body))
            self.reply({})
        else:
            self.reply({})

    def do_GET(self) -> None:
        if self.path in self.server.files:
            self.send(self.server.files[self.path])
        else:
            self.reply({})

    def do_PUT(self) -> None:
        self.server.files[self.path] = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.reply({})

    def graphql(self, asked: dict[str, Any]) -> dict[str, Any]:
        query, values = asked["query"], asked.get("variables") or {}
        if "upsertBucket" in query:
            name = values.get("name") or "unnamed"
            kept = self.server.runs.setdefault(name, {})
            kept.update({key: value for key, value in values.items() if value is not None})
            bucket = {
                "id": name, "name": name, "displayName": name, "description": "", "config": "{}",
                "sweepName": None, "project": PROJECT, "historyLineCount": 0,
            }  # fmt: skip
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "RunResumeStatus" in query:
            return {"model": {**PROJECT, "bucket": self.known(values["name"])}}
        if "createRunFiles" in query:
            files = [
                {"name": name, "uploadUrl": f"{self.server.url}/put/{values['run']}/{name}"}
                for name in values.get("files", [])
            ]
            return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
        if "notifyScriptableRunAlert" in query:
            self.server.alerts.append(values)
            return {"notifyScriptableRunAlert": {"success": True}}
        if told := artifacts.answer(self.server, query, values):
            return told
        return {
            "viewer": {"id": "u", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}
        }

    def known(self, run: str) -> dict[str, Any] | None:
        rows, told = self.server.rows.get(run), self.server.runs.get(run, {})
        return rows and {
            "id": run, "name": run, "displayName": run, "config": told.get("config", "{}"),
            "summaryMetrics": json.dumps(self.server.summaries.get(run, {})), "tags": told.get("tags", []),
            "notes": told.get("notes", ""), "logLineCount": 0, "eventsLineCount": 0, "historyLineCount": len(rows),
            "historyTail": json.dumps([json.dumps(rows[-1])]), "eventsTail": "[]", "wandbConfig": '{"t": 1}',
        }  # fmt: skip

    def stream(self, run: str, told: dict[str, Any]) -> None:
        for name, content in (told.get("files") or {}).items():
            if name == "wandb-history.jsonl":
                rows = self.server.rows.setdefault(run, [])
                rows[content["offset"] :] = [json.loads(line) for line in content["content"]]
            if name == "wandb-summary.json":
                self.server.summaries[run] = json.loads(content["content"][-1])
        if told.get("complete"):
            self.server.ends[run] = told.get("exitcode", 0)

    def reply(self, value: dict[str, Any]) -> None:
        self.send(json.dumps(value).encode())

    def send(self, body: bytes) -> None:
        while self.server.silent.is_set():
            time.sleep(0.01)
        self.send_response(self.server.refuse or 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not on the console of a test."""


@contextmanager
def serving() -> Iterator[Server]:
    """A server for as long as the block lasts."""
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
