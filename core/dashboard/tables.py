"""Value and policy maps over training, beside the optimum."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from core.dashboard import following, gallery, look, map_figure, maps, small_charts
from core.dashboard.doorkeeper import inside
from core.dashboard.growing import Stamp, stamp
from core.dashboard.portrait import key
from core.dashboard.view import View, from_query, to_query
from core.dashboard.watch import Live, Watch
from core.errors import UserError
from core.figures import COLOURS
from core.jsonl import Floats

PATH = "/tables"
TITLE = "Tables"
NONE = "No run here has recorded tables; `lab train q-learning --env FrozenLake-v1` makes one that does."


@dataclass(frozen=True)
class Shown(View):
    """What the page shows."""

    run: str = ""  # the id that is shown, <group>/<seed>
    table: str = ""  # the table's name; the first where none is named
    at: int = following.NEWEST  # the step; -1 is always the newest
    layer: int = 0  # of a map with several
    difference: Literal["values", "actions"] = "values"  # what the third map is of


class Shelf:
    """Which runs have tables, and what is in their indexes."""

    def __init__(self, watch: Watch) -> None:
        self.watch, self.index = watch, gallery.Indexes()
        self._seen: dict[Path, tuple[Stamp | None, bool]] = {}

    def ids(self) -> list[str]:
        """The runs with tables, newest first."""
        return [record.id for record in reversed(self.watch.records()) if self._has(record)]

    def _has(self, record: Live) -> bool:
        """Whether a ground of maps lies among its media; looked for again only when there are others."""
        folder = record.path / "media"
        now = stamp(folder)
        seen = self._seen.get(record.path)
        if seen is None or (not seen[1] and seen[0] != now):
            seen = self._seen[record.path] = now, any(folder.glob("*-ground.json"))
        return seen[1]

    def chosen(self, id: str) -> Live | None:
        """The run that is meant; the newest with tables when none is named."""
        return self.watch.record(id) if id else next((self.watch.record(one) for one in self.ids()), None)

    def entries(self, record: Live, table: str) -> list[gallery.Entry]:
        """Those of one table, step by step."""
        found = gallery.chosen(self.index(record), ("map",))
        newest = {entry[record.axis]: entry for entry in found if entry.get("name") == table}
        return [newest[step] for step in sorted(newest)]

    def names(self, record: Live) -> list[str]:
        """The run's tables."""
        return sorted({str(entry.get("name")) for entry in gallery.chosen(self.index(record), ("map",))})

    def name(self, record: Live, shown: Shown) -> str:
        """The table that is shown."""
        return shown.table or next(iter(self.names(record)), "")

    def steps(self, record: Live, shown: Shown) -> list[int]:
        """Those of the slider."""
        return [entry[record.axis] for entry in self.entries(record, self.name(record, shown))]

    def path(self, record: Live, file: str) -> Path:
        """Where an entry's file is; UserError when it is not in the run's media folder."""
        found = inside(self.watch, record.id, file.removeprefix("media/"))
        if found is None:
            raise UserError(f"{file} is missing or not in the run's media folder")
        return found


def layout(query: str, watch: Watch) -> Component:
    """The page as the URL's query says."""
    shown, shelf = from_query(Shown, query), Shelf(watch)
    record, ids = shelf.chosen(shown.run), shelf.ids()
    steps, axis = (shelf.steps(record, shown), record.axis) if record else ([], "")
    names = shelf.names(record) if record else []
    run = dcc.Dropdown(ids, record.id if record else None, id="tables-run", clearable=False, optionHeight=30)
    name = shelf.name(record, shown) if record else None
    table = dcc.Dropdown(names, name or None, id="tables-table", clearable=False)
    layer = dcc.Dropdown([{"label": "the only one", "value": 0}], 0, id="tables-layer", clearable=False)
    kinds: Any = {"values": "of the state's value", "actions": "of the worst action"}
    difference = dcc.RadioItems(kinds, shown.difference, id="tables-difference", inline=True)
    return html.Div(
        [
            html.H1(TITLE),
            look.ignored(shown),
            html.Div(
                [
                    look.labelled("Run", run),
                    html.Div(look.labelled("Table", table), id="tables-table-place"),
                    html.Div(look.labelled("Layer", layer), id="tables-layer-place"),
                ],
                className="controls tables-choice",
            ),
            html.Div(
                [
                    following.slider("tables-at", steps, shown.at, axis, "Step"),
                    html.Div(
                        [html.Span("Difference", className="label"), difference],
                        className="control", role="radiogroup", **look.aria(label="difference"),
                    ),
                ],
                className="controls",
            ),
            html.Section(id="tables-maps", className="card", **look.aria(label="maps")),
            dcc.Store(id="tables-drawn"),
        ]
    )  # fmt: skip


