"""The rows of the Overview's table: a group, and under it its seeds when it is open."""

import math
import time
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from dash import html
from dash.development.base_component import Component

from core import jsonl
from core.annotations import Annotations
from core.dashboard import look, run, run_layout
from core.dashboard.groups import Group, Seed
from core.dashboard.watch import Live
from core.records import FORMAT
from core.tables import age, number, span

# (what it sorts by, title, share of the width)
COLUMNS = (
    ("name", "run", "29%"),
    ("algorithm", "algorithm", "9%"),
    ("task", "task", "11%"),
    ("state", "state", "11%"),
    ("progress", "progress", "13%"),
    ("last", "last value", "11%"),
    ("duration", "took", "9%"),
    ("started", "began", "7%"),
)
RIGHT = ("last", "duration", "started")


def table(
    groups: Sequence[Group], sort: str, rising: bool, opened: Collection[str], chosen: Collection[str]
) -> Component:
    """A row for each group, and one for each seed of those that are open."""
    body = []
    for group in groups:
        body.append(_group(group, group.name in opened, group.name in chosen))
        if group.name in opened and len(group.seeds) > 1:
            body += [_seed(seed, group) for seed in group.seeds]
    widths = [html.Col(style={"width": width}) for width in ("40px", *(w for *_, w in COLUMNS), "58px")]
    head: list[Component] = [html.Th(html.Span("chosen", className="aloud"), scope="col")]
    head += [_head(name, title, sort, rising) for name, title, _ in COLUMNS]
    head += [html.Th(html.Span("notes", className="aloud"), scope="col")]
    named = html.Caption("The runs, by group", className="aloud")
    parts = [named, html.Colgroup(widths), html.Thead(html.Tr(head)), html.Tbody(body)]
    return html.Div(html.Table(parts), className="runs")


def _head(name: str, title: str, sort: str, rising: bool) -> Component:
    arrow = (" ↑" if rising else " ↓") if sort == name else ""
    said = {"sort": "ascending" if rising else "descending"} if sort == name else {}
    button = look.act(title + arrow, "sort", name, className="plain", title=f"sort by {title}")
    return html.Th(button, scope="col", className="n" if name in RIGHT else "", **look.aria(**said))


def _group(group: Group, opened: bool, chosen: bool) -> Component:
    several = len(group.seeds) > 1
    seeds = f"{len(group.seeds)} seeds" if several else f"seed {group.seeds[0].record.path.name}"
    turn = look.act(
        "▾" if opened else "▸", "open", group.name, className="plain turn",
        **look.aria(expanded=str(opened).lower(), label=f"seeds of {group.name}"),
    )  # fmt: skip
    tick = look.act(
        "✓" if chosen else "", "choose", group.name, className="tick", role="checkbox",
        **look.aria(checked=str(chosen).lower(), label=f"choose {group.name}"),
    )  # fmt: skip
    live = next((one.record for one in group.seeds if one.record.status == "running"), group.seeds[0].record)
    name = [
        html.Div(look.link(group.name, run.PATH, run_layout.Shown(run=live.id))),
        _said(Annotations(group.tags, group.notes), seeds),
        *_troubles(group.seeds[0].record if not several else None),
    ]
    chips = [look.chip(state, n if several else None) for state, n in group.states.items()]
    metric, value, n = group.last
    of = f" · {n} of {len(group.seeds)}" if several and n < len(group.seeds) else ""
    cells = [
        html.Td(tick),
        html.Td(
            html.Div([turn if several else html.Span(className="turn"), html.Div(name)], className="name")
        ),
        *(html.Td(html.Div(word, className="clamped", title=word)) for word in (group.algorithm, group.task)),
        html.Td(html.Div(chips, className="chips")),
        html.Td(_progress(group.slowest, share_of(group))),
        html.Td([html.Div(number(value)), html.Small(metric + of)] if metric else "–", className="n"),
        *_times(group.seconds, group.started),
        html.Td(_edit(group.name, group.name), className="n"),
    ]
    return html.Tr(cells, className="chosen" if chosen else "")


