"""Where a decoder looked while it wrote: the weights of attention, with the characters at their sides."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

CELL = 14  # pixels of one weight
INK = "#222222"


def draw(weights: NDArray[np.float64], source: str, target: str) -> Tensor:
    """Weights [T, S], dark for much, under the source and beside what was written: ``[1, H, W]`` in [0, 1].

    Places behind the end of either text stay white.
    """
    rows, columns = weights.shape
    paper = Image.new("L", ((columns + 1) * CELL, (rows + 1) * CELL), 255)
    pen = ImageDraw.Draw(paper)
    for t in range(min(len(target) + 1, rows)):  # its end was written too
        for s in range(len(source)):
            x, y = (s + 1) * CELL, (t + 1) * CELL
            pen.rectangle((x, y, x + CELL - 2, y + CELL - 2), fill=round(255 - 225 * float(weights[t, s])))
    for text, across in ((source, True), (target, False)):
        for k, character in enumerate(text, 1):
            x, y = (k * CELL, 0) if across else (0, k * CELL)
            pen.text((x + CELL / 2, y + CELL / 2), character, fill=INK, font_size=CELL - 3, anchor="mm")
    return torch.from_numpy(np.asarray(paper, np.float32)[None] / 255)
