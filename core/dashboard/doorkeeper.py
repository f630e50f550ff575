"""Who may ask the dashboard for what: this computer's browser, from our own pages, for files inside media/.

A page on the internet can make a browser send requests to 127.0.0.1, and can give its own name that address
(DNS rebinding). So the Host header must be a loopback name, and what changes anything must come from us.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dash import Dash
from flask import Response, abort, request, send_file

from core.dashboard.watch import Watch

NAMES = {"127.0.0.1", "localhost", "::1"}
KINDS = {  # what media/ may hold; a page or a script is none of it
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".json": "application/json",
}


def guard(app: Dash, watch: Watch) -> None:
    """Puts the checks and the media route before an application; after all its callbacks are registered."""
    server: Any = app.server
    policy = _policy(app)

    def check() -> Response | None:
        if not _own(f"//{request.headers.get('Host', '')}"):
            return Response("This is only for the computer it runs on.\n", 403, mimetype="text/plain")
        origin = request.headers.get("Origin")
        foreign = origin is not None and (not _own(origin) or urlsplit(origin).netloc != request.host)
        far = request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
        if request.method not in ("GET", "HEAD") and (foreign or far):
            return Response("Only the dashboard's own pages may do that.\n", 403, mimetype="text/plain")
        return None

    def seal(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    def media(group: str, seed: str, file: str) -> Response:
        found = inside(watch, f"{group}/{seed}", file)
        if found is None:
            abort(404)
        return send_file(found, KINDS[found.suffix.lower()], conditional=True, max_age=0)

    server.before_request(check)
    server.after_request(seal)
    server.add_url_rule("/media/<group>/<seed>/<path:file>", "media", media)
    for rule in ("/media/", "/media/<path:rest>"):  # nor does Dash answer there
        server.add_url_rule(rule, "no media", _nothing)


def _nothing(rest: str = "") -> Response:
    abort(404)


def inside(watch: Watch, id: str, file: str) -> Path | None:
    """A file in the media folder of a known run; None for anything else, links that lead out among it."""
    record = watch.record(id)
    if record is None or "\0" in file or "\\" in file:
        return None
    folder = Path(os.path.realpath(record.path / "media"))
    found = Path(os.path.realpath(folder / file))
    contained = found.is_relative_to(folder) and folder.is_relative_to(os.path.realpath(watch.root))
    return found if contained and found.is_file() and found.suffix.lower() in KINDS else None


def _own(origin: str) -> bool:
    """Whether a URL's host is this computer by a name nobody else can have."""
    try:
        return urlsplit(origin).hostname in NAMES
    except ValueError:
        return False


def _policy(app: Dash) -> str:
    """Everything from here, nothing from anywhere else; of inline scripts only Dash's own, by their hashes."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {' '.join(app.csp_hashes())}",
            "style-src 'self' 'unsafe-inline'",  # Plotly and React set styles
            "img-src 'self' data: blob:",
            "media-src 'self'",
            "font-src 'self' data:",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
