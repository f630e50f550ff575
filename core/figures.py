"""The report's drawings: curves over seeds for Plotly, final scores as SVG, sample grids as data URIs."""

import base64
import math
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from core.comparison import Contest, Entry
from core.records import Record
from core.seed_curve import Curve
from core.statistics import ENOUGH, Floats
from core.tables import number

# Told apart also by the colour-blind (after Okabe & Ito), and read on white and on near-black alike.
COLOURS = ("#3f7de0", "#e07b28", "#1f9d76", "#b565c9", "#c99a1e", "#d5506b", "#2fa3c4", "#8a8f98")
LARGEST_PICTURE = 4 << 20  # bytes; a bigger file would make the page slow to open
LARGEST_FILM = 2 << 20


def plain(text: str) -> str:
    """A text that Plotly shows as it stands. It reads <, > and & as a page does, but &quot; as six letters."""
    return escape(text, quote=False)


def colours(contests: Sequence[Contest]) -> dict[str, str]:
    """One colour per label, the same in every figure of the contests."""
    labels = sorted({entry.label for contest in contests for entry in contest.entries})
    return {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(labels)}


def curves(contest: Contest, colours: dict[str, str]) -> dict[str, Any]:
    """A contest as a Plotly figure: the mean over seeds, its 95 % interval, every seed when they are few."""
    data: list[dict[str, Any]] = []
    for entry in contest.entries:
        data += _traces(entry, colours[entry.label], contest.axis)
    shapes, annotations = bar(contest.threshold) if contest.threshold is not None else ([], [])
    layout = {
        "height": 380,
        "margin": {"l": 64, "r": 24 if contest.threshold is None else 72, "t": 16, "b": 52},
        "hovermode": "x unified",
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": {"title": {"text": plain(contest.axis.replace("_", " "))}, "tickformat": "~s"},
        "yaxis": {"title": {"text": plain(contest.metric)}, "zeroline": False},
        "shapes": shapes,
        "annotations": annotations,
    }
    return {"data": data, "layout": layout}


def _traces(entry: Entry, colour: str, axis: str) -> list[dict[str, Any]]:
    mean, name = entry.mean_curve, plain(entry.label)
    common = {"type": "scatter", "legendgroup": name, "hoverinfo": "skip", "showlegend": False}
    drawn: list[dict[str, Any]] = []
    if len(entry.curves) < ENOUGH:
        drawn += [{**common, **_line(curve, colour)} for curve in entry.curves if len(entry.curves) > 1]
    else:
        drawn += [{**common, **band} for band in bands(mean.steps, mean.low, mean.high, colour)]
    lost = [
        curve for curve in entry.curves if curve.record.status in ("failed", "crashed") and len(curve.steps)
    ]
    if lost:
        ends = {"x": [curve.steps[-1] for curve in lost], "y": nulls([curve.values[-1] for curve in lost])}
        drawn.append(
            {**common, **ends, "mode": "markers", "marker": {"symbol": "x", "size": 9, "color": colour}}
        )
    main = {
        "mode": "lines" if len(mean.steps) > 1 else "markers",
        "x": mean.steps.tolist(),
        "y": nulls(mean.mean),
        "name": f"{name} (n = {len(entry.curves)})",
        "customdata": [
            [int(n), number(float(low)), number(float(high))]
            for n, low, high in zip(mean.seeds, mean.low, mean.high, strict=True)
        ],
        "hovertemplate": "%{y:,.4~g}  [%{customdata[1]}, %{customdata[2]}]  n = %{customdata[0]}",
        "hoverinfo": "all",
        "showlegend": True,
        "line": {"color": colour, "width": 2.4},
    }
    return [*drawn, {**common, **main}]


def _line(curve: Curve, colour: str) -> dict[str, Any]:
    return {
        "mode": "lines",
        "x": curve.steps.tolist(),
        "y": nulls(curve.values),
        "line": {"color": colour, "width": 1},
        "opacity": 0.4,
    }


def bands(steps: Floats, low: Floats, high: Floats, colour: str) -> list[dict[str, Any]]:
    """One outline for each stretch of steps that has an interval."""
    known = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    stretches = np.split(known, np.flatnonzero(np.diff(known) > 1) + 1)
    return [
        {
            "mode": "lines",
            "x": np.concatenate([steps[s], steps[s][::-1]]).tolist(),
            "y": np.concatenate([high[s], low[s][::-1]]).tolist(),
            "fill": "toself",
            "fillcolor": _see_through(colour),
            "line": {"width": 0},
        }
        for s in stretches
        if len(s) > 1
    ]


