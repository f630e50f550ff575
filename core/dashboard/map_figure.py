"""Value and policy maps as a Plotly figure: what was learnt, the optimum in the same colours, how far apart. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.dashboard.maps import Difference, Ground, agreement, apart, greedy, state_values, told
from core.figures import nulls, plain
from core.jsonl import Floats

# dark to light: greedy actions are white with a dark edge, and stand out on all of them
RAMP = ("#2a1e54", "#304e8c", "#268492", "#60b884", "#c4de6a", "#fdf6be")
FAR = {
    False: ("#f3f1ee", "#f2b77c", "#c2482f", "#6d1030"),
    True: ("#262c36", "#7d3b34", "#d9663f", "#ffd79a"),
}
FLAT = {False: "#c9ced6", True: "#3a414d"}
WIDE = 1150  # pixels of the figure's inside
LONG = 1070  # the same with a colour scale at the right
ROOM = 56  # pixels of a cell from which its number is written into it
TITLES = {
    "values": "|V − V*|: how far the state's value is",
    "actions": "max |Q − Q*|: the worst of its actions",
}

KEY = (
    "A triangle points where the greedy action leads, several where they are equally good; a dot is an action that "
    "does not move; without either nothing is known yet. Learnt and optimum share one scale, its ends the optimum's."
)
KEY_HEAT = "These states lie on no map: a column is a state, a row an action."


class Panel(NamedTuple):
    """One map: its title, the values [row, column] that colour it, its colour axis, its greedy actions."""

    title: str
    z: Floats
    colours: str
    arrows: NDArray[np.bool_] | None  # [row, column, action]


def figure(
    table: Floats, on: Ground, layer: int, scale: tuple[float, float], farthest: float,
    kind: Difference, template: Mapping[str, Any], dark: bool,
) -> dict[str, Any]:  # fmt: skip
    """Everything about one step. `scale` and `farthest` are the ends of the two colour scales."""
    panels = _panels(table, on, layer, kind)
    long = on.columns > 1.6 * on.rows if on.rows else True
    places, height = _places(len(panels), on, table.shape, long)
    layout: dict[str, Any] = {
        "template": dict(template), "height": height, "showlegend": False, "uirevision": "maps", "annotations": [],
        "shapes": [], "margin": {"l": 40, "r": 96 if long else 10, "t": 30, "b": 34 if long else 64},
        "hovermode": "closest",
    }  # fmt: skip
    data: list[dict[str, Any]] = []
    ink = template["layout"]["font"]["color"]
    for k, (panel, (across, up)) in enumerate(zip(panels, places, strict=True)):
        place = str(k + 1) if k else ""
        axes = {"xaxis": f"x{place}", "yaxis": f"y{place}"}
        layout[f"xaxis{place}"], layout[f"yaxis{place}"] = _axes(place, across, up, on, table.shape, dark)
        layout["annotations"].append({
            "xref": "paper", "yref": "paper", "x": across[0], "y": up[1], "yshift": 4, "xanchor": "left",
            "yanchor": "bottom", "showarrow": False, "text": f"<b>{plain(panel.title)}</b>",
        })  # fmt: skip
        data.append({**axes, **_heat(panel, table, on, layer)})
        if on.rows:
            flat = on.flat(layer, len(table))
            data += [
                {**axes, **trace} for trace in _drawn(panel, on, flat, scale, farthest, places[0], dark, ink)
            ]
            layout["shapes"] += _walls(on, place, ink)
    layout["coloraxis"] = _bar(RAMP, scale, "value", places[:2], long)
    if len(panels) > 2:
        layout["coloraxis2"] = _bar(FAR[dark], (0.0, farthest), "difference", places[2:], long)
    return {"data": data, "layout": layout}


def _panels(table: Floats, on: Ground, layer: int, kind: Difference) -> list[Panel]:
    if not on.rows:
        found = [Panel("learnt: a column for each state, a row for each action", table.T, "coloraxis", None)]
        if on.optimum is not None:
            far = np.abs(table - on.optimum).T
            found += [
                Panel("optimum", on.optimum.T, "coloraxis", None),
                Panel("|Q − Q*|", far, "coloraxis2", None),
            ]
        return found
    hidden = on.flat(layer, len(table))

    def shown(of_states: Floats) -> Floats:
        return np.where(hidden, np.nan, on.on(of_states, layer))

    where = f" · {on.titles[layer]}" if on.layers > 1 else ""
    panels = [Panel(f"learnt{where}", shown(state_values(table)), "coloraxis", on.on(greedy(table), layer))]
    if on.optimum is not None:
        best = on.on(greedy(on.optimum), layer)
        panels.append(Panel("optimum", shown(state_values(on.optimum)), "coloraxis", best))
        panels.append(Panel(TITLES[kind], shown(apart(table, on.optimum, kind)), "coloraxis2", None))
    return panels


Place = tuple[tuple[float, float], tuple[float, float]]


def _places(count: int, on: Ground, shape: tuple[int, ...], long: bool) -> tuple[list[Place], int]:
    """The domain of each panel, and the figure's height: beside one another, long ones below one another."""
    if long:
        tall = on.rows * min(66.0, 940 / on.columns) if on.rows else 26.0 * shape[1]
        inner = count * tall + (count - 1) * 44
        tops = [1 - k * (tall + 44) / inner for k in range(count)]
        right = min(1.0, on.columns * tall / on.rows / LONG) if on.rows else 1.0
        return [((0.0, right), (top - tall / inner, top)) for top in tops], round(inner) + 64
    wide = (WIDE - 2 * 40) / 3
    tall = wide * on.rows / on.columns
    left = [k * (wide + 40) / WIDE for k in range(count)]
    return [((x, x + wide / WIDE), (0.0, 1.0)) for x in left], round(tall) + 94


