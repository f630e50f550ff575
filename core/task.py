"""What every supervised task promises: the contract between the files of core/tasks and their loop, core/fit.py."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, Unpack, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from core.clipping import By
from core.draws import draws
from core.errors import UserError, nearest
from core.folds import Fold, hold_out, k_folds
from core.gradients import Metrics, Params
from core.noise import Noise, State
from core.optimisers import Optimiser
from core.replicas import Replicas
from core.rows import Array
from core.tracking import Group

Rows: TypeAlias = tuple[NDArray[Any], ...]
"""Arrays whose rows belong together, inputs first: ``(images [N, C, H, W], labels [N])``."""
Batch: TypeAlias = tuple[Tensor, ...]
"""The same rows as tensors ``[seed, n, …]``."""


@dataclass(frozen=True)
class Examples:
    """A data set as it was read, before anything is fitted to it."""

    name: str
    train: Rows
    test: Rows  # never looked at before the end
    validation: Rows | None = None  # where the data set has such a part of its own
    labels: NDArray[Any] | None = None  # of the rows of train: what every part should have alike
    columns: tuple[str, ...] = ()  # names of what a row has, where it has names
    classes: tuple[str, ...] = ()  # names of the labels 0, 1, …, where they have names
    ordered: bool = False  # rows follow one another in time: the last are held out, folds are blocks
    notes: tuple[str, ...] = ()  # for the person to see


@dataclass(frozen=True)
class Parts:
    """The rows to learn from, those to choose by, and those for the end."""

    train: Rows
    validation: Rows
    test: Rows
    classes: tuple[str, ...] = ()  # as the examples'
    columns: tuple[str, ...] = ()  # likewise


def divided(examples: Examples, share: float, folds: int = 0, fold: int = 1) -> Parts:
    """The parts: number ``fold`` of ``folds``, or with none of these a hold-out of ``share``.

    In folds, a validation part of the data set's own is dealt out with the rest. How it is divided depends on the
    data set alone, on no seed: all seeds and all settings are compared on the same rows.
    """
    if not folds and examples.validation is not None:
        return Parts(examples.train, examples.validation, examples.test, examples.classes, examples.columns)
    rows, labels = examples.train, examples.labels
    if examples.validation is not None:
        pairs = zip(examples.train, examples.validation, strict=True)
        rows, labels = tuple(np.concatenate(pair) for pair in pairs), None
    part = _part(len(rows[0]), share, folds, fold, examples, labels)
    train, held_out = (tuple(array[places] for array in rows) for places in part)
    return Parts(train, held_out, examples.test, examples.classes, examples.columns)


def _part(
    count: int, share: float, folds: int, fold: int, examples: Examples, labels: NDArray[Any] | None
) -> Fold:
    if folds and not 2 <= folds <= count:
        raise UserError(f"{count} rows cannot make {folds} folds; give from 2 to {count}")
    if folds and not 1 <= fold <= folds:
        raise UserError(f"--fold is {fold}; of {folds} folds it must be 1 to {folds}")
    if not folds and not 0 < share < 1:
        raise UserError(f"--validation is {share}; it must lie between 0 and 1")
    if not examples.ordered:
        order = draws("folds", examples.name)
        if folds:
            return k_folds(count, folds, order, labels)[fold - 1]
        return hold_out(count, share, order, labels)
    first, last = (count * (fold - 1) // folds, count * fold // folds) if folds else (0, count)
    if not folds:
        first = count - max(round(count * share), 1)
    places = np.arange(count)
    inside = (places >= first) & (places < last)
    return Fold(places[~inside], places[inside])


class Learning(TypedDict, total=False):
    """How a task's network learns; see Replicas."""

    optimiser: Optimiser
    clip: float | None
    clip_by: By
    decay: float


@dataclass(frozen=True)
class Spec:
    """What a task is told beside its settings and its data."""

    seeds: tuple[int, ...]
    name: str = "net"  # parts what is drawn for it, so that every fold starts from weights of its own
    device: str = "cpu"
    path: Literal["loop", "vmap"] = "loop"
    compiled: bool = False
    kept: State | None = None  # by the task, in the checkpoint that it goes on from; None: it begins

    def replicas(self, build: Callable[[], nn.Module], **learning: Unpack[Learning]) -> Replicas:
        """The network of every seed, each built by ``build``, learning as told."""
        return Replicas(
            build,
            self.seeds,
            name=self.name,
            device=self.device,
            path=self.path,
            compiled=self.compiled,
            **learning,
        )


class Task(Protocol):
    """One problem and its network, all seeds side by side.

    Its module has ``TAGS``, ``Config`` (with a field ``data``), ``PRESETS``, ``load(config) -> Examples`` and
    ``TASK``, which is called with (spec, config, parts). Whatever is fitted to data is fitted there, to
    ``parts.train`` alone.
    """

    batch: int  # examples per seed and update
    net: Replicas
    train: Rows  # as the network wants them, which may be another form than the parts'
    validation: Rows
    test: Rows

    def prepared(self, batch: Batch, noise: Noise) -> Batch:
        """What is learnt from, out of what was drawn: augmented, masked or as it is. Never called in evaluation."""
        ...

    def loss(self, params: Params, *batch: Tensor) -> tuple[Tensor, Metrics]:
        """One seed's loss on its own batch, and what to record beside it."""
        ...

    def scores(self, batch: Batch) -> Metrics:
        """Means over rows ``[seed, n, …]``, each ``[seed]``: ``loss`` without penalties, and others by name."""
        ...

    def lr(self, done: float) -> float:
        """The learning rate when that share of the steps is done."""
        ...


@runtime_checkable
class Telling(Protocol):
    """A task that has more to tell than scores."""

    def look(self, group: Group, at: int) -> None:
        """Record pictures or tables of what was learnt; ``at`` is the place on the record's axis."""
        ...

    def words(self, scores: Mapping[str, Array]) -> dict[str, Array]:
        """What the last scores mean, ``eval/*`` of the test set among them: by name, a word ``[seed]``."""
        ...


@runtime_checkable
class Keeping(Protocol):
    """A task that is made of more than its settings and its rows: its checkpoints keep the rest, plain data."""

    def kept(self) -> State:
        """What is kept; it comes back as ``Spec.kept``."""
        ...

    def facts(self) -> dict[str, str]:
        """What of it the record tells, in words."""
        ...


@runtime_checkable
class Sorting(Protocol):
    """A task that says which of some classes a row is of; the last array of its rows is the right one."""

    classes: tuple[str, ...]  # their names, in the order of their numbers

    def guesses(self, batch: Batch) -> Tensor:
        """The likeliest class of each of the rows ``[seed, n, …]``: ``[seed, n]``."""
        ...


def rows_of(rows: Rows) -> int:
    """How many there are; ValueError where arrays disagree."""
    counts: Sequence[int] = sorted({len(array) for array in rows})
    if len(counts) != 1:
        raise ValueError(f"arrays of one example each must be equally long, got {[a.shape for a in rows]}")
    return counts[0]


def module_of(algorithm: str) -> Any:
    """The module of a task's id: ``classifier`` is core/tasks/classifier.py."""
    name = algorithm.replace("-", "_")
    known = [path.stem for path in (Path(__file__).parent / "tasks").glob("[!_]*.py")]
    if name not in known:
        raise UserError(f"unknown algorithm {algorithm!r}{nearest(name, known)}")
    return importlib.import_module(f"core.tasks.{name}")
