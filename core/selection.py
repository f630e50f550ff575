"""Which runs are meant: `lr=3e-4 status=finished algorithm=ppo,dqn task~Cart`, and what a run says of a name."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from core import annotations
from core.errors import UserError, nearest
from core.records import Record

# What every run has; any other name is a setting.
FIELDS = ("algorithm", "task", "suite", "group", "status", "seed", "id", "tags")
FILTER = re.compile(r"([\w./-]+?)\s*(!=|!~|=|~)(.*)", re.DOTALL)
FORMS = "name=value, name=one,other, name!=value, name~part or name!~part"


class Filter(NamedTuple):
    """A run stays when one of the values fits; when none does, where the operator begins with `!`."""

    name: str
    operator: str  # = or ~ (is a part of), != or !~
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{','.join(self.values)}"


def select(records: Iterable[Record], filters: Sequence[str]) -> list[Record]:
    """The records that every filter lets through. UserError for a name no run knows, and when none is left.

    A run that lacks a setting passes `name!=value` and no `name=value`. Numbers are compared as numbers.
    """
    kept = list(records)
    for asked in filters_of(filters):
        check((asked.name,), kept)
        left = [record for record in kept if _passes(record, asked)]
        if kept and not left:
            there = sorted({shown(value(record, asked.name)) for record in kept})
            more = ", …" if len(there) > 8 else ""
            raise UserError(f"no run is left by {asked}; {asked.name} is {', '.join(there[:8])}{more}")
        kept = left
    return kept


def filters_of(words: Sequence[str]) -> list[Filter]:
    """Filters as typed; a word without an operator is one more value of the filter before it."""
    found: list[Filter] = []
    for word in (piece.strip() for typed in words for piece in typed.split(",")):
        parts = FILTER.fullmatch(word)
        if parts:
            found.append(Filter(_name(parts[1]), parts[2], (parts[3].strip(),)))
        elif found:
            found[-1] = found[-1]._replace(values=(*found[-1].values, word))
        else:
            raise UserError(f"--where takes {FORMS}, not {word!r}")
    return found


def names_of(words: Sequence[str], records: Sequence[Record]) -> tuple[str, ...]:
    """Names as typed in --by, with `_` where a flag has `-`; UserError for one that no run knows."""
    names = tuple(dict.fromkeys(_name(word) for word in words))
    check(names, records)
    return names


def check(names: Iterable[str], records: Sequence[Record]) -> None:
    """Raise UserError for a name that is neither of FIELDS nor a setting of any run."""
    asked = [name for name in names if name not in FIELDS]
    known = {name for record in records for name in record.config} if asked and records else set()
    for name in asked:
        if records and name not in known:
            raise UserError(f"no run has a setting {name!r}{_hint(name, known)}")


def value(record: Record, name: str) -> Any:
    """What a run says of a field or a setting; None when it has no such setting."""
    if name == "tags":
        return annotations.read(record.path, record.run).tags or None
    return getattr(record, name) if name in FIELDS else record.config.get(name)


def shown(value: Any) -> str:
    """A value as one would type it; – for none."""
    if value is None or value == "":
        return "–"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _name(word: str) -> str:
    return word.lstrip("-").replace("-", "_")


def _hint(name: str, known: set[str]) -> str:
    """The nearest name; not all there are, which would fill the screen."""
    every = {*known, *FIELDS}
    hint = nearest(name, every)
    return (
        hint
        if len(every) <= 12 or hint.startswith("; did you mean")
        else "; a run's config.yaml says what there is"
    )


def _passes(record: Record, asked: Filter) -> bool:
    found = value(record, asked.name)
    held = found if isinstance(found, list | tuple) else [found]
    part = asked.operator.endswith("~")
    fits = any(
        word.lower() in shown(item).lower() if part else _same(item, word)
        for item in held
        for word in asked.values
    )
    return fits != asked.operator.startswith("!")


def _same(item: Any, word: str) -> bool:
    if item is None or item == "":
        return word.lower() in ("none", "null", "", "–")
    try:
        return float(item) == float(word) if not isinstance(item, bool) else shown(item) == word.lower()
    except (TypeError, ValueError):
        return shown(item).lower() == word.lower()
