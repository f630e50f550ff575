"""Line charts on logarithmic axes as pictures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

FINER = 2  # drawn so many times as large, then reduced: smooth lines
WIDE, HIGH = 520, 380  # pixels of one chart
LEFT, RIGHT, TOP, FOOT = 74, 18, 44, 58  # of its margins
COLOURS = ("#c0143c", "#e07b28", "#123a6d", "#1f9d76", "#8a8f98")
LINE, TEXT = "#dddddd", "#444444"


@dataclass(frozen=True)
class Chart:
    """Some lines over the same places; all of it more than 0."""

    title: str
    across: str  # what the places are
    places: Sequence[float]
    lines: Mapping[
        str, NDArray[np.float64]
    ]  # [seed, place]: the median is drawn, and the range pale behind it
    floor: float = 1e-8  # smaller values are drawn here


def drawn(charts: Sequence[Chart]) -> NDArray[np.uint8]:
    """Charts side by side, ``[height, width, 3]``."""
    paper = Image.new("RGB", (WIDE * len(charts) * FINER, HIGH * FINER), "white")
    for k, chart in enumerate(charts):
        paper.paste(_one(chart), (k * WIDE * FINER, 0))
    small = paper.resize((WIDE * len(charts), HIGH), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.uint8)


def _one(chart: Chart) -> Image.Image:
    paper = Image.new("RGB", (WIDE * FINER, HIGH * FINER), "white")
    pen = ImageDraw.Draw(paper, "RGBA")
    values = np.maximum(np.concatenate(list(chart.lines.values())), chart.floor)
    x = _Axis(min(chart.places), max(chart.places), LEFT, WIDE - RIGHT)
    y = _Axis(float(values.min()), float(values.max()), HIGH - FOOT, TOP)
    for power in x.powers():
        at = x.pixel(10.0**power)
        pen.line((at, TOP * FINER, at, (HIGH - FOOT) * FINER), fill=LINE, width=FINER)
        _write(pen, (at, (HIGH - FOOT + 6) * FINER), f"{10.0**power:g}", "ma")
    for power in y.powers():
        at = y.pixel(10.0**power)
        pen.line((LEFT * FINER, at, (WIDE - RIGHT) * FINER, at), fill=LINE, width=FINER)
        _write(pen, ((LEFT - 6) * FINER, at), f"1e{power}" if abs(power) > 2 else f"{10.0**power:g}", "rm")
    _write(pen, (LEFT * FINER, 8 * FINER), chart.title, "la", 14)
    _write(pen, ((LEFT + WIDE - RIGHT) / 2 * FINER, (HIGH - 8) * FINER), chart.across, "ms")
    across = [x.pixel(place) for place in chart.places]
    for k, (name, line) in enumerate(chart.lines.items()):
        held = np.maximum(line, chart.floor)
        low, middle, high = (
            [y.pixel(value) for value in part] for part in (held.min(0), np.median(held, 0), held.max(0))
        )
        outline = [*zip(across, low, strict=True), *reversed(list(zip(across, high, strict=True)))]
        pen.polygon(outline, fill=COLOURS[k] + "30")
        pen.line(list(zip(across, middle, strict=True)), fill=COLOURS[k], width=2 * FINER, joint="curve")
        _write(pen, ((LEFT + 150 * k) * FINER, 28 * FINER), name, "la", 12, COLOURS[k])
    return paper


class _Axis:
    """A logarithmic axis between two places of the picture."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = math.log10(low), math.log10(max(high, low * 1.01))
        self.start, self.end = start, end

    def pixel(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return (self.start + share * (self.end - self.start)) * FINER

    def powers(self) -> list[int]:
        """Whole powers of ten on it, eight at most."""
        first, last = math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9)
        return list(range(first, last + 1, 1 + (last - first) // 8))


def _write(
    pen: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    anchor: str,
    size: int = 11,
    fill: str = TEXT,
) -> None:
    pen.text(at, text, fill=fill, font_size=size * FINER, anchor=anchor)