def _axes(
    place: str,
    across: tuple[float, float],
    up: tuple[float, float],
    on: Ground,
    shape: tuple[int, ...],
    dark: bool,
) -> tuple[dict[str, Any], dict[str, Any]]:
    common = {"showgrid": False, "zeroline": False, "automargin": False, "tickfont": {"size": 10}}
    if not on.rows:
        y = {"tickvals": list(range(shape[1])), "ticktext": [f"a {k}" for k in range(shape[1])]}
        return (
            {**common, "domain": across, "anchor": f"y{place}", "range": [-0.5, shape[0] - 0.5]},
            {**common, **y, "domain": up, "anchor": f"x{place}", "range": [shape[1] - 0.5, -0.5]},
        )
    square = {"scaleanchor": f"x{place}", "constrain": "domain", "constraintoward": "top"}
    x_labels = {"tickvals": list(range(on.columns)), "ticktext": [str(k + 1) for k in range(on.columns)]}
    y_labels = {"tickvals": list(range(on.rows)), "ticktext": [str(k + 1) for k in range(on.rows)]}
    return (
        {**common, **x_labels, "domain": across, "anchor": f"y{place}", "range": [-0.5, on.columns - 0.5],
         "constrain": "domain", "constraintoward": "left"},
        {**common, **y_labels, **square, "domain": up, "anchor": f"x{place}", "range": [on.rows - 0.5, -0.5]},
    )  # fmt: skip


def _heat(panel: Panel, table: Floats, on: Ground, layer: int) -> dict[str, Any]:
    if on.rows:
        states = on.on(np.arange(len(table)), layer)
        words = [[told(table, on, int(state)) for state in row] for row in states]
    else:
        of = [told(table, on, state) for state in range(len(table))]
        words = [of] * table.shape[1]
    gap = 1 if on.rows else 0
    return {
        "type": "heatmap", "z": [nulls(row) for row in panel.z], "coloraxis": panel.colours, "xgap": gap, "ygap": gap,
        "text": words, "hovertemplate": "%{text}<extra></extra>", "hoverongaps": True,
    }  # fmt: skip


def _drawn(
    panel: Panel, on: Ground, flat: NDArray[np.bool_], scale: tuple[float, float], farthest: float,
    place: Place, dark: bool, ink: str,
) -> list[dict[str, Any]]:  # fmt: skip
    """Cells where nothing is chosen, marks, greedy actions and, where there is room, numbers."""
    cell = (place[0][1] - place[0][0]) * WIDE / on.columns
    ground = {
        "type": "heatmap", "z": np.where(flat, 1.0, np.nan).tolist(), "showscale": False, "hoverinfo": "skip",
        "colorscale": [[0, FLAT[dark]], [1, FLAT[dark]]], "xgap": 1, "ygap": 1,
    }  # fmt: skip
    ground["z"] = [nulls(row) for row in np.where(flat, 1.0, np.nan)]
    drawn, small = [ground], {"size": int(np.clip(cell * 0.18, 9, 15))}
    ramp, ends = (FAR[dark], (0.0, farthest)) if panel.colours == "coloraxis2" else (RAMP, scale)
    marks = [(r, c, mark) for r, row in enumerate(on.marks) for c, mark in enumerate(row) if mark]
    for within in (True, False):
        some = [(r, c, m) for r, c, m in marks if flat[r, c] == within]
        colour = ink if within else [_ink(ramp, ends, panel.z[r, c], ink) for r, c, _ in some]
        apart = 0.0 if within else 0.36
        drawn.append(_words([(r - apart, c - apart, plain(m)) for r, c, m in some], colour, small))
    if panel.arrows is not None:
        drawn += _arrows(panel.arrows & ~flat[..., None], on, cell)
    if cell >= ROOM:
        cells = [(int(r), int(c)) for r, c in np.argwhere(np.isfinite(panel.z))]
        inks = [_ink(ramp, ends, panel.z[r, c], ink) for r, c in cells]
        told = [(r + 0.39, c, f"{panel.z[r, c]:.3g}".replace("-", "−")) for r, c in cells]
        drawn.append(_words(told, inks, {"size": 11}))
    return drawn


