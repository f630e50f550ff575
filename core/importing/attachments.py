"""Pictures, films, histograms and tables that W&B's history points to, taken over into a run's media.

Paths in a foreign record are somebody's words: only files inside the run's own `files` folder are copied, and only
those that begin as a picture or a film does.
"""

import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from core.groups import slug
from core.media import BINS

Value = Mapping[str, Any]  # what W&B keeps of one logged object
KIND = "._type"
# ending -> how such a file begins, at which byte
BEGINNINGS = {
    ".png": (0, b"\x89PNG\r\n\x1a\n"),
    ".jpg": (0, b"\xff\xd8\xff"),
    ".jpeg": (0, b"\xff\xd8\xff"),
    ".gif": (0, b"GIF8"),
    ".webp": (8, b"WEBP"),
    ".mp4": (4, b"ftyp"),
    ".webm": (0, b"\x1aE\xdf\xa3"),
}
LONGEST_TABLE = 1_000  # rows; of a longer one the first
LARGEST = 64 << 20  # bytes of one file


def parted(row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """(the row without objects, name -> object): W&B keeps an object as keys under its name, one of them _type."""
    names = [key.removesuffix(KIND) for key in row if key.endswith(KIND)]
    if not names:
        return dict(row), {}
    objects = {
        name: {k[len(name) + 1 :]: v for k, v in row.items() if k.startswith(name + ".")} for name in names
    }
    plain = {k: v for k, v in row.items() if not any(k.startswith(name + ".") for name in names)}
    return plain, objects


def entries(
    name: str, value: Value, step: float, files: Path, media: Path, left: Counter[str]
) -> Iterator[dict[str, Any]]:
    """What one object becomes in media/index.jsonl, its files copied; what cannot be taken is counted in `left`."""
    kind = str(value.get("_type"))
    found = list(TAKEN[kind](name, value, step, files, media)) if kind in TAKEN else []
    if not found:
        left[kind[:40]] += 1
    yield from found


def _pictures(name: str, value: Value, step: float, files: Path, media: Path) -> Iterator[dict[str, Any]]:
    several = value.get("filenames")
    for number, path in enumerate(several if isinstance(several, list) else [value.get("path")], 1):
        if file := _copied(path, f"{slug(name)}-{step:g}", files, media):
            film = file.endswith((".mp4", ".webm"))
            called = name if number == 1 else f"{name} {number}"
            yield {"kind": "video" if film else "image", "name": called, "file": file}


def _copied(path: object, stem: str, files: Path, media: Path) -> str:
    """Where a copy lies, seen from the run's folder; empty when the file is not there or not what it should be."""
    if not isinstance(path, str):
        return ""
    try:
        source = (files / path).resolve()
        offset, beginning = BEGINNINGS.get(source.suffix.lower(), (0, b""))
        if not beginning or not source.is_relative_to(files.resolve()) or source.stat().st_size > LARGEST:
            return ""
        with source.open("rb") as file:
            if not file.read(offset + len(beginning)).endswith(beginning):
                return ""
        tries = (f"{stem}{f'-{number}' if number else ''}{source.suffix.lower()}" for number in count())
        target = next(media / each for each in tries if not (media / each).exists())
        shutil.copyfile(source, target)
    except (OSError, ValueError):
        return ""
    return f"media/{target.name}"


def _histogram(name: str, value: Value, step: float, files: Path, media: Path) -> Iterator[dict[str, Any]]:
    """Only one with as many equal bins as ours, which are W&B's own choice too."""
    counts, borders = value.get("values"), value.get("bins")
    low, width = value.get("packedBins.min"), value.get("packedBins.size")
    if (
        isinstance(low, int | float)
        and isinstance(width, int | float)
        and value.get("packedBins.count") == BINS
    ):
        borders = [low + width * i for i in range(BINS + 1)]
    try:
        told, edges = np.array(counts, float), np.array(borders, float)
    except (TypeError, ValueError, OverflowError):
        return
    if told.shape != (BINS,) or edges.shape != (BINS + 1,) or not np.isfinite([*told, *edges]).all():
        return
    widths = np.diff(edges)
    if widths.min() > 0 and np.allclose(widths, widths.mean(), rtol=1e-3, atol=0):
        found = {"low": float(edges[0]), "high": float(edges[-1]), "counts": told.astype(int).tolist()}
        yield {"kind": "histograms", "of": {name: found}}


def _table(name: str, value: Value, step: float, files: Path, media: Path) -> Iterator[dict[str, Any]]:
    try:
        source = (files / str(value.get("path"))).resolve()
        if not source.is_relative_to(files.resolve()) or source.stat().st_size > LARGEST:
            return
        told = json.loads(source.read_bytes())
        columns, rows = told["columns"], told["data"]
        if all(len(row) == len(columns) for row in rows):
            cells = [[_cell(cell) for cell in row] for row in rows[:LONGEST_TABLE]]
            yield {"kind": "table", "name": name, "columns": [str(c) for c in columns], "rows": cells}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return


def _cell(value: Any) -> Any:
    """What a table shows as it is, or said in words."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value)[:200]


TAKEN = {
    "image-file": _pictures,
    "images/separated": _pictures,
    "video-file": _pictures,
    "videos": _pictures,
    "histogram": _histogram,
    "table-file": _table,
}
