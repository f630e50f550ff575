"""`lab dashboard`: the runs as live pages, for a browser on this computer alone.

How pages live together (a page module has PATH, TITLE, layout and register):
- Store "query" is the view that is shown, as a URL's query. A page's callbacks write it with
  `Output("query", "data", allow_duplicate=True)` and draw from `Input("query", "data")`; the address in the
  browser follows by itself, without a new page. Nothing else writes the address.
- Store "version" changes when something on the disk did (each second at most), Store "dark" with the theme.
- `layout` is called when someone comes to the page, by a link, by the address or with the back button.
"""

import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from core.config import parse
from core.dashboard import compare, doorkeeper, look, overview, run, tables
from core.dashboard.watch import Watch
from core.errors import UserError

PAGES: tuple[Any, ...] = (overview, compare, run, tables)
HOST = "127.0.0.1"  # and never another: whoever reaches the pages can write notes
PORT = 8050
TRIED = 100  # ports after the first one
LOOK = 700  # milliseconds between two looks at the disk: a new point is on the screen within two seconds
INDEX = """<!DOCTYPE html>
<html lang="en">
<head>{%metas%}<title>{%title%}</title>{%favicon%}{%css%}</head>
<body>{%app_entry%}<footer>{%config%}{%scripts%}{%renderer%}</footer></body>
</html>
"""


@dataclass(frozen=True)
class Options:
    """What `lab dashboard` understands."""

    root: str = "runs"  # folder that holds the runs
    port: int | None = None  # port on 127.0.0.1; by default 8050, or the next that is free
    open: bool = True  # open the page in a browser


def make(root: str | Path) -> Dash:
    """The whole application over a folder of runs."""
    return build(Watch(root))


def build(watch: Watch) -> Dash:
    """The whole application over the runs of a watch."""
    app = Dash(
        "core.dashboard",
        assets_folder=str(Path(__file__).parent / "assets"),
        title="lab",
        update_title="",
        index_string=INDEX,
        serve_locally=True,
        suppress_callback_exceptions=True,
        include_pages_meta=False,
        add_log_handler=False,
        enable_mcp=False,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
    )
    app.layout = lambda: _shell(watch.refresh())
    _register(app, watch)
    for page in PAGES:
        page.register(app, watch)
    doorkeeper.guard(app, watch)
    return app


def _shell(version: int) -> Component:
    """What stands around every page."""
    links = [look.link(page.TITLE, page.PATH, id=f"to-{page.__name__.rpartition('.')[2]}") for page in PAGES]
    words = [html.Span(f"{name} theme", className=f"to-{name.lower()}") for name in ("Dark", "Light")]
    switch = html.Button(
        words, id="theme", type="button", n_clicks=0
    )  # the sheet shows the other theme's name
    return html.Div(
        [
            html.A("Skip to the page", href="#page", className="skip"),
            html.Header(
                [html.Span("lab", className="name"), html.Nav(links, **look.aria(label="pages")), switch]
            ),
            html.P(
                "The dashboard has stopped; what stands here is as it was.",
                id="gone",
                hidden=True,
                role="alert",
            ),
            html.Main(id="page", tabIndex=-1),
            dcc.Location(id="url", refresh=False),
            dcc.Interval(id="tick", interval=LOOK),
            dcc.Store(id="version", data=version),
            dcc.Store(id="query", data=""),
            dcc.Store(id="place"),
            dcc.Store(id="dark"),
        ],
        id="shell",
    )


def _register(app: Dash, watch: Watch) -> None:
    """The callbacks of the shell; those in the browser are in assets/lab.js."""
    app.clientside_callback(
        ClientsideFunction("lab", "start"),
        Output("place", "data"),
        Output("dark", "data"),
        Input("shell", "id"),
    )
    app.clientside_callback(ClientsideFunction("lab", "address"), Input("query", "data"))
    app.clientside_callback(
        ClientsideFunction("lab", "theme"),
        Output("dark", "data", allow_duplicate=True),
        Input("theme", "n_clicks"),
        State("dark", "data"),
        prevent_initial_call=True,
    )

    @app.callback(Output("version", "data"), Input("tick", "n_intervals"), State("version", "data"))
    def look_again(ticks: int | None, known: int | None) -> Any:
        version = watch.refresh()
        return no_update if version == known else version

    @app.callback(
        Output("page", "children"),
        Output("query", "data", allow_duplicate=True),
        Output("page", "className"),
        Input("place", "data"),
        prevent_initial_call="initial_duplicate",
    )
    def enter(place: dict[str, str] | None) -> Any:
        if not place:
            return no_update, no_update, no_update
        query = place.get("search", "")
        for page in PAGES:
            if place.get("path") == page.PATH:
                name = page.__name__.rpartition(".")[2]
                return page.layout(query, watch), query, f"page-{name}"
        return look.empty("There is no such page."), query, ""


# --- the command


class _Quiet(WSGIRequestHandler):
    """Says nothing of each request, and nothing of a browser that hangs up."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Only what is an error of ours."""
        if type == "error" and "code 400" not in message:
            super().log(type, message, *args)


def main(argv: Sequence[str]) -> int:
    """`lab dashboard`. Returns the exit code, when it is stopped with Ctrl-C."""
    options: Options = parse([Options], argv, prog="lab dashboard").values[0]
    if options.port is not None and not 0 <= options.port < 1 << 16:
        raise UserError(f"--port {options.port} is no port; choose one from 1024 to 65535")
    if Path(options.root).exists() and not Path(options.root).is_dir():
        raise UserError(f"--root {options.root} is a file; it should be the folder that holds the runs")
    watch = Watch(options.root)
    server = bind(build(watch), options.port)
    threading.Thread(target=_read_ahead, args=(watch,), daemon=True).start()  # while the browser comes up
    url = f"http://{HOST}:{server.port}/"
    taken = f" (port {PORT} is taken)" if options.port is None and server.port != PORT else ""
    print(f"{options.root} at {url}{taken}; Ctrl-C ends it", flush=True)
    if options.open and _has_screen():
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    server.serve_forever()  # until Ctrl-C
    return 0


def _read_ahead(watch: Watch) -> None:
    """Read what the Overview will ask for."""
    watch.refresh()
    for record in watch.records():
        record.last(), record.config, record.annotations


def bind(app: Dash, port: int | None) -> BaseWSGIServer:
    """A server on the loopback address; UserError when the port that was asked for is taken."""
    for tried in range(PORT, PORT + TRIED) if port is None else (port,):
        listening = _listen(tried)
        if listening is not None:
            with listening:  # the server has a descriptor of its own
                return make_server(
                    HOST, listening.getsockname()[1], app.server, threaded=True,
                    request_handler=_Quiet, fd=os.dup(listening.fileno()),
                )  # fmt: skip
    if port is None:
        raise UserError(f"no port from {PORT} to {PORT + TRIED - 1} is free; choose one with --port")
    raise UserError(f"port {port} is taken or not allowed; choose another with --port, or none")


def _listen(port: int) -> socket.socket | None:
    """A listening socket on that port; None when it cannot be had."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would take a port away from who has it
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(64)
    except OSError:
        listening.close()
        return None
    return listening


def _has_screen() -> bool:
    """Whether a browser could show itself: else one for terminals might come up in this one."""
    return sys.platform in ("darwin", "win32") or any(
        map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    )
