"""Large tables, drawn in the browser without React: Dash spends milliseconds on every element it knows.

A page puts `place(id)` into its layout, calls `register(app, id)`, and a callback of its own returns
`tree(components)` to `output(id)`. Elements are those of `dash.html` and `look.link`; none of them may be used by
a callback, clicks go through `look.act`.
"""

from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from core.dashboard.look import Node

NAMES = {"className": "class", "colSpan": "colspan", "rowSpan": "rowspan", "tabIndex": "tabindex"}


def place(id: str) -> Component:
    """Where a drawing appears."""
    return html.Div([html.Div(id=id), dcc.Store(id=f"{id}-tree")])


def output(id: str) -> Output:
    """What a callback returns a tree to."""
    return Output(f"{id}-tree", "data")


def register(app: Dash, id: str) -> None:
    """The callback that draws, in the browser (assets/draw.js)."""
    app.clientside_callback(
        ClientsideFunction("lab", "draw"), Input(f"{id}-tree", "data"), State(f"{id}-tree", "id")
    )


def tree(node: Node) -> list[Any]:
    """Elements as nested lists, [tag, attributes, children] or text; None is left out, lists are laid flat."""
    if node is None:
        return []
    if isinstance(node, list | tuple):
        return [part for one in node for part in tree(one)]
    if not isinstance(node, Component):
        return [str(node)]
    described = node.to_plotly_json()
    props = dict(described["props"])
    children = tree(props.pop("children", None))
    kind = described["type"]
    if kind == "Link":
        kind, props["data-inside"] = "A", True
    attributes = {NAMES.get(name, name): value for name, value in props.items() if value is not None}
    return [[kind.lower(), attributes, children]]
