"""The panel in which people write tags and notes: of one run, or of all seeds of a group."""

from collections.abc import Mapping
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from core import annotations
from core.annotations import LONGEST_NOTES, Annotations
from core.dashboard import look
from core.dashboard.watch import Live, Watch
from core.errors import UserError


def register(app: Dash, watch: Watch) -> None:
    """Opens the panel, saves what it holds, closes it. The page has `overview-panel` and `overview-edited`."""

    @app.callback(
        Output("overview-panel", "children"),
        Output("overview-edited", "data"),
        Input("overview-act", "data"),
        prevent_initial_call=True,
    )
    def open_or_close(act: Mapping[str, Any] | None) -> Any:
        if act and act.get("act") == "edit" and (records := runs(watch, str(act.get("of")))):
            return panel(str(act["of"]), records), act["of"]
        return ([], None) if act and act.get("act") in ("edit", "close") else (no_update, no_update)

    @app.callback(
        Output("overview-panel", "children", allow_duplicate=True),
        Output("overview-fault", "children"),
        Output("version", "data", allow_duplicate=True),
        Input("overview-save", "n_clicks"),
        State("overview-edited", "data"),
        State("overview-tags", "value"),
        State("overview-notes", "value"),
        prevent_initial_call=True,
    )
    def save(clicks: int | None, target: str | None, tags: str | None, notes: str | None) -> Any:
        if not clicks or not target:
            return no_update, no_update, no_update
        try:
            for record in runs(watch, target):
                annotations.write(record.path, Annotations(tuple((tags or "").split(",")), notes or ""))
        except UserError as error:
            return no_update, str(error), no_update
        return [], no_update, watch.refresh()


def runs(watch: Watch, target: str) -> list[Live]:
    """The run of that id, or every run of the group of that name."""
    record = watch.record(target)
    return [record] if record else [one for one in watch.records() if one.group == target]


def panel(target: str, records: list[Live]) -> Component:
    """What is said now, to be changed."""
    said = [record.annotations for record in records]
    tags = list(dict.fromkeys(tag for one in said for tag in one.tags))
    notes = dict.fromkeys(one.notes for one in said)
    differ = len({(one.tags, one.notes) for one in said}) > 1
    several = f" ({len(records)} seeds)" if len(records) > 1 else ""
    return html.Div(
        [
            html.H2(["Tags and notes of ", html.Span(target + several, className="mono")]),
            html.P("Its seeds differ; saving makes them alike.", className="quiet") if differ else None,
            look.labelled(
                "Tags, parted by commas",
                dcc.Input(id="overview-tags", value=", ".join(tags), autoFocus=True, autoComplete="off"),
            ),
            look.labelled(
                "Notes",
                dcc.Textarea(
                    id="overview-notes", value="\n".join(filter(None, notes)), maxLength=LONGEST_NOTES
                ),
            ),
            html.Div(id="overview-fault", className="bad", role="alert"),
            html.Div(
                [
                    look.act("Cancel", "close", className="button"),
                    html.Button("Save", id="overview-save", className="button main", type="button"),
                ],
                className="row",
            ),
        ],
        className="panel",
        role="dialog",
        **look.aria(label=f"tags and notes of {target}"),
    )
