"""Options that a person gave and that do nothing beside the others: said in a line each, never in silence."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

from core.config import Settings
from core.options import show

Case: TypeAlias = Mapping[str, Collection[Any]]
"""Other options, or facts, and the values they have in this case, all of them; an option that is not there is None."""

Idle: TypeAlias = Mapping[str, Sequence[Case]]
"""An option and the cases in which it does nothing: ``{"alpha": [{"prioritised": [False]}]}``."""


class _Given(frozenset[Any]):
    def __contains__(self, value: object) -> bool:
        return value not in (None, 0)


GIVEN: Collection[Any] = _Given()  # in a case: any value but None and 0


def idle(settings: Settings, table: Idle, facts: Mapping[str, str] | None = None) -> list[str]:
    """A line for every flag that does nothing; of presets, files and defaults nothing is said.

    Args:
        facts: what else cases may ask for, by the words that come before it: ``{"the data are": "points"}``.
    """
    known, facts = settings.flat(), facts or {}
    found = []
    for name in (name for name, where in settings.origin.items() if where == "flag"):
        for case in table.get(name, ()):
            told = {other: facts.get(other, known.get(other)) for other in case}
            if all(told[other] in values for other, values in case.items()):
                there = {other: value for other, value in told.items() if other in facts or other in known}
                why = (_said(other, value, facts) for other, value in there.items())
                found.append(f"{_flag(name)} has no effect while {' and '.join(why)}")
                break
    return found


def _said(name: str, value: Any, facts: Mapping[str, str]) -> str:
    if name in facts:
        return f"{name} {value}"
    return f"{_flag(name)} is {'not given' if value is None else show(value)}"


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
