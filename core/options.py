"""Options: the fields of dataclass sections, and values of a field's type from whatever text or YAML gave."""

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any

from core.errors import UserError


@dataclasses.dataclass(frozen=True)
class Option:
    """A field as the parser sees it."""

    name: str
    kind: Any  # str, int, float, bool, or the choices of a Literal as a tuple
    many: bool  # the value is a tuple of `kind`
    optional: bool  # None is allowed
    default: Any  # MISSING when a value must be given
    section: type  # the dataclass it belongs to

    @property
    def flag(self) -> str:
        """As typed: `--eval-every`."""
        return "--" + self.name.replace("_", "-")

    @property
    def required(self) -> bool:
        return self.default is dataclasses.MISSING


def options_of(sections: Iterable[type]) -> dict[str, Option]:
    """The options of all sections by name. ValueError for a name used twice or a type no one can type."""
    options: dict[str, Option] = {}
    for section in sections:
        hints = typing.get_type_hints(section)
        for field in dataclasses.fields(section):
            if field.name in options:
                other = options[field.name].section.__name__
                raise ValueError(f"{section.__name__}.{field.name}: {other} has an option of that name")
            options[field.name] = _option(section, field, hints[field.name])
    if "help" in options:
        raise ValueError(f"{options['help'].section.__name__}.help: --help shows the help")
    for name, option in options.items():
        if option.kind is bool and f"no_{name}" in options:
            raise ValueError(f"{option.section.__name__}.{name}: its --no-{name} is an option of its own")
    return options


def _option(section: type, field: "dataclasses.Field[Any]", hint: Any) -> Option:
    union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    parts = [part for part in typing.get_args(hint) if part is not types.NoneType] if union else [hint]
    kind = parts[0]
    many = typing.get_origin(kind) is tuple and typing.get_args(kind)[1:] == (...,)
    if many:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) is typing.Literal:
        kind = typing.get_args(kind)
    if len(parts) != 1 or not (isinstance(kind, tuple) or kind in _READERS):
        raise ValueError(f"{section.__name__}.{field.name}: an option cannot be of type {hint}")
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    return Option(field.name, kind, many, union, default, section)


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = Decimal(value.replace("_", "") if isinstance(value, str) else repr(value))
    if not number.is_finite() or number.adjusted() > 30 or number != number.to_integral_value():
        raise ValueError(value)
    return int(number)


def _real(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or math.isnan(number):
        raise ValueError(value)
    return number


def _truth(value: Any) -> bool:
    return value if isinstance(value, bool) else _TRUTHS[value.strip().lower()]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


_TRUTHS = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)
_NONE = ("none", "null")
_READERS: dict[Any, tuple[str, Callable[[Any], Any]]] = {
    int: ("a whole number", _whole),
    float: ("a number", _real),
    bool: ("true or false", _truth),
    str: ("text (put it in quotes)", _text),
}
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OverflowError, InvalidOperation)


def convert(option: Option, value: Any, where: str) -> Any:
    """A plain value, as files and presets hold it, made the field's type; UserError says `where`."""
    if option.optional and (value is None or (option.kind is not str and str(value).lower() in _NONE)):
        return None
    if not option.many:
        return _one(option, value, where)
    if isinstance(value, str):
        value = _pieces([value])
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(_one(option, item, where) for item in items)


def from_words(option: Option, words: list[str]) -> Any:
    """The value of an option's words on the command line, where None can only be spelt."""
    if option.optional and len(words) == 1 and words[0].lower() in _NONE:
        return None
    return convert(option, _pieces(words) if option.many else words[0], option.flag)


def _one(option: Option, value: Any, where: str) -> Any:
    if isinstance(option.kind, tuple):
        return _choice(option.kind, value, where)
    expected, read = _READERS[option.kind]
    try:
        return read(value)
    except _UNREADABLE:
        raise UserError(f"{where} takes {expected}, not {_quote(value)}") from None


def _choice(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    for choice in choices:
        if (type(choice) is type(value) and choice == value) or str(choice) == value:
            return choice
    names = [str(choice) for choice in choices]
    close = get_close_matches(str(value), names, 1, 0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise UserError(f"{where} takes {' or '.join(names)}, not {_quote(value)}{hint}")


def _pieces(words: list[str]) -> list[str]:
    """`0 1 2`, `0,1,2` and `[0, 1, 2]` (as W&B sweeps send a list) are the same three."""
    return [piece.strip() for word in words for piece in word.strip("[]").split(",") if piece.strip()]


def _quote(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def show(value: Any) -> str:
    """A value as one would type it."""
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "()"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
