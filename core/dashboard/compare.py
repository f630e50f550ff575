"""The Compare page: which is better, by how much, and how sure that is, while the runs still train."""

import threading
import weakref
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from flask import Response, request

from core.dashboard import choices, look, sections, together
from core.dashboard.choices import CHIPS, FIELDS, Shown, control_id
from core.dashboard.gathered import MOST_TASKS, Gathered, Part, Task, metrics_of, settings_of, tasks_of
from core.dashboard.view import from_query, to_query
from core.dashboard.watch import Watch

PATH = "/compare"
TITLE = "Compare"
OFFERED = ("tasks", "metric", "by", "runs")  # controls whose options the runs decide
_gathered: weakref.WeakKeyDictionary[Watch, Gathered] = weakref.WeakKeyDictionary()


def layout(query: str, watch: Watch) -> Component:
    """The page as the URL's query says: its controls; the figures come when the browser's theme is known."""
    shown = from_query(Shown, query)
    copy = html.Button("Copy link", id="compare-copy", type="button", n_clicks=0, className="button")
    return html.Div(
        [
            html.Div([html.H1(TITLE), copy], className="heading"),
            look.ignored(shown),
            choices.controls(shown, _offered(shown, _of(watch))),
            html.Fieldset([html.Legend("Entries"), html.Div(id=CHIPS)], className="entries"),
            html.Div(id="compare-said", role="status"),
            html.Div(id="compare-body", className=f"contests columns-{shown.columns}"),
            html.Div(id="compare-together"),
            dcc.Store(id="compare-drawn", data={}),
            dcc.Store(id=choices.PRESSED),
            html.Div(
                dcc.Graph(figure={"data": [], "layout": {}}), hidden=True
            ),  # the browser reads Plotly while the runs are read here
        ]
    )


def register(app: Dash, watch: Watch) -> None:
    """The page's callbacks."""
    _in_the_browser(app)
    _choosing(app)
    _offering(app, watch)
    _answering(app, watch)
    _reading_ahead(app, watch)


def _in_the_browser(app: Dash) -> None:
    app.clientside_callback(
        ClientsideFunction("compare", "copy"),
        Output("compare-copy", "children"),
        Input("compare-copy", "n_clicks"),
        prevent_initial_call=True,
    )

    app.clientside_callback(
        ClientsideFunction("compare", "percent"),
        Output(choices.SMOOTHING, "children"),
        Input(control_id("smoothing"), "value"),
    )


def _choosing(app: Dash) -> None:
    """From the controls to the view."""

    @app.callback(
        output=Output("query", "data", allow_duplicate=True),
        inputs=[[Input(control_id(name), "value") for name in FIELDS]],
        state=[State("query", "data")],
        prevent_initial_call=True,
    )
    def choose(values: list[Any], query: str) -> Any:
        before = from_query(Shown, query)
        after = choices.chosen(dict(zip(FIELDS, values, strict=True)), before)
        return no_update if after == replace(before, ignored=()) else to_query(after)

    @app.callback(
        Output("query", "data", allow_duplicate=True),
        Input(choices.PRESSED, "data"),
        State("query", "data"),
        prevent_initial_call=True,
    )
    def hide(pressed: dict[str, Any] | None, query: str) -> Any:
        if not pressed:
            return no_update
        return to_query(choices.toggled(from_query(Shown, query), str(pressed["label"])))

    @app.callback(
        Output("query", "data", allow_duplicate=True),
        Input(choices.MORE, "n_clicks"),
        State("query", "data"),
        prevent_initial_call=True,
    )
    def unfold(clicks: int | None, query: str) -> Any:
        shown = from_query(Shown, query)
        return to_query(replace(shown, more=not shown.more)) if clicks else no_update

    @app.callback(Output(choices.FOLDED, "children"), Input("query", "data"), prevent_initial_call=True)
    def name_folded(query: str) -> str:
        return choices.folded(from_query(Shown, query))


