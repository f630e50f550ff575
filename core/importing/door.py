"""`lab import`: offline W&B runs of anybody as run folders, so that they stand beside ours."""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

from core import jsonl, tables
from core.config import parse
from core.errors import UserError, nearest
from core.importing import foreign
from core.importing.adoption import Adopted, Given, adopt
from core.importing.shelf import Shelf
from core.importing.vocabulary import plain
from core.measures import MEASURES

SETTABLE = ("algorithm", "task", "seed", "suite", "axis")
SUITES = ("rl", "generative", "core")
MARKS = {
    "suite",
    "task",
    "seed",
    "versions",
    "git_commit",
    "facts",
}  # what a run of ours tells W&B beside its settings
MANY = 8  # runs from which on several processes are worth their start
Reasons = list[tuple[str, str]]  # (path, why it could not be read)


@dataclass(frozen=True)
class Options:
    """What `lab import` understands."""

    root: str = "runs"  # folder the runs are put into
    set: tuple[str, ...] = ()  # what runs do not say: algorithm=NAME task=NAME seed=0 suite=rl axis=KEY
    metric_map: tuple[str, ...] = ()  # THEIRS=OURS, such as test/score=eval/return


@dataclass
class Found:
    """What the named folders hold."""

    runs: dict[str, list[Path]] = field(
        default_factory=dict
    )  # entity/project/id -> the files of its segments
    ours: set[str] = field(default_factory=set)
    unreadable: Reasons = field(default_factory=list)


def main(argv: Sequence[str]) -> int:
    """`lab import DIR [DIR …] [options]`: returns 0, also where some of the runs cannot be read.

    Raises:
        UserError: nothing at all could be read, or an option cannot be understood.
    """
    words = list(argv)
    border = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    options: Options = parse([Options], words[border:], prog="lab import DIR [DIR ...]").values[0]
    given = Given(_pairs("--set", options.set), _pairs("--metric-map", options.metric_map))
    _check(given.values)
    if not border:
        raise UserError("lab import needs a folder first: a wandb folder, one above it, or a .wandb file")
    found = find(words[:border])
    with _workshop(Path(options.root)) as workshop:
        adopted = _adopted(found, workshop, given)
        placed = Shelf(Path(options.root)).place(adopted)
    if not placed and not found.ours:
        raise UserError(f"nothing imported: {_listed(found.unreadable)}")
    if placed:
        _tell(placed, given)
    print(_last_line(placed, found))
    return 0


