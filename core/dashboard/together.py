"""The Compare page's answer for several tasks at once: aggregate scores, profiles, chances, sample efficiency."""

from collections.abc import Mapping, Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from core import across_figures, formats
from core.across import Across
from core.comparison import Contest
from core.dashboard import choices, look
from core.dashboard.drawn import LEGEND, legend_height

FIGURES = {
    "across-profiles": "Performance profiles",
    "across-efficiency": "Sample efficiency",
    "across-improvement": "Probability of improvement",
}


def card(together: Across, palette: Mapping[str, tuple[str, str]], dark: bool) -> Component:
    """Everything that is said of the tasks together."""
    colours = {label: colour for label, (colour, _) in palette.items()}
    drawn = across_figures.drawn(together, colours)
    for figure in drawn.values():
        named = [trace for trace in figure["data"] if trace["showlegend"]]
        for trace, label in zip(
            named, together.labels, strict=False
        ):  # none where dots are named at the axis
            trace["line"]["dash"] = palette[label][1]
    claim, colon, facts = together.verdict.partition(": ")
    outcome = "won" if " is better than " in together.verdict else "open"
    said = [f"Tasks: {', '.join(together.tasks)}. Intervals are 95 %, by bootstrap over seeds within tasks."]
    said += [*together.missing, *([together.caution] if together.caution else [])]
    return html.Section(
        [
            html.H2(f"All together: {len(together.tasks)} tasks, normalised scores", id="compare-all"),
            html.P([html.B(claim), colon + facts], className=f"verdict {outcome}"),
            html.Div(
                [_figure(name, drawn[name], dark) for name in FIGURES if name in drawn],
                className="contests columns-2",
            ),
            table(together, palette),
            *(html.P(note, className="quiet note") for note in said),
        ],
        className="card contest numbers",
        **look.aria(labelledby="compare-all"),
    )


def cautions(contests: Sequence[Contest]) -> list[Component]:
    """How far the intervals on the page can be trusted."""
    return [html.P(said, className="quiet") for said in formats.cautions(contests)]


def table(together: Across, palette: Mapping[str, tuple[str, str]]) -> Component:
    """The labels, the highest IQM first."""
    header = formats.across_header(together)
    rows: list[list[Any]] = [
        [choices.entry(label, *palette[label]), *row[1:]]
        for label, row in zip(together.labels, formats.across_rows(together), strict=True)
    ]
    return look.table(header, rows, right=range(2, len(header)), caption="all tasks in numbers")


def _figure(name: str, figure: dict[str, Any], dark: bool) -> Component:
    theme = look.DARK if dark else look.LIGHT
    figure["layout"] |= {"template": look.template(dark), "paper_bgcolor": theme["card"], "uirevision": name}
    if figure["layout"]["showlegend"]:
        names = [trace["name"] for trace in figure["data"] if "name" in trace]
        room = legend_height(names, narrow=True)
        figure["layout"] |= {"legend": LEGEND, "height": 320 + room, "showlegend": room > 0}
    config: Any = look.GRAPH
    graph = dcc.Graph(id=f"compare-{name}", figure=figure, config=config)
    return html.Div([html.H3(FIGURES[name]), html.Div(graph, role="img", **look.aria(label=FIGURES[name]))])
