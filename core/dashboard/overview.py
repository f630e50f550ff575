"""Every run on the disk: its state, how far it is, what it has reached, and what people say about it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from core.dashboard import annotating, choices, compare, drawing, look, rows
from core.dashboard.groups import STATES, Group, Groups, order, sift
from core.dashboard.view import View, from_query, to_query
from core.dashboard.watch import Watch

PATH = "/"
TITLE = "Overview"
PER_PAGE = 50  # groups
ACTS = "overview-act"  # what a button of the page was pressed for


@dataclass(frozen=True)
class Shown(View):
    """What the page shows."""

    search: str = ""  # words that a run's group, task, algorithm, tags or notes must hold
    states: tuple[str, ...] = ()  # of which a group must have a seed in one
    algorithms: tuple[str, ...] = ()  # of which a group must have one
    tasks: tuple[str, ...] = ()  # of which a group must have one
    sort: Literal["name", "algorithm", "task", "state", "progress", "last", "duration", "started"] = "started"
    rising: bool = False  # smallest first
    page: int = 0  # of the table
    open: tuple[str, ...] = ()  # groups whose seeds are listed
    runs: tuple[str, ...] = ()  # groups that are chosen


def layout(query: str, watch: Watch) -> Component:
    """The page as the URL's query says."""
    shown = from_query(Shown, query)
    search = dcc.Input(
        id="overview-search", type="search", value=shown.search, debounce=0.25, autoComplete="off",
        placeholder="name, task, tag, note …", maxLength=200,
    )  # fmt: skip
    acts: dict[str, Any] = {"data-acts": ACTS}
    return html.Div(
        [
            html.Div([html.H1(TITLE), html.Span(id="overview-count", className="quiet")], className="head"),
            look.ignored(shown),
            html.Div(
                [
                    look.labelled("Search", search),
                    look.labelled("Algorithms", _choice("overview-algorithms", shown.algorithms)),
                    look.labelled("Tasks", _choice("overview-tasks", shown.tasks)),
                    html.Div(
                        id="overview-states", className="states", role="group", **look.aria(label="states")
                    ),
                ],
                className="controls",
            ),
            drawing.place("overview-table"),
            html.Div(id="overview-panel"),
            dcc.Store(id="overview-edited"),
            dcc.Store(id=ACTS),
            dcc.Interval(id="overview-clock", interval=30_000),  # ages go on by themselves
        ],
        **acts,
    )


def _choice(id: str, chosen: tuple[str, ...]) -> Component:
    # what is chosen must be among the options at once, or it would be dropped
    return dcc.Dropdown(list(chosen), list(chosen), id=id, multi=True, placeholder="all", maxHeight=360)


def register(app: Dash, watch: Watch) -> None:
    """The page's callbacks."""
    gathered = Groups()
    _controls(app)
    _clicks(app, watch)
    annotating.register(app, watch)
    drawing.register(app, "overview-table")

    @app.callback(
        Output("overview-count", "children"),
        Output("overview-states", "children"),
        drawing.output("overview-table"),
        Output("overview-algorithms", "options"),
        Output("overview-tasks", "options"),
        Input("version", "data"),
        Input("query", "data"),
        Input("overview-clock", "n_intervals"),
    )
    def draw(version: int | None, query: str, ticks: int | None) -> Any:
        shown = from_query(Shown, query)
        groups = gathered.of(watch.records())
        seeds = sum(len(group.seeds) for group in groups)
        said = f"{_many(len(groups), 'group')}, {_many(seeds, 'run')} in {watch.root}" if groups else ""
        algorithms = sorted({group.algorithm for group in groups} | set(shown.algorithms))
        tasks = sorted({group.task for group in groups} | set(shown.tasks))
        drawn = drawing.tree(_table(shown, groups, watch))
        return said, _states(shown, groups), drawn, algorithms, tasks


def _controls(app: Dash) -> None:
    @app.callback(
        Output("query", "data", allow_duplicate=True),
        Input("overview-search", "value"),
        Input("overview-algorithms", "value"),
        Input("overview-tasks", "value"),
        State("query", "data"),
        prevent_initial_call=True,
    )
    def narrow(search: str | None, algorithms: list[str] | None, tasks: list[str] | None, query: str) -> Any:
        shown = from_query(Shown, query)
        narrowed = replace(
            shown,
            search=search or "",
            algorithms=tuple(algorithms or ()),
            tasks=tuple(tasks or ()),
            ignored=(),
        )
        return to_query(replace(narrowed, page=0)) if narrowed != replace(shown, ignored=()) else no_update


