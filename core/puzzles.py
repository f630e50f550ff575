"""Sequences that ask for a memory: adding, copying, parity, digits pixel by pixel, and strings off a picture.

Every set is made when asked for, from one fixed seed: every run sees the same rows. A row is what is read, the answers,
and the places where an answer is asked for.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core import image_sets
from core.draws import Draws, draws
from core.errors import UserError, nearest
from core.task import Examples, Rows

Numbers: TypeAlias = NDArray[Any]

SIZES = {"train": 50_000, "validation": 1_000, "test": 2_000}
SYMBOLS, COPIED = 8, 10  # of copying: how many kinds, and how many are to be remembered
LONGER = 5  # times as long as the longest that is trained on are the sequences at the end, for parity
STRINGS = (3, 4, 5)  # digits of a string
HIGH, WIDE = 6, 26  # pixels of its picture
SMEAR = 0.1  # deviation of a picture's noise, where ink is 1 and paper 0
GLYPHS = (
    "### #.# #.# #.# ###", ".#. ##. .#. .#. ###", "### ..# ### #.. ###", "### ..# ### ..# ###",
    "#.# #.# ### ..# ..#", "### #.. ### ..# ###", "### #.. ### #.# ###", "### ..# .#. .#. .#.",
    "### #.# ### #.# ###", "### #.# ### ..# ###",
)  # fmt: skip


@dataclass(frozen=True)
class Puzzle:
    """What a data set is, and what it asks."""

    rows: Callable[[Draws, int, int, str], Rows]  # of (chance, how many, length, part)
    features: int  # of a step that is read; of strings, of the whole picture
    classes: int  # an answer is one of them; 0: it is a number
    length: int | None  # steps where none are named; None: they cannot be chosen
    least: int = 1  # steps
    every: bool = False  # an answer at every step: no gradient must reach back to the first
    scored: int = 0  # how many of the answers, the last ones, count for accuracy; 0: all
    baseline: Callable[[int], float] | None = None  # the loss without memory, of a length


def adding(chance: Draws, count: int, length: int, part: str) -> Rows:
    """[value in [0, 1), mark]; the sum of the two that are marked, one in each half, is asked for at the end.

    Hochreiter & Schmidhuber 1997, experiment 4, in the form of Bai et al. 2018.
    """
    half, every = length // 2, np.arange(count)
    values = chance.random((count, length)).astype(np.float32)
    marks = np.zeros_like(values)
    first, second = chance.integers(0, half, count), chance.integers(half, length, count)
    marks[every, first] = marks[every, second] = 1
    return np.stack([values, marks], -1), *_at_the_end((values * marks).sum(1), length)


def copying(chance: Draws, count: int, length: int, part: str) -> Rows:
    """Ten symbols of 8, ``length`` − 1 blanks, a delimiter and ten blanks; then the symbols are asked for (Arjovsky et
    al. 2016). Each of the ten tokens is read as one-hot."""
    symbols = chance.integers(0, SYMBOLS, (count, COPIED))
    read = np.full((count, length + 2 * COPIED), SYMBOLS)
    read[:, :COPIED], read[:, -COPIED - 1] = symbols, SYMBOLS + 1
    return np.eye(SYMBOLS + 2, dtype=np.uint8)[read], *_copied(symbols, length, blank=SYMBOLS)


def copying_scalars(chance: Draws, count: int, length: int, part: str) -> Rows:
    """As it is in the code of Bai et al. 2018: digits 1 to 8 as one number a step, zeros, and the delimiter 9 from
    where the answer begins to the end."""
    symbols = chance.integers(1, SYMBOLS + 1, (count, COPIED))
    read = np.zeros((count, length + 2 * COPIED, 1), np.uint8)
    read[:, :COPIED, 0], read[:, -COPIED - 1 :] = symbols, SYMBOLS + 1
    return read, *_copied(symbols, length, blank=0)


def parity(chance: Draws, count: int, length: int, part: str) -> Rows:
    """Whether the ones so far are odd in number, asked at every step; 1 to ``length`` bits, for the test 5 times it."""
    steps = LONGER * length if part == "test" else length
    lengths = np.full(count, steps) if part == "test" else chance.integers(1, length + 1, count)
    asked = np.arange(steps) < lengths[:, None]
    bits = (chance.integers(0, 2, (count, steps)) * asked).astype(np.uint8)
    return bits[..., None], np.where(asked, bits.cumsum(1) % 2, 0).astype(np.uint8), asked


def digits(chance: Draws, count: int, length: int, part: str) -> Rows:
    """A digit of 8×8 pixels, row by row, a pixel a step; its class is asked for at the end."""
    found = image_sets.load("digits")
    images, labels = (found.test, found.test_labels) if part == "test" else (found.train, found.train_labels)
    assert labels is not None
    pixels = images.reshape(len(images), -1, 1).astype(np.float32) / 255
    return pixels, *_at_the_end(labels.astype(np.uint8), pixels.shape[1])


def strings(chance: Draws, count: int, length: int, part: str) -> Rows:
    """A picture of 3 to 5 digits as a vector; what stands there is asked for, then blanks (class 10).

    All stand perhaps a pixel lower, each perhaps one to the right, and noise is added. Of all strings a tenth is in
    the test part alone, and a tenth in the validation part.
    """
    sizes, longest = np.asarray(STRINGS)[chance.integers(0, len(STRINGS), count)], max(STRINGS)
    written = np.full((count, longest), len(GLYPHS), np.uint8)
    for size in STRINGS:
        pool = draws("strings", size).permuted(np.arange(10**size), axis=0)
        a, b = len(pool) // 10, len(pool) // 5
        pool = {"test": pool[:a], "validation": pool[a:b], "train": pool[b:]}[part]
        mine = np.flatnonzero(sizes == size)
        number = pool[chance.integers(0, len(pool), len(mine))]
        written[mine, :size] = number[:, None] // 10 ** np.arange(size - 1, -1, -1) % 10
    pictures = _printed(chance, written) + SMEAR * chance.standard_normal((count, HIGH, WIDE))
    return pictures.reshape(count, 1, -1).astype(np.float32), written, np.ones(written.shape, bool)


def _printed(chance: Draws, written: Numbers) -> Numbers:
    """Ink [n, HIGH, WIDE] of strings [n, digits]; class 10 is left white."""
    ink = np.array([[[dot == "#" for dot in row] for row in glyph.split()] for glyph in GLYPHS], float)
    ink = np.concatenate([ink, np.zeros_like(ink[:1])])
    count, digits = written.shape
    tall, broad = ink.shape[1:]
    top = chance.integers(0, HIGH - tall + 1, count)
    left = 1 + (broad + 2) * np.arange(digits) + chance.integers(0, 2, (count, digits))  # of each digit
    found = np.zeros((count, HIGH, WIDE))
    for k in range(digits):
        for y in range(tall):
            for x in range(broad):
                found[np.arange(count), top + y, left[:, k] + x] += ink[written[:, k], y, x]
    return found


def _at_the_end(answers: Numbers, length: int) -> Rows:
    """Answers [n] as [n, length] of which the last one is asked for."""
    spread, asked = np.zeros((len(answers), length), answers.dtype), np.zeros((len(answers), length), bool)
    spread[:, -1], asked[:, -1] = answers, True
    return spread, asked


def _copied(symbols: Numbers, length: int, blank: int) -> Rows:
    answers = np.full((len(symbols), length + 2 * COPIED), blank, np.uint8)
    answers[:, -COPIED:] = symbols
    return answers, np.ones(answers.shape, bool)


def _without_memory(length: int) -> float:
    """Blanks, then a guess for each symbol: 10 ln 8 nats over all steps (Arjovsky et al. 2016)."""
    return COPIED * math.log(SYMBOLS) / (length + 2 * COPIED)


PUZZLES: dict[str, Puzzle] = {
    "adding": Puzzle(adding, 2, 0, 100, least=2, baseline=lambda length: 1 / 6),  # says 1 always
    "copy": Puzzle(
        copying, SYMBOLS + 2, SYMBOLS + 1, 20, every=True, scored=COPIED, baseline=_without_memory
    ),
    "copy-tcn": Puzzle(
        copying_scalars, 1, SYMBOLS + 1, 20, every=True, scored=COPIED, baseline=_without_memory
    ),
    "parity": Puzzle(parity, 1, 2, 40, every=True, baseline=lambda length: math.log(2)),
    "digits": Puzzle(digits, 1, 10, None, baseline=lambda length: math.log(10)),
    "strings": Puzzle(strings, HIGH * WIDE, len(GLYPHS) + 1, None),
}


def puzzle(name: str) -> Puzzle:
    """The data set of that name; UserError naming the nearest one if there is none."""
    if name not in PUZZLES:
        raise UserError(f"unknown data set {name!r}{nearest(name, PUZZLES)}")
    return PUZZLES[name]


def length_of(name: str, length: int | None) -> int:
    """Steps as asked for, or as the data set has them; 0 where they cannot be chosen.

    Raises:
        UserError: too short, or of a data set whose length is fixed.
    """
    known = puzzle(name)
    if known.length is None:
        if length is not None:
            free = ", ".join(other for other, row in PUZZLES.items() if row.length is not None)
            raise UserError(f"--length is {length}, but the length of {name} is fixed; {free} take one")
        return 0
    if length is not None and length < known.least:
        raise UserError(f"--length is {length}; {name} wants at least {known.least}")
    return known.length if length is None else length


def load(name: str, length: int | None = None) -> Examples:
    """The data set of that name, its rows (what is read, answers, asked).

    What is read is ``[n, T, features]`` (of strings ``[n, 1, pixels]``), answers and asked are ``[n, places]``.
    """
    known, steps = puzzle(name), length_of(name, length)
    title = f"{name}-{steps}" if steps else name
    train, validation, test = (
        known.rows(draws("puzzle", title, part), count, steps, part) for part, count in SIZES.items()
    )
    if name == "digits":  # it has no validation part of its own
        return Examples(name, train, test, labels=train[1][:, -1])
    return Examples(title, train, test, validation)
