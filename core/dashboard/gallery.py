"""Pictures, films, histograms and tables of a run at one step: of each name the newest that is not behind it."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component

from core import jsonl
from core.dashboard import look
from core.dashboard.following import unit
from core.dashboard.growing import Loaded
from core.dashboard.small_charts import short
from core.figures import plain
from core.media import edges
from core.records import Record
from core.tables import number

Entry = dict[str, Any]
PICTURES = ("image", "video")
TABLES = ("table",)
ACROSS = 4  # histograms beside one another
ROWS = 200  # of a table; more are counted
ENDS = {".png": b"IEND\xaeB`\x82"}  # the last bytes of a whole file


class Indexes:
    """media/index.jsonl of every run, each read again only when it has changed."""

    def __init__(self) -> None:
        self._loaded: dict[Path, Loaded[list[Entry]]] = {}

    def __call__(self, record: Record) -> list[Entry]:
        """The entries that are whole and say their step."""
        loaded = self._loaded.setdefault(record.path, Loaded(record.path / "media" / "index.jsonl", _rows))
        return [entry for entry in loaded() if isinstance(entry.get(record.axis), int)]


def _rows(path: Path) -> list[Entry]:
    try:
        return jsonl.rows(path.read_bytes())
    except OSError:
        return []


def chosen(entries: Sequence[Entry], kinds: Sequence[str]) -> list[Entry]:
    """Entries of those kinds."""
    return [entry for entry in entries if entry.get("kind") in kinds]


def steps(entries: Sequence[Entry], axis: str) -> list[int]:
    """Every step at which one of them was recorded."""
    return sorted({entry[axis] for entry in entries})


def newest(entries: Sequence[Entry], axis: str, at: int) -> dict[str, Entry]:
    """name -> its newest entry not behind step `at`; a later one of the same step wins."""
    found: dict[str, Entry] = {}
    for entry in entries:
        name = str(entry.get("name"))
        if entry[axis] <= at and entry[axis] >= found.get(name, entry)[axis]:
            found[name] = entry
    return dict(sorted(found.items()))


def fault(file: Path) -> str:
    """Why a picture or film cannot be shown; empty when nothing is known against it."""
    try:
        size = file.stat().st_size
        if not size:
            return "is empty"
        end = ENDS.get(file.suffix)
        if end:
            with file.open("rb") as opened:
                opened.seek(max(0, size - len(end)))
                if opened.read() != end:
                    return "is only half there"
    except OSError:
        return "is missing"
    return ""


def pictures(record: Record, entries: Sequence[Entry], at: int) -> Component:
    """Image grids and films at step `at`."""
    found = newest(chosen(entries, PICTURES), record.axis, at)
    if not found:
        return look.empty("No picture or film up to this step.")
    return html.Div([_picture(record, name, entry) for name, entry in found.items()], className="gallery")


def _picture(record: Record, name: str, entry: Entry) -> Component:
    step, file = entry[record.axis], str(entry.get("file", ""))
    words = f"{name} after {step:,} {unit(record.axis)}"
    inside = file.startswith("media/") and ".." not in Path(file).parts
    wrong = fault(record.path / file) if inside else "is not in the run's media folder"
    if wrong:
        shown: Component = html.P(f"{file or name} {wrong}.", className="empty")
    elif entry.get("kind") == "video":
        shown = html.Video(
            src=look.media(record.id, file), controls=True, loop=True, muted=True, preload="auto"
        )
    else:
        shown = html.Img(src=look.media(record.id, file), alt=words)
    return html.Figure([shown, html.Figcaption(words)], key=name)


def histograms(
    record: Record, entries: Sequence[Entry], at: int, template: Mapping[str, Any], ink: str
) -> Component:
    """Every histogram of the newest entry not behind step `at`."""
    found = newest(chosen(entries, ("histograms",)), record.axis, at)
    of = {
        str(name): value
        for entry in found.values()
        for name, value in (entry["of"].items() if isinstance(entry.get("of"), dict) else ())
        if _whole(value)
    }
    if not of:
        return look.empty("No histogram up to this step.")
    graph: Any = look.GRAPH
    return dcc.Graph(figure=bars(of, template, ink), config=graph, id="run-histograms", className="charts")


def tables(record: Record, entries: Sequence[Entry], at: int) -> Component:
    """Tables at step `at`, such as texts that were written and episodes that were played; texts as they are."""
    found = newest(chosen(entries, TABLES), record.axis, at)
    if not found:
        return look.empty("No table up to this step.")
    return html.Div([_table(record, name, entry) for name, entry in found.items()], className="tabled")


def _table(record: Record, name: str, entry: Entry) -> Component:
    words = f"{name} after {entry[record.axis]:,} {unit(record.axis)}"
    columns, rows = _rectangle(entry)
    if not columns:
        return html.Figure(html.P(f"{name} is no table of rows and columns.", className="empty"), key=name)
    numbers = [all(isinstance(row[k], int | float | None) for row in rows) for k in range(len(columns))]
    shown = look.table(
        [str(column) for column in columns],
        [[_said(value) for value in row] for row in rows[:ROWS]],
        right=[k for k, flush in enumerate(numbers) if flush],
        caption=words,
    )
    more = f" · the first {ROWS} of {len(rows):,} rows" if len(rows) > ROWS else ""
    return html.Figure([html.Figcaption(words + more), shown], key=name)


def _rectangle(entry: Entry) -> tuple[list[Any], list[list[Any]]]:
    """Columns and rows of a table; neither where they do not fit."""
    columns, rows = entry.get("columns"), entry.get("rows")
    if not (isinstance(columns, list) and isinstance(rows, list)):
        return [], []
    fits = all(isinstance(row, list) and len(row) == len(columns) for row in rows)
    return (columns, rows) if fits else ([], [])


def _said(value: Any) -> Component | str:
    """A cell: text keeps its line ends."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if value is None or isinstance(value, float):
        return number(value)
    return html.Span(str(value), className="as-is")


