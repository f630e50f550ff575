"""Metrics of all seeds as plain rows, one per seed: the only place that takes numbers out of tensors."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = Tensor | NDArray[Any]


def per_seed(metrics: Mapping[str, Array | float], count: int) -> list[dict[str, Any]]:
    """Values [count], or one number for all, as `count` rows; tensors leave their device in one transfer."""
    tensors = {name: value.detach() for name, value in metrics.items() if isinstance(value, Tensor)}
    columns: dict[str, list[Any]] = {}
    if tensors:
        together = torch.stack([value.to(torch.float64).expand(count) for value in tensors.values()])
        columns = dict(zip(tensors, together.tolist(), strict=True))
    for name, value in metrics.items():
        if name not in columns:
            columns[name] = np.broadcast_to(np.asarray(value), (count,)).tolist()
    return [{name: columns[name][i] for name in metrics} for i in range(count)]


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose values are Python's own numbers."""
    return {name: value.item() if hasattr(value, "item") else value for name, value in row.items()}


def to_numpy(array: Array) -> NDArray[Any]:
    """The array on the CPU, cut from any graph; bfloat16 becomes float32."""
    if not isinstance(array, Tensor):
        return np.asarray(array)
    array = array.detach().cpu()
    return (array.float() if array.dtype == torch.bfloat16 else array).numpy()


def rounded(array: NDArray[Any]) -> Any:
    """The numbers as nested lists, each to seven significant digits: as good as float32, and short as text."""
    numbers = [float(f"{value:.7g}") for value in np.asarray(array, np.float64).ravel().tolist()]
    return np.array(numbers).reshape(array.shape).tolist()
