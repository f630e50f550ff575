"""What the Compare page lets a person choose, the controls for it, and a choice read back from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from dash import dcc, html
from dash.development.base_component import Component

from core.dashboard import look
from core.dashboard.lines import Style
from core.dashboard.view import View

SMOOTHEST = 25  # percent
CHIPS = "compare-hidden"
PRESSED = "compare-pressed"
SMOOTHING = "compare-smoothing-label"
MORE = "compare-more"
FOLDED = "compare-folded"
DRAWN = {"seeds": "single seeds", "log_x": "log x", "log_y": "log y"}
AXES = {"": "as recorded", "steps": "steps", "examples": "examples", "seconds": "seconds"}
CENTRES = {"mean": "mean", "iqm": "IQM"}
COLUMNS = {"1": "one", "2": "two"}


@dataclass(frozen=True)
class Shown(View):
    """All that the page shows."""

    runs: tuple[str, ...] = ()  # groups that are compared; all where none is named
    where: str = ""  # filters, such as status=finished lr=3e-4
    tasks: tuple[str, ...] = ()  # tasks that are drawn; the first few where none is named
    metric: str = ""  # what is compared; "" is what suits each task
    by: tuple[str, ...] = ()  # settings that make the entries
    hidden: tuple[str, ...] = ()  # entries left out
    x: Literal["", "steps", "examples", "seconds"] = ""  # the horizontal axis; "" is what the runs record
    statistic: Literal["mean", "iqm"] = "mean"  # what the lines are of
    smoothing: float = 0.0  # how far a smooth value looks to either side, in percent of the axis
    seeds: bool = False  # every seed is drawn
    log_x: bool = False  # logarithmic axis of steps
    log_y: bool = False  # logarithmic axis of values
    threshold: float | None = None  # bar for "steps to"; the published one where none is given
    columns: Literal["1", "2"] = "2"  # figures side by side
    more: bool = False  # the less used controls are unfolded

    @property
    def style(self) -> Style:
        """How the curves are drawn."""
        smoothing = min(max(self.smoothing, 0.0), SMOOTHEST) if self.smoothing == self.smoothing else 0.0
        return Style(self.x, self.statistic, smoothing, self.seeds, self.log_x, self.log_y)


def controls(shown: Shown, offered: Mapping[str, Sequence[str]]) -> Component:
    """Every control with the choice in it. `offered` has the options of those whose options the runs decide."""
    many = {
        name: look.labelled(label, _dropdown(name, getattr(shown, name), offered[name], empty, multi=True))
        for name, label, empty in (
            ("tasks", "Tasks", "the first few"),
            ("by", "Group by", "algorithm and settings"),
            ("runs", "Groups of runs", "all"),
        )
    }
    metric = _dropdown("metric", shown.metric or None, offered["metric"], "what suits each task")
    where = _input("where", shown.where, placeholder="status=finished lr=3e-4 task~Cart", type="text")
    bar = _input("threshold", shown.threshold, placeholder="the published bar", type="number", step="any")
    axis = _one_of("x", "Horizontal axis", AXES, shown.x)
    rows = [
        [many["runs"], look.labelled("Filter", where), look.labelled("Threshold", bar)],
        [
            _one_of("statistic", "Line", CENTRES, shown.statistic),
            _several("draw", "Draw", DRAWN, [name for name in DRAWN if getattr(shown, name)]),
            _one_of("columns", "Columns", COLUMNS, shown.columns),
            _smoothing(shown),
        ],
    ]
    summary = html.Summary(["More", html.Span(folded(shown), id=FOLDED)], id=MORE, n_clicks=0)
    return html.Div(
        [
            html.Div(
                [many["tasks"], look.labelled("Metric", metric), many["by"], axis], className="controls"
            ),
            html.Details([summary, *(html.Div(row, className="controls") for row in rows)], open=shown.more),
        ],
        className="card choices",
    )


def folded(shown: Shown) -> str:
    """Which of the controls that can be folded away say something: nobody should miss what they leave out."""
    names = {
        "groups of runs": shown.runs,
        "filter": shown.where,
        "threshold": shown.threshold is not None,
        "IQM": shown.statistic != "mean",
        **{label: getattr(shown, name) for name, label in DRAWN.items()},
        "one column": shown.columns == "1",
        "smoothing": shown.style.smoothing,
    }
    said = ", ".join(name for name, chosen in names.items() if chosen)
    return f": {said}" if said else ""


def chips(colours: Mapping[str, tuple[str, str]], hidden: Sequence[str]) -> list[Component]:
    """A button for each entry, pressed where it is shown; a press puts its label into the Store PRESSED."""

    def chip(label: str, line: tuple[str, str]) -> Component:
        told: dict[str, Any] = {
            "data-entry": label,
            **look.aria(pressed="false" if label in hidden else "true"),
        }
        return html.Button(entry(label, *line), type="button", className="chip", **told)

    return [chip(label, line) for label, line in colours.items()]


def toggled(shown: Shown, label: str) -> Shown:
    """The choice with one entry more or less hidden."""
    return replace(shown, hidden=tuple(sorted({*shown.hidden} ^ {label})))


def entry(label: str, colour: str, dash: str) -> Component:
    """An entry's name beside a piece of its line."""
    line = html.Span(className=f"stroke line-{dash}", style={"--colour": colour})
    return html.Span([line, html.Span(label)], title=label, className="entry")


