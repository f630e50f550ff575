"""Pairs of sentences as BERT learns from them: one text of both, with gaps, its second part sometimes another's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.documents import Tokens, tokens_of, vocabulary
from core.draws import draws
from core.networks.masking import Special, joined, mask
from core.task import Batch, Rows

SPECIAL = Special(unknown=4)
UNKNOWN = 4
NAMES = ("", "[CLS]", "[SEP]", "[MASK]", "[UNK]")  # of the first tokens


def room_of(length: int) -> int:
    """Tokens that one sentence may have in a text of two and of [CLS], [SEP] and [SEP]."""
    return (length - 3) // 2


class Texts:
    """How sentences become texts.

    Args:
        tokens: what a sentence is made of.
        length: of two sentences, with their special tokens, at most; a sentence longer than its half, or
            than any that is trained on, is cut.
        most: tokens that are known; all others are [UNK].
        share: of the words, to be guessed.
        train: first and second sentences, of which the known tokens are the most frequent ones.
    """

    def __init__(self, tokens: Tokens, length: int, most: int, share: float, train: Rows) -> None:
        self.tokens, self.room, self.share = tokens, room_of(length), share
        seen = [own for column in train for own in self.cut(column)]
        self.room = max(map(len, seen))
        self.length = 2 * self.room + 3
        known = vocabulary(seen, most)
        self.names = [*NAMES, *known]
        self.places = {name: place for place, name in enumerate(known, len(NAMES))}

    def cut(self, column: NDArray[Any]) -> list[list[str]]:
        return [tokens_of(sentence, self.tokens)[: self.room] for sentence in column]

    def rows(self, part: str, sentences: Rows) -> Rows:
        """First, second [n, room]; of them tokens, segments, seen, chosen [n, T] and label [n], for scores.

        These are drawn once: which words are hidden, and whose second part is another one's. ``part`` is what for.
        """
        table = np.zeros((2, len(sentences[0]), self.room), np.int64)
        for side, column in enumerate(sentences):
            for k, own in enumerate(self.cut(column)):
                table[side, k, : len(own)] = [self.places.get(token, UNKNOWN) for token in own]
        first, second = torch.from_numpy(table)
        drawn, count = draws("bert", part), len(second)
        other = second[torch.from_numpy(drawn.integers(0, count, count))]
        wrong = torch.from_numpy(drawn.random(count) < 0.5)
        uniform = torch.from_numpy(drawn.random((3, count, self.length)))
        made = self.made(first, second, other, wrong, uniform)
        return tuple(array.numpy() for array in (first, second, *made))

    def made(self, first: Tensor, second: Tensor, other: Tensor, wrong: Tensor, uniform: Tensor) -> Batch:
        """Tokens, segments, seen, chosen [..., n, T] and label [..., n].

        Args:
            first, second: sentences [..., n, room] that follow one another.
            other: what stands in the second's place where it is to be ``wrong`` [..., n]; label 1 if it differs.
            uniform: [3, ..., n, T] random numbers in [0, 1), for the gaps.
        """
        label = wrong & (other != second).any(-1)
        tokens, segments = joined(first, torch.where(label[..., None], other, second), SPECIAL)
        seen, chosen = mask(tokens, uniform, len(self.names), SPECIAL, self.share)
        return tokens, segments, seen, chosen, label.long()

    def text(self, tokens: Tensor) -> str:
        """What stands there, to be read."""
        return " ".join(self.names[token] for token in tokens.tolist() if token != SPECIAL.padding)


def alone(texts: NDArray[Any], names: Sequence[str], tokens: Tokens, length: int) -> NDArray[np.int64]:
    """[CLS] text [SEP], then padding up to the longest [n, T]; what is over ``length`` is cut, no name is [UNK]."""
    places = {name: place for place, name in enumerate(names) if place >= len(NAMES)}
    cut = [tokens_of(text, tokens)[: length - 2] for text in texts]
    table = np.full((len(cut), max(map(len, cut)) + 2), SPECIAL.padding, np.int64)
    for row, own in zip(table, cut, strict=True):
        known = [places.get(token, UNKNOWN) for token in own]
        row[: len(own) + 2] = [SPECIAL.begin, *known, SPECIAL.between]
    return table


def bigram(train: Tensor, tokens: Tensor, chosen: Tensor) -> float:
    """The share of the gaps that the word most often behind the one before would fill: what to be better than.

    It is told the word before as it stood, though that may be a gap too. The mean over texts, as of BERT.

    Args:
        train: texts [n, T].
        tokens: held-out texts [m, T]; chosen: which of their places are gaps [m, T] bool.
    """
    before, after = (part.reshape(-1).numpy() for part in (train[:, :-1], train[:, 1:]))
    known = int(max(train.max(), tokens.max())) + 1
    word = after > UNKNOWN
    pairs, counts = np.unique(before[word] * known + after[word], return_counts=True)
    rising = np.argsort(counts, kind="stable")
    likely = np.full(known, np.bincount(after[word]).argmax())  # the most frequent word behind what is new
    likely[pairs[rising] // known] = pairs[rising] % known  # of several the last one stays: the most frequent
    right = (likely[tokens[:, :-1].numpy()] == tokens[:, 1:].numpy()) & chosen[:, 1:].numpy()
    return float(np.mean(right.sum(1) / np.maximum(chosen.numpy().sum(1), 1)))