def _offering(app: Dash, watch: Watch) -> None:
    """From the runs to the options of the controls; a menu that is open stays as it is while they are the same."""

    @app.callback(
        output=[Output(control_id(name), "options") for name in OFFERED],
        inputs=[Input("version", "data"), Input("query", "data")],
        state=[[State(control_id(name), "options") for name in OFFERED]],
        prevent_initial_call=True,
    )
    def offer(version: int, query: str, known: list[list[str]]) -> list[Any]:
        offered = _offered(from_query(Shown, query), _of(watch))
        return [
            no_update if offered[name] == old else offered[name]
            for name, old in zip(OFFERED, known, strict=True)
        ]


def _answering(app: Dash, watch: Watch) -> None:
    """From the view and the runs to figures, verdicts and tables: only those that changed."""

    @app.callback(
        output={
            "body": [Output("compare-body", name) for name in ("children", "className")],
            "chips": Output(CHIPS, "children"),
            "said": Output("compare-said", "children"),
            "figures": Output({"type": sections.FIGURE, "of": ALL}, "figure"),
            "verdicts": Output({"type": sections.VERDICT, "of": ALL}, "children"),
            "tables": Output({"type": sections.TABLE, "of": ALL}, "children"),
            "drawn": Output("compare-drawn", "data"),
        },
        inputs=[Input("version", "data"), Input("query", "data"), Input("dark", "data")],
        state=[
            State({"type": sections.FIGURE, "of": ALL}, "id"),
            State("compare-drawn", "data"),
        ],
        prevent_initial_call=True,
    )
    def draw(version: int, query: str, dark: bool | None, ids: list[Any], drawn: Any) -> Any:
        there = [one["of"] for one in ids]
        return _drawing(from_query(Shown, query), _of(watch), bool(dark), there, drawn or {})

    @app.callback(
        Output("compare-together", "children"),
        Input("compare-drawn", "data"),
        State("query", "data"),
        State("dark", "data"),
        prevent_initial_call=True,
    )
    def sum_up(drawn: Any, query: str, dark: bool | None) -> Any:
        return _together(from_query(Shown, query), _of(watch), bool(dark))


def _reading_ahead(app: Dash, watch: Watch) -> None:
    """Runs are read while the browser still reads its scripts: hundreds of them take as long as those."""
    server: Any = app.server

    def ahead(response: Response) -> Response:
        if request.path == PATH and response.status_code == 200:
            shown = from_query(Shown, request.query_string.decode("utf-8", "replace"))
            threading.Thread(target=_contests, args=(shown, _of(watch)), daemon=True).start()
        return response

    server.after_request(ahead)


def _contests(shown: Shown, gathered: Gathered) -> tuple[list[Part], list[Part]]:
    """The tasks that are shown, with every entry and without the hidden ones."""
    records, _ = gathered.chosen(shown.runs, shown.where)
    question = (shown.metric, shown.threshold, shown.by, not shown.runs)
    tasks = _drawn(tasks_of(records), shown)
    return [gathered.part(task, question) for task in tasks], [
        gathered.part(task, question, shown.hidden) for task in tasks
    ]


def _of(watch: Watch) -> Gathered:
    if watch not in _gathered:
        _gathered[watch] = Gathered(watch)
    return _gathered[watch]


def _offered(shown: Shown, gathered: Gathered) -> dict[str, list[str]]:
    """The options of the controls, and what is chosen though no run has it."""
    records, _ = gathered.chosen(shown.runs, shown.where)
    tasks = tasks_of(records)
    drawn = [record for task in _drawn(tasks, shown) for record in task.records]
    offered = {
        "tasks": [task.name for task in tasks],
        "metric": metrics_of(drawn),
        "by": settings_of(drawn),
        "runs": [record.group for record in reversed(gathered.watch.records())],
    }
    held = {
        **{name: getattr(shown, name) for name in OFFERED},
        "metric": (shown.metric,) if shown.metric else (),
    }
    return {name: list(dict.fromkeys([*offered[name], *held[name]])) for name in OFFERED}


