"""Being asked to stop: Ctrl-C and SIGTERM become a question the loop asks between two steps."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self


class Stopped(Exception):
    """Someone asked to stop."""


class Stopping:
    """While entered, remembers the first SIGINT or SIGTERM instead of dying of it; a second one acts at once.

    Args:
        patient: no later one acts either; ``insisted`` says that there was one. For who has others to take along.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self.patient, self.insisted = patient, False
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def asked(self) -> bool:
        return self.signal is not None

    def check(self) -> None:
        """Raise Stopped if someone asked to; for long work that may be left where it is."""
        if self.asked:
            raise Stopped

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process ended by that signal; 0 when nobody asked."""
        return 0 if self.signal is None else 128 + self.signal

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._remember)
        return self

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            self.insisted = True
            return
        self.signal = number
        if not self.patient:
            self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
