"""The Compare page's answer for one task: the verdict in words, the curves, the table."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from core import formats
from core.aggregates import aggregate
from core.comparison import Contest, Entry
from core.dashboard import choices, drawn, look
from core.dashboard.choices import Shown
from core.dashboard.gathered import Gathered, Part, Task
from core.draws import draws
from core.figures import COLOURS
from core.tables import number

FIGURE, VERDICT, TABLE = "compare-figure", "compare-verdict", "compare-table"
WAYS = {True: "higher is better", False: "lower is better", None: "no better or worse"}
Colours = Mapping[str, tuple[str, str]]


def colours(contests: Sequence[Contest]) -> dict[str, tuple[str, str]]:
    """label -> colour and dash, the same in every figure of the page."""
    labels = sorted({entry.label for contest in contests for entry in contest.entries})
    dashes = drawn.DASHES
    return {
        label: (COLOURS[i % len(COLOURS)], dashes[i // len(COLOURS) % len(dashes)])
        for i, label in enumerate(labels)
    }


def name_of(task: Task) -> str:
    """A name for ids: no letter in it means anything to a browser."""
    return blake2b(f"{task.suite}\x1f{task.name}".encode(), digest_size=6).hexdigest()


def body(parts: Sequence[tuple[Part, Mapping[str, Any]]], columns: str) -> list[Component]:
    """Every task's section; each with its table, or side by side with all tables below. The rest are its pieces."""
    if columns == "1":
        return [_section(part, pieces, [_table(part, pieces)]) for part, pieces in parts]
    tables = [
        html.Div([html.H3(part.task.name), _table(part, pieces)]) for part, pieces in parts if part.contest
    ]
    below = [html.Section([html.H2("In numbers"), *tables], className="card numbers")] if tables else []
    return [*(_section(part, pieces, []) for part, pieces in parts), *below]


def _section(part: Part, pieces: Mapping[str, Any], more: Sequence[Component]) -> Component:
    of, task, contest = name_of(part.task), part.task.name, part.contest
    head: list[Any] = [html.H2(task, id=f"compare-{of}")]
    label = look.aria(labelledby=f"compare-{of}")
    if contest is None:
        return html.Section([*head, look.empty(part.said)], className="card contest", **label)
    config: Any = {**look.GRAPH, "toImageButtonOptions": PICTURE}
    graph = dcc.Graph(id={"type": FIGURE, "of": of}, figure=pieces["figure"], config=config)
    figure = html.Div(graph, role="img", **look.aria(label=f"{contest.metric} of {task}"))
    verdict = html.Div(pieces["verdict"], id={"type": VERDICT, "of": of})
    return html.Section([*head, verdict, figure, *more], className="card contest", **label)


def _table(part: Part, pieces: Mapping[str, Any]) -> Component:
    return html.Div(pieces["table"], id={"type": TABLE, "of": name_of(part.task)}, className="numbers")


PICTURE = {"format": "png", "filename": "curves", "scale": 2}


def pieces(
    part: Part, shown: Shown, gathered: Gathered, palette: Colours, dark: bool, narrow: bool
) -> dict[str, Any]:
    """What changes in a task's section when its runs go on."""
    contest = part.contest
    if contest is None:
        return {}
    lines = gathered.lines(contest, shown.style)
    theme = look.DARK if dark else look.LIGHT
    figure = drawn.figure(contest, lines, shown.style, palette, look.template(dark))
    room = drawn.legend_height([line.entry.label for line in lines], narrow)
    figure["layout"] |= {"paper_bgcolor": theme["card"], "height": 330 + room, "showlegend": room > 0}
    return {
        "figure": figure,
        "verdict": _verdict(contest, [*drawn.notes(contest, lines, shown.style), *formats.remarks(contest)]),
        "table": table(contest, shown, palette),
    }


def _verdict(contest: Contest, notes: Sequence[str]) -> list[Component]:
    bar = f" · bar {number(contest.threshold)}" if contest.threshold is not None else ""
    claim, colon, facts = contest.verdict.partition(": ")
    outcome = "won" if " is better than " in contest.verdict else "open"
    return [
        html.P(f"{contest.metric}, {WAYS[contest.higher_is_better]}{bar}", className="quiet measure"),
        html.P([html.B(claim), colon + facts], className=f"verdict {outcome}"),
        *(html.P(note, className="quiet note") for note in notes),
    ]


def table(contest: Contest, shown: Shown, palette: Colours) -> Component:
    """The entries, best first, in the columns of `lab compare`."""
    header, rows = list(formats.header(contest)), [list(formats.cells(entry)) for entry in contest.entries]
    if shown.statistic == "iqm":
        header.insert(4, "IQM")
        for row, entry in zip(rows, contest.entries, strict=True):
            row.insert(4, _iqm(entry))
    told: list[list[Any]] = [
        [
            choices.entry(entry.label, *palette[entry.label]),
            *row[1:],
        ]
        for row, entry in zip(rows, contest.entries, strict=True)
    ]
    return look.table(header, told, right=range(2, len(header)), caption=f"{contest.task} in numbers")


def _iqm(entry: Entry) -> str:
    if not len(entry.scores):
        return number(None)
    found = aggregate([entry.scores], "iqm", draws("IQM", entry.label))
    ends = f" [{number(found.low)}, {number(found.high)}]" if len(entry.scores) > 1 else ""
    return f"{number(found.mean)}{ends}"
