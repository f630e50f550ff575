"""docs/notes.md leads from every heading of the notes to what is there; docs/training.md names options that are.

The notes are not in the repository. Where they are at hand (`LAB_NOTES`, or a folder `seeds` beside the one `LAB_DATA`
names), every line of theirs that looks like a heading must be in the map. Anywhere else the map is held to the headings
it had when that was last so, by their fingerprint.
"""

import ast
import doctest
import hashlib
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from functools import cache
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from core.catalogue import ROOT
from core.cli import main
from tests.test_docs import commands, refusal

MAP, TRAINING = ROOT / "docs" / "notes.md", ROOT / "docs" / "training.md"
CODE = re.compile(r"`([^`]+)`")
TEST = re.compile(r"([\w/]+/test_\w+\.py)::(test_\w+)")
NOTHING = "–"


class Note(NamedTuple):
    """One of the texts, and what the map holds of it."""

    text: str  # sha256 of the file, its beginning
    headings: str  # the same of the map's headings, joined by lines
    many: int  # of them


NOTES = {
    "1": Note("238cc158423f1bf5", "cdb42b1ad25b80e9", 11),
    "2": Note("7a77489f5ea55255", "e69089617128365b", 18),
    "3": Note("7cada21be02e3ba9", "289c5161d99f0c03", 6),
    "4": Note("e70dc48165662e49", "5a66fd45b5c8e738", 142),
    "5": Note("eab0fe2d26d5a5fe", "0daaf624e1298d1a", 18),
}

LONGEST = 24  # characters of a heading
PROSE = re.compile(r"[。,;=\\]|\.(?:png|jpe?g)|https?:|^(?:for|import|with) |^[#\[-]|^\d+$|^\d{4}/")
LABEL = re.compile(
    r"实现方法|示例代码|运行结果|参数介绍|^(?:其中|常见的有|对应的|接下来|上式中)|如图所示|留言|^参考: "
)
NONE = {  # short lines that are no headings: captions, menus of a page, halves of sentences; by their fingerprint
    *(
        "ed1b888d",
        "f4867b00",
        "750256b6",
        "4d0ee3a1",
        "ecabfa10",
        "40162154",
        "11e7c989",
        "1cda2409",
        "2541b200",
    ),
    *(
        "8540d76b",
        "2af2a849",
        "3057889c",
        "d352e916",
        "13d53f26",
        "87bbe879",
        "e481ebd4",
        "c80dbc55",
        "5f166f61",
    ),
    *("dc380888", "8f595adf", "5cb4025b", "ad34c47d", "1d9f1cc0", "1bc4be7c", "cd386796", "04c7d98d"),
    "fd9867c0",  # a title that stands twice
}


class Row(NamedTuple):
    note: str
    heading: str
    read: str
    run: str
    proof: str

    @property
    def lines(self) -> list[str]:
        """The headings it answers, as they stand in the notes."""
        return CODE.findall(self.heading)


def rows() -> list[Row]:
    found, note = [], ""
    for line in MAP.read_text().splitlines():
        if re.match(r"## \d", line):
            note = line.split()[1].strip(".")
        elif line.startswith("| ") and not line.startswith("| heading"):
            found.append(Row(note, *(cell.strip() for cell in line.strip("|").split(" | "))))
    return found


ROWS = rows()
EVERY = pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row.note} {row.lines[0] if row.lines else row}"
)


