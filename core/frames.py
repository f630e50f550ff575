"""Runs as pandas frames: one run's rows, or every point of every run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core import jsonl
from core.records import Record, scan


def metrics(record: Record) -> pd.DataFrame:
    """metrics.jsonl: a row per line, a float column per key; NaN also where a row has no such key."""
    frame = pd.DataFrame(jsonl.rows(record.written()))
    return frame.apply(lambda column: pd.Series(jsonl.numbers(column.tolist()), column.index))


def frame(root: str | Path = "runs", metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Every logged point as one row: id, group, suite, algorithm, task, seed, axis, step, metric, value.

    `metrics` keeps only those named, which is many times faster. Text columns are categorical.
    """
    records = scan(root)
    chunks: list[tuple[int, str, jsonl.Floats, jsonl.Floats]] = []
    for index, record in enumerate(records):
        columns = record.columns() if metrics is None else {name: record.series(name) for name in metrics}
        chunks += [(index, name, *series) for name, series in columns.items()]
    sizes = [len(steps) for _, _, steps, _ in chunks]
    owner = np.repeat(np.array([index for index, *_ in chunks], int), sizes)
    data: dict[str, Any] = {
        name: _category([str(getattr(record, name)) for record in records], owner)
        for name in ("id", "group", "suite", "algorithm", "task")
    }
    data["seed"] = np.array([record.seed for record in records], int)[owner]
    data["axis"] = _category([record.axis for record in records], owner)
    data["step"] = np.concatenate([np.empty(0), *(steps for _, _, steps, _ in chunks)])
    data["metric"] = _category([name for _, name, _, _ in chunks], np.repeat(np.arange(len(chunks)), sizes))
    data["value"] = np.concatenate([np.empty(0), *(values for *_, values in chunks)])
    return pd.DataFrame(data)


def _category(names: list[str], codes: NDArray[np.int64]) -> Any:
    kinds = list(dict.fromkeys(names))
    lookup = np.array([kinds.index(name) for name in names], np.int64)[codes]
    return pd.Categorical.from_codes(lookup, dtype=pd.CategoricalDtype(kinds))
