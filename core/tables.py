"""Rows of text as a table for a terminal or for Markdown, and numbers as a person reads them."""

import math
from collections.abc import Sequence
from pathlib import Path

from core.errors import UserError


def text(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Columns padded to their widest cell; those whose index is in `right` stand flush right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    padded = (
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
    return "\n".join(padded)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A GitHub table; pipes inside cells are escaped."""
    rule = ["---:" if column in right else "---" for column in range(len(header))]
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (header, rule, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None) -> str:
    """Four significant digits, thousands parted by commas; – for no value."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if not -4 < size < 7:
        return f"{value:.3g}".replace("-", "−", 1) if value < 0 else f"{value:.3g}"
    shown = f"{abs(value):,.{max(0, 3 - size)}f}"
    shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return ("−" if value < 0 else "") + shown


def span(seconds: float | None) -> str:
    """A length of time: 8.2 s, 4 min 05 s, 3 h 20 min."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def age(seconds: float) -> str:
    """How long ago, in its largest unit: 12 s, 4 min, 3 h, 9 d."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def between(file: Path, name: str) -> str:
    """What stands between ``<!-- name -->`` and ``<!-- end -->`` in a Markdown file.

    Raises:
        UserError: the file or its marks are not there.
    """
    return _parted(file, name)[1].strip("\n")


def write_between(file: Path, name: str, text: str) -> None:
    """Replace what stands there; raises as ``between`` does."""
    head, _, tail = _parted(file, name)
    file.write_text(f"{head}\n{text}\n{tail}")


def _parted(file: Path, name: str) -> tuple[str, str, str]:
    """The file up to its first mark, what stands between, and the rest from its second mark on."""
    begin, end = f"<!-- {name} -->", "<!-- end -->"
    whole = file.read_text() if file.is_file() else ""
    head, found, rest = whole.partition(begin)
    middle, closed, tail = rest.partition(end)
    if not (found and closed):
        raise UserError(
            f"{file} has no part from {begin} to {end}; add the two marks where the table belongs"
        )
    return head + begin, middle, end + tail
