"""Trees: nested dicts, lists, tuples and named tuples whose leaves are arrays, tensors or plain values."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from core.errors import UserError

Tree: TypeAlias = Any
"""A leaf, or a dict, list, tuple or named tuple of trees."""


def map(fn: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Apply ``fn`` to every leaf of ``tree`` and the leaves at the same place in ``rest``; same shape out."""
    if not isinstance(tree, dict | tuple | list):
        return fn(tree, *rest)
    if isinstance(tree, dict):
        return {key: map(fn, value, *(other[key] for other in rest)) for key, value in tree.items()}
    children = [map(fn, *parts) for parts in zip(tree, *rest, strict=True)]
    return type(tree)(*children) if hasattr(tree, "_fields") else type(tree)(children)


def leaves(tree: Tree) -> list[Any]:
    """Every leaf, in order."""
    return [leaf for _, leaf in walk(tree)]


def walk(tree: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Pairs of path and leaf, in order; a path is the keys and positions from the root."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from walk(value, (*path, str(key)))
    elif isinstance(tree, tuple | list):
        for position, value in enumerate(tree):
            yield from walk(value, (*path, str(position)))
    else:
        yield path, tree


def of_seed(tree: Tree, seed_index: int) -> Tree:
    """The part of one seed, of a tree whose leaves are ``[seed, …]``."""
    return map(lambda leaf: leaf[seed_index], tree)


class Stateful(Protocol):
    """Something with a state per seed."""

    def state_dict(self) -> list[Any]: ...

    def load_state_dict(self, states: list[Any]) -> None: ...


def states_of(parts: Mapping[str, Stateful], **more: Sequence[Any]) -> list[dict[str, Any]]:
    """One tree per seed, with the state of every part under its name, and ``more`` columns."""
    return zipped(**{name: part.state_dict() for name, part in parts.items()}, **more)


def load_states(parts: Mapping[str, Stateful], states: Sequence[Mapping[str, Any]]) -> None:
    """Give every part its own state back, out of what ``states_of`` gathered.

    A part whose state is None stays as it is: core/model.py leaves out what is not needed to act.

    Raises:
        UserError: the states lack something: they were written by another version.
    """
    for name, part in parts.items():
        try:
            if None not in (found := [state[name] for state in states]):
                part.load_state_dict(found)
        except KeyError as missing:
            raise UserError(
                f"the checkpoint has no {missing}: it was written by another version of the lab"
            ) from None


def zipped(**parts: Sequence[Any]) -> list[dict[str, Any]]:
    """Columns to rows: ``zipped(a=[1, 2], b=[3, 4])`` is ``[{"a": 1, "b": 3}, {"a": 2, "b": 4}]``."""
    return [dict(zip(parts, row, strict=True)) for row in zip(*parts.values(), strict=True)]
