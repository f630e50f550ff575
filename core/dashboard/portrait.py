"""One run in words and tables: the parts of its page beside curves and media."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from core.dashboard import facts, look
from core.dashboard.following import unit
from core.dashboard.groups import seed
from core.dashboard.watch import Live
from core.measures import higher_is_better
from core.tables import number, span

SIGNS = {True: " ↑", False: " ↓", None: ""}  # which way is better


def head(
    record: Live, siblings: Sequence[Live], ink: Mapping[str, str], address: Callable[[str], str]
) -> Component:
    """State, progress and what ended it; below, links to the seeds of its group: `address` of an id."""
    told = seed(record)
    done = f"{number(told.step)} of {number(told.planned)}" if told.planned else number(told.step)
    took = f" in {span(told.seconds)}" if told.seconds == told.seconds else ""
    said = f"{done} {unit(record.axis)}{took}"
    bar = html.Progress(
        value=str(round(told.share, 4)),
        max="1",
        className=record.status,
        **look.aria(label=f"progress: {said}"),
    )
    error = record.run.get("error")
    notes = record.annotations
    return html.Div(
        [
            html.Div(
                [
                    html.H2(f"{record.algorithm} on {record.task}, seed {record.seed}"),
                    look.chip(record.status),
                ],
                className="run-title",
            ),
            html.P([html.Code(record.id)], className="quiet"),
            html.Div([bar, html.Span(said)], className="run-progress"),
            html.P(str(error), className="bad") if error else None,
            html.P(_unread(record), className="caution") if record.status == "unreadable" else None,
            html.P([html.Span(tag, className="tag") for tag in notes.tags]) if notes.tags else None,
            html.P(notes.notes, className="run-notes") if notes.notes else None,
            _seeds(record, siblings, ink, address) if len(siblings) > 1 else None,
        ]
    )


def _unread(record: Live) -> str:
    file = record.path / "run.json"
    return f"{file} cannot be read: it is half-written or of a newer format. The rest is shown as it is."


def _seeds(
    record: Live, siblings: Sequence[Live], ink: Mapping[str, str], address: Callable[[str], str]
) -> Component:
    links = [
        dcc.Link(
            [html.Span(className="dot", style={"background": ink[key(one)]}), key(one)], href=address(one.id),
            title=one.status, className=f"chip seed{' here' if one.id == record.id else ''}",
        )
        for one in siblings
    ]  # fmt: skip
    return html.Nav(
        [html.Span("Seeds of the group", className="label"), *links],
        className="run-seeds",
        **look.aria(label="seeds"),
    )


def key(record: Live) -> str:
    """What a seed's line is called in charts."""
    return f"seed {record.seed}" if record.seed >= 0 else record.path.name


def summary(record: Live) -> Component:
    """The last and the best of each metric."""
    rows = facts.summary(record, record.last())
    if not rows:
        return look.empty("No summary and no metrics yet.")
    shown = [(name + SIGNS[higher_is_better(name)], last, best, step) for name, last, best, step in rows]
    return look.table(
        ("metric", "last", "best", f"at {unit(record.axis)}"), shown, right=(1, 2, 3),
        caption="summary: the last and the best value of each metric",
    )  # fmt: skip


def settings(record: Live, other: Live | None) -> Component:
    """Every setting; against another run only those that differ."""
    if not record.config:
        return look.empty("No settings: config.yaml is missing or cannot be read.")
    if other is None:
        every = [(one.name, html.Code(one.here)) for one in facts.settings(record.config)]
        return look.table(("setting", "value"), every, caption="settings")
    if not other.config:
        return look.empty(f"{other.id} has no settings that can be read.")
    apart, same = facts.difference(record.config, other.config)
    if not apart:
        return look.empty(f"All {same} settings are the same, seeds apart.")
    rows: list[Any] = [(one.name, _value(one.here), _value(one.there)) for one in apart]
    return html.Div(
        [
            look.table(
                ("setting", "this run", "the other"),
                rows,
                caption="settings that differ between the two runs",
            ),
            html.P(f"{len(apart)} differ, {same} are the same.", className="quiet"),
        ]
    )


def _value(told: str | None) -> Any:
    return html.Span("not set", className="quiet") if told is None else html.Code(told)


def about(record: Live) -> Component:
    """How to repeat it, and where it ran."""
    typed = facts.commands(record)
    lines = [html.Div([html.Span(name, className="label"), html.Code(line)]) for name, line in typed]
    return html.Div(
        [
            html.Div(lines, className="run-commands"),
            look.table(("", ""), facts.facts(record), caption="where and how it ran"),
        ]
    )


def notebook(record: Live | None) -> list[Component]:
    """Where people write tags and notes."""
    told = record.annotations if record else None
    return [
        look.labelled(
            "Tags, parted by commas", dcc.Input(id="run-tags", value=", ".join(told.tags) if told else "")
        ),
        look.labelled("Notes", dcc.Textarea(id="run-notes", value=told.notes if told else "", rows=4)),
        html.Div(
            [
                html.Button("Save", id="run-save", type="button", n_clicks=0, className="button"),
                html.Output(id="run-saved", htmlFor="run-save"),
            ]
        ),
    ]