def _whole(value: Any) -> bool:
    kept = isinstance(value, dict) and all(isinstance(value.get(k), int | float) for k in ("low", "high"))
    counts = value.get("counts") if kept else None
    return isinstance(counts, list) and bool(counts) and all(isinstance(n, int | float) for n in counts)


def bars(of: Mapping[str, Mapping[str, Any]], template: Mapping[str, Any], ink: str) -> dict[str, Any]:
    """A small chart of bars for each histogram."""
    tall, rows, inner = 150, math.ceil(len(of) / ACROSS), 0
    height = rows * tall + 20
    inner = height - 30
    layout: dict[str, Any] = {
        "template": dict(template), "height": height, "showlegend": False, "bargap": 0, "annotations": [],
        "margin": {"l": 14, "r": 14, "t": 4, "b": 26, "autoexpand": False}, "uirevision": "histograms",
    }  # fmt: skip
    data = []
    for k, (name, histogram) in enumerate(of.items()):
        row, column = divmod(k, ACROSS)
        place, left = str(k + 1) if k else "", column / ACROSS + 0.008
        across = (left, left + 1 / ACROSS - 0.03)
        top, bottom = 1 - (row * tall + 26) / inner, 1 - ((row + 1) * tall - 28) / inner
        counts = np.asarray(histogram["counts"], float)
        sides = edges(histogram["low"], histogram["high"])
        if len(sides) != len(counts) + 1:
            sides = np.linspace(histogram["low"], histogram["high"], len(counts) + 1)
        data.append({
            "type": "bar", "x": ((sides[1:] + sides[:-1]) / 2).tolist(), "y": counts.tolist(),
            "width": float(sides[1] - sides[0]), "marker": {"color": ink, "line": {"width": 0}},
            "xaxis": f"x{place}", "yaxis": f"y{place}", "hovertemplate": "%{x:.4~g}: %{y:,}<extra></extra>",
        })  # fmt: skip
        small = {"tickfont": {"size": 10}, "automargin": False}
        layout[f"xaxis{place}"] = {**small, "domain": across, "anchor": f"y{place}", "nticks": 4}
        layout[f"xaxis{place}"] |= {"exponentformat": "e"}
        layout[f"yaxis{place}"] = {
            **small, "domain": (max(bottom, 0.0), top), "anchor": f"x{place}", "showticklabels": False,
            "rangemode": "tozero", "showgrid": False,
        }  # fmt: skip
        layout["annotations"].append({
            "xref": "paper", "yref": "paper", "x": left, "y": top, "xanchor": "left", "yanchor": "bottom",
            "showarrow": False, "text": plain(short(name, 38)), "hovertext": plain(name), "font": {"size": 11},
        })  # fmt: skip
    return {"data": data, "layout": layout}
