"""How far a run is: one live row in a terminal, a line now and then elsewhere."""

import shutil
import sys
import time

TERMINAL, PIPE = 0.1, 10.0  # seconds between two drawings
BAR = 20  # characters


class Progress:
    """Draws at most as often as it may; asking is cheap, so ask every step. Uses no colour at all."""

    def __init__(self, title: str, quiet: bool = False) -> None:
        self.title = title
        self.quiet = quiet
        self._began: tuple[float, int] | None = None  # when and at which step this process began to count
        self._drawn = time.monotonic()
        self._width = 0  # of the row that now stands in the terminal

    def show(self, step: int, total: int, value: float | None = None, label: str = "return") -> None:
        """Draw, if it is time: `step` of `total`, steps per second, time left and the newest value."""
        now = time.monotonic()
        if self._began is None:
            self._began = (now, step)
        terminal = sys.stdout.isatty()
        if self.quiet or (now - self._drawn < (TERMINAL if terminal else PIPE) and step < total):
            return
        self._drawn = now
        row = self.row(step, total, value, label, now)
        if terminal:
            self._overwrite(row[: shutil.get_terminal_size().columns - 1])
        else:
            print(row, flush=True)

    def row(self, step: int, total: int, value: float | None, label: str, now: float) -> str:
        """The row as text."""
        began, first = self._began or (now, step)
        speed = (step - first) / max(now - began, 1e-9)
        share = min(step / max(total, 1), 1.0)
        left = f"{clock((total - step) / speed)} left" if speed > 0 else "-"
        filled = round(share * BAR)
        newest = "" if value is None else f"  {label} {value:.4g}"
        bar = "[" + "#" * filled + "-" * (BAR - filled) + "]"
        return f"{self.title} {bar} {share:4.0%}  {step:,}/{total:,}  {speed:,.0f}/s  {left}{newest}"

    def say(self, line: str) -> None:
        """A line of its own, above the live row."""
        if self.quiet:
            return
        self.clear()
        print(line, flush=True)

    def clear(self) -> None:
        """Take the live row away."""
        if self._width:
            print("\r" + " " * self._width + "\r", end="", flush=True)
            self._width = 0

    def _overwrite(self, row: str) -> None:
        print("\r" + row.ljust(self._width), end="", flush=True)
        self._width = len(row)


def clock(seconds: float) -> str:
    """A duration in words: `42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = max(int(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
