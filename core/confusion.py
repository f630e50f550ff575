"""Which classes are taken for which: counts over rows, as a table to look at and as one to print."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.tables import text
from core.task import Batch, Sorting

PIECE = 500  # rows that are read at once
WIDEST = 20  # classes of a printed matrix


def confusion(task: Sorting, rows: Batch, seeds: int) -> NDArray[np.int64]:
    """How many rows ``[n, …]`` of each class (second axis) each seed takes for each (third): ``[seed, K, K]``."""
    count = len(task.classes)
    found = torch.zeros(seeds, count * count, dtype=torch.int64)
    for piece in zip(*(array.split(PIECE) for array in rows), strict=True):
        of_every_seed = tuple(array.expand(seeds, *array.shape) for array in piece)
        places: Tensor = of_every_seed[-1] * count + task.guesses(of_every_seed)
        found += torch.stack([torch.bincount(own, minlength=count * count) for own in places.cpu()])
    return found.view(seeds, count, count).numpy()


def by_class(counts: NDArray[np.int64], names: Sequence[str]) -> dict[str, NDArray[np.object_]]:
    """Columns with a row for each class that is there, of counts ``[K, K]``: how often it is recognised, and which
    other class it is most often taken for."""
    there = np.flatnonzero(counts.sum(1))
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    columns: dict[str, list[object]] = {"class": [], "examples": [], "accuracy": [], "mostly taken for": []}
    for k in there.tolist():
        other = int(wrong[k].argmax())
        columns["class"].append(names[k])
        columns["examples"].append(int(counts[k].sum()))
        columns["accuracy"].append(float(counts[k, k] / counts[k].sum()))
        columns["mostly taken for"].append(f"{names[other]} ({wrong[k, other]})" if wrong[k, other] else "")
    return {name: np.array(column, object) for name, column in columns.items()}


def matrix(counts: NDArray[np.int64], names: Sequence[str]) -> list[str]:
    """Lines to print, of counts ``[K, K]``: per cent of each class that are taken for each; up to WIDEST classes."""
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    header = ["class", "accuracy"]
    if len(names) <= WIDEST:
        header += map(str, range(len(names)))
    rows = []
    for k in np.flatnonzero(counts.sum(1)).tolist():
        cells = [f"{share:.1f}" if counts[k, other] else "·" for other, share in enumerate(shares[k])]
        label = names[k] if names[k] == str(k) else f"{k} {names[k]}"
        rows.append([label, f"{shares[k, k]:.1f} %", *(cells if len(names) <= WIDEST else [])])
    return text(header, rows, right=range(1, len(header))).splitlines()
