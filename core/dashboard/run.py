"""One run whole."""

from dataclasses import dataclass

from dash import Dash, html
from dash.development.base_component import Component

from core.dashboard import look
from core.dashboard.view import View, from_query
from core.dashboard.watch import Watch

PATH = "/run"
TITLE = "Run"


@dataclass(frozen=True)
class Shown(View):
    """What the page shows."""

    run: str = ""  # the id that is shown, <group>/<seed>


def layout(query: str, watch: Watch) -> Component:
    """The page as the URL's query says."""
    shown = from_query(Shown, query)
    return html.Div([html.H1(TITLE), look.empty("This page is coming."), look.ignored(shown)])


def register(app: Dash, watch: Watch) -> None:
    """The page's callbacks."""
