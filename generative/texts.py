"""Texts: characters as tokens, of known texts, of one's own files, or of a small grammar; and passages of them."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.errors import UserError
from core.noise import Noise, States
from generative.files import HELD_OUT, Text

NEWLINE = "\n"

# name -> (its folder in $LAB_DATA, its file there, whether every line is an example by itself)
KNOWN: dict[str, tuple[str, str, bool]] = {
    "shakespeare": ("tinyshakespeare", "input.txt", False),
    "names": ("names", "names.txt", True),
    "sentences": ("", "", True),
}

# A sentence has one of each: what is done agrees in number with who does it. Every choice is equally likely.
WHO = ("cat", "dog", "bird", "horse", "child", "baker", "king", "sailor")
HOW = ("old", "small", "quiet", "happy", "clever", "tired")
DOES = ("see", "follow", "greet", "help", "hear", "draw")
WHERE = ("near the river", "at noon", "in the garden", "after the rain", "every day")
MANY = {"child": "children"}
NUMBERS = ("one", "many")
PARTS: tuple[Sequence[str], ...] = (NUMBERS, HOW, WHO, DOES, NUMBERS, HOW, WHO, WHERE)
POSSIBLE = int(np.prod([len(part) for part in PARTS]))  # sentences that there are
SAID = 100  # characters that are named at most
DRAWN = 5_000  # of them, to train on and held out


def sentence(index: int) -> str:
    """Sentence number 0 … POSSIBLE − 1 of the grammar."""
    words = []
    for part in PARTS:
        index, place = divmod(index, len(part))
        words.append(part[place])
    number, how, who, does, others, how_others, whom, where = words

    def noun(number: str, word: str) -> str:
        return word if number == "one" else MANY.get(word, word + "s")

    verb = does + "s" if number == "one" else does
    return f"the {how} {noun(number, who)} {verb} the {how_others} {noun(others, whom)} {where}."


def sentences() -> str:
    """DRAWN different sentences of the grammar, a line each; always the same ones."""
    order = Noise((0,), "sentences").permutation(POSSIBLE)[0, :DRAWN]
    return "".join(sentence(index) + NEWLINE for index in order.tolist())


def read(path: Path) -> str:
    """A file's characters; line ends of any kind become newlines.

    Raises:
        UserError: there is no such file, it is empty, or it is no text in UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is no text in UTF-8: byte {error.start} cannot be read; convert it"
        ) from None
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}; give a file of text in UTF-8"
        ) from None
    if not text.strip():
        raise UserError(f"{path} is empty; a text of some hundred characters at least is needed")
    return text.removeprefix("\ufeff")


def divide(name: str, text: str, lines: bool) -> Text:
    """A text with a tenth held out: its end (as nanoGPT does), or of lines every tenth or so of the different ones.

    A text of lines begins with a newline and ends with one: the token that begins every example and ends it.
    Lines are in an order drawn once, and those that stand in the text twice are in one part alone.

    Raises:
        UserError: too little is there to hold something out.
    """
    if lines:
        train, test = _lines(name, text)
        characters = "".join(sorted({*train, *test}))
    else:
        cut = len(text) - round(HELD_OUT * len(text))
        train, test, characters = text[:cut], text[cut:], "".join(sorted(set(text)))
    if min(len(train), len(test)) < 2:
        raise UserError(f"{name} has {len(text)} characters, too few to train on nine tenths and test on one")
    return Text(name, encode(train, characters, name), encode(test, characters, name), characters, lines)


def _lines(name: str, text: str) -> tuple[str, str]:
    every = [line for line in text.split(NEWLINE) if line.strip()]
    different = list(dict.fromkeys(every))
    held_out = max(1, round(HELD_OUT * len(different)))
    if len(different) < 2:
        raise UserError(
            f"{name} has {len(different)} different lines; at least 2 are needed, one to hold out"
        )
    order = Noise((0,), "held out").permutation(len(different))[0].tolist()
    apart = {different[k] for k in order[:held_out]}
    shuffled = [every[k] for k in Noise((0,), "lines").permutation(len(every))[0].tolist()]
    train = [line for line in shuffled if line not in apart]
    test = [different[k] for k in sorted(order[:held_out])]
    return tuple(NEWLINE + "".join(line + NEWLINE for line in part) for part in (train, test))  # type: ignore[return-value]


