"""Pairs of texts: dates, sums and one's own, held out so that no source is known."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import UserError
from generative import pairs
from generative.data import Data, load
from generative.files import Pairs


def told(found: Pairs, rows: np.ndarray) -> list[tuple[str, str]]:
    return [
        (
            pairs.text(torch.from_numpy(row[: found.source]), found.characters),
            pairs.text(torch.from_numpy(row[found.source :]), found.characters),
        )
        for row in rows
    ]


def known(name: str) -> Pairs:
    found = load(Data(data=name))
    assert isinstance(found, Pairs)
    return found


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("{weekday}, {month} {d}, {y}", "Sunday, May 3, 2009"),
        ("{m}/{d}/{y}", "5/3/2009"),
        ("{dd}.{mm}.{yy}", "03.05.09"),
        ("{d} {mon} {y}", "3 may 2009"),
        ("{MONTH} {dd} {y}", "MAY 03 2009"),
    ],
)
def test_a_day_is_written_as_people_do(form: str, text: str) -> None:
    assert form in pairs.FORMATS
    assert pairs.written(date(2009, 5, 3), form) == text


def test_days_held_out_are_never_trained_on() -> None:
    found = known("dates")
    train, test = ({target for _, target in told(found, part)} for part in (found.train, found.test))
    assert (len(train), len(test)) == (pairs.DRAWN, pairs.APART)  # every day once
    assert not train & test
    assert min(train | test) >= "1950-01-01"
    assert max(train | test) <= "2049-12-31"


@pytest.mark.parametrize(
    ("name", "below", "drawn", "apart"),
    [("addition", 1_000, pairs.DRAWN, pairs.APART), ("addition-2", 100, 4_500, 500)],
)
def test_sums_held_out_are_never_trained_on_in_either_order(
    name: str, below: int, drawn: int, apart: int
) -> None:
    found = known(name)
    parts = []
    for part in (found.train, found.test):
        every = told(found, part)
        assert all(eval(source) == int(target) for source, target in every[:500])
        assert max(int(number) for source, _ in every for number in source.split("+")) < below
        parts.append({frozenset(source.split("+")) for source, _ in every})
        turned = sum(int(a) < int(b) for a, b in (source.split("+") for source, _ in every))
        assert 0.43 < turned / len(every) < 0.57
    assert (len(parts[0]), len(parts[1])) == (drawn, apart)
    assert not parts[0] & parts[1]


@pytest.mark.parametrize(
    ("name", "drawn", "apart", "characters", "lengths"),
    [
        ("sort", 547, 182, "012", {6}),
        ("sort-10", pairs.DRAWN, pairs.APART, "0123456789", {10}),
        ("reversal", pairs.DRAWN, pairs.APART, "abcdefghijklmnopqrstuvwxyz", set(range(5, 16))),
    ],
)
def test_texts_to_be_sorted_or_reversed_stand_there_once(
    name: str, drawn: int, apart: int, characters: str, lengths: set[int]
) -> None:
    found = known(name)
    every = [told(found, part) for part in (found.train, found.test)]
    sources = [{source for source, _ in part} for part in every]
    assert [len(part) for part in every] == [len(part) for part in sources] == [drawn, apart]
    assert not sources[0] & sources[1]
    assert found.characters == characters
    assert {len(source) for source in sources[0] | sources[1]} == lengths
    for part in every:
        for source, target in part[:200]:
            assert target == (source[::-1] if name == "reversal" else "".join(sorted(source)))


def test_every_draw_is_the_same() -> None:
    for name, drawn in pairs.KNOWN.items():
        assert drawn() == drawn(), name


def test_own_pairs_are_held_out_by_their_sources(tmp_path: Path) -> None:
    path = tmp_path / "mine.tsv"
    path.write_text("".join(f"{k % 20}\t{'x' * (k % 3 + 1)}\n" for k in range(40)) + "\n")
    found = known(str(path))
    train, test = (told(found, part) for part in (found.train, found.test))
    assert not {source for source, _ in train} & {source for source, _ in test}
    assert sorted(train + test) == sorted((f"{k % 20}", "x" * (k % 3 + 1)) for k in range(40))
    assert len({source for source, _ in test}) == 2
    assert (found.name, found.characters, found.source) == ("mine", "0123456789x", 2)


def test_a_line_ends_at_its_newline_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.tsv"
    path.write_text("a\u2028b\tc\x0cd\ne\tf\n")
    found = known(str(path))
    assert {*told(found, found.train), *told(found, found.test)} == {("a\u2028b", "c\x0cd"), ("e", "f")}


def test_a_row_is_source_and_target_with_its_end() -> None:
    found = pairs.encoded("ab", ["b", "ab"], ["aa", "b"], 1)
    assert found.train.tolist() == [[4, 0, 3, 3, pairs.END]]
    assert found.test.tolist() == [[3, 4, 4, pairs.END, 0]]
    assert pairs.tokens("a", found).tolist() == [3, 0]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a b\n", "line 1: expected a source, one tab and a target, got 'a b'"),
        ("a\tb\nc\td\te\n", "line 2: expected a source, one tab"),
        ("a\t\n", "line 1: expected a source"),
        ("a\tb\n  \tc\n", r"line 2: expected a source, one tab and a target, got '  \\tc'"),
        ("a\t" + "b" * 201 + "\n", "line 1: 201 characters; at most 200 a side"),
        ("a\tb\na\tc\n", "has 1 different sources; at least 2"),
        ("", "is empty"),
    ],
)
def test_a_file_without_pairs_is_refused_in_a_line(content: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(content)
    with pytest.raises(UserError, match=line) as caught:
        load(Data(data=str(path)))
    assert "\n" not in str(caught.value)


def test_a_prompt_that_cannot_be_read_is_refused() -> None:
    found = pairs.encoded("ab", ["b", "ab"], ["aa", "b"], 1)
    with pytest.raises(UserError, match=r"--prompt has 'x', which the model never saw; it knows 'ab'"):
        pairs.tokens("ax", found)
    for prompt in ("", "aba"):
        with pytest.raises(UserError, match=f"--prompt has {len(prompt)} characters; it reads 1 to 2"):
            pairs.tokens(prompt, found)
