"""What a page shows as one flat, frozen record, and that record as the query of a URL: the URL holds the view."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from core.errors import UserError
from core.options import Option, convert, options_of


@dataclass(frozen=True)
class View:
    """A page's fields are those of a dataclass made from this one: str, int, float, bool, Literal, tuples of these.

    A field's name is its name in the URL; a tuple's items stand there one by one (`runs=a&runs=b`); what has
    its default value is left out. A frozen dataclass below says all a page can show:

        @dataclass(frozen=True)
        class Shown(View):
            metric: str = ""  # drawn over the steps
    """

    ignored: tuple[str, ...] = field(default=(), kw_only=True)  # what the URL said that has no meaning here


V = TypeVar("V", bound=View)


def to_query(view: View) -> str:
    """`?a=1&b=2`, in the order of the fields; empty for a view that is all default."""
    pairs: list[tuple[str, str]] = []
    for name, option in _options(type(view)).items():
        value = getattr(view, name)
        if value == option.default:
            continue
        # an emptied tuple that is not empty by default is written as one empty item
        items = (value or ("",)) if option.many and value is not None else (value,)
        pairs += [(name, _word(item)) for item in items]
    return "?" + urlencode(pairs) if pairs else ""


def from_query(kind: type[V], query: str | None) -> V:
    """The view a query stands for. What is unknown or wrong becomes its default and is named in `ignored`."""
    options = _options(kind)
    given: dict[str, list[str]] = {}
    for name, word in parse_qsl((query or "").removeprefix("?"), keep_blank_values=True, max_num_fields=None):
        given.setdefault(name, []).append(word)
    values: dict[str, Any] = {}
    ignored = [name for name in given if name not in options]
    for name, words in given.items():
        if (option := options.get(name)) is None:
            continue
        try:
            values[name] = convert(option, [w for w in words if w] if option.many else words[-1], name)
        except UserError:
            ignored.append(name)
    return replace(kind(**values), ignored=tuple(ignored))


def _options(kind: type[View]) -> dict[str, Option]:
    own = {one.name for one in fields(View)}
    return {name: option for name, option in options_of([kind]).items() if name not in own}


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
