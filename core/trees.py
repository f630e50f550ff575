"""Trees: nested dicts, lists, tuples and named tuples whose leaves are arrays, tensors or plain values."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Tree: TypeAlias = Any
"""A leaf, or a dict, list, tuple or named tuple of trees."""


def map(fn: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Apply ``fn`` to every leaf of ``tree`` and the leaves at the same place in ``rest``; same shape out."""
    if isinstance(tree, dict):
        return {key: map(fn, value, *(other[key] for other in rest)) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        children = [map(fn, *parts) for parts in zip(tree, *rest, strict=True)]
        return type(tree)(*children) if hasattr(tree, "_fields") else type(tree)(children)
    return fn(tree, *rest)


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
