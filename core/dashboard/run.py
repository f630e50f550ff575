"""One run whole: every metric, what it shows of itself over its steps, settings, console, notes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dash import ALL, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from core import annotations
from core.annotations import Annotations
from core.dashboard import facts, following, gallery, look, portrait, run_layout, small_charts
from core.dashboard.run_layout import Shown, chosen, ids, siblings
from core.dashboard.view import from_query, to_query
from core.dashboard.watch import Live, Watch
from core.errors import UserError
from core.figures import COLOURS

PATH = "/run"
TITLE = "Run"
CHART, NAMES = {"type": "run-chart", "of": ALL}, {"type": "run-names", "of": ALL}


def layout(query: str, watch: Watch) -> Component:
    """The page as the URL's query says."""
    return run_layout.layout(TITLE, from_query(Shown, query), watch)


def register(app: Dash, watch: Watch) -> None:
    """The page's callbacks."""
    index = gallery.Indexes()
    _choices(app, watch)
    _charts(app, watch)
    _gallery(app, watch, index)
    _words(app, watch)
    _notes(app, watch)


def _choices(app: Dash, watch: Watch) -> None:
    @app.callback(
        Output("query", "data", allow_duplicate=True),
        Input("run-choice", "value"),
        Input("run-seeds", "value"),
        Input("run-find", "value"),
        Input("run-media", "value"),
        Input("run-other", "value"),
        Input("run-at", "value"),
        State("run-at-steps", "data"),
        State("query", "data"),
        prevent_initial_call="initial_duplicate",
    )
    def choose(
        run: str | None, seeds: Any, find: Any, media: Any, other: Any, at: Any, steps: Any, query: str
    ) -> Any:
        shown = from_query(Shown, query)
        wanted = replace(
            shown, run=run or shown.run, seeds=seeds, find=find or "", media=media, other=other or "",
            at=following.step_of(steps or [], at),
        )  # fmt: skip
        if wanted.run != shown.run or wanted.media != shown.media:
            wanted = replace(wanted, at=shown.at if not shown.run else following.NEWEST)
        return no_update if to_query(wanted) == to_query(shown) else to_query(wanted)

    @app.callback(
        Output("run-choice", "options"),
        Output("run-other", "options"),
        Input("version", "data"),
        State("run-choice", "options"),
    )
    def offer(version: int, offered: Any) -> Any:
        found = ids(watch)
        return (no_update, no_update) if found == offered else (found, found)


def _charts(app: Dash, watch: Watch) -> None:
    @app.callback(
        Output("run-charts", "children"),
        Output(CHART, "figure"),
        Output(NAMES, "children"),
        Output("run-charts-drawn", "data"),
        Input("version", "data"),
        Input("query", "data"),
        Input("dark", "data"),
        State("run-charts-drawn", "data"),
        State(CHART, "id"),
    )
    def draw(version: int, query: str, dark: bool | None, drawn: Any, there: list[dict[str, str]]) -> Any:
        shown = from_query(Shown, query)
        nothing = [no_update] * len(there), [no_update] * len(there)
        record = chosen(watch, shown.run)
        if record is None:
            return look.empty(_nobody(watch, shown)), *nothing, None
        group = siblings(watch, record.group)
        runs = group if shown.seeds == "all" else [record]
        token = [[run.id, run.version] for run in runs] + [shown.find, bool(dark)]
        if token == drawn:
            return no_update, *nothing, no_update
        figures = charts(record, runs, group, shown.find, bool(dark))
        if not figures:
            what = f"No metric is named {shown.find!r}." if shown.find.strip() else "No metrics yet."
            return look.empty(what), *nothing, token
        if [of["of"] for of in there] == list(figures):
            drawings, names = zip(*figures.values(), strict=True)
            return no_update, list(drawings), list(names), token
        return [_block(prefix, *of) for prefix, of in figures.items()], *nothing, token


def _nobody(watch: Watch, shown: Shown) -> str:
    if shown.run:
        return f"There is no run {shown.run} in {watch.root}."
    return f"no runs in {watch.root} yet; `lab train` makes one"


def charts(
    record: Live, runs: Sequence[Live], group: Sequence[Live], find: str, dark: bool
) -> dict[str, tuple[dict[str, Any], list[Component]]]:
    """prefix -> the figure of its metrics, and their names over it."""
    seeds = {portrait.key(run): run.columns() for run in runs}
    metrics = {metric for series in seeds.values() for metric in series}
    ink = small_charts.colours([portrait.key(run) for run in group])
    most, template = small_charts.points_each(len(metrics) * len(seeds)), look.template(dark)
    return {
        prefix: (
            small_charts.figure(of, seeds, ink, template, record.axis, most=most, revision=record.group),
            small_charts.titles(of, seeds),
        )
        for prefix, of in small_charts.grouped(list(metrics), find).items()
    }