def bar(threshold: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The threshold as a dashed line with its number beside: Plotly's shapes and annotations."""
    place = {"xref": "paper", "yref": "y"}
    dashes = {"color": "#8a8f98", "width": 1.2, "dash": "dash"}
    line = {**place, "type": "line", "x0": 0, "x1": 1, "y0": threshold, "y1": threshold, "line": dashes}
    words = {"x": 1, "y": threshold, "xanchor": "left", "yanchor": "middle", "showarrow": False}
    return [line], [{**place, **words, "text": f" bar {number(threshold)}", "font": {"size": 11}}]


def strip(entry: Entry, scale: tuple[float, float], threshold: float | None, colour: str) -> str:
    """An entry's final scores as SVG: a dot per seed, a tick for the mean, a bar for the interval.

    `scale` is the lowest and highest value shown; an interval that leaves it is cut at the border.
    """
    if entry.final is None:
        return ""
    width, middle, margin = 240, 16, 8

    def x(value: float) -> float:
        share = (value - scale[0]) / (scale[1] - scale[0])
        return round(margin + min(1.0, max(0.0, share)) * (width - 2 * margin), 1)

    parts = [f'<line class="rail" x1="{margin}" x2="{width - margin}" y1="{middle}" y2="{middle}"/>']
    if threshold is not None and scale[0] <= threshold <= scale[1]:
        parts.append(f'<line class="bar" x1="{x(threshold)}" x2="{x(threshold)}" y1="3" y2="29"/>')
    mean, low, high = entry.final
    if math.isfinite(low):
        span = max(2.0, x(high) - x(low))
        parts.append(
            f'<rect x="{x(low)}" y="10" width="{span:.1f}" height="12" rx="3" fill="{colour}" opacity=".28"/>'
        )
    parts += [
        f'<circle cx="{x(s)}" cy="{middle}" r="3" fill="{colour}" opacity=".75"/>' for s in entry.scores
    ]
    parts.append(f'<rect x="{x(mean) - 1.25}" y="6" width="2.5" height="20" rx="1" fill="{colour}"/>')
    said = escape(
        f"{len(entry.scores)} seeds, mean {number(mean)}, 95 % interval {number(low)} to {number(high)}"
    )
    return (
        f'<svg class="strip" viewBox="0 0 {width} 32" role="img" aria-label="{said}">{"".join(parts)}</svg>'
    )


def scale(entries: Sequence[Entry]) -> tuple[float, float]:
    """What `strip` shows: all scores, and intervals as far as half the scores' range beyond them."""
    scores = np.concatenate([np.empty(0), *(entry.scores for entry in entries)])
    if not len(scores):
        return 0.0, 1.0
    low, high = float(scores.min()), float(scores.max())
    reach = (high - low) / 2 or max(abs(high) / 100, 1e-9)
    finals = [entry.final for entry in entries if entry.final]
    ends = [end for final in finals for end in final[1:] if math.isfinite(end)]
    return max(low - reach, min([low, *ends])) - reach / 20, min(
        high + reach, max([high, *ends])
    ) + reach / 20


def pictures(record: Record) -> list[tuple[str, str]]:
    """The newest PNG of each kind in a run's media folder, as (caption, data URI)."""
    found = _newest(record, ".png", LARGEST_PICTURE)
    return [(caption, _data_uri(path, "image/png")) for caption, path in found]


def films(record: Record) -> list[tuple[str, str | None]]:
    """The newest mp4 of each kind, as (caption, data URI); None for one too large for the page."""
    found = _newest(record, ".mp4")
    small = [path.stat().st_size <= LARGEST_FILM for _, path in found]
    return [
        (caption, _data_uri(path, "video/mp4"))
        if fits
        else (f"{caption}: {path}, too large for this page", None)
        for (caption, path), fits in zip(found, small, strict=True)
    ]


def _newest(record: Record, suffix: str, largest: float = math.inf) -> list[tuple[str, Path]]:
    """The newest file of each kind up to that size, with a caption."""
    newest: dict[str, tuple[int, Path]] = {}
    for path in sorted((record.path / "media").glob(f"*{suffix}")):
        found = re.fullmatch(r"(.*?)-?(\d+)", path.stem)
        kind, step = (found[1], int(found[2])) if found else (path.stem, -1)
        if step >= newest.get(kind, (-2, path))[0] and path.stat().st_size <= largest:
            newest[kind] = step, path
    told = []
    for kind, (step, path) in sorted(newest.items()):
        at = f" after {step:,} {record.axis.removesuffix('_seen').replace('_', ' ')}" if step >= 0 else ""
        told.append((f"{kind}{at}", path))
    return told


def _data_uri(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _see_through(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def nulls(values: Sequence[float] | Floats) -> list[float | None]:
    """JSON has no NaN: a gap is null."""
    return [float(value) if math.isfinite(value) else None for value in values]