def _clicks(app: Dash, watch: Watch) -> None:
    @app.callback(
        Output("query", "data", allow_duplicate=True),
        Output("overview-search", "value"),
        Output("overview-algorithms", "value"),
        Output("overview-tasks", "value"),
        Input(ACTS, "data"),
        State("query", "data"),
        prevent_initial_call=True,
    )
    def click(act: Mapping[str, Any] | None, query: str) -> Any:
        shown = from_query(Shown, query)
        after = clicked(shown, str((act or {}).get("act")), str((act or {}).get("of", "")))
        if after == shown:
            return no_update, no_update, no_update, no_update
        if (
            after.search == shown.search
            and after.algorithms == shown.algorithms
            and after.tasks == shown.tasks
        ):
            return to_query(after), no_update, no_update, no_update  # what is being typed stays
        return to_query(after), after.search, list(after.algorithms), list(after.tasks)


def clicked(shown: Shown, act: str, of: str) -> Shown:
    """The view after a button was pressed: `of` says which row, column, state or tag it belongs to."""
    match act:
        case "sort":
            # a column that was sorted already turns round; times begin with the newest, words with a
            rising = not shown.rising if shown.sort == of else of in ("name", "algorithm", "task", "state")
            asked = from_query(Shown, f"sort={of}")
            return shown if asked.ignored else replace(shown, sort=asked.sort, rising=rising, page=0)
        case "state":
            return replace(shown, states=_toggled(shown.states, of), page=0)
        case "open":
            return replace(shown, open=_toggled(shown.open, of))
        case "choose":
            return replace(shown, runs=_toggled(shown.runs, of))
        case "page" if of.isdecimal():
            return replace(shown, page=int(of))
        case "tag":
            words = shown.search.split()
            return replace(shown, search=" ".join(dict.fromkeys([*words, *of.split()])), page=0)
        case "unchoose":
            return replace(shown, runs=())
        case "clear":
            return replace(shown, search="", states=(), algorithms=(), tasks=(), page=0)
    return shown


def _toggled(items: tuple[str, ...], item: str) -> tuple[str, ...]:
    return tuple(one for one in items if one != item) if item in items else (*items, item)


def _states(shown: Shown, groups: list[Group]) -> list[Component]:
    """A button for each state that a seed is in, with their number; pressed ones sift."""
    counts = sum((group.states for group in groups), Counter[str]())
    names = [
        name for name in (*STATES, *sorted(set(counts) - set(STATES))) if counts[name] or name in shown.states
    ]
    return [
        look.act([f"{name} {counts[name]}"], "state", name, className=look.chip_class(name),
                 **look.aria(pressed=str(name in shown.states).lower()))
        for name in names
    ]  # fmt: skip


def _table(shown: Shown, groups: list[Group], watch: Watch) -> list[Component]:
    """The line over the table, and the table."""
    if not groups:
        return [look.empty(nothing(watch.root))]
    found = sift(
        groups, search=shown.search, states=shown.states, algorithms=shown.algorithms, tasks=shown.tasks
    )
    line = _line(shown, found, groups)
    if not found:
        return [line, look.empty("No group is like that.")]
    ordered = order(found, shown.sort, shown.rising)
    page = min(max(shown.page, 0), (len(ordered) - 1) // PER_PAGE)
    visible = ordered[page * PER_PAGE : (page + 1) * PER_PAGE]
    return [line, rows.table(visible, shown.sort, shown.rising, shown.open, shown.runs)]


def nothing(root: Path) -> str:
    """What is said of a folder without runs; folders inside it that have some are named."""
    depths = ("*/*/*/run.json", "*/*/*/*/run.json", "*/*/*/*/*/run.json")
    deeper = sorted({str(found.parents[2]) for depth in depths for found in root.glob(depth)})
    if deeper:
        return f"no runs in {root} itself; there are some with --root {' or '.join(deeper[:6])}"
    return f"no runs in {root} yet; `lab train` makes one"


def _line(shown: Shown, found: list[Group], groups: list[Group]) -> Component:
    """What is chosen and what can be done with it; what is left out; the pages."""
    there = {group.name for group in groups}
    chosen = tuple(name for name in shown.runs if name in there)
    left: list[Component] = []
    if chosen:
        words = f"Compare {_many(len(chosen), 'group')}"
        left.append(look.link(words, compare.PATH, choices.Shown(runs=chosen), className="button main"))
        left.append(look.act("Choose none", "unchoose", className="button"))
    if len(found) < len(groups):
        left.append(html.Span(f"{len(found)} of {_many(len(groups), 'group')}", className="quiet"))
        left.append(look.act("Show all", "clear", className="button"))
    last = max(0, (len(found) - 1) // PER_PAGE)
    page = min(max(shown.page, 0), last)
    right: list[Component] = []
    if last:
        first, end = page * PER_PAGE + 1, min(len(found), (page + 1) * PER_PAGE)
        right = [
            html.Span(f"{first}–{end} of {len(found)}", className="quiet"),
            look.act("Previous", "page", str(page - 1), className="button", disabled=page == 0),
            look.act("Next", "page", str(page + 1), className="button", disabled=page == last),
        ]
    return html.Div([html.Div(left), html.Div(right)], className="bar-line")


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
