"""A forecast beside the truth, as a picture."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

FINER = 2  # drawn so many times as large, then reduced: smooth lines
WIDE, HIGH = 640, 220  # pixels
LEFT, RIGHT, TOP, FOOT = 70, 12, 30, 14  # of its margins
LINES = (("truth", "#8a8f98"), ("forecast", "#c0143c"))
FRAME, TEXT = "#dddddd", "#444444"


def drawn(title: str, truth: NDArray[np.float64], forecast: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Two lines [n] over the same places: ``[3, HIGH, WIDE]``. What is not finite is not drawn."""
    paper = Image.new("RGB", (WIDE * FINER, HIGH * FINER), "white")
    pen = ImageDraw.Draw(paper)
    low, high = float(truth.min()), float(truth.max())
    margin = 0.1 * (high - low) or 0.5
    low, high = low - margin, high + margin
    for value in np.linspace(low + margin, high - margin, 3):
        y = _y(float(value), low, high)
        pen.line((LEFT * FINER, y, (WIDE - RIGHT) * FINER, y), fill=FRAME, width=FINER)
        _write(pen, ((LEFT - 6) * FINER, y), f"{value:.4g}", TEXT, "rm")
    _write(pen, (LEFT * FINER, 8 * FINER), title, TEXT)
    across = np.linspace(LEFT, WIDE - RIGHT, len(truth)) * FINER
    for k, ((name, colour), values) in enumerate(zip(LINES, (truth, forecast), strict=True)):
        points = [
            (float(x), _y(min(max(float(v), low), high), low, high))
            for x, v in zip(across, values, strict=True)
            if np.isfinite(v)
        ]
        if len(points) > 1:
            pen.line(points, fill=colour, width=2 * FINER, joint="curve")
        _write(pen, ((WIDE - 160 + 70 * k) * FINER, 8 * FINER), name, colour)
    return np.asarray(paper.resize((WIDE, HIGH), Image.Resampling.BOX), np.uint8).transpose(2, 0, 1)


def _y(value: float, low: float, high: float) -> float:
    return (HIGH - FOOT - (value - low) / (high - low) * (HIGH - FOOT - TOP)) * FINER


def _write(
    pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, fill: str, anchor: str = "la"
) -> None:
    pen.text(at, text, fill=fill, font_size=12 * FINER, anchor=anchor)