FIELDS = (
    "tasks",
    "metric",
    "by",
    "where",
    "x",
    "statistic",
    "smoothing",
    "draw",
    "columns",
    "threshold",
    "runs",
)


def chosen(values: Mapping[str, Any], before: Shown) -> Shown:
    """The choice in the controls; what has none stays as it was."""
    draw = values["draw"] or ()
    return Shown(
        runs=tuple(values["runs"] or ()),
        where=(values["where"] or "").strip(),
        tasks=tuple(values["tasks"] or ()),
        metric=values["metric"] or "",
        by=tuple(values["by"] or ()),
        hidden=before.hidden,
        x=values["x"] or "",
        statistic=values["statistic"] or "mean",
        smoothing=float(values["smoothing"] or 0),
        seeds="seeds" in draw,
        log_x="log_x" in draw,
        log_y="log_y" in draw,
        threshold=None if values["threshold"] in (None, "") else float(values["threshold"]),
        columns=values["columns"] or "2",
        more=before.more,
    )


def control_id(name: str) -> str:
    """The id of a field's control."""
    return f"compare-{name.replace('_', '-')}"


def _dropdown(name: str, value: Any, options: Sequence[str], empty: str, multi: bool = False) -> Component:
    held = [value] if isinstance(value, str) else list(value or ())
    every = list(dict.fromkeys([*options, *held]))  # what the address asks for can be taken away again
    return dcc.Dropdown(
        every,
        list(value or ()) if multi else value,
        id=control_id(name),
        multi=multi,
        placeholder=empty,
        optionHeight="auto",
    )


def _input(name: str, value: Any, **more: Any) -> Component:
    return dcc.Input(id=control_id(name), value=value, **{"debounce": True, "autoComplete": "off", **more})


def _one_of(name: str, label: str, options: Mapping[str, str], value: str) -> Component:
    control = dcc.RadioItems(_options(options), value, id=control_id(name), inline=True)
    return html.Fieldset([html.Legend(label), control], className="control")


def _several(name: str, label: str, options: Mapping[str, str], value: Sequence[str]) -> Component:
    control = dcc.Checklist(_options(options), list(value), id=control_id(name), inline=True)
    return html.Fieldset([html.Legend(label), control], className="control")


def _options(options: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"value": value, "label": label} for value, label in options.items()]


def _smoothing(shown: Shown) -> Component:
    marks = {percent: f"{percent} %" if percent else "none" for percent in (0, 5, 10, 15, 20, SMOOTHEST)}
    slider = dcc.Slider(
        0,
        SMOOTHEST,
        0.5,
        value=shown.style.smoothing,
        marks=marks,
        id=control_id("smoothing"),
        allow_direct_input=False,
        updatemode="mouseup",
    )
    return html.Fieldset([html.Legend("Smoothing", id=SMOOTHING), slider], className="control slide")
