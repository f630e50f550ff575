"""Every metric of a run as one small chart, those of one prefix in one figure. All pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from dash import html
from dash.development.base_component import Component
from numpy.typing import NDArray

from core.dashboard.following import unit
from core.figures import COLOURS, nulls, plain
from core.jsonl import Floats
from core.measures import higher_is_better
from core.records import Series
from core.tables import number

MOST = 800  # points of one line: more than its pixels
FEWEST = 100
BUDGET = 120_000  # points of all lines of a page
MARKED = 40  # a line of at most so many points shows each
FIRST = ("eval", "final", "episode", "train", "loss", "policy", "value")  # prefixes, in this order
LAST = ("time",)
ALONE = "other"  # metrics without a prefix
ACROSS = 3  # charts beside one another
TALL, TITLE, GAP = 196, 30, 74  # pixels: a chart with its title and labels, the title, between two charts
LEFT, RIGHT = 58, 14  # pixels beside the charts
WIDE = 1160  # pixels the page gives a figure; wider ones only make the gaps wider
LONGEST = 40  # letters of a metric's name over its chart

Seeds = Mapping[str, Mapping[str, Series]]  # seed -> metric -> (steps, values)


def grouped(metrics: Sequence[str], find: str = "") -> dict[str, list[str]]:
    """prefix -> its metrics that hold every word of `find`; first those that tell good from bad."""
    words = find.lower().split()
    found: dict[str, list[str]] = {}
    for metric in sorted(metrics, key=lambda name: (higher_is_better(name) is None, name)):
        if all(word in metric.lower() for word in words):
            prefix, slash, _ = metric.partition("/")
            found.setdefault(prefix if slash else ALONE, []).append(metric)
    return dict(sorted(found.items(), key=lambda item: (*_place(item[0]), item[0])))


def _place(prefix: str) -> tuple[int, int]:
    if prefix in FIRST:
        return 0, FIRST.index(prefix)
    return (2, 0) if prefix in LAST else (1, 0)


def extremes(values: Floats, most: int) -> NDArray[np.int64]:
    """At most `most` indices of `values`, in order, that leave no spike and no gap out.

    Equal stretches keep their least and greatest finite value, and one that is not finite; the ends stay.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    finite = np.isfinite(values)
    stretches = (most - 2) // (2 if finite.all() else 3)
    of = np.arange(count) * stretches // count
    gaps = np.flatnonzero(~finite)
    gaps = gaps[np.unique(of[gaps], return_index=True)[1]]
    found = [np.array([0, count - 1]), gaps]
    known = np.flatnonzero(finite)
    if len(known):
        order = known[np.lexsort((values[known], of[known]))]  # by stretch, then by value
        border = np.flatnonzero(np.diff(of[order]))
        found += [order[np.r_[0, border + 1]], order[np.r_[border, len(order) - 1]]]
    return np.unique(np.concatenate(found))


def points_each(lines: int) -> int:
    """Points of each line, of so many on one page."""
    return int(np.clip(BUDGET // max(lines, 1), FEWEST, MOST))


def colours(seeds: Sequence[str]) -> dict[str, str]:
    """seed -> colour, in order."""
    return {seed: COLOURS[i % len(COLOURS)] for i, seed in enumerate(seeds)}


def figure(
    metrics: Sequence[str], seeds: Seeds, ink: Mapping[str, str], template: Mapping[str, Any],
    axis: str, *, most: int = MOST, revision: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Charts of `metrics`, row by row; a line per seed. What a user zoomed stays while `revision` does."""
    across = min(ACROSS, len(metrics))
    rows = math.ceil(len(metrics) / across)
    height = rows * TALL + 24
    layout: dict[str, Any] = {
        "template": dict(template),
        "height": height,
        "margin": {"l": LEFT, "r": RIGHT, "t": 4, "b": 44, "autoexpand": False},
        "showlegend": False,
        "hovermode": "x unified",
        "uirevision": revision,
    }
    data: list[dict[str, Any]] = []
    inner = height - 48
    for k, metric in enumerate(metrics):
        place, (left, right) = str(k + 1) if k else "", _across(k, across)
        row = k // across
        top = 1 - (row * TALL + TITLE) / inner
        bottom = 1 - ((row + 1) * TALL - 36) / inner
        x_axis, y_axis = _axes(place, (left, right), (max(bottom, 0.0), top))
        if k + across >= len(metrics):
            x_axis["title"] = {"text": plain(unit(axis)), "standoff": 4, "font": {"size": 11}}
        layout[f"xaxis{place}"], layout[f"yaxis{place}"] = x_axis, y_axis
        data += _lines(metric, place, seeds, ink, most)
    return {"data": data, "layout": layout}


def titles(metrics: Sequence[str], seeds: Seeds) -> list[Component]:
    """Each metric's name over its chart and, for one seed, its newest value. No part of the figure: that is slow."""
    across = min(ACROSS, len(metrics))
    drawn: list[Component] = []
    for k, metric in enumerate(metrics):
        left, right = _across(k, across)
        inside = f"(100% - {LEFT + RIGHT}px)"
        style = {
            "left": f"calc({LEFT}px + {inside} * {left:.5f})", "width": f"calc({inside} * {right - left:.5f})",
            "top": f"{k // across * TALL + TITLE - 18}px",
        }  # fmt: skip
        values = [of[metric][1] for of in seeds.values() if metric in of and len(of[metric][1])]
        newest = number(float(values[0][-1])) if len(seeds) == 1 and values else ""
        words = [html.B(short(metric), title=metric), html.Span(newest)]
        drawn.append(html.Div(words, className="chart-title", style=style))
    return drawn


def _across(k: int, across: int) -> tuple[float, float]:
    """The domain of the k-th chart on its x-axis."""
    plot = WIDE * across / ACROSS - LEFT - RIGHT
    wide = (plot - (across - 1) * GAP) / across
    left = k % across * (wide + GAP)
    return left / plot, (left + wide) / plot


def _axes(
    place: str, across: tuple[float, float], up: tuple[float, float]
) -> tuple[dict[str, Any], dict[str, Any]]:
    common = {"tickfont": {"size": 11}, "automargin": False, "nticks": 5}
    return (
        {**common, "domain": across, "anchor": f"y{place}", "tickformat": "~s"},
        {
            **common,
            "domain": up,
            "anchor": f"x{place}",
            "exponentformat": "e",
            "minexponent": 5,
            "zeroline": False,
        },
    )


def _lines(metric: str, place: str, seeds: Seeds, ink: Mapping[str, str], most: int) -> list[dict[str, Any]]:
    drawn = []
    for seed, series in seeds.items():
        if metric not in series:
            continue
        steps, values = series[metric]
        kept = extremes(values, most)
        drawn.append({
            "type": "scatter", "x": steps[kept].tolist(), "y": nulls(values[kept]), "name": plain(seed),
            "xaxis": f"x{place}", "yaxis": f"y{place}",
            "mode": "lines+markers" if len(values) <= MARKED else "lines",
            "line": {"color": ink[seed], "width": 1.6}, "marker": {"size": 4},
            "hovertemplate": "%{y:.5~g}",
        })  # fmt: skip
    return drawn


def short(name: str, longest: int = LONGEST) -> str:
    """A name that is too long loses its middle: both ends tell names apart."""
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"