def register(app: Dash, watch: Watch) -> None:
    """The page's callbacks."""
    shelf = Shelf(watch)
    _choices(app, shelf)
    _draw(app, shelf)


def _choices(app: Dash, shelf: Shelf) -> None:
    @app.callback(
        Output("query", "data", allow_duplicate=True),
        Input("tables-run", "value"),
        Input("tables-table", "value"),
        Input("tables-layer", "value"),
        Input("tables-difference", "value"),
        Input("tables-at", "value"),
        State("tables-at-steps", "data"),
        State("tables-layer", "options"),
        State("query", "data"),
        prevent_initial_call="initial_duplicate",
    )
    def choose(
        run: str | None,
        table: str | None,
        layer: Any,
        difference: Any,
        at: Any,
        steps: Any,
        layers: Any,
        query: str,
    ) -> Any:
        shown = from_query(Shown, query)
        wanted = replace(
            shown, run=run or shown.run, difference=difference, at=following.step_of(steps or [], at)
        )
        if len(layers or []) > 1:  # before the run is known there is but one
            wanted = replace(wanted, layer=int(layer or 0))
        if shown.run and wanted.run != shown.run:
            wanted = replace(wanted, at=following.NEWEST, layer=0, table="")
        elif table and shown.table != table and (shown.table or _several(shelf, wanted.run)):
            wanted = replace(wanted, table=table, at=following.NEWEST, layer=0)
        return no_update if to_query(wanted) == to_query(shown) else to_query(wanted)

    @app.callback(Output("tables-run", "options"), Input("version", "data"), State("tables-run", "options"))
    def offer(version: int, offered: Any) -> Any:
        ids = shelf.ids()
        return no_update if ids == offered else ids


def _several(shelf: Shelf, run: str) -> bool:
    record = shelf.chosen(run)
    return record is not None and len(shelf.names(record)) > 1


def _draw(app: Dash, shelf: Shelf) -> None:
    @app.callback(
        Output("tables-maps", "children"),
        Output("tables-at", "max"),
        Output("tables-at", "value"),
        Output("tables-at-told", "children"),
        Output("tables-at-steps", "data"),
        Output("tables-table", "options"),
        Output("tables-table", "value"),
        Output("tables-layer", "options"),
        Output("tables-layer", "value"),
        Output("tables-table-place", "hidden"),
        Output("tables-layer-place", "hidden"),
        Output("tables-drawn", "data"),
        Input("version", "data"),
        Input("query", "data"),
        Input("dark", "data"),
        State("tables-at-steps", "data"),
        State("tables-drawn", "data"),
    )
    def draw(version: int, query: str, dark: bool | None, before: Any, drawn: Any) -> Any:
        shown = from_query(Shown, query)
        record = shelf.chosen(shown.run)
        if record is None:
            said = f"There is no run {shown.run} in {shelf.watch.root}." if shown.run else NONE
            return (look.empty(said), *[no_update] * 10, None)
        token = [record.id, record.version, to_query(shown), bool(dark)]
        if token == drawn:
            return (no_update,) * 12
        names, name, steps = shelf.names(record), shelf.name(record, shown), shelf.steps(record, shown)
        most, value = following.moved(steps, before, shown.at) or (no_update, no_update)
        try:
            body, layers = _body(shelf, record, replace(shown, table=name), steps, bool(dark))
        except UserError as error:
            body, layers = [look.empty(f"{record.id}: {error}.")], []
        layer = shown.layer if 0 <= shown.layer < len(layers) else 0
        told = following.told(steps, shown.at, record.axis)
        offered = [{"label": title, "value": k} for k, title in enumerate(layers or ["the only one"])]
        hidden = len(names) < 2, len(layers) < 2
        return body, most, value, told, steps, names, name or None, offered, layer, *hidden, token


