"""A contest's curves as a Plotly figure for the live page, and in words what the figure cannot show. All pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.comparison import Contest
from core.coverage import caution
from core.curves import Curves
from core.dashboard.lines import Line, Points, Style, axis_of, shared_wall
from core.figures import bands, bar, nulls, plain
from core.jsonl import Floats
from core.statistics import ENOUGH

DASHES = ("solid", "dash", "dot", "dashdot")  # tell apart the lines of one colour
TITLES = {"seconds": "seconds of wall time"}
# It hides and shows nothing: the chips above the figures do, and are in the URL.
LEGEND = {
    "orientation": "h",
    "x": 0,
    "y": 1.02,
    "yanchor": "bottom",
    "itemclick": False,
    "itemdoubleclick": False,
}
NOTHING = {"xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "showarrow": False, "font": {"size": 14}}
MOST_NAMES = 16  # in a legend; more would leave no room for the lines, and the chips tell them too
LONGEST = 60  # letters of a name in a legend
SAID = {  # of a point with an interval, and of one without
    True: "%{y:,.4~r}  [%{customdata[0]:,.4~r}, %{customdata[1]:,.4~r}]  n = %{customdata[2]}",
    False: "%{y:,.4~r}  n = %{customdata[2]}",
}


def figure(
    contest: Contest,
    lines: Sequence[Line],
    style: Style,
    colours: Mapping[str, tuple[str, str]],
    template: Mapping[str, Any],
) -> dict[str, Any]:
    """Data and layout. `colours` has the colour and the dash of each label.

    Zoom and pan are kept for as long as `uirevision` is the same: while the axes show the same thing.
    """
    floor = lowest(lines) if style.log_y else None
    log_y = floor is not None
    data = [trace for line in lines for trace in _traces(line, floor, *colours[line.entry.label])]
    axis = axis_of(contest, style.x)
    shapes, words = _marks(contest, lines, log_y)
    layout = {
        "template": template,
        "margin": {"l": 64, "r": 24 if contest.threshold is None else 80, "t": 12, "b": 52},
        "hovermode": "x unified",
        "hoverlabel": {"namelength": LONGEST},
        "showlegend": True,
        "legend": LEGEND,
        "xaxis": {
            "title": {"text": TITLES.get(axis, axis), "standoff": 8},
            **_scale(style.log_x, [line.centre.steps for line in lines]),
            "tickformat": ",.6~r" if axis == "seconds" else "~s",
            "hoverformat": ",.6~g",
        },
        "yaxis": {
            "title": {"text": plain(contest.metric)},
            **_scale(log_y, [line.centre.mean for line in lines]),
            "tickformat": ",.6~r",
            "zeroline": False,
        },
        "shapes": shapes,
        "annotations": words,
        "uirevision": f"{contest.task}|{contest.metric}|{axis}|{style.log_x}|{log_y}",
    }
    return {"data": data, "layout": layout}


def _marks(contest: Contest, lines: Sequence[Line], log_y: bool) -> tuple[list[Any], list[Any]]:
    """The threshold as a line with its number; where there is nothing to draw, the words that say so."""
    if not any(np.isfinite(line.centre.mean).any() for line in lines):
        return [], [{**NOTHING, "text": f"no values of {plain(_short(contest.metric))}"}]
    if contest.threshold is None or (log_y and contest.threshold <= 0):
        return [], []
    shapes, words = bar(contest.threshold)
    if log_y:  # a shape stands by its value, an annotation by its logarithm
        words = [{**word, "y": np.log10(contest.threshold)} for word in words]
    return shapes, words


def legend_height(labels: Sequence[str], narrow: bool) -> int:
    """Pixels of a figure's legend: Plotly gives each name the room of the longest. 0 where names are too many."""
    longest = max([len(_short(label)) for label in labels], default=0) + 14
    if len(labels) > (MOST_NAMES // 2 if narrow else MOST_NAMES):
        return 0
    in_a_row = max(1, (62 if narrow else 150) // longest)
    return 20 * -(-len(labels) // in_a_row)


def _scale(log: bool, values: Sequence[Floats]) -> dict[str, Any]:
    """A linear or logarithmic axis; over a decade and more its ticks are at 1, 2 and 5, further at 1 alone."""
    if not log:
        return {"type": "linear"}
    above = [found for each in values if len(found := each[each > 0])]
    decades = np.log10(max(map(np.max, above)) / min(map(np.min, above))) if above else 0.0
    return {"type": "log", "dtick": 1 if decades > 4 else "D2" if decades >= 1 else None}


def _traces(line: Line, floor: float | None, colour: str, dash: str) -> list[dict[str, Any]]:
    """`floor` is where a logarithmic axis ends below; None for a linear one."""
    common = {"type": "scatter", "hoverinfo": "skip", "showlegend": False}
    centre, low, drawn = line.centre, line.centre.low, []
    if floor:
        low = np.where(low > 0, low, np.where(np.isfinite(low), floor, np.nan))
    if len(line.entry.curves) >= ENOUGH:
        drawn += [
            {**common, **band} for band in bands(centre.steps, shortened(low), shortened(centre.high), colour)
        ]
    if line.seeds:
        ink = {"line": {"color": colour, "width": 1}, "opacity": 0.4, "mode": "lines"}
        drawn.append({**common, **_joined(line.seeds, bool(floor)), **ink})
    if line.raw is not None:
        ink = {"line": {"color": colour, "width": 1}, "opacity": 0.45, "mode": "lines"}
        drawn.append({**common, "x": line.raw.steps.tolist(), "y": _shown(line.raw.mean, bool(floor)), **ink})
    if line.lost:
        cross = {"symbol": "x", "size": 9, "color": colour}
        drawn.append({**common, **_joined(line.lost, bool(floor)), "mode": "markers", "marker": cross})
    alone = np.isfinite(centre.mean).sum() == 1
    main = {
        "mode": "markers" if alone else "lines",
        "x": centre.steps.tolist(),
        "y": _shown(centre.mean, bool(floor)),
        "name": f"{plain(_short(line.entry.label))} (n = {len(line.entry.curves)})",
        **hover(centre),
        "hoverinfo": "all",
        "showlegend": True,
        "line": {"color": colour, "width": 2.4, "dash": dash},
        "marker": {"color": colour, "size": 8},
    }
    return [*drawn, {**common, **main}]


def hover(curves: Curves) -> dict[str, Any]:
    """What is said of each point: its value, the interval where there is one, of how many seeds it is."""
    known = np.isfinite(curves.low) & np.isfinite(curves.high)
    said = [SAID[bool(has)] for has in known] if not known.all() else SAID[True]
    ends = zip(
        *(nulls(shortened(end)) for end in (curves.low, curves.high)), curves.seeds.tolist(), strict=True
    )
    return {"customdata": [list(each) for each in ends], "hovertemplate": said}


def lowest(lines: Sequence[Line]) -> float | None:
    """The smallest value above 0 that is drawn: where a logarithmic axis begins. None when there is none."""
    drawn = [line.centre.mean for line in lines] + [seed.y for line in lines for seed in line.seeds]
    above = [values[values > 0].min() for values in drawn if (values > 0).any()]
    return float(min(above)) if above else None


def notes(contest: Contest, lines: Sequence[Line], style: Style) -> list[str]:
    """What the figure leaves out or draws another way, a sentence each."""
    said, axis = [], axis_of(contest, style.x)
    if style.x not in ("", axis):
        said.append(f"These runs count no {style.x}: drawn over {axis}.")
    if untold := sum(line.untold for line in lines):
        said.append(f"{_many(untold, 'run')} did not record {axis}: not drawn.")
    if axis == "seconds" and shared_wall(contest):
        said.append(
            "Seeds trained together in one process share one wall: their seconds are those of all of them."
        )
    least = min((int(n) for line in lines if (n := line.centre.seeds.max(initial=0)) > 1), default=0)
    if style.statistic == "iqm" and least and (warning := caution("iqm", least, "the band of an IQM")):
        said.append(warning)
    marked = sum(len(line.lost) for line in lines)
    if unmarked := sum(line.entry.status[s] for line in lines for s in ("failed", "crashed")) - marked:
        said.append(f"{_many(unmarked, 'run')} failed before the first value: no cross is drawn.")
    if marked:
        said.append("A cross marks the last value of a seed that failed.")
    if before := sum(line.at_zero for line in lines):
        said.append(f"{_many(before, 'point')} at 0: not on a logarithmic axis.")
    return said + (_below(lines) if style.log_y else [])


def _below(lines: Sequence[Line]) -> list[str]:
    """What a logarithmic axis of values cannot show."""
    if not any(len(line.centre.steps) for line in lines):
        return []
    if lowest(lines) is None:
        return ["No value is above 0: the axis of values stays linear."]
    said = []
    if hidden := sum(int((line.centre.mean <= 0).sum()) for line in lines):
        total = sum(int(np.isfinite(line.centre.mean).sum()) for line in lines)
        said.append(f"{_many(hidden, 'point')} of {total:,} drawn: 0 or below, a gap on a logarithmic axis.")
    if any(((line.centre.low <= 0) & (line.centre.mean > 0)).any() for line in lines):
        said.append("Where an interval reaches 0 or below, its band ends at the smallest value drawn.")
    return said


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _joined(seeds: Sequence[Points], log: bool) -> dict[str, Any]:
    """Several seeds as one trace, with a gap after each: a figure of hundreds stays light."""
    x, y = [], []
    for seed in seeds:
        x += [*seed.x.tolist(), None]
        y += [*_shown(seed.y, log), None]
    return {"x": x, "y": y}


def _shown(values: Floats, log: bool) -> list[float | None]:
    return nulls(shortened(np.where(values > 0, values, np.nan) if log else values))


def shortened(values: Floats) -> Floats:
    """Six significant digits: more than a screen shows, and a third of what there would be to send."""
    size = np.where(np.isfinite(values) & (values != 0), np.abs(values), 1.0)
    unit = 10.0 ** np.clip(5 - np.floor(np.log10(size)), -300, 300)
    brief: Floats = np.round(values * unit) / unit
    return brief


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
