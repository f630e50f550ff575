"""The statistics of several runs side by side."""

from dataclasses import dataclass

from dash import Dash, html
from dash.development.base_component import Component

from core.dashboard import look
from core.dashboard.view import View, from_query
from core.dashboard.watch import Watch

PATH = "/compare"
TITLE = "Compare"


@dataclass(frozen=True)
class Shown(View):
    """What the page shows."""

    runs: tuple[str, ...] = ()  # groups that are compared; all where none is named


def layout(query: str, watch: Watch) -> Component:
    """The page as the URL's query says."""
    shown = from_query(Shown, query)
    return html.Div([html.H1(TITLE), look.empty("This page is coming."), look.ignored(shown)])


def register(app: Dash, watch: Watch) -> None:
    """The page's callbacks."""
