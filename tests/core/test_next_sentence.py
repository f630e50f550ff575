"""Which second parts BERT is told follow the first: label 0 where they do in the text, 1 where they do not."""

import numpy as np
import torch

from core.gapped import SPECIAL, Texts

STORY = [f"w{k} x{k} y{k}" for k in range(40)]  # every sentence once: a number says where it stands


def parts(tokens: torch.Tensor) -> tuple[list[int], list[int]]:
    """The words of both sides of one text."""
    kept = [token for token in tokens.tolist() if token != SPECIAL.padding]
    first = kept.index(SPECIAL.between)
    return kept[1:first], kept[first + 1 : -1]


def test_the_label_is_0_where_and_only_where_the_parts_are_neighbours() -> None:
    columns = (np.array(STORY[:-1], object), np.array(STORY[1:], object))
    texts = Texts("words", 64, 2000, 0.15, columns)
    first, second, tokens, _, _, chosen, label = texts.rows("train", columns)
    assert {*label.tolist()} == {0, 1}
    for row, told, gaps in zip(tokens, label, chosen, strict=True):
        one, other = (texts.text(torch.tensor(part)) for part in parts(torch.from_numpy(row)))
        follows = STORY.index(other) == STORY.index(one) + 1
        assert (told == 0) == follows
        assert not np.isin(row[gaps], SPECIAL.all()).any()
    assert first.shape == second.shape


def test_half_of_them_follow_and_none_is_told_wrong_where_a_sentence_stands_twice() -> None:
    column = np.array([f"w{k % 50} x" for k in range(4000)], object)
    columns = (column[:-1], column[1:])
    texts = Texts("words", 64, 2000, 0.15, columns)
    *_, label = texts.rows("train", columns)
    assert abs(label.mean() - 0.5 * 49 / 50) < 0.03  # a drawn one is the right one once in 50
    _, second, tokens, *_ = texts.rows("train", columns)
    for row, wanted, told in zip(tokens[:500], second[:500], label[:500], strict=True):
        _, other = parts(torch.from_numpy(row))
        assert (other == [token for token in wanted.tolist() if token]) == (told == 0)
