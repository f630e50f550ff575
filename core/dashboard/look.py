"""What the pages share: chips, tables, empty places, links, and figures in light and dark."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from dash import dcc, html
from dash.development.base_component import Component

from core.dashboard.view import View, to_query
from core.figures import COLOURS

Node = Component | str | int | float | None | Sequence[Any]  # what an element may hold

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", sans-serif'
# ink, quiet, grid, card; the same as in assets/lab.css
LIGHT = {"ink": "#1b1f27", "quiet": "#5d6572", "grid": "#e9ebef", "card": "#ffffff"}
DARK = {"ink": "#e7eaf0", "quiet": "#9aa3b2", "grid": "#2a303a", "card": "#1a1f27"}
BUTTONS = ["toImage", "zoom2d", "pan2d", "resetScale2d"]
GRAPH: dict[str, Any] = {"displaylogo": False, "responsive": True, "modeBarButtons": [BUTTONS]}


def chip(status: str, count: int | None = None) -> Component:
    """A run's state, told by its word and, besides, by a coloured dot."""
    return html.Span(status if count is None else f"{count} {status}", className=chip_class(status))


def chip_class(status: str) -> str:
    """The class of a state; a word that is none gets no class of its own."""
    return f"chip {status}" if status.isalpha() and status.isascii() else "chip"


def act(words: Node, name: str, of: str = "", **more: Any) -> Component:
    """A button that puts {act: name, of} into a Store when pressed; no callback of its own is needed.

    The Store is the one that the page's element around it names in `data-acts`; without one nothing happens.
    """
    given: dict[str, Any] = {"type": "button", "data-act": name, "data-of": of, **more}
    return html.Button(words, **given)


def empty(message: str) -> Component:
    """Said where there is nothing to show."""
    return html.P(message, className="empty", role="status")


def ignored(view: View) -> Component | None:
    """A line that names what the URL said in vain; None when there is nothing of that."""
    if not view.ignored:
        return None
    names = ", ".join(repr(name[:60]) for name in view.ignored[:8])
    return html.P(f"The address asks for what this page cannot show: {names}.", className="caution")


def table(
    header: Sequence[Node], rows: Sequence[Sequence[Node]], *, right: Sequence[int] = (), caption: str = ""
) -> Component:
    """Rows of text or elements; columns whose index is in `right` stand flush right. `caption` names it aloud."""
    side = ["n" if column in right else "" for column in range(len(header))]
    head = [html.Th(cell, scope="col", className=c) for cell, c in zip(header, side, strict=True)]
    body = [html.Tr([html.Td(cell, className=c) for cell, c in zip(row, side, strict=True)]) for row in rows]
    named = [html.Caption(caption, className="aloud")] if caption else []
    return html.Div(
        html.Table([*named, html.Thead(html.Tr(head)), html.Tbody(body)]), className="wide", tabIndex=0
    )


def labelled(label: str, control: Component) -> Component:
    """A control under its label; the control needs an id."""
    named: Any = control
    return html.Div([html.Label(label, htmlFor=named.id), control], className="control")


def aria(**words: str) -> dict[str, Any]:
    """Attributes for who cannot see: `html.Button("×", **aria(label="close"))`."""
    return {f"aria-{name}": word for name, word in words.items()}


def link(words: Node, path: str, view: View | None = None, **more: Any) -> Component:
    """A link to a page with a view; the browser does not load anew."""
    return dcc.Link(words, href=path + (to_query(view) if view else ""), **more)


def media(record_id: str, file: str) -> str:
    """The address of a file of a run: `file` is relative to the run's folder, as media/index.jsonl says it."""
    group, _, seed = record_id.rpartition("/")
    inside = file.removeprefix("media/")
    return f"/media/{quote(group, safe='')}/{quote(seed, safe='')}/{quote(inside)}"


def colours(labels: Sequence[str]) -> dict[str, str]:
    """label -> colour, the same for the same labels in whatever order."""
    return {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(sorted(set(labels)))}


def template(dark: bool) -> dict[str, Any]:
    """A Plotly template: `figure.update_layout(template=look.template(dark))`, or layout["template"]."""
    c: Mapping[str, str] = DARK if dark else LIGHT
    axis = {
        "gridcolor": c["grid"],
        "linecolor": c["grid"],
        "zerolinecolor": c["grid"],
        "automargin": True,
        "title": {"font": {"size": 13}},
    }
    return {
        "layout": {
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": list(COLOURS),
            "font": {"family": FONT, "size": 13, "color": c["ink"]},
            "hoverlabel": {"bgcolor": c["card"], "bordercolor": c["grid"], "font": {"color": c["ink"]}},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": c["quiet"], "activecolor": c["ink"]},
            "xaxis": axis,
            "yaxis": axis,
        }
    }
