"""Tables of action values as pictures: on the environment's map where it has one, else states by actions.

A cell of the map is cut into four triangles, each coloured by the value of the action that leads that way; arrows
show the greedy ones. What is best according to the transition table stands beside it, in the same colours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rl.dynamic_programming import optimum
from rl.known import SIDES, Grid, Known

Values: TypeAlias = NDArray[np.float64]  # [state, action]
Colour: TypeAlias = tuple[int, int, int]

RAMP = np.array(
    [(42, 30, 84), (48, 78, 140), (38, 132, 146), (96, 184, 132), (196, 222, 106), (253, 246, 190)]
)
PAPER, INK, PALE, WALL = (255, 255, 255), (38, 40, 46), (120, 124, 132), (24, 24, 28)
FLAT: dict[
    str, tuple[Colour, Colour]
] = {  # marks of cells where nothing is chosen: their colour and their letter's
    "H": ((66, 70, 78), (170, 174, 182)),
    "G": ((244, 178, 52), INK),
    "C": ((128, 48, 48), (222, 168, 160)),
}
FINE = 4  # shapes are computed so many times finer than they are shown: smooth edges
NUMBERED = 90  # pixels of a cell from which the values are written into it
MARGIN, TITLE, LEGEND = 12, 22, 34  # pixels


@dataclass(frozen=True)
class Scale:
    """Which colour a value has: ``low`` and below the first, ``high`` and above the last."""

    low: float
    high: float

    def __call__(self, values: Any) -> NDArray[np.uint8]:
        """RGB ``[…, 3]``; grey for what is no number."""
        part = np.clip((np.asarray(values, np.float64) - self.low) / max(self.high - self.low, 1e-12), 0, 1)
        place = np.nan_to_num(part) * (len(RAMP) - 1)
        below = np.minimum(place.astype(np.int64), len(RAMP) - 2)
        mixed = RAMP[below] + (place - below)[..., None] * (RAMP[below + 1] - RAMP[below])
        colours: NDArray[np.uint8] = np.where(np.isnan(part)[..., None], 128, np.rint(mixed)).astype(np.uint8)
        return colours


class Drawing:
    """Draws the tables of one environment.

    Args:
        known: what is known of it, or None.
        gamma: of the values.
    """

    def __init__(self, known: Known | None, gamma: float) -> None:
        self.grid = known.grid if known else None
        self.best: Values | None = None
        self.over: NDArray[np.bool_] | None = None
        if known is not None:
            self.over = (known.model.P.sum((1, 2)) == 0) & (known.model.R == 0).all(1)
            best = optimum(known.model, gamma)  # None: it does not settle, there is nothing to stand beside
            self.best = None if best is None else best.q

    def __call__(self, q: NDArray[np.float64], title: str = "learnt") -> NDArray[np.uint8]:
        """``[seed, state, action]`` to pictures ``[seed, 1, 3, H, W]``, all in the same colours."""
        scale, drawn = self.scale(q), []
        best = None if self.best is None else self._panel("optimal", self.best, scale)
        for table in q:
            panels = [self._panel(title, table, scale)] + ([] if best is None else [best])
            drawn.append(np.asarray(_page(panels, scale)))
        return np.stack(drawn).transpose(0, 3, 1, 2)[:, None]

    def scale(self, q: NDArray[np.float64]) -> Scale:
        """From the least to the greatest value of a state under the best policy, and a quarter of that below.

        Not from the least value of an action: one cliff would leave no colours for the rest. Where the best
        policy is unknown the learnt ones serve.
        """
        tables = q if self.best is None else self.best[None]
        tables = tables if self.over is None else tables[:, ~self.over]
        finite = np.where(np.isfinite(tables).all(-1), tables.max(-1), np.nan)
        if np.isnan(finite).all():
            return Scale(0.0, 1.0)
        low, high = float(np.nanmin(finite)), float(np.nanmax(finite))
        low = max(low - (high - low) / 4, float(np.nanmin(tables)))
        return Scale(low, high if high > low else low + 1.0)

    def _panel(self, title: str, table: Values, scale: Scale) -> Image.Image:
        if self.grid is None:
            title += ": a column for each state, a row for each action"
        body = _heat(table, scale) if self.grid is None else self._maps(self.grid, table, scale)
        panel = Image.new("RGB", (body.width, body.height + TITLE), PAPER)
        ImageDraw.Draw(panel).text((0, 1), title, INK, _font(14))
        panel.paste(body, (0, TITLE))
        return panel

    def _maps(self, grid: Grid, table: Values, scale: Scale) -> Image.Image:
        """One map per layer, row by row."""
        cell = _cell(grid)
        split = table.reshape(grid.rows, grid.columns, grid.layers, -1)
        over = (
            np.zeros(split.shape[:3], np.bool_) if self.over is None else self.over.reshape(split.shape[:3])
        )
        maps = [
            _map(grid, split[:, :, layer], over[:, :, layer], scale, cell) for layer in range(grid.layers)
        ]
        if grid.layers == 1:
            return maps[0]
        across = next(n for n in range(int(grid.layers**0.5), 0, -1) if grid.layers % n == 0)
        wide, tall = maps[0].width + MARGIN, maps[0].height + MARGIN + 12
        whole = Image.new("RGB", (across * wide - MARGIN, grid.layers // across * tall - MARGIN), PAPER)
        pen = ImageDraw.Draw(whole)
        for k, (title, picture) in enumerate(zip(grid.titles, maps, strict=True)):
            left, top = k % across * wide, k // across * tall
            pen.text((left, top), title, PALE, _font(10))
            whole.paste(picture, (left, top + 12))
        return whole


def _cell(grid: Grid) -> int:
    """The side of a cell in pixels: the smaller, the more of them."""
    if grid.layers > 1:
        return 22
    return int(np.clip(420 // max(grid.rows, min(grid.columns, 7)), 24, 104))


@lru_cache
def _stamps(cell: int, rests: bool) -> tuple[NDArray[np.float64], ...]:
    """How much of each pixel ``[5, y, x]`` belongs to the triangles up, right, down, left and the square between,
    to the arrows (and a dot) that point there, and to these with their edges."""
    y, x = (np.mgrid[: cell * FINE, : cell * FINE] + 0.5) / (cell * FINE) - 0.5
    ways, square = np.stack([-y, x, y, -x]), np.maximum(abs(x), abs(y))
    triangle = ways.argmax(0)
    middle = (square < 0.17) & rests
    parts = [(triangle == k) & ~middle for k in range(4)] + [middle]
    size = 0.8 if cell >= NUMBERED else 1.3  # no numbers in the way

    def arrows(edge: float) -> list[NDArray[np.bool_]]:
        drawn = []
        for k, along in enumerate(ways / size):
            across = abs(ways[(k + 1) % 4]) / size
            shaft = (along > 0.01 - edge) & (along < 0.1) & (across < 0.026 + edge)
            head = (along > 0.09 - edge) & (across < 0.088 * (0.24 - along) / 0.15 + 1.9 * edge)
            drawn.append(shaft | (head & (along < 0.24 + 2 * edge)))
        return [*drawn, square < (0.09 + edge) * size]

    def smooth(masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.float64]:
        cover: NDArray[np.float64] = np.stack(masks).reshape(5, cell, FINE, cell, FINE).mean((2, 4))
        return cover

    return smooth(parts), smooth(arrows(0.0)), smooth(arrows(1.2 / cell))


def _map(grid: Grid, values: Any, over: NDArray[np.bool_], scale: Scale, cell: int) -> Image.Image:
    """One layer: ``values`` [row, column, action]."""
    values = np.where(np.isfinite(values), values, np.nan)
    where = np.array([side if side >= 0 else 4 for side in grid.sides])
    shown = np.full((grid.rows, grid.columns, 5), -np.inf)  # the best action each way
    for action, way in enumerate(where):
        shown[..., way] = np.fmax(shown[..., way], values[..., action])
    best = values.max(-1, keepdims=True)
    good = values >= best - 1e-9 * np.maximum(1.0, abs(best))
    good &= ~good.all(-1, keepdims=True)  # nothing is known there yet
    points = np.stack([good[..., where == way].any(-1) for way in range(5)], -1)
    parts, inside, edged = _stamps(cell, bool((where == 4).any()))
    picture = np.einsum("rcpk,pyx->rycxk", scale(shown).astype(np.float64), parts, optimize=True)
    for masks, colour in ((edged, INK), (inside, PAPER)):
        cover = (points[..., None, None] * masks).max(2).swapaxes(1, 2)[..., None]
        picture += cover * (np.array(colour) - picture)
    picture[:, -1:], picture[:, :, :, -1:] = 255, 255  # thin lines between the cells
    flat = Image.fromarray(
        np.rint(picture).astype(np.uint8).reshape(grid.rows * cell, grid.columns * cell, 3)
    )
    _letters(ImageDraw.Draw(flat), grid, shown, over, scale, cell)
    return flat


def _letters(pen: ImageDraw.ImageDraw, grid: Grid, shown: Any, over: Any, scale: Scale, cell: int) -> None:
    """Marks, numbers where there is room for them, and walls."""
    for row, column in np.ndindex(grid.rows, grid.columns):
        left, top, mark = column * cell, row * cell, str(grid.marks[row, column])
        middle = np.array((left + cell / 2, top + cell / 2))
        if mark in FLAT and grid.layers == 1 and (over[row, column] or mark == "C"):
            pen.rectangle((left, top, left + cell - 2, top + cell - 2), FLAT[mark][0])
            pen.text(tuple(middle), mark, FLAT[mark][1], _font(int(cell * 0.32)), "mm")
            continue
        if mark and grid.layers == 1:
            pen.text(
                (left + 3, top + 1), mark, INK, _font(int(9 + cell * 0.08)), stroke_width=1, stroke_fill=PAPER
            )
        if cell >= NUMBERED:
            for way, (down, right) in enumerate(SIDES):
                at = middle + np.array((right * 0.34, down * 0.385)) * cell
                _number(pen, shown[row, column, way], scale, at, cell)
    for row, column in np.argwhere(grid.walls[:, :-1]).tolist():
        across = (column + 1) * cell - 1
        pen.line((across, row * cell, across, (row + 1) * cell - 1), WALL, 3)


def _number(pen: ImageDraw.ImageDraw, value: float, scale: Scale, at: Any, cell: int) -> None:
    if not np.isfinite(value):
        return
    ink = INK if scale(value) @ (0.299, 0.587, 0.114) > 115 else (232, 234, 240)
    shown = f"{value:.2f}" if abs(value) < 9.995 else f"{value:.0f}"
    pen.text(tuple(at), shown, ink, _font(int(cell * 0.12)), "mm")


def _heat(table: Values, scale: Scale) -> Image.Image:
    """States from left to right, a row for each action."""
    wide, tall = int(np.clip(900 // len(table), 1, 24)), 24
    return Image.fromarray(scale(table.T).repeat(tall, 0).repeat(wide, 1))


def _page(panels: list[Image.Image], scale: Scale) -> Image.Image:
    """Panels beside one another, wide ones below one another; the colours under them."""
    below = panels[0].width > 1.6 * panels[0].height
    wide = max(p.width for p in panels) if below else sum(p.width + MARGIN for p in panels) - MARGIN
    tall = sum(p.height + MARGIN for p in panels) - MARGIN if below else max(p.height for p in panels)
    page = Image.new("RGB", (max(wide, 200) + 2 * MARGIN, tall + 2 * MARGIN + LEGEND), PAPER)
    x = y = MARGIN
    for panel in panels:
        page.paste(panel, (x, y))
        x, y = (x, y + panel.height + MARGIN) if below else (x + panel.width + MARGIN, y)
    bar = Image.fromarray(scale(np.linspace(scale.low, scale.high, 180))[None].repeat(10, 0))
    top, pen = page.height - MARGIN - 14, ImageDraw.Draw(page)
    page.paste(bar, (MARGIN, top - 8))
    pen.text((MARGIN, top + 4), f"{scale.low:.3g} or less", PALE, _font(10))
    pen.text((MARGIN + 180, top + 4), f"{scale.high:.3g}", PALE, _font(10), "ra")
    return page


@lru_cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)
