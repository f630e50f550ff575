"""Sequences that ask for a memory: what is read and asked, worked out again from the rows themselves."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from core import documents, puzzles, series
from core.data_sets import DATASETS
from core.draws import draws
from core.errors import UserError
from core.puzzles import GLYPHS, HIGH, PUZZLES, WIDE, load, puzzle
from core.task import Rows


def some(name: str, count: int = 300, length: int = 0, part: str = "train") -> Rows:
    known = puzzle(name)
    return known.rows(draws("test", name), count, length or known.length or 0, part)


def test_adding_asks_for_the_sum_of_the_two_that_are_marked_one_in_each_half() -> None:
    read, answers, asked = some("adding", length=9)
    values, marks = read[..., 0], read[..., 1]
    assert read.shape == (300, 9, 2)
    assert 0 <= values.min() < values.max() < 1
    assert (marks[:, :4].sum(1) == 1).all()
    assert (marks[:, 4:].sum(1) == 1).all()
    assert set(np.flatnonzero(marks.sum(0))) == set(range(9))
    by_hand = [sum(v for v, m in zip(*row, strict=True) if m) for row in zip(values, marks, strict=True)]
    np.testing.assert_allclose(answers[:, -1], by_hand, rtol=1e-6)
    assert (asked == [False] * 8 + [True]).all()


def test_saying_one_always_costs_a_sixth() -> None:
    _, answers, _ = some("adding", count=20_000)
    cost = PUZZLES["adding"].baseline
    assert cost is not None
    assert ((answers[:, -1] - 1) ** 2).mean() == pytest.approx(cost(100), rel=0.02)


def test_copying_is_as_arjovsky_has_it() -> None:
    read, answers, asked = some("copy", length=3)
    tokens = read.argmax(-1)
    assert read.shape == (300, 23, 10)
    assert (read.sum(-1) == 1).all()
    assert set(np.unique(tokens[:, :10])) == set(range(8))
    assert (tokens[:, 10:] == [8, 8, 9, *[8] * 10]).all()  # T − 1 blanks, the delimiter, ten blanks
    assert (answers[:, :13] == 8).all()
    np.testing.assert_array_equal(answers[:, 13:], tokens[:, :10])
    assert asked.all()


def test_copying_scalars_is_as_in_the_code_of_the_tcn() -> None:
    read, answers, _ = some("copy-tcn", length=3)
    assert read.shape == (300, 23, 1)
    assert set(np.unique(read[:, :10])) == set(range(1, 9))
    assert (read[:, 10:, 0] == [0, 0, *[9] * 11]).all()  # T − 1 zeros, the marker eleven times
    assert (answers[:, :13] == 0).all()
    np.testing.assert_array_equal(answers[:, 13:], read[:, :10, 0])


@pytest.mark.parametrize(("length", "loss"), [(100, 0.1733), (500, 0.0400), (1000, 0.0204)])
def test_what_copying_costs_without_memory(length: int, loss: float) -> None:
    for name in ("copy", "copy-tcn"):
        cost = PUZZLES[name].baseline
        assert cost is not None
        assert cost(length) == pytest.approx(loss, abs=5e-5)


def test_parity_is_a_running_exclusive_or_over_sequences_of_all_lengths() -> None:
    read, answers, asked = some("parity", length=6)
    lengths = asked.sum(1)
    assert set(lengths) == set(range(1, 7))
    for row in range(300):
        odd = 0
        for t in range(6):
            assert asked[row, t] == (t < lengths[row])
            odd ^= int(read[row, t, 0])
            assert not asked[row, t] or answers[row, t] == odd
            assert asked[row, t] or read[row, t, 0] == answers[row, t] == 0
    read, _, asked = some("parity", length=6, part="test")
    assert read.shape == (300, 30, 1)
    assert asked.all()


def test_digits_are_the_pixels_row_by_row_and_their_class() -> None:
    found = load("digits")
    (read, answers, asked), (test, *_) = found.train, found.test
    assert (len(read), len(test), found.validation) == (1500, 297, None)
    assert read.shape[1:] == (64, 1)
    assert 0 <= read.min() < read.max() == 1
    assert found.labels is not None
    np.testing.assert_array_equal(answers[:, -1], found.labels)
    assert asked.sum() == asked[:, -1].sum() == 1500
    zero = read[found.labels == 0].mean(0).reshape(8, 8)
    assert zero[4, 3] < 0.2 < zero[4, 1]  # a ring, upright: its middle is empty


def glyph_at(picture: NDArray[np.float64], top: int, left: int) -> int:
    """The glyph whose dots are nearest to what stands there."""
    seen = picture[top : top + 5, left : left + 3]
    dots = [np.array([[dot == "#" for dot in row] for row in glyph.split()], float) for glyph in GLYPHS]
    return int(np.argmin([((seen - each) ** 2).sum() for each in dots]))


def test_strings_can_be_read_off_their_picture_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(puzzles, "SMEAR", 0.0)
    read, written, asked = some("strings", count=60)
    assert asked.all()
    assert read.shape == (60, 1, HIGH * WIDE)
    assert {int((row < 10).sum()) for row in written} == {3, 4, 5}
    for picture, answer in zip(read.reshape(-1, HIGH, WIDE), written, strict=True):
        top = int(np.flatnonzero(picture.any(1))[0])
        columns, found, left = np.any(picture, axis=0).tolist(), [], 0
        while left < WIDE - 2:
            if columns[left]:  # a 1 has its first column filled, too
                found.append(glyph_at(picture, top, left))
                left += 3
            left += 1
        assert found == [digit for digit in answer if digit < 10]
        assert (answer[len(found) :] == 10).all()


def test_a_picture_is_smeared_and_its_string_is_in_one_part_alone() -> None:
    read, _, _ = some("strings", count=2000)
    paper = read.reshape(-1, HIGH, WIDE)[:, :, 0]  # no digit begins there
    assert paper.std() == pytest.approx(0.1, rel=0.05)
    parts = {}
    for part in ("train", "validation", "test"):
        _, written, _ = some("strings", count=3000, part=part)
        parts[part] = {tuple(row) for row in written}
    assert not parts["train"] & parts["test"]
    assert not parts["train"] & parts["validation"]
    assert not parts["validation"] & parts["test"]


@pytest.mark.parametrize("name", PUZZLES)
def test_every_set_is_whole_and_the_same_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(puzzles, "SIZES", {"train": 40, "validation": 10, "test": 20})
    known, first, again = PUZZLES[name], load(name), load(name)
    for rows, same in ((first.train, again.train), (first.test, again.test)):
        read, answers, asked = rows
        assert len(read) == len(answers) == len(asked)
        assert answers.shape == asked.shape
        assert asked.any(1).all()
        assert read.shape[-1] == known.features
        assert answers.shape[1] == read.shape[1] or name == "strings"
        if known.classes:
            assert 0 <= answers.min() <= answers.max() < known.classes
        for ours, theirs in zip(rows, same, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    (one, *_), (other, *_) = first.train, first.test
    assert not np.array_equal(one[:10], other[:10])
    assert first.name == (
        f"{name}-{known.length}" if known.length else name
    )  # another length is another task


def test_sets_without_memory_cost_what_they_say() -> None:
    assert puzzle("parity").baseline is not None
    costs = {n: p.baseline(20) for n, p in PUZZLES.items() if p.baseline is not None}
    assert costs["parity"] == math.log(2)
    assert costs["digits"] == math.log(10)


@pytest.mark.parametrize(
    ("name", "length", "told"),
    [
        ("adding", 1, "--length is 1; adding wants at least 2"),
        ("parity", 0, "parity wants at least 1"),
        ("digits", 10, "the length of digits is fixed; adding, copy, copy-tcn, parity take one"),
        ("addign", None, "unknown data set 'addign'; did you mean 'adding'"),
    ],
)
def test_mistakes_are_told(name: str, length: int | None, told: str) -> None:
    with pytest.raises(UserError, match=told):
        load(name, length)


def test_the_list_of_data_sets_names_all_that_tasks_make() -> None:
    made = {*PUZZLES, documents.STORIES, documents.MEETINGS, series.WAVES}
    assert set(DATASETS) == made - {"digits"}  # which stands among the images
