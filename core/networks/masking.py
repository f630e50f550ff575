"""What BERT learns from: texts with gaps, and pairs of which the second part follows the first, or does not."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from core.networks.embedding import check_text


@dataclass(frozen=True)
class Special:
    """The tokens that are no words; words are all others of the vocabulary."""

    padding: int = 0  # behind a text's end
    begin: int = 1  # [CLS], before every text
    between: int = 2  # [SEP], after each of its parts
    gap: int = 3  # [MASK], in place of a word to be guessed
    unknown: int | None = None  # [UNK], a word without a token; None: there is none

    def all(self) -> list[int]:
        """Each of them."""
        found = [self.padding, self.begin, self.between, self.gap]
        return found if self.unknown is None else [*found, self.unknown]

    def words(self, vocabulary: int) -> Tensor:
        """Every other token."""
        special = set(self.all())
        return torch.tensor([token for token in range(vocabulary) if token not in special])


class Gaps(NamedTuple):
    """A text with gaps; the text as it was is the label."""

    tokens: Tensor  # [..., T] what is read
    chosen: Tensor  # [..., T] bool: the places to be guessed


def mask(tokens: Tensor, uniform: Tensor, vocabulary: int, special: Special, share: float = 0.15) -> Gaps:
    """Choose words to be guessed: of these 80 % become [MASK], 10 % any word, 10 % stay as they are.

    In every text round(share · words) are chosen, at least one (if it has a word). Special tokens and padding never.

    Args:
        tokens: [..., T].
        uniform: [3, ..., T] numbers from [0, 1): which are chosen, what becomes of them, and by which word.
        vocabulary: how many tokens there are.
    """
    check_text(tokens)
    if uniform.shape != (3, *tokens.shape):
        raise ValueError(
            f"tokens {list(tokens.shape)} need random numbers {[3, *tokens.shape]}, not {list(uniform.shape)}"
        )
    word = torch.isin(tokens, torch.tensor(special.all(), device=tokens.device), invert=True)
    count = word.sum(-1, keepdim=True)
    wanted = torch.minimum((share * count).round().clamp(min=1), count)
    rank = torch.where(word, uniform[0], 2.0).argsort(-1).argsort(-1)
    chosen = rank < wanted
    words = special.words(vocabulary).to(tokens.device)
    other = words[(uniform[2] * len(words)).long().clamp(max=len(words) - 1)]
    put = torch.where(uniform[1] < 0.8, special.gap, torch.where(uniform[1] < 0.9, other, tokens))
    return Gaps(torch.where(chosen, put, tokens), chosen)


class Pairs(NamedTuple):
    """[CLS] first [SEP] second [SEP], then padding."""

    tokens: Tensor  # [B, length]
    segments: Tensor  # [B, length] 0 up to the first [SEP], 1 behind it
    valid: Tensor  # [B, length] bool, True = real


def pair(first: list[list[int]], second: list[list[int]], length: int, special: Special) -> Pairs:
    """Texts of two parts each, as rows; ValueError if one with its three special tokens is over `length`."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} first parts and {len(second)} second parts make no pairs")
    tokens = torch.full((len(first), length), special.padding)
    segments = torch.zeros_like(tokens)
    valid = torch.zeros_like(tokens, dtype=torch.bool)
    for row, (a, b) in enumerate(zip(first, second, strict=True)):
        text = [special.begin, *a, special.between, *b, special.between]
        if len(text) > length:
            raise ValueError(
                f"pair {row} has {len(text)} tokens with its special ones, over the length of {length}"
            )
        tokens[row, : len(text)] = torch.tensor(text)
        segments[row, len(a) + 2 : len(text)] = 1
        valid[row, : len(text)] = True
    return Pairs(tokens, segments, valid)


def joined(first: Tensor, second: Tensor, special: Special) -> tuple[Tensor, Tensor]:
    """As `pair`, of tensors [..., A] and [..., B] with padding behind each: tokens and segments [..., A + B + 3]."""
    if first.shape[:-1] != second.shape[:-1]:
        raise ValueError(f"first {list(first.shape)} and second {list(second.shape)} must have the same rows")
    begin, between = (first.new_full((*first.shape[:-1], 1), k) for k in (special.begin, special.between))
    tokens = torch.cat([begin, first, between, second, between], -1)
    segments = torch.zeros_like(tokens)
    segments[..., first.shape[-1] + 2 :] = 1
    order = torch.argsort((tokens == special.padding).to(torch.int8), dim=-1, stable=True)
    tokens, segments = tokens.gather(-1, order), segments.gather(-1, order)
    return tokens, segments.masked_fill(tokens == special.padding, 0)
