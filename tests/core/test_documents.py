"""core/documents.py and core/gapped.py: sentences, their tokens, and the texts that are made of them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core import documents
from core.errors import UserError
from core.gapped import NAMES, SPECIAL, Texts, bigram
from core.networks.masking import joined, pair

BEGIN, BETWEEN, GAP = SPECIAL.begin, SPECIAL.between, SPECIAL.gap


def column(*sentences: str) -> np.ndarray:
    return np.array(sentences, object)


def test_pairs_are_neighbours_within_a_document(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("\ufeffA b.\n c d \r\ne\n\n \nalone\n\nf\ng", "utf-8")
    name, found = documents.load(str(tmp_path / "own.txt"))
    assert name == "own"
    assert found == [("A b.", "c d"), ("c d", "e"), ("f", "g")]


def test_words_and_characters() -> None:
    assert documents.tokens_of("The king's 2 hats.", "words") == ["the", "king", "'", "s", "2", "hats", "."]
    assert documents.tokens_of("Äh 1", "characters") == ["Ä", "h", " ", "1"]
    assert documents.vocabulary([["b", "a"], ["c", "b", "a"], ["d"]], 3) == ["a", "b", "c"]


def test_stories_are_all_different_and_always_the_same() -> None:
    told = documents.stories().split("\n\n")
    assert len(set(told)) == len(told) == documents.TOLD
    assert all(len(story.split("\n")) == 3 for story in told)
    assert len(documents.load("stories")[1]) == 2 * documents.TOLD


def test_the_vocabulary_is_of_what_is_trained_on_and_the_rest_is_unknown() -> None:
    texts = Texts("words", 20, 2, 0.15, (column("a b", "a c"), column("b", "b a")))
    assert texts.names == [*NAMES, "a", "b"]
    assert (texts.room, texts.length) == (2, 7)
    first, second, *_ = texts.rows("test", (column("a zebra", "c"), column("b b b b", "a")))
    assert first.tolist() == [[5, SPECIAL.unknown], [SPECIAL.unknown, 0]]
    assert second.tolist() == [[6, 6], [5, 0]]  # cut to the longest that was trained on
    assert (
        Texts("words", 9, 9, 0.15, (column("a b c d e"), column("a"))).room == 3
    )  # 9 − 3 special ones, halved


def test_joined_texts_are_those_that_pair_makes() -> None:
    parts = [[7, 8], [9]], [[6], [5, 6, 7]]
    tables = [torch.tensor([own + [0] * (3 - len(own)) for own in side]) for side in parts]
    tokens, segments = joined(*tables, SPECIAL)
    by_hand = pair(*parts, 9, SPECIAL)
    assert torch.equal(tokens, by_hand.tokens)
    assert torch.equal(segments, by_hand.segments)
    with pytest.raises(ValueError, match="must have the same rows"):
        joined(tables[0], tables[1][:1], SPECIAL)


def test_a_second_part_is_wrong_only_where_it_differs() -> None:
    texts = Texts("words", 9, 9, 0.15, (column("a b c"), column("a")))
    first, second = torch.tensor([[5, 6, 7]] * 3), torch.tensor([[5, 6, 0]] * 3)
    other = torch.tensor([[7, 0, 0], [7, 0, 0], [5, 6, 0]])
    wrong = torch.tensor([True, False, True])
    tokens, segments, seen, chosen, label = texts.made(first, second, other, wrong, torch.zeros(3, 3, 9))
    assert label.tolist() == [1, 0, 0]
    assert tokens[0].tolist() == [BEGIN, 5, 6, 7, BETWEEN, 7, BETWEEN, 0, 0]
    assert tokens[1].tolist() == [BEGIN, 5, 6, 7, BETWEEN, 5, 6, BETWEEN, 0]
    assert segments[1].tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 0]
    assert chosen.sum(-1).tolist() == [1, 1, 1]
    assert (seen[chosen] == GAP).all()
    assert torch.equal(seen[~chosen], tokens[~chosen])
    assert texts.text(seen[0]) == "[CLS] [MASK] b c [SEP] c [SEP]"


def test_what_scores_are_taken_of_is_drawn_once() -> None:
    sentences = column(*(f"a{k} b c d e f" for k in range(400)))
    texts = Texts("words", 20, 900, 0.15, (sentences, sentences))
    one, again, other = (texts.rows(part, (sentences, sentences)) for part in ("test", "test", "train"))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[4], other[4])
    tokens, _, seen, chosen, label = one[2:]
    assert chosen.sum(1).tolist() == [2] * 400  # 15 % of 12 words
    assert label.mean() == pytest.approx(0.5, abs=0.1)
    share = {"gap": (seen[chosen] == GAP).mean(), "same": (seen[chosen] == tokens[chosen]).mean()}
    assert share == {"gap": pytest.approx(0.8, abs=0.06), "same": pytest.approx(0.1, abs=0.04)}


def test_no_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file: nothing.txt; give a text, or stories"):
        documents.load("nothing.txt")
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00t")
    with pytest.raises(UserError, match="no text in UTF-8"):
        documents.load(str(tmp_path / "b"))


def test_a_bigram_by_hand() -> None:
    a, b, c, d = 5, 6, 7, 8
    train = torch.tensor([[BEGIN, a, b, BETWEEN, a, c, BETWEEN], [BEGIN, a, b, BETWEEN, b, a, BETWEEN]])
    tokens = torch.tensor([[BEGIN, a, b, d, BETWEEN], [BEGIN, b, c, a, BETWEEN]])
    chosen = torch.tensor([[0, 1, 1, 1, 0], [0, 0, 1, 1, 0]], dtype=torch.bool)
    # after [CLS] a, after a b: right; after b stood a, not d. After b not c; c never stood before a word: the most
    # frequent word of all, a: right.
    assert bigram(train, tokens, chosen) == pytest.approx((2 / 3 + 1 / 2) / 2)
