"""The report's drawings of several tasks at once: profiles, chances and sample efficiency for Plotly."""

from typing import Any

import numpy as np

from core.across import Across
from core.figures import bands, nulls, plain
from core.statistics import Floats, Interval
from core.tables import number

HEIGHT = 340
LONGEST = 44  # characters of a label beside a row


def drawn(together: Across, colours: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Each figure by the id of its place in the page."""
    figures = {"across-profiles": profiles(together, colours)}
    if any(len(curve.steps) for curve in together.efficiency.values()):
        figures["across-efficiency"] = efficiency(together, colours)
    if together.improvements:
        figures["across-improvement"] = improvements(together, colours)
    return figures


def profiles(together: Across, colours: dict[str, str]) -> dict[str, Any]:
    """The share of runs above each normalised score τ, with its pointwise 95 % band."""
    data: list[dict[str, Any]] = []
    for label in together.labels:
        p = together.profiles[label]
        data += _line(counted(together, label), p.taus, p.share, p.low, p.high, colours[label])
    return _figure(data, "normalised score τ", "share of runs above τ", range=[-0.02, 1.02])


def efficiency(together: Across, colours: dict[str, str]) -> dict[str, Any]:
    """IQM of normalised scores against steps, as far as every task goes."""
    data: list[dict[str, Any]] = []
    for label in together.labels:
        c = together.efficiency[label]
        data += _line(counted(together, label), c.steps, c.mean, c.low, c.high, colours[label])
    return _figure(data, plain(together.axis.replace("_", " ")), "IQM of normalised scores", tickformat="~s")


def improvements(together: Across, colours: dict[str, str]) -> dict[str, Any]:
    """How likely a run of the best label scores above one of each other: a dot, and a bar for the interval."""
    best = together.labels[0]
    data, names = [], []
    for row, ((_, other), chance) in enumerate(together.improvements.items()):
        names.append(plain(shorter(counted(together, other))))
        ends = {} if np.isnan(chance.low) else {"error_x": _reach(chance, colours[other])}
        data.append({
            "type": "scatter", "mode": "markers", "x": [chance.mean], "y": [row], "showlegend": False, **ends,
            "marker": {"color": colours[other], "size": 10}, "hovertemplate": f"{said(chance)}<extra></extra>",
        })  # fmt: skip
    title = f"P({plain(shorter(counted(together, best)))} scores above it)"
    rows: dict[str, Any] = {
        "tickvals": list(range(len(names))),
        "ticktext": names,
        "range": [len(names) - 0.5, -0.5],
    }
    figure = _figure(data, title, "", **rows)
    half = {"type": "line", "xref": "x", "yref": "paper", "x0": 0.5, "x1": 0.5, "y0": 0, "y1": 1}
    figure["layout"]["shapes"] = [{**half, "line": {"color": "#8a8f98", "width": 1.2, "dash": "dash"}}]
    figure["layout"]["xaxis"]["range"] = [-0.02, 1.02]
    figure["layout"]["height"] = 110 + 44 * len(data)
    figure["layout"]["hovermode"] = "closest"
    return figure


def counted(together: Across, label: str) -> str:
    """A label with its seeds a task: `ppo (n = 5)`, `ppo (n = 5–10)`."""
    least, most = together.seeds[label]
    return f"{label} (n = {least})" if least == most else f"{label} (n = {least}–{most})"


def shorter(name: str) -> str:
    """Cut in its middle where a figure would have no room left: `ppo lr=0.001 … (n = 5)`."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 18]} … {name[-15:]}"


def said(of: Interval) -> str:
    """`0.93 [0.88, 0.97]`."""
    return f"{number(of.mean)} [{number(of.low)}, {number(of.high)}]"


def _reach(of: Interval, colour: str) -> dict[str, Any]:
    arms = {"array": [of.high - of.mean], "arrayminus": [of.mean - of.low]}
    return {"type": "data", "symmetric": False, **arms, "color": colour, "thickness": 2, "width": 0}


def _line(name: str, x: Floats, y: Floats, low: Floats, high: Floats, colour: str) -> list[dict[str, Any]]:
    name = plain(name)
    common = {"type": "scatter", "legendgroup": name, "hoverinfo": "skip", "showlegend": False}
    around = [{**common, **band} for band in bands(x, low, high, colour)]
    ends = [[number(float(a)), number(float(b))] for a, b in zip(low, high, strict=True)]
    line = {"mode": "lines", "x": x.tolist(), "y": nulls(y), "name": name, "customdata": ends}
    hover = {"hovertemplate": "%{y:.3f}  [%{customdata[0]}, %{customdata[1]}]", "hoverinfo": "all"}
    return [*around, {**common, **line, **hover, "showlegend": True, "line": {"color": colour, "width": 2.4}}]


def _figure(
    data: list[dict[str, Any]], x: str, y: str, *, tickformat: str = "", **yaxis: Any
) -> dict[str, Any]:
    layout = {
        "height": HEIGHT,
        "margin": {"l": 64, "r": 24, "t": 16, "b": 52},
        "hovermode": "x unified",
        "showlegend": any(trace["showlegend"] for trace in data),
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": {"title": {"text": x}, "tickformat": tickformat, "zeroline": False},
        "yaxis": {"title": {"text": y}, "zeroline": False, **yaxis},
    }
    return {"data": data, "layout": layout}
