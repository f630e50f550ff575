"""Documents to learn to read from, a sentence a line, an empty line between two: a file's, or stories by a grammar."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from core.draws import draws
from core.errors import UserError

STORIES, MEETINGS = "stories", "meetings"
TOLD = 1_000  # stories
Tokens: TypeAlias = Literal["words", "characters"]

# Two animals meet, one that eats meat and one that eats grass, and either may be the one who acts. What each of them
# eats is said in the first sentence of a story, by name; in the last one only of who acts, or of who is acted on, so
# that it takes the sentence between them to tell. All else has a word beside it from which it can be told.
HUNTERS = (
    "grey wolf", "red fox", "brown bear", "spotted lynx", "quiet owl", "swift hawk", "old badger", "lean stoat",
    "golden eagle", "black panther",
)  # fmt: skip
GRAZERS = (
    "shy hare", "young deer", "woolly sheep", "white goose", "fat pony", "tall moose", "wild goat", "small vole",
    "lazy cow", "mild donkey",
)  # fmt: skip
FOOD = ("meat", "grass")  # of the former, and of the latter
PLACES = ("river reeds", "forest ferns", "garden roses", "mountain rocks", "harbour nets", "village barns")
DEEDS = (
    "gladly greets greeted", "quickly follows followed", "loudly calls called", "kindly helps helped",
    "slowly passes passed", "often watches watched",
)  # fmt: skip


class Meeting(NamedTuple):
    """Numbers that make one: two animals, who acts (1: the grazer), a place, a deed, three wordings."""

    hunter: int
    grazer: int
    actor: int
    place: int
    deed: int
    habits: int
    scene: int
    end: int

    def sentences(self) -> tuple[str, str, str]:
        """What both eat; who does what to whom, and where; what the one who acts eats, or the other."""
        both = HUNTERS[self.hunter], GRAZERS[self.grazer]
        who, whom = both[self.actor], both[1 - self.actor]
        there, (manner, does, done) = f"in the {PLACES[self.place]}", DEEDS[self.deed].split()
        eat = [f"the {name} eats {food}" for name, food in zip(both, FOOD, strict=True)]
        habits = " and ".join(reversed(eat) if self.habits else eat)
        scenes = f"the {who} {manner} {does} the {whom}", f"the {whom} is {manner} {done} by the {who}"
        ends = (
            f"the one who {manner} {does} eats {FOOD[self.actor]}",
            f"the one who is {manner} {done} eats {FOOD[1 - self.actor]}",
        )
        return f"{habits}.", f"{scenes[self.scene]} {there}.", f"{ends[self.end]} {there}."


SIZES = Meeting(len(HUNTERS), len(GRAZERS), 2, len(PLACES), len(DEEDS), 2, 2, 2)


def meetings(name: str, count: int) -> list[Meeting]:
    """So many, no two alike; the same name, the same ones."""
    chosen = draws(name).permuted(np.arange(np.prod(SIZES)), axis=0)[:count]
    return [Meeting(*map(int, np.unravel_index(int(index), SIZES))) for index in chosen]


def stories() -> str:
    """TOLD stories of three sentences each, no two alike; always the same ones."""
    return "\n\n".join("\n".join(meeting.sentences()) for meeting in meetings(STORIES, TOLD))


def told() -> list[str]:
    """Who does what to whom in each of them."""
    return [meeting.sentences()[1] for meeting in meetings(STORIES, TOLD)]


def load(data: str, most: int = 0) -> tuple[str, list[tuple[str, str]]]:
    """A name, and every two sentences that follow one another in a document, in order; ``most`` documents, 0: all.

    Raises:
        UserError: no such file, or no text.
    """
    if data == STORIES:
        return data, pairs(stories(), most)
    path = Path(data).expanduser()
    if not path.is_file():
        raise UserError(f"no such file: {path}; give a text, or {STORIES}, which needs none")
    try:
        return path.stem, pairs(path.read_text("utf-8-sig"), most)
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8") from None


def pairs(text: str, most: int = 0) -> list[tuple[str, str]]:
    """Neighbours; a sentence alone in its document has none."""
    if most:
        text = "\n\n".join([part for part in re.split(r"\n\s*\n", text.strip()) if part.strip()][:most])
    lines = [line.strip() for line in text.splitlines()]
    return [(first, second) for first, second in pairwise(lines) if first and second]


def tokens_of(sentence: str, tokens: Tokens) -> list[str]:
    """Words, in lower case, and the signs between them; or characters."""
    return re.findall(r"\w+|[^\w\s]", sentence.lower()) if tokens == "words" else list(sentence)


def vocabulary(sentences: Iterable[Sequence[str]], most: int) -> list[str]:
    """The tokens that come most often, at most so many; of equals the first in the alphabet."""
    counts = Counter(token for sentence in sentences for token in sentence)
    return sorted(counts, key=lambda token: (-counts[token], token))[:most]