def _block(prefix: str, figure: dict[str, Any], names: list[Component]) -> Component:
    graph: Any = look.GRAPH
    drawn = dcc.Graph(
        figure=figure, id={"type": "run-chart", "of": prefix}, config=graph,
        style={"height": f"{figure['layout']['height']}px"},
    )  # fmt: skip
    named = html.Div(names, id={"type": "run-names", "of": prefix})
    columns = min(small_charts.ACROSS, len(names))
    return html.Div(
        [html.H3(prefix), html.Div([drawn, named], className="charts")],
        key=prefix,
        className=f"block across-{columns}",
    )


def _gallery(app: Dash, watch: Watch, index: gallery.Indexes) -> None:
    @app.callback(
        Output("run-gallery", "children"),
        Output("run-at", "max"),
        Output("run-at", "value"),
        Output("run-at-told", "children"),
        Output("run-at-steps", "data"),
        Output("run-media-drawn", "data"),
        Input("version", "data"),
        Input("query", "data"),
        Input("dark", "data"),
        State("run-at-steps", "data"),
        State("run-media-drawn", "data"),
    )
    def draw(version: int, query: str, dark: bool | None, before: list[int], drawn: Any) -> Any:
        shown = from_query(Shown, query)
        record = chosen(watch, shown.run)
        if record is None:
            return (look.empty("No run, no media."), *[no_update] * 5)
        token = [record.id, record.version, shown.media, shown.at, bool(dark)]
        if token == drawn:
            return (no_update,) * 6
        steps, entries = run_layout.steps(index, record, shown), index(record)
        at = steps[following.place(steps, shown.at)] if steps else 0
        if not steps:
            body: Component = look.empty(run_layout.nothing(entries, shown.media))
        elif shown.media == "pictures":
            body = gallery.pictures(record, entries, at)
        elif shown.media == "tables":
            body = gallery.tables(record, entries, at)
        else:
            body = gallery.histograms(record, entries, at, look.template(bool(dark)), COLOURS[0])
        most, value = following.moved(steps, before, shown.at) or (no_update, no_update)
        return body, most, value, following.told(steps, shown.at, record.axis), steps, token


def _words(app: Dash, watch: Watch) -> None:
    @app.callback(
        Output("run-head", "children"),
        Output("run-summary", "children"),
        Output("run-settings", "children"),
        Output("run-about", "children"),
        Output("run-console", "children"),
        Output("run-rest-drawn", "data"),
        Input("version", "data"),
        Input("query", "data"),
        State("run-rest-drawn", "data"),
    )
    def draw(version: int, query: str, drawn: Any) -> Any:
        shown = from_query(Shown, query)
        record = chosen(watch, shown.run)
        if record is None:
            return (look.empty(_nobody(watch, shown)), *[None] * 4, None)
        group, other = siblings(watch, record.group), watch.record(shown.other) if shown.other else None
        token = [query, *([run.id, run.version] for run in [*group, other, record] if run)]
        if token == drawn:
            return (no_update,) * 6
        ink = small_charts.colours([portrait.key(run) for run in group])

        def address(id: str) -> str:
            return PATH + to_query(replace(shown, run=id, at=following.NEWEST))

        return (
            portrait.head(record, group, ink, address), portrait.summary(record), portrait.settings(record, other),
            portrait.about(record), facts.console(record.path / "console.log") or "Nothing was said yet.", token,
        )  # fmt: skip


def _notes(app: Dash, watch: Watch) -> None:
    @app.callback(Output("run-notebook", "children"), Input("run-choice", "value"), prevent_initial_call=True)
    def turn(run: str | None) -> Any:
        return portrait.notebook(chosen(watch, run or ""))

    @app.callback(
        Output("run-saved", "children"),
        Input("run-save", "n_clicks"),
        State("run-tags", "value"),
        State("run-notes", "value"),
        State("run-choice", "value"),
        prevent_initial_call=True,
    )
    def save(clicks: int, tags: str | None, notes: str | None, run: str | None) -> Any:
        record = watch.record(run or "")
        if not clicks or record is None:
            return no_update
        try:
            annotations.write(record.path, Annotations(tuple((tags or "").split(",")), notes or ""))
        except UserError as error:
            return str(error)
        return "Saved."
