"""What goes wrong because of what a person typed, said in one line."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input: the message says what was wrong and what would be right; the command line prints it and exits 2."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """A suffix for an error message: the closest valid choice, or all of them when none is close."""
    known = sorted(choices)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; choose one of {', '.join(known)}" if known else ""