def fingerprint(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()[:16]


# --- every row leads somewhere


@cache
def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@cache
def help_of(*words: str) -> str:
    """What `lab … --help` says."""
    said = StringIO()
    with redirect_stdout(said), suppress(SystemExit):
        main([*words, "--help"])
    return said.getvalue()


def wrong(command: str) -> str:
    """Why a command cannot be typed; "" where it can."""
    kind, *rest = shlex.split(command)
    if kind == "lab":
        flags = [word for word in rest if word.startswith("--")]
        before = rest[: rest.index(flags[0])] if flags else rest
        if why := refusal(rest):
            return why
        known = help_of(*before) if flags and rest[0] not in ("train",) else command
        return " ".join(f"no option {flag}" for flag in flags if flag not in known)
    if kind == "pytest" or rest[:2] == ["-m", "doctest"]:
        return "" if rest and (ROOT / rest[-1]).is_file() else f"there is no {rest[-1:]}"
    return f"{command}: not a command of the lab"


@EVERY
def test_no_cell_is_empty(row: Row) -> None:
    assert row.lines
    assert all(row)
    nothing = [cell.startswith(NOTHING) for cell in (row.read, row.run, row.proof)]
    assert all(nothing) or not any(nothing)
    if all(nothing):
        assert len(row.run.split()) > 3, "say why there is nothing to build"


@EVERY
def test_what_it_names_is_there(row: Row) -> None:
    if row.read == NOTHING:
        return
    files, proofs = CODE.findall(row.read), CODE.findall(row.proof)
    assert files
    assert [name for name in files if not (ROOT / name).is_file()] == []
    assert {name: why for name in CODE.findall(row.run) if (why := wrong(name))} == {}
    assert CODE.findall(row.run)
    assert proofs
    for proof in proofs:
        matched = TEST.fullmatch(proof)
        assert matched, proof
        path = ROOT / "tests" / matched[1]
        assert path.is_file(), proof
        assert matched[2] in functions(path), proof


def test_what_is_not_there_is_seen() -> None:
    assert "unknown option --nett; did you mean --net" in wrong("lab train sequence --nett rnn")
    assert wrong("lab train sequence --net rnnn")
    assert wrong("lab solve --gama 0.9") == "no option --gama"
    assert wrong("lab bench trainers --teir smoke") == "no option --teir"
    assert wrong("pytest tests/core/test_nothing.py")
    assert wrong("make coffee") == "make coffee: not a command of the lab"
    assert not wrong("lab solve --env FrozenLake-v1 --gamma 0.9")


# --- no heading is missing


def folder() -> Path | None:
    """Where the notes are, if they are at hand."""
    data = os.environ.get("LAB_DATA")
    named = os.environ.get("LAB_NOTES") or (data and Path(data).parent / "seeds")
    return Path(named) if named and Path(named).is_dir() else None


def texts(where: Path) -> dict[str, list[str]]:
    """Lines of each note that is found there, by its number in the map: known by what is in it, not by a name."""
    by_text = {note.text: number for number, note in NOTES.items()}
    every = [(by_text.get(fingerprint(path.read_bytes())), path) for path in sorted(where.glob("*.txt"))]
    return {number: path.read_text().splitlines() for number, path in every if number is not None}


def headings_in(lines: list[str]) -> Iterator[int]:
    """Places of lines that look like headings: short, at the margin, no prose, formula, code or link; where a text
    has empty lines, after one of them."""
    airy = sum(not line.strip() for line in lines) > len(lines) / 5
    for at, (before, line) in enumerate(pairwise(["", *lines])):
        alone = line.strip() and not line[0].isspace() and not (airy and before.strip())
        plain = len(line.strip()) <= LONGEST and not PROSE.search(line) and not LABEL.search(line)
        if alone and plain and fingerprint(line.strip())[:8] not in NONE:
            yield at


def places(lines: list[str], wanted: list[str]) -> list[int]:
    """Where each heading stands, one after the other: as a whole line, or else as a line's beginning."""
    bare, found, after = [line.strip().lstrip("-•「 ") for line in lines], [], 0
    for heading in wanted:
        whole = [at for at in range(after, len(bare)) if bare[at] == heading]
        begun = [at for at in range(after, len(bare)) if bare[at].startswith(heading)]
        assert whole or begun, f"{heading!r} does not stand in the note after line {after}"
        found.append((whole or begun)[0])
        after = found[-1] + 1
    return found


def mapped(number: str) -> list[str]:
    return [line for row in ROWS if row.note == number for line in row.lines]


def test_every_note_has_its_rows() -> None:
    assert {row.note for row in ROWS} == {*NOTES}


@pytest.mark.parametrize("number", NOTES)
def test_the_map_has_the_headings_it_had(number: str) -> None:
    """They are changed together with the notes' own fingerprint, where the notes are at hand."""
    found = mapped(number)
    assert (len(found), fingerprint("\n".join(found))) == (NOTES[number].many, NOTES[number].headings)


@pytest.mark.parametrize("number", NOTES)
def test_no_heading_of_the_notes_is_missing(number: str) -> None:
    where = folder()
    if where is None:
        pytest.skip("the notes are not at hand: set LAB_NOTES to their folder")
    lines = texts(where).get(number)
    assert lines is not None, f"of note {number} there is no text in {where}, or it has changed"
    found = places(lines, mapped(number))
    assert [f"{at + 1}: {lines[at]}" for at in headings_in(lines) if at not in found] == []


# --- training


def test_what_the_training_page_names_is_there() -> None:
    text = TRAINING.read_text()
    assert {
        shlex.join(words): why for words in commands(text) if (why := wrong(shlex.join(["lab", *words])))
    } == {}
    known = help_of("train", "classifier") + help_of("train", "sequence") + help_of("train", "lm")
    options = {flag for code in CODE.findall(text) for flag in re.findall(r"--[a-z][\w-]*", code)}
    assert sorted(flag for flag in options if f"{flag} " not in known) == []
    assert len(options) >= 25
    paths = re.findall(r"`((?:core|rl|generative|docs|tests)/[\w/]+\.\w+)`", text)
    assert [path for path in paths if not (ROOT / path).is_file()] == []
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^) ]+)\)", text) if "://" not in link]
    assert [link for link in links if not (TRAINING.parent / link).exists()] == []


def test_what_the_training_page_computes_comes_out() -> None:
    failed, tried = doctest.testfile(str(TRAINING), module_relative=False)
    assert tried >= 8
    assert failed == 0
