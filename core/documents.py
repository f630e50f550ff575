"""Documents to learn to read from, a sentence a line, an empty line between two: a file's, or stories by a grammar."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from core.draws import draws
from core.errors import UserError

STORIES = "stories"
TOLD = 600  # stories
Tokens: TypeAlias = Literal["words", "characters"]

# A story is of one of these and of one place, and each sentence is said in one of two ways. Whose the thing is and what
# colour it has can be told from the sentence itself; the place from the one beside it, if both are of one story.
OWNED = (
    ("baker", "red", "cart"),
    ("king", "white", "horse"),
    ("sailor", "blue", "boat"),
    ("child", "yellow", "drum"),
    ("farmer", "green", "hat"),
    ("teacher", "black", "book"),
    ("painter", "golden", "lamp"),
    ("doctor", "grey", "coat"),
)
PLACES = ("garden", "harbour", "market", "tower", "forest", "kitchen")
LINES = (
    ("the {0} has a {1} {2} in the {3}.", "there is a {0} with a {1} {2} in the {3}."),
    ("the {1} {2} of the {0} came to the {3} long ago.", "to the {3} came long ago the {1} {2} of the {0}."),
    ("in the {3} the {0} often looks at the {1} {2}.", "often the {0} looks at the {1} {2} in the {3}."),
    ("so the {0} and the {1} {2} stay in the {3}.", "so in the {3} stay the {0} and the {1} {2}."),
)


def stories() -> str:
    """TOLD stories of four sentences each, no two alike; always the same ones."""
    sizes = (len(OWNED), len(PLACES), *map(len, LINES))
    told = []
    for index in draws(STORIES).permuted(np.arange(np.prod(sizes)), axis=0)[:TOLD]:
        who, where, *ways = (int(place) for place in np.unravel_index(int(index), sizes))
        lines = (line[way] for line, way in zip(LINES, ways, strict=True))
        told.append("\n".join(line.format(*OWNED[who], PLACES[where]) for line in lines))
    return "\n\n".join(told)


def load(data: str) -> tuple[str, list[tuple[str, str]]]:
    """A name, and every two sentences that follow one another in a document, in order.

    Raises:
        UserError: no such file, or no text.
    """
    if data == STORIES:
        return data, pairs(stories())
    path = Path(data).expanduser()
    if not path.is_file():
        raise UserError(f"no such file: {path}; give a text, or {STORIES}, which needs none")
    try:
        return path.stem, pairs(path.read_text("utf-8-sig"))
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8") from None


def pairs(text: str) -> list[tuple[str, str]]:
    """Neighbours; a sentence alone in its document has none."""
    lines = [line.strip() for line in text.splitlines()]
    return [(first, second) for first, second in pairwise(lines) if first and second]


def tokens_of(sentence: str, tokens: Tokens) -> list[str]:
    """Words, in lower case, and the signs between them; or characters."""
    return re.findall(r"\w+|[^\w\s]", sentence.lower()) if tokens == "words" else list(sentence)


def vocabulary(sentences: Iterable[Sequence[str]], most: int) -> list[str]:
    """The tokens that come most often, at most so many; of equals the first in the alphabet."""
    counts = Counter(token for sentence in sentences for token in sentence)
    return sorted(counts, key=lambda token: (-counts[token], token))[:most]
