"""Who may ask for what."""

from pathlib import Path
from typing import Any

import pytest

from core.dashboard.app import make
from tests.core.run_folders import evaluations, write_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = write_run(tmp_path / "runs", group="g", rows=evaluations(1.0))
    (run / "media").mkdir()
    (run / "media" / "a-1.png").write_bytes(b"\x89PNG 0123456789")
    return run


@pytest.fixture
def client(folder: Path) -> Any:
    return make(folder.parent.parent).server.test_client()


@pytest.mark.parametrize("host", ["127.0.0.1:8050", "localhost:8050", "[::1]:8050", "127.0.0.1"])
def test_loopback_names_are_let_in(client: Any, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example:8050", "localhost.evil.example", "0.0.0.0:8050", "a@b", "[", ""],
)
def test_no_other_name_is(client: Any, host: str) -> None:
    for path in ("/", "/_dash-layout", "/media/g/0/a-1.png"):
        assert client.get(path, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": "http://127.0.0.1:8050", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://127.0.0.1:9999"}, False),
        ({"Origin": "http://localhost:8050"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
    ],
)
def test_only_our_own_pages_may_post(client: Any, headers: dict[str, str], allowed: bool) -> None:
    told = {"Host": "127.0.0.1:8050", **headers}
    body = {
        "output": "version.data",
        "outputs": {"id": "version", "property": "data"},
        "inputs": [{"id": "tick", "property": "n_intervals", "value": 1}],
        "state": [{"id": "version", "property": "data", "value": None}],
        "changedPropIds": ["tick.n_intervals"],
    }
    answer = client.post("/_dash-update-component", json=body, headers=told)
    assert answer.status_code == (200 if allowed else 403)


def test_every_answer_is_sealed(client: Any) -> None:
    for path in ("/", "/nowhere", "/_dash-layout", "/media/g/0/a-1.png"):
        with client.get(path) as answer:
            headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self' 'sha256-" in policy
        assert "http" not in policy
        script = next(part for part in policy.split("; ") if part.startswith("script-src"))
        assert "unsafe" not in script


def test_media_has_its_kind_and_comes_in_parts(client: Any) -> None:
    with client.get("/media/g/0/a-1.png") as whole:
        assert (whole.status_code, whole.mimetype, whole.data) == (200, "image/png", b"\x89PNG 0123456789")
    with client.get("/media/g/0/a-1.png", headers={"Range": "bytes=5-8"}) as part:
        assert (part.status_code, part.data) == (206, b"0123")
        assert part.headers["Content-Range"] == "bytes 5-8/15"


@pytest.mark.parametrize(
    "path",
    [
        "g/0/nothing.png",
        "g/0/../run.json",
        "g/0/..%2frun.json",
        "g/0/%2e%2e/run.json",
        "g/0/../../../secret.png",
        "g/0/..%2f..%2f..%2f..%2fsecret.png",
        "g/0//etc/passwd",
        "g/0/%2Fetc%2Fpasswd",
        "g/0/..%5c..%5csecret.png",
        "g/0/a-1.png%00.png",
        "g/0/page.html",
        "g/0/drawing.svg",
        "g/0/script.js",
        "g/0/",
        "g/0/sub",
        "g/1/a-1.png",
        "../g/0/a-1.png",
        "..%2fg/0/a-1.png",
        "g%2f0/media/a-1.png",
        "g/0/linked.png",
        "g/0/linked/secret.png",
        "out/0/a.png",
    ],
)
def test_nothing_else_is_to_be_had(folder: Path, client: Any, path: str) -> None:
    root = folder.parent.parent
    outside = root.parent / "outside"
    (outside / "media").mkdir(parents=True)
    (root.parent / "secret.png").write_bytes(b"secret")
    (outside / "secret.png").write_bytes(b"secret")
    (outside / "media" / "a.png").write_bytes(b"secret")
    (outside / "run.json").write_text('{"format": 1, "status": "finished"}')
    for name in ("page.html", "drawing.svg", "script.js"):
        (folder / "media" / name).write_text("<script>")
    (folder / "media" / "sub").mkdir()
    (folder / "media" / "linked.png").symlink_to(root.parent / "secret.png")
    (folder / "media" / "linked").symlink_to(outside)
    (root / "out").mkdir()
    (root / "out" / "0").symlink_to(outside)
    answer = client.get(f"/media/{path}")
    assert answer.status_code in (404, 308)
    assert b"secret" not in answer.data
    assert b"format" not in answer.data
