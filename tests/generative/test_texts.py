"""Texts as tokens: reading, holding out, and the passages that a trainer is shown."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import UserError
from generative import texts
from generative.data import Data, load
from generative.files import Text
from generative.texts import Passages, decode, divide, encode


def text(count: int, lines: bool = False) -> Text:
    """A text whose every character is its place's number, all of it to train on."""
    return Text("numbered", np.arange(count), np.arange(2), "".join(map(chr, range(97, 97 + count))), lines)


def test_a_text_is_cut_where_nine_tenths_end_and_nothing_is_lost() -> None:
    found = divide("abc", "abcdefghij" * 10, False)
    assert found.characters == "abcdefghij"
    assert (len(found.train), len(found.test)) == (90, 10)
    both = torch.from_numpy(np.concatenate([found.train, found.test]))
    assert decode(both, found.characters) == "abcdefghij" * 10


def test_held_out_lines_are_never_trained_on_even_where_they_stand_twice() -> None:
    every = [f"line {k % 40}" for k in range(100)]
    found = divide("lines", "\n".join(every) + "\n", True)
    train, test = (
        decode(torch.from_numpy(part), found.characters).split("\n") for part in (found.train, found.test)
    )
    assert (train[0], train[-1], test[0], test[-1]) == ("", "", "", "")
    assert not set(train[1:-1]) & set(test[1:-1])
    assert len(test[1:-1]) == 4  # a tenth of 40 different ones
    assert sorted(train[1:-1]) == sorted(line for line in every if line not in test)
    assert train[1:-1] != [line for line in every if line not in test]  # the file's order may mean something


def test_a_line_ends_at_its_newline_alone() -> None:
    found = divide("lines", "one\u2028two\x0c\nthree\n", True)
    both = {decode(torch.from_numpy(part), found.characters) for part in (found.train, found.test)}
    assert both == {"\none\u2028two\x0c\n", "\nthree\n"}


def test_sentences_agree_in_number_and_all_are_different() -> None:
    index = (((((((4 * 8 + 1) * 6 + 0) * 2 + 1) * 6 + 2) * 8 + 4) * 6 + 1) * 2) + 1
    assert texts.sentence(index) == "the small children greet the old dogs every day."
    assert texts.sentence(index - 1) == "the small child greets the old dogs every day."
    lines = texts.sentences().splitlines()
    assert len(lines) == len(set(lines)) == texts.DRAWN
    assert texts.POSSIBLE == 2 * 6 * 8 * 6 * 2 * 6 * 8 * 5
    found = load(Data(data="sentences"))
    assert isinstance(found, Text)
    assert found.lines
    assert texts.longest(found) < 64


def test_an_own_file_is_a_stream_or_lines_as_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.log"
    path.write_bytes("\ufeffone\r\ntwo\r\nthree, four\r\n".encode())
    stream, lines = load(Data(data=str(path))), load(Data(data=str(path), lines=True))
    assert isinstance(stream, Text)
    assert isinstance(lines, Text)
    assert (stream.name, stream.lines, lines.lines) == ("mine", False, True)
    assert stream.characters == "\n ,efhnortuw"
    assert decode(torch.from_numpy(stream.train), stream.characters) == "one\ntwo\nthree, fou"


@pytest.mark.parametrize(
    ("content", "lines", "line"),
    [
        (b"", False, "is empty"),
        (b" \n\n", False, "is empty"),
        (b"abc\xff", False, "is no text in UTF-8: byte 3"),
        (b"ab", False, "has 2 characters, too few"),
        (b"same\nsame\n", True, "has 1 different lines; at least 2 are needed"),
    ],
)
def test_a_file_that_is_no_text_is_refused_in_a_line(
    content: bytes, lines: bool, line: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=line) as caught:
        load(Data(data=str(path), lines=lines))
    assert "\n" not in str(caught.value)


