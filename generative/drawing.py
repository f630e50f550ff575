"""Pictures of points: generated ones over real ones."""

import math

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

SIDE = 320  # pixels of the picture
FINER = 3  # it is drawn so many times as large, then reduced: smooth dots
REAL, GENERATED, ASTRAY, LINE, TEXT = "#f2b56b", "#123a6d", "#c0143c", "#dddddd", "#666666"
SHOWN = 2_000  # real points at most


def scatter(points: Tensor, real: Tensor, side: int = SIDE) -> Tensor:
    """Generated points dark over real ones pale, the same scale along both axes.

    The real points decide what is shown, so pictures of one data set can be compared; a generated point that lies
    outside is red, at the edge.

    Args:
        points: ``[seed, n, 2]``; those that are not finite are left out.
        real: ``[N, 2]``; the first 2,000 are drawn.
        side: pixels.

    Returns:
        ``[seed, 1, 3, side, side]`` in [0, 1].
    """
    known = real[:SHOWN].cpu().double()
    middle = (known.amax(0) + known.amin(0)) / 2
    half = float((known - middle).abs().max()) * 1.15 or 1.0
    wide = side * FINER

    def place(xy: Tensor) -> np.ndarray:
        """Pixels from the left and from the top."""
        scaled = (xy.cpu().double() - middle) / half
        return ((scaled * torch.tensor([1.0, -1.0]) + 1) / 2 * wide).numpy()

    paper = Image.new("RGB", (wide, wide), "white")
    pen = ImageDraw.Draw(paper)
    axes(pen, middle.tolist(), half, wide)
    dots(pen, place(known), REAL, 1.5)
    drawn = []
    for own in points:
        picture = paper.copy()
        pen = ImageDraw.Draw(picture)
        at = place(own[own.isfinite().all(dim=-1)])
        inside = ((at >= 0) & (at <= wide)).all(axis=1)
        dots(pen, at[inside], GENERATED, 1.1)
        dots(pen, at[~inside].clip(2 * FINER, wide - 2 * FINER), ASTRAY, 2.0)
        small = picture.resize((side, side), Image.Resampling.BOX)
        drawn.append(torch.from_numpy(np.asarray(small, dtype=np.float32).transpose(2, 0, 1) / 255))
    return torch.stack(drawn)[:, None]


def dots(pen: ImageDraw.ImageDraw, places: np.ndarray, colour: str, radius: float) -> None:
    """A dot at every one of the places ``[n, 2]``, in fine pixels from the left and from the top."""
    r = radius * FINER
    for x, y in places.tolist():
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def axes(pen: ImageDraw.ImageDraw, middle: list[float], half: float, wide: int) -> None:
    """Pale lines at round numbers, which stand at the left and at the foot."""
    size = 11 * FINER
    for axis in (0, 1):
        for number in round_numbers(middle[axis] - half, middle[axis] + half):
            at = (number - middle[axis]) / half
            at = (1 + at) / 2 * wide if axis == 0 else (1 - at) / 2 * wide
            line = (at, 0, at, wide) if axis == 0 else (0, at, wide, at)
            pen.line(line, fill=LINE, width=FINER)
            spot, anchor = ((at, wide - FINER), "ms") if axis == 0 else ((FINER, at), "lm")
            pen.text(spot, f"{number:g}", fill=TEXT, font_size=size, anchor=anchor)


def round_numbers(low: float, high: float) -> list[float]:
    """Three to seven multiples of 1, 2 or 5 times a power of ten between the two."""
    ten = 10.0 ** math.floor(math.log10(high - low))
    step = next(s for s in (ten / 5, ten / 2, ten, ten * 2) if (high - low) / s <= 7)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