def encode(text: str, characters: str, what: str) -> NDArray[np.int64]:
    """Tokens ``[N]``: each character's place among those that are known; UserError naming one that is not."""
    place = {character: token for token, character in enumerate(characters)}
    if strange := sorted(set(text) - set(place)):
        known = repr(characters) if len(characters) <= SAID else f"{characters[:SAID]!r} and more"
        raise UserError(f"{what} has {strange[0]!r}, which the model never saw; it knows {known}")
    return np.array([place[character] for character in text], np.int64)


def decode(tokens: Tensor, characters: str, lines: bool = False) -> str:
    """The text of tokens ``[N]``; of lines the first alone, without the newlines around it."""
    text = "".join(characters[token] for token in tokens.tolist())
    return text.removeprefix(NEWLINE).partition(NEWLINE)[0] if lines else text


def longest(text: Text) -> int:
    """Characters of the longest line with its newline; 0 where lines are not examples by themselves."""
    if not text.lines:
        return 0
    newline = text.characters.index(NEWLINE)
    return max(int(np.diff(np.flatnonzero(part == newline)).max()) for part in (text.train, text.test))


def rows_of(text: Tensor, length: int, follow: bool, newline: int | None = None) -> Tensor:
    """A text [N] as rows [n, T + 1] that are read each by itself; −1 behind a line's end, and the text's.

    Args:
        text: tokens.
        length: characters of a row, each with its next one.
        follow: some long rows instead, for a network that carries its state.
        newline: its token, where every line is a row.
    """
    if len(text) < 2:
        raise UserError("a text of one character has no next one to foretell; give it two or more")
    if newline is not None:
        ends = (text == newline).nonzero()[:, 0].tolist()
        lines = [text[a : b + 1] for a, b in pairwise(ends)]
        return nn.utils.rnn.pad_sequence(lines or [text], batch_first=True, padding_value=-1)
    long = min(max(len(text) // 64, 16 * length), len(text) - 1)
    each = long if follow else min(length, len(text) - 1)
    rows = text.unfold(0, each + 1, each)
    rest = text[len(rows) * each :]
    if len(rest) < 2:
        return rows
    return torch.cat([rows, nn.functional.pad(rest, (0, each + 1 - len(rest)), value=-1)[None]])


class Passages:
    """Endless passages of a text, for every seed its own: ``batch`` of them, ``length`` characters and the next one.

    Args:
        text: what to read.
        seeds: the run's seeds.
        batch: passages per seed and update.
        length: characters in each.
        follow: each goes on where the one before it ended, at ``batch`` places of the text at once; the text's end is
            followed by its beginning. Otherwise every passage begins anywhere, or at any line.
        device: where the text is kept.
    """

    def __init__(
        self,
        text: Text,
        seeds: Sequence[int],
        batch: int,
        length: int,
        follow: bool,
        device: str | torch.device = "cpu",
    ) -> None:
        self.examples = torch.from_numpy(text.train.copy()).to(device)
        self.batch, self.length, self.follow = batch, length, follow
        count = len(self.examples)
        if count <= length:
            raise UserError(
                f"{text.name} has {count} characters to train on, and --context {length} reads {length + 1} at once; "
                f"give a longer text or a shorter --context"
            )
        if follow and count < batch:
            raise UserError(
                f"{text.name} has {count} characters to train on, and --batch {batch} reads at as many places at once; "
                f"give a longer text or a smaller --batch"
            )
        self.places = torch.arange(count - length)
        if text.lines:
            self.places = (torch.from_numpy(text.train) == text.characters.index(NEWLINE)).nonzero()[:-1, 0]
        self.noise = Noise(seeds, "data")  # on the CPU: the same passages on every device
        self._before, self.updates = self.noise.state_dict(), 0
        self._first = self.noise.integers(count, 1) if follow else torch.zeros(0)

    def next(self) -> Tensor:
        """int64 ``[seed, batch, length + 1]``."""
        count = len(self.examples)
        if self.follow:
            apart = torch.arange(self.batch) * (count // self.batch)
            begin = self._first + apart + self.updates * self.length
        else:
            begin = self.places[self.noise.integers(len(self.places), self.batch)]
        self.updates += 1
        where = (begin[..., None] + torch.arange(self.length + 1)) % count
        return self.examples[where.to(self.examples.device)]

    def state_dict(self) -> States:
        now = self._before if self.follow else self.noise.state_dict()
        return [{"place": state, "updates": self.updates} for state in now]

    def load_state_dict(self, states: States) -> None:
        self.noise.load_state_dict([state["place"] for state in states])
        self.updates = int(states[0]["updates"])
        if self.follow:
            self._before = self.noise.state_dict()
            self._first = self.noise.integers(len(self.examples), 1)
