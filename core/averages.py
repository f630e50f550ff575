"""Metrics gathered between two rows of the record: sums and counts per seed, averaged when a row is written."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from core.noise import States


class Averages:
    """Running means of named numbers for ``count`` seeds; a seed with nothing new has no value in the row."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pending: list[Mapping[str, Tensor]] = []
        self._sums: list[dict[str, float]] = [{} for _ in range(count)]
        self._counts: list[dict[str, int]] = [{} for _ in range(count)]

    def add(self, metrics: Mapping[str, Tensor]) -> None:
        """Remember tensors ``[seed]``; nothing is read from the device until the row is written."""
        if metrics:
            self._pending.append(metrics)

    def add_one(self, seed_index: int, name: str, value: float) -> None:
        """Remember one number of one seed."""
        self.add_sum(seed_index, name, value, 1)

    def add_sum(self, seed_index: int, name: str, total: float, count: int) -> None:
        """Remember ``count`` numbers of one seed by their sum."""
        sums, counts = self._sums[seed_index], self._counts[seed_index]
        sums[name] = sums.get(name, 0.0) + total
        counts[name] = counts.get(name, 0) + count

    def flush(self) -> list[dict[str, float]]:
        """The means since the last flush, one mapping per seed, and a fresh start."""
        self._settle()
        rows = [
            {name: total / counts[name] for name, total in sums.items()}
            for sums, counts in zip(self._sums, self._counts, strict=True)
        ]
        self._sums = [{} for _ in range(self.count)]
        self._counts = [{} for _ in range(self.count)]
        return rows

    def broken(self, prefixes: tuple[str, ...]) -> NDArray[np.bool_]:
        """Which seeds wait to write a mean, of a name that begins with one of these, that is not finite."""
        self._settle()
        return np.array(
            [any(k.startswith(prefixes) and not isfinite(v) for k, v in sums.items()) for sums in self._sums]
        )

    def _settle(self) -> None:
        for metrics in self._pending:
            for name, tensor in metrics.items():
                values: NDArray[Any] = np.asarray(tensor.cpu() if isinstance(tensor, Tensor) else tensor)
                for k, value in enumerate(values.tolist()):
                    self.add_one(k, name, float(value))
        self._pending = []

    def state_dict(self) -> States:
        self._settle()
        return [{"sums": dict(s), "counts": dict(c)} for s, c in zip(self._sums, self._counts, strict=True)]

    def load_state_dict(self, states: States) -> None:
        self._pending = []
        self._sums = [dict(state["sums"]) for state in states]
        self._counts = [dict(state["counts"]) for state in states]