def share_of(group: Group) -> float:
    """How much of all its seeds' steps is done."""
    return math.fsum(seed.share for seed in group.seeds) / len(group.seeds)


def _seed(seed: Seed, group: Group) -> Component:
    record = seed.record
    link = look.link(f"seed {record.path.name}", run.PATH, run_layout.Shown(run=record.id))
    metric = group.last[0]
    value = seed.measured.get(metric, math.nan)
    cells = [
        html.Td(""),
        html.Td(
            html.Div(
                html.Div([html.Div(link), _said(_own(record, group)), *_troubles(record)]), className="name"
            ),
            colSpan=3,
        ),
        html.Td(look.chip(record.status)),
        html.Td(_progress(seed, seed.share)),
        html.Td(number(value), className="n"),
        *_times(seed.seconds, record.started),
        html.Td(_edit(record.id, f"seed {record.path.name} of {group.name}"), className="n"),
    ]
    return html.Tr(cells, className="seed")


def _own(record: Live, group: Group) -> Annotations:
    """What is said of a seed and not of its whole group."""
    said = record.annotations
    tags = () if said.tags == group.tags else said.tags
    return Annotations(tags, "" if said.notes.strip() == group.notes.strip() else said.notes)


def _said(said: Annotations, first: str = "") -> Component:
    """Tags, and the first line of the notes."""
    tags = [look.act(tag, "tag", tag, className="tag", title=f"runs with the tag {tag}") for tag in said.tags]
    notes = said.notes.strip()
    parts = [html.Small(first)] if first else []
    if notes:
        tags.append(html.Span(notes.splitlines()[0][:200], className="notes", title=notes[:2000]))
    return html.Div([*parts, *tags], className="said")


def _troubles(record: Live | None) -> list[Component]:
    """What is wrong with a run, in a line; nothing where all is well."""
    why = trouble(record) if record else ""
    return [html.Div(html.Small(why, className="bad"))] if why else []


def trouble(record: Live) -> str:
    """Why a run cannot be read or has ended early, in words."""
    if record.status == "unreadable":
        return _unreadable(record.path)
    error = record.run.get("error")
    if isinstance(error, str) and error:
        return error[:300]
    return "its process is gone" if record.status == "crashed" else ""


def _unreadable(folder: Path) -> str:
    if not (folder / "run.json").exists():
        return "run.json is missing"
    told = jsonl.load(folder / "run.json")
    if not told:
        return "run.json is half-written or no JSON"
    form = told.get("format", FORMAT)
    known = isinstance(form, int) and form <= FORMAT
    return "run.json says no status" if known else f"run.json is of format {str(form)[:20]}, not {FORMAT}"


def _progress(seed: Seed, share: float) -> Component:
    """A bar for the share that is done, and the steps of the seed that is least far."""
    state = seed.record.status
    planned = f" / {_short(seed.planned)}" if seed.planned and seed.step != seed.planned else ""
    bar = html.Span(
        html.Span(style={"width": f"{share:.1%}"}), className=f"progress {state if state.isalpha() else ''}",
        role="progressbar",
        **look.aria(valuenow=f"{share * 100:.0f}", valuemin="0", valuemax="100", label="progress"),
    )  # fmt: skip
    unit = seed.record.axis.removesuffix("_seen").replace("_", " ")
    steps = f"{_short(seed.step)}{planned}" if seed.step or planned else "no points yet"
    return html.Div([bar, html.Span(steps, className="steps", title=f"{seed.step:,} {unit}")])


def _short(count: int) -> str:
    """1,234; 50k; 1.25M."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= max(size, 10_000):
            return f"{count / size:.4g}{unit}"
    return f"{count:,}"


def _times(seconds: float, started: float) -> list[Component]:
    began = datetime.fromtimestamp(started).astimezone().isoformat(" ", "seconds")
    return [
        html.Td(span(seconds), className="n"),
        html.Td(html.Span(age(time.time() - started), title=began), className="n"),
    ]


def _edit(target: str, name: str) -> Component:
    return look.act(
        "edit", "edit", target, className="plain edit", **look.aria(label=f"edit tags and notes: {name}")
    )
