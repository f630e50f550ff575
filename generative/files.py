"""What data sets are: images, points in the plane, a text, or pairs of texts."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from core.images import HELD_OUT as HELD_OUT
from core.images import Images as Images


@dataclass(frozen=True)
class Points:
    """One data set of points in the plane: float32 ``[N, 2]`` in units of its own."""

    name: str
    train: np.ndarray
    test: np.ndarray
    centres: np.ndarray | None = None  # [M, 2]: of the Gaussians it is an equal mixture of, if it is one
    sigma: float = 0.0  # their standard deviation along each axis
    notes: tuple[str, ...] = ()  # for the person to see


@dataclass(frozen=True)
class Text:
    """One text as tokens, int64 ``[N]``: each is the place of a character among those that are known."""

    name: str
    train: np.ndarray
    test: np.ndarray
    characters: str  # all there are, in the order of their tokens
    lines: bool = False  # every line is an example by itself
    notes: tuple[str, ...] = ()  # for the person to see


@dataclass(frozen=True)
class Pairs:
    """Texts and what is to be made of them, int64 ``[N, S + T]``: tokens as pairs.py has them."""

    name: str
    train: np.ndarray
    test: np.ndarray
    characters: str  # all there are, of both sides, in the order of their tokens
    source: int  # S
    notes: tuple[str, ...] = ()  # for the person to see


Dataset: TypeAlias = Images | Points | Text | Pairs
