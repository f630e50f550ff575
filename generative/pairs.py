"""Pairs of texts, one to be made of the other: dates, sums, sorting, reversal, or one's own; as rows of tokens."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from core.errors import UserError
from core.noise import Noise
from generative.files import HELD_OUT, Pairs
from generative.texts import read

PADDING, BEGIN, END = 0, 1, 2  # tokens that are no characters
FIRST = 3  # the first character's
LONGEST = 200  # characters on either side
DRAWN, APART = 20_000, 2_000  # generated pairs to train on, and held out

Drawn: TypeAlias = tuple[list[str], list[str], int]
"""Sources, their targets, and how many of them, from the first, are to train on."""

FIRST_DAY, DAYS = date(1950, 1, 1), 36_524  # up to the end of 2049
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
FORMATS = (
    "{d} {month} {y}",
    "{month} {d}, {y}",
    "{weekday}, {month} {d}, {y}",
    "{weekday} {d} {month} {y}",
    "{d} {mon} {y}",
    "{mon} {d} {y}",
    "{d}.{m}.{y}",  # a dot: the day first
    "{m}/{d}/{y}",  # a stroke: the month first
    "{dd}.{mm}.{yy}",
    "{MONTH} {dd} {y}",
    "{y}, {month} {d}",
)
SHORTEST_WORD, LONGEST_WORD = 5, 15  # letters of a text to be reversed


def written(day: date, form: str) -> str:
    """A day as people write it."""
    month = MONTHS[day.month - 1]
    return form.format(
        d=day.day, dd=f"{day.day:02}", m=day.month, mm=f"{day.month:02}", y=day.year, yy=f"{day.year % 100:02}",
        month=month, mon=month[:3].lower(), MONTH=month.upper(), weekday=WEEKDAYS[day.weekday()],
    )  # fmt: skip


def dates() -> Drawn:
    """Written, ISO: every day stands there once, so that those held out are never seen."""
    noise = Noise((0,), "dates")
    days = noise.permutation(DAYS)[0, : DRAWN + APART].tolist()
    forms = noise.integers(len(FORMATS), len(days))[0].tolist()
    every = [FIRST_DAY + timedelta(days=day) for day in days]
    sources = [written(day, FORMATS[form]) for day, form in zip(every, forms, strict=True)]
    return sources, [day.isoformat() for day in every], DRAWN


def sums(stream: str, numbers: int, drawn: int, apart: int) -> Drawn:
    """Sum, its value: two numbers below `numbers` stand there once, in one order of the two."""
    noise = Noise((0,), stream)
    count = numbers * (numbers + 1) // 2
    places, turned = noise.permutation(count)[0, : drawn + apart].numpy(), noise.integers(2, drawn + apart)[0]
    larger, smaller = (part[places] for part in np.tril_indices(numbers))
    every = zip(larger.tolist(), smaller.tolist(), turned.tolist(), strict=True)
    found = [(b, a) if turn else (a, b) for a, b, turn in every]
    return [f"{a}+{b}" for a, b in found], [str(a + b) for a, b in found], drawn


def reversal() -> Drawn:
    """Letters, the same from the last to the first; every text stands there once."""
    noise = Noise((0,), "reversal")
    count = DRAWN + APART + 100  # a short one may be drawn twice
    lengths = SHORTEST_WORD + noise.integers(LONGEST_WORD - SHORTEST_WORD + 1, count)[0]
    letters = noise.integers(len(ascii_lowercase), count, LONGEST_WORD)[0].tolist()
    rows = zip(letters, lengths.tolist(), strict=True)
    sources = _once("".join(ascii_lowercase[k] for k in row[:length]) for row, length in rows)
    return sources, [source[::-1] for source in sources], DRAWN


def sorting() -> Drawn:
    """Six digits of three values, the same in order: all 729 there are, a quarter held out (minGPT's demo)."""
    every = ["".join(digits) for digits in product("012", repeat=6)]
    sources = [every[k] for k in Noise((0,), "sort").permutation(len(every))[0].tolist()]
    return sources, ["".join(sorted(source)) for source in sources], len(every) - len(every) // 4


def sorting_ten() -> Drawn:
    """Ten digits of ten values, the same in order; every text stands there once."""
    digits = Noise((0,), "sort-10").integers(10, DRAWN + APART + 100, 10)[0].tolist()
    sources = _once("".join(map(str, row)) for row in digits)
    return sources, ["".join(sorted(source)) for source in sources], DRAWN


def _once(texts: Iterable[str]) -> list[str]:
    """The first texts that differ from all before, as many as are trained on and held out."""
    return list(dict.fromkeys(texts))[: DRAWN + APART]


KNOWN: dict[str, Callable[[], Drawn]] = {
    "dates": dates,
    "addition": partial(sums, "addition", 1_000, DRAWN, APART),
    "addition-2": partial(sums, "addition-2", 100, 4_500, 500),  # Keras' 5,000 of the 5,050 there are
    "sort": sorting,
    "sort-10": sorting_ten,
    "reversal": reversal,
}


def load(name: str) -> Pairs:
    """Pairs by name, or from a file with a tab in every line; of those a tenth of the sources is held out.

    Raises:
        UserError: a line without its tab, one that is too long, or too few of them.
    """
    if name in KNOWN:
        return encoded(name, *KNOWN[name]())
    path = Path(name).expanduser()
    found = dict[str, list[str]]()
    for number, line in enumerate(read(path).split("\n"), 1):
        if not line.strip():
            continue
        sides = line.split("\t")
        if len(sides) != 2 or not all(side.strip() for side in sides):
            raise UserError(
                f"{path}, line {number}: expected a source, one tab and a target, got {line[:60]!r}"
            )
        if max(map(len, sides)) > LONGEST:
            raise UserError(
                f"{path}, line {number}: {max(map(len, sides))} characters; at most {LONGEST} a side"
            )
        found.setdefault(sides[0], []).append(sides[1])
    held_out = max(1, round(HELD_OUT * len(found)))
    if len(found) < 2:
        raise UserError(f"{path} has {len(found)} different sources; at least 2 are needed, one to hold out")
    order = Noise((0,), "held out").permutation(len(found))[0].tolist()
    every = list(found)
    apart = [every[k] for k in order[:held_out]]
    kept = [every[k] for k in order[held_out:]]
    rows = [(source, target) for source in [*kept, *apart] for target in found[source]]
    return encoded(path.stem, [s for s, _ in rows], [t for _, t in rows], sum(len(found[s]) for s in kept))


def encoded(name: str, sources: Sequence[str], targets: Sequence[str], train: int) -> Pairs:
    """Rows of tokens: the source, then the target with its end, each with padding behind."""
    characters = "".join(sorted({*"".join(sources), *"".join(targets)}))
    width, other = max(map(len, sources)), max(map(len, targets)) + 1
    rows = np.full((len(sources), width + other), PADDING, np.int64)
    place = {character: token for token, character in enumerate(characters, FIRST)}
    for row, source, target in zip(rows, sources, targets, strict=True):
        row[: len(source)] = [place[c] for c in source]
        row[width : width + len(target) + 1] = [*(place[c] for c in target), END]
    return Pairs(name, rows[:train], rows[train:], characters, width)


def tokens(source: str, pairs: Pairs) -> Tensor:
    """A source as the trainer reads it, ``[width]``; UserError for a character it never saw, or one too many."""
    if strange := sorted(set(source) - set(pairs.characters)):
        raise UserError(
            f"--prompt has {strange[0]!r}, which the model never saw; it knows {pairs.characters!r}"
        )
    if not 0 < len(source) <= pairs.source:
        raise UserError(f"--prompt has {len(source)} characters; it reads 1 to {pairs.source}")
    found = torch.full((pairs.source,), PADDING)
    found[: len(source)] = torch.tensor([pairs.characters.index(c) + FIRST for c in source])
    return found


def text(row: Tensor, characters: str) -> str:
    """What tokens ``[n]`` say, up to their end or padding."""
    found = []
    for token in row.tolist():
        if token in (END, PADDING):
            break
        found.append("" if token == BEGIN else characters[token - FIRST])
    return "".join(found)