def _words(at: Sequence[tuple[float, float, str]], colour: Any, font: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "text", "x": [x for _, x, _ in at], "y": [y for y, _, _ in at],
        "text": [word for *_, word in at], "textfont": {**font, "color": colour}, "hoverinfo": "skip",
    }  # fmt: skip


def _arrows(good: NDArray[np.bool_], on: Ground, cell: float) -> list[dict[str, Any]]:
    """A triangle towards where each greedy action leads; a dot for one that does not move."""
    down, right = np.array([-1, 0, 1, 0]), np.array([0, 1, 0, -1])
    found = np.argwhere(good)
    sides = np.array([on.sides[k] for *_, k in found], int)
    moving = sides >= 0
    shift, lift = np.where(moving, 0.19, 0.0), 0.06 if cell >= ROOM else 0.0  # numbers stand below
    size = float(np.clip(cell * 0.15, 6, 14))
    return [{
        "type": "scatter", "mode": "markers", "hoverinfo": "skip",
        "x": (found[:, 1] + shift * right[sides]).tolist(), "y": (found[:, 0] + shift * down[sides] - lift).tolist(),
        "marker": {
            "symbol": np.where(moving, "triangle-up", "circle").tolist(), "size": size, "opacity": 1,
            "angle": np.where(moving, sides * 90, 0).tolist(), "color": "#ffffff",
            "line": {"color": "#1b1f27", "width": 1.2},
        },
    }] if len(found) else []  # fmt: skip


def _walls(on: Ground, place: str, ink: str) -> list[dict[str, Any]]:
    return [
        {"type": "line", "xref": f"x{place}", "yref": f"y{place}", "x0": c + 0.5, "x1": c + 0.5, "y0": r - 0.5,
         "y1": r + 0.5, "line": {"color": ink, "width": 4}}
        for r, c in np.argwhere(on.walls[:, :-1]).tolist()
    ]  # fmt: skip


def _bar(
    ramp: Sequence[str], ends: tuple[float, float], title: str, places: Sequence[Place], long: bool
) -> dict[str, Any]:
    """A colour scale, beside or below the panels it belongs to."""
    (left, _), (_, top) = places[0]
    (_, right), (bottom, _) = places[-1]
    bar: dict[str, Any] = {"thickness": 10, "outlinewidth": 0, "tickfont": {"size": 10}, "nticks": 6}
    bar["title"] = {"text": title, "font": {"size": 11}}
    if long:
        bar |= {
            "x": right + 0.01,
            "xanchor": "left",
            "y": (top + bottom) / 2,
            "len": top - bottom,
            "yanchor": "middle",
        }
    else:
        bar |= {"orientation": "h", "x": left, "xanchor": "left", "len": right - left, "y": 0, "yanchor": "top",
                "ypad": 26, "xpad": 0}  # fmt: skip
        bar["title"]["side"] = "bottom"
    colours = [[k / (len(ramp) - 1), colour] for k, colour in enumerate(ramp)]
    return {"cmin": ends[0], "cmax": ends[1], "colorscale": colours, "colorbar": bar}


def _ink(ramp: Sequence[str], ends: tuple[float, float], value: float, otherwise: str) -> str:
    """Dark on light cells, light on dark ones."""
    if not np.isfinite(value):
        return otherwise
    part = float(np.clip((value - ends[0]) / max(ends[1] - ends[0], 1e-12), 0, 1)) * (len(ramp) - 1)
    below = min(int(part), len(ramp) - 2)
    first, second = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in ramp[below : below + 2])
    light = (first + (part - below) * (second - first)) @ np.array((0.299, 0.587, 0.114))
    return "#1b1f27" if light > 120 else "#f2f4f8"


def caption(table: Floats, on: Ground) -> str:
    """What the maps show, in words."""
    found = agreement(table, on)
    if found is None:
        return "The best possible values are not known here: the environment tells no table to plan on."
    right, count = found
    return f"The greedy action is an optimal one in {right} of {count} states."
