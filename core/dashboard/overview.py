"""Every run on the disk: its state, how far it is, what it has reached, and what people say about it."""

from dataclasses import dataclass

from dash import Dash, Input, Output, html
from dash.development.base_component import Component

from core.dashboard import look
from core.dashboard.view import View, from_query
from core.dashboard.watch import Watch
from core.tables import number

PATH = "/"
TITLE = "Overview"


@dataclass(frozen=True)
class Shown(View):
    """What the page shows."""

    search: str = ""  # words that a run's group, task, algorithm, tags or notes must hold
    runs: tuple[str, ...] = ()  # groups that are chosen


def layout(query: str, watch: Watch) -> Component:
    """The page as the URL's query says."""
    shown = from_query(Shown, query)
    return html.Div([html.H1(TITLE), look.ignored(shown), html.Div(id="overview-table")])


def register(app: Dash, watch: Watch) -> None:
    """The page's callbacks."""

    @app.callback(Output("overview-table", "children"), Input("version", "data"), Input("query", "data"))
    def draw(version: int, query: str) -> Component:
        records = watch.records()
        if not records:
            return look.empty(f"no runs in {watch.root} yet; `lab train` makes one")
        rows = [
            (look.link(record.id, "/run", None), look.chip(record.status), number(record.step()))
            for record in records
        ]
        return look.table(("run", "state", "steps"), rows, right=(2,), caption="runs")