def _drawn(tasks: Sequence[Task], shown: Shown) -> list[Task]:
    """The tasks that are shown: those that were chosen, or else the first few."""
    return [task for task in tasks if task.name in shown.tasks] if shown.tasks else list(tasks[:MOST_TASKS])


def _drawing(
    shown: Shown, gathered: Gathered, dark: bool, there: list[str], before: dict[str, str]
) -> dict[str, Any]:
    """What is new on the page. `there` names the figures that stand on it, `before` says what they show."""
    whole, parts = _contests(shown, gathered)
    palette = sections.colours([part.contest for part in whole if part.contest])
    held = {sections.name_of(part.task): part for part in parts}
    columns = shown.columns if len(parts) > 1 else "1"
    now = {of: _signature(part, shown, dark, palette) for of, part in held.items()}
    told = {"columns": columns, "chips": _digest((palette, shown.hidden)), **now}
    same = there == [of for of, part in held.items() if part.contest] and list(told) == list(before)
    same = same and all(
        before[of] == told[of] for of in told if of == "columns" or (of in held and not held[of].contest)
    )
    made = {
        of: sections.pieces(part, shown, gathered, palette, dark, columns == "2")
        for of, part in held.items()
        if not same or now[of] != before[of]
    }
    patch = {
        kind: [made[of][piece] if same and of in made else no_update for of in there]
        for kind, piece in (("figures", "figure"), ("verdicts", "verdict"), ("tables", "table"))
    }
    body = no_update if same else sections.body([(part, made[of]) for of, part in held.items()], columns)
    chips = no_update if before.get("chips") == told["chips"] else choices.chips(palette, shown.hidden)
    return {
        "body": [body, f"contests columns-{columns}"],
        "chips": chips,
        "said": _said(shown, gathered, len(parts)),
        **patch,
        "drawn": no_update if told == before else told,
    }


def _together(shown: Shown, gathered: Gathered, dark: bool) -> list[Component]:
    """What is said of all contests on the page; after them, for it takes longer."""
    whole, parts = _contests(shown, gathered)
    held = [part.contest for part in parts if part.contest]
    found = gathered.together(held)
    palette = sections.colours([part.contest for part in whole if part.contest])
    return [*([together.card(found, palette, dark)] if found else []), *together.cautions(held)]


def _said(shown: Shown, gathered: Gathered, drawn: int) -> list[Component]:
    """What there is to know before the first figure: nothing there, a filter that says nothing, tasks left out."""
    if not gathered.watch.records():
        return [look.empty(f"No runs in {gathered.watch.root} yet; `lab train` makes one.")]
    records, wrong = gathered.chosen(shown.runs, shown.where)
    said: list[Component] = (
        [html.P(f"The filter is not applied: {wrong.rstrip('.')}.", className="caution")] if wrong else []
    )
    if not records:
        said.append(look.empty("No run passes the filter."))
    elif not drawn:
        said.append(look.empty("No run that passes the filter is of a task that is chosen."))
    elif not shown.tasks and drawn < (tasks := len(tasks_of(records))):
        said.append(html.P(f"The first {drawn} of {tasks} tasks; choose others above.", className="quiet"))
    return said


def _signature(part: Part, shown: Shown, dark: bool, palette: sections.Colours) -> str:
    """Changes when the section of a task does."""
    ink = [(entry.label, palette[entry.label]) for entry in (part.contest.entries if part.contest else ())]
    runs = [(record.id, record.version) for record in part.task.records]
    return _digest((replace(shown, tasks=(), hidden=(), columns="2", more=False), dark, ink, runs, part.said))


def _digest(told: object) -> str:
    return blake2b(repr(told).encode(), digest_size=8).hexdigest()
