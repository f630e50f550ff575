"""Chance for statistics: numpy generators named by words. Light, where core/noise.py needs torch."""

import hashlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Size = int | tuple[int, ...]


class Draws(Protocol):
    """What is asked of a generator; numpy's Generator is one."""

    def integers(self, low: int, high: int, size: Size) -> NDArray[np.int64]:
        """Uniform on low … high − 1."""

    def random(self, size: Size) -> NDArray[np.float64]:
        """Uniform on [0, 1)."""

    def standard_normal(self, size: Size) -> NDArray[np.float64]:
        """Normal with mean 0 and variance 1."""

    def permuted(self, x: ArrayLike, axis: int) -> NDArray[Any]:
        """A copy of x, each of its slices along the axis in an order of its own."""


def mix(*words: int | str) -> int:
    """A 63-bit number that depends on every word and on their order: a seed for what the words name."""
    text = "\x1f".join(str(word) for word in words)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def draws(*words: int | str) -> Draws:
    """A generator for what the words name: the same words, the same numbers, whatever else was drawn."""
    generator: Any = np.random.Generator(np.random.PCG64(mix("draws", *words)))
    drawn: Draws = generator
    return drawn