def test_missing_texts_say_where_they_belong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    with pytest.raises(UserError, match=r"put input.txt into .LAB_DATA/tinyshakespeare"):
        load(Data(data="shakespeare"))
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "names.txt").write_text("emma\nolivia\nava\nmia")
    found = load(Data(data="names"))
    assert isinstance(found, Text)
    assert found.lines
    assert len(found.train) + len(found.test) == len("\nemma\nolivia\nava\nmia\n") + 1
    with pytest.raises(UserError, match=r"names is a text; --size and --channels are for images"):
        load(Data(data="names", size=8))
    with pytest.raises(UserError, match=r"cannot read .*none.txt"):
        load(Data(data=str(tmp_path / "none.txt")))


def test_a_character_that_is_not_known_is_named() -> None:
    assert encode("abba", "ab", "it").tolist() == [0, 1, 1, 0]
    with pytest.raises(UserError, match="it has 'x', which the model never saw; it knows 'ab'"):
        encode("axb", "ab", "it")


def test_of_lines_the_first_is_read() -> None:
    assert decode(torch.tensor([0, 1, 2, 0, 1, 0]), "\nab", lines=True) == "ab"
    assert decode(torch.tensor([0, 1, 2, 0, 1, 0]), "\nab") == "\nab\na\n"


@pytest.mark.parametrize("follow", [False, True])
def test_every_character_after_the_first_is_foretold_once(follow: bool) -> None:
    for count in (2, 64, 65, 66, 130, 1_030, 2_000):
        rows = texts.rows_of(torch.arange(count), 64, follow)
        told = rows[:, 1:]
        assert told[told >= 0].tolist() == [*range(1, count)]
        assert (told - rows[:, :-1])[told >= 0].unique().tolist() == [1]


def test_passages_that_follow_go_on_where_the_last_ended_and_round() -> None:
    passages = Passages(text(24), (3, 8), batch=2, length=4, follow=True)
    found = [passages.next() for _ in range(7)]
    assert found[0].shape == (2, 2, 5)
    for before, after in pairwise(found):
        assert torch.equal(before[..., -1], after[..., 0])
    every = torch.stack(found)
    assert torch.equal((every[..., 1:] - every[..., :-1]) % 24, torch.ones(7, 2, 2, 4, dtype=torch.int64))
    assert torch.equal((every[:, :, 1] - every[:, :, 0]) % 24, torch.full((7, 2, 5), 12))
    assert torch.equal(found[6], found[0])  # 6 updates of 4 characters read all 24


def test_passages_from_anywhere_reach_every_place_and_never_go_round() -> None:
    passages = Passages(text(10), (0,), batch=50, length=4, follow=False)
    found = torch.cat([passages.next() for _ in range(4)], 1)
    assert found[..., 0].unique().tolist() == list(range(6))  # the last one reads 5 … 9
    assert torch.equal(found[..., 1:] - found[..., :-1], torch.ones_like(found[..., 1:]))


def test_passages_of_lines_begin_at_lines() -> None:
    lines = divide("lines", "".join(f"{k:03}\n" for k in range(50)), True)
    passages = Passages(lines, (0,), batch=200, length=6, follow=False)
    newline = lines.characters.index("\n")
    assert (passages.next()[..., 0] == newline).all()


def test_a_seed_reads_the_same_alone_and_a_saved_place_is_found_again() -> None:
    for follow in (False, True):
        both = Passages(text(20), (3, 8), batch=2, length=4, follow=follow)
        alone = Passages(text(20), (8,), batch=2, length=4, follow=follow)
        for _ in range(3):
            assert torch.equal(both.next()[1], alone.next()[0])
        saved = both.state_dict()
        after = both.next()
        other = Passages(text(20), (3, 8), batch=2, length=4, follow=follow)
        other.load_state_dict(saved)
        assert torch.equal(other.next(), after)


def test_a_text_shorter_than_a_passage_is_refused() -> None:
    with pytest.raises(UserError, match=r"numbered has 8 characters .* --context 8 reads 9 at once"):
        Passages(text(8), (0,), batch=1, length=8, follow=False)
    assert Passages(text(9), (0,), batch=1, length=8, follow=False).next().tolist() == [[[*range(9)]]]
    with pytest.raises(UserError, match=r"numbered has 9 characters .* --batch 10 reads at as many places"):
        Passages(text(9), (0,), batch=10, length=4, follow=True)