def _pairs(flag: str, words: Iterable[str]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise UserError(f"{flag} takes NAME=VALUE, not {name + equals + value!r}")
    return {name: value for name, _, value in pairs}


def _check(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        if name not in SETTABLE:
            raise UserError(f"--set {name}=… cannot be{nearest(name, SETTABLE)}")
        if name == "suite" and value not in SUITES:
            raise UserError(f"--set suite={value} cannot be{nearest(value, SUITES)}")
        if name == "seed" and not (value.isascii() and value.isdigit() and len(value) <= 18):
            raise UserError(f"--set seed takes a whole number from 0, not {value!r}")
        if name in ("algorithm", "task") and plain(value) != value:
            raise UserError(
                f"--set {name} takes a name of one line and at most 80 characters, not {value[:90]!r}"
            )


# --- from folders to runs


def find(words: Iterable[str]) -> Found:
    """The runs in these folders, each file once."""
    found = Found()
    seen: set[Path] = set()
    for word in words:
        paths = list(files(Path(word)))
        if not paths:
            found.unreadable.append(
                (word, "no .wandb file in it" if Path(word).exists() else "there is no such folder")
            )
        for path in paths:
            if path.resolve() not in seen:
                seen.add(path.resolve())
                _sort(path.resolve(), found)
    return found


def files(start: Path) -> Iterable[Path]:
    """Every `.wandb` file in a folder and below, each once whatever links lead to it, in order of name.

    A link to a folder is looked into, not descended: what it leads to may be anything.
    """
    found: dict[tuple[int, int], Path] = {}
    if start.is_file():
        return [start]
    for folder, inner, names in os.walk(start):
        here = Path(folder)
        inner[:] = sorted(
            name for name in inner if name not in {".git", ".venv", "node_modules", "__pycache__"}
        )
        linked = [link for name in inner if (link := here / name).is_symlink()]
        beyond = [path for link in linked for way in ("*.wandb", "*run-*/*.wandb") for path in link.glob(way)]
        for path in [*(here / name for name in sorted(names) if name.endswith(".wandb")), *sorted(beyond)]:
            if path.is_file():
                stat = path.stat()
                found.setdefault((stat.st_dev, stat.st_ino), path.resolve())
    return sorted(found.values())


def _sort(path: Path, found: Found) -> None:
    """To its run, to ours, or to what cannot be read."""
    try:
        segment = foreign.head(path)
    except UserError as error:
        if _in_a_run(path):
            found.ours.add(str(path))
        else:
            found.unreadable.append((str(path), str(error)))
        return
    if _in_a_run(path) or segment.config.keys() >= MARKS:
        found.ours.add(segment.key)
    else:
        found.runs.setdefault(segment.key, []).append(path)


def _in_a_run(path: Path) -> bool:
    """Whether it lies in a run folder of format 1."""
    return any(
        {"format", "suite"} <= jsonl.load(folder / "run.json").keys() for folder in list(path.parents)[:5]
    )


@contextmanager
def _workshop(root: Path) -> Iterator[Path]:
    """A folder that no reader looks into, gone at the end whatever happens."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder = root / f".importing-{os.getpid()}-{token_hex(3)}"
        folder.mkdir()
    except OSError as error:
        raise UserError(
            f"cannot write in the runs folder {root}: {error.strerror}; choose another with --root"
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            root.rmdir()  # made for runs that did not come


# --- from runs to folders


def _adopted(found: Found, workshop: Path, given: Given) -> list[Adopted]:
    """Every run that can be read, in order of start; why not goes to `found.unreadable`."""
    jobs = [(paths, workshop / str(number), given) for number, paths in enumerate(found.runs.values())]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if len(jobs) >= MANY and cores > 1:
        with ProcessPoolExecutor(min(cores, 8)) as pool:
            results = list(pool.map(_work, *zip(*jobs, strict=True)))
    else:
        results = [_work(*job) for job in jobs]
    whole = [result for result in results if isinstance(result, Adopted)]
    found.unreadable += [
        (str(job[0][0]), result) for job, result in zip(jobs, results, strict=True) if isinstance(result, str)
    ]
    return sorted(whole, key=lambda adopted: (adopted.started, adopted.key))


def _work(paths: Sequence[Path], folder: Path, given: Given) -> Adopted | str:
    """One run read and written; the reason where that cannot be."""
    try:
        folder.mkdir()
        return adopt([foreign.read(path) for path in paths], folder, given)
    except UserError as error:
        return str(error)
    except (
        Exception
    ) as error:  # somebody else's record may hold anything: the other runs are read all the same
        return f"{type(error).__name__}: {error}"


# --- what is said


def _tell(placed: Sequence[tuple[Adopted, Path, bool]], given: Given) -> None:
    groups: dict[str, list[tuple[Adopted, Path, bool]]] = {}
    for item in placed:
        groups.setdefault(item[1].parent.name, []).append(item)
    rows = []
    for group, items in groups.items():
        run = items[0][0]
        metrics = {name for adopted, _, _ in items for name in adopted.metrics}
        measures = MEASURES[run.names.suite]
        measured = next((name for name in measures if name in metrics), f"? --metric-map NAME={measures[0]}")
        known = ", ".join(run.names.known.values())
        rows.append((group, str(len(items)), run.run["axis"], measured, known))
    print(tables.text(("group", "runs", "axis", "measured by", "algorithm, task, seed by"), rows, right=(1,)))
    for run, path, _ in placed:
        if run.said:
            print(f"{path.parent.name}/{path.name}: {'; '.join(map(_line, run.said))}")
    logged = {name for adopted, _, _ in placed for name in adopted.metrics}
    for name in given.metrics.keys() - logged:
        print(f"--metric-map {name}: no run has logged it{nearest(name, logged)}")


def _last_line(placed: Sequence[tuple[Adopted, Path, bool]], found: Found) -> str:
    again = sum(before for *_, before in placed)
    groups = len({path.parent for _, path, _ in placed})
    parts = [
        f"imported {_count(len(placed), 'run')} in {_count(groups, 'group')}"
        + (f" ({again} again)" if again else "")
    ]
    parts += [f"{len(found.ours)} passed over (ours)"] if found.ours else []
    parts += [f"{len(found.unreadable)} unreadable: {_listed(found.unreadable)}"] if found.unreadable else []
    return "; ".join(parts)


def _listed(reasons: Reasons) -> str:
    return "; ".join(f"{_line(path)}: {_line(why)}" for path, why in reasons)


def _line(text: str) -> str:
    """Text of any length without characters that steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
