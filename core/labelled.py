"""Texts and their labels: a file's, a text, a tab and its label in every line; or meetings, whose label is who acts."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.documents import MEETINGS, SIZES, meetings, told
from core.draws import draws
from core.errors import UserError
from core.folds import hold_out

WRITTEN = 3_000  # meetings
TEST = 0.2  # share of the texts that is kept for the end
FEWEST = 20  # texts
KINDS = ("hunter", "grazer")  # of who acts

Texts = NDArray[Any]  # [n] strings


class Labelled(NamedTuple):
    """Texts and their labels, to learn from and for the end."""

    name: str
    train: tuple[Texts, Texts]
    test: tuple[Texts, Texts]
    notes: tuple[str, ...] = ()  # for the person to see


def load(data: str) -> Labelled:
    """Of every label alike, TEST of the texts are for the end; which ones hangs on the name alone.

    Lines that are alike count once: the same text would else be learned by heart here and asked for there.

    Raises:
        UserError: no such file, no labels in it, or too few texts.
    """
    name, lines = (
        (data, written()) if data == MEETINGS else (Path(data).stem, _lines(Path(data).expanduser()))
    )
    different = list(dict.fromkeys(lines))
    if len(different) < FEWEST:
        raise UserError(
            f"{data} has {len(different)} different labelled texts; at least {FEWEST} are wanted, one in every line"
        )
    texts, labels = (np.array(column, object) for column in zip(*different, strict=True))
    if len(set(labels)) < 2:
        raise UserError(f"every text in {data} is labelled {labels[0]!r}; there must be two labels or more")
    parts = hold_out(len(texts), TEST, draws("test", name), labels.astype(str))
    train, test = ((texts[places], labels[places]) for places in parts)
    again = len(lines) - len(different)
    return Labelled(
        name, train, test, (f"{again:,} lines are there already and are left out",) if again else ()
    )


def written() -> list[tuple[str, str]]:
    """WRITTEN meetings in a sentence each, all different, none of which is told in a story; always the same ones.

    In each a hunter meets a grazer, so that the words alone say nothing of the label: it takes who acts on whom.
    """
    before, found = set(told()), {}
    for meeting in meetings(MEETINGS, int(np.prod(SIZES))):
        sentence = meeting.sentences()[1]
        if sentence not in before:
            found[sentence] = KINDS[meeting.actor]
        if len(found) == WRITTEN:
            break
    return list(found.items())


def few(labels: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Places of so many texts, of every label alike, in rising order; of more, these are among them.

    Raises:
        UserError: there are fewer texts, or more labels.
    """
    kinds = sorted(set(labels))
    if not len(kinds) <= count <= len(labels):
        raise UserError(
            f"--labels is {count}; with {len(kinds)} labels and {len(labels)} texts to learn from it must be "
            f"{len(kinds)} to {len(labels)}"
        )
    order = draws("few labels").permuted(np.arange(len(labels)), axis=0)
    rank = np.zeros(len(labels), np.int64)  # of each in the order, among those of its label
    for kind in kinds:
        own = order[labels[order] == kind]
        rank[own] = np.arange(len(own))
    return np.sort(order[np.argsort(rank[order], kind="stable")][:count])


def _lines(path: Path) -> list[tuple[str, str]]:
    if not path.is_file():
        raise UserError(f"no such file: {path}; give lines of a text, a tab and its label, or {MEETINGS}")
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        text, _, label = (part.strip() for part in line.rpartition("\t"))
        if not text or not label:
            raise UserError(f"line {number} of {path} is not a text, a tab and its label: {line[:40]!r}")
        found.append((text, label))
    return found