def _body(
    shelf: Shelf, record: Live, shown: Shown, steps: Sequence[int], dark: bool
) -> tuple[list[Component], list[str]]:
    """What is drawn, and the titles of the layers. UserError when a file is not what it should be."""
    entries = shelf.entries(record, shown.table)
    if not entries:
        return [look.empty("This run has recorded no tables yet.")], []
    index = following.place(steps, shown.at)
    on = maps.ground(shelf.path(record, str(entries[index].get("ground"))))
    titles = [title or "the only one" for title in on.titles]
    layer = shown.layer if 0 <= shown.layer < on.layers else 0
    table = _table(shelf, record, entries[index], on)
    first, newest = (_table_or(table, shelf, record, entries[k], on) for k in (0, -1))
    graph: Any = look.GRAPH
    drawn = map_figure.figure(
        table, on, layer, maps.scale(on, newest), _farthest(on, [first, newest], shown.difference),
        shown.difference, look.template(dark), dark,
    )  # fmt: skip
    height = {"height": f"{drawn['layout']['height']}px"}
    parts: list[Component] = [
        html.H2(f"{record.algorithm} on {record.task}, seed {record.seed}"),
        html.P(map_figure.caption(table, on), id="tables-caption", className="quiet"),
        dcc.Graph(id="tables-figure", figure=drawn, config=graph, style=height, className="charts"),
        html.P(map_figure.KEY if on.rows else map_figure.KEY_HEAT, className="quiet"),
    ]
    course = maps.course(lambda file: shelf.path(record, file), entries, record.axis, on)
    if course:
        parts.append(_course(course, record, dark, steps[index]))
    return parts, titles


def _table(shelf: Shelf, record: Live, entry: gallery.Entry, on: maps.Ground) -> Floats:
    file = str(entry.get("file"))
    return maps.fitting(maps.values(shelf.path(record, file)), on, file)


def _table_or(otherwise: Floats, shelf: Shelf, record: Live, entry: gallery.Entry, on: maps.Ground) -> Floats:
    """The same for a table that only helps to choose the scale."""
    try:
        return _table(shelf, record, entry, on)
    except UserError:
        return otherwise


def _farthest(on: maps.Ground, tables: Sequence[Any], kind: maps.Difference) -> float:
    """The end of the scale of differences, the same at every step: the largest at the first or the newest."""
    if on.optimum is None:
        return 1.0
    found = np.concatenate(
        [maps.apart(table, on.optimum, kind)[maps.playing(on, len(table))] for table in tables]
    )
    found = found[np.isfinite(found)]
    return float(found.max()) if len(found) and found.max() > 0 else 1.0


def _course(course: dict[str, Any], record: Live, dark: bool, step: int) -> Component:
    """How near the optimum is, over all steps; a line at the step that is shown."""
    seeds = {key(record): course}
    drawn = small_charts.figure(
        list(course), seeds, {key(record): COLOURS[0]}, look.template(dark), record.axis, revision=record.id
    )
    line = {
        "type": "line",
        "x0": step,
        "x1": step,
        "y0": 0,
        "y1": 1,
        "line": {"color": "#8a8f98", "dash": "dot"},
    }
    drawn["layout"]["shapes"] = [
        {**line, "xref": f"x{place}", "yref": f"y{place} domain"} for place in ("", "2")[: len(course)]
    ]
    graph: Any = look.GRAPH
    height = {"height": f"{drawn['layout']['height']}px"}
    graph = dcc.Graph(id="tables-course", figure=drawn, config=graph, style=height)
    return html.Div([graph, *small_charts.titles(list(course), seeds)], className="charts across-2")
