"""Pictures and histograms as a run keeps them."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BINS = 64
GAP = 2  # pixels between two tiles
TILE = 28  # smaller images are enlarged by a whole factor until they are this high


def pixels(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Floats in [0, 1] as bytes 0…255, rounded, clipped, NaN black; bytes stay as they are. Any shape."""
    if images.dtype == np.uint8:
        return images
    filled: NDArray[np.uint8] = np.rint(np.clip(np.nan_to_num(images), 0, 1) * 255).astype(np.uint8)
    return filled


def grid(images: NDArray[Any], columns: int | None = None) -> NDArray[np.uint8]:
    """Images [N, C, H, W] (C is 1 or 3; floats in [0, 1] or bytes) as one picture [height, width, C].

    Row by row, left to right, in a square or in so many columns, GAP white pixels between.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise ValueError(f"a grid takes images [N, 1 or 3, H, W], not {list(images.shape)}")
    count, channels, height, width = images.shape
    enlarge = math.ceil(TILE / height)
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    tiles = np.full((rows * columns, height, width, channels), 255, np.uint8)
    tiles[:count] = pixels(images).transpose(0, 2, 3, 1)
    tiles = tiles.repeat(enlarge, 1).repeat(enlarge, 2)
    framed = np.pad(tiles, ((0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    _, tall, wide, _ = framed.shape
    picture = framed.reshape(rows, columns, tall, wide, channels).transpose(0, 2, 1, 3, 4)
    return picture.reshape(rows * tall, columns * wide, channels)[:-GAP, :-GAP]


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """A picture [height, width, 1 or 3] as a PNG file, written whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    image = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
    try:
        image.save(partial, format="PNG")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def histogram(values: NDArray[Any]) -> dict[str, Any] | None:
    """Counts of the finite values in BINS equal bins from least to greatest; None if there are none."""
    flat = np.asarray(values, np.float64).ravel()
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        return None
    low, high = float(flat.min()), float(flat.max())
    if not np.all(np.diff(np.linspace(low, high, BINS + 1)) > 0):  # all equal, or nearly so
        wide = max(abs(low) * 1e-6, 0.5)
        low, high = low - wide, high + wide
    counts, _ = np.histogram(flat, BINS, (low, high))
    return {"low": low, "high": high, "counts": counts.tolist()}


def edges(low: float, high: float) -> NDArray[np.float64]:
    """The BINS + 1 borders between the bins of a histogram."""
    return np.linspace(low, high, BINS + 1)
