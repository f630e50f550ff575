"""`lab`: the verbs a person types, and the one function each of them is handed to.

Nothing heavy is imported before a verb is known, so that `lab --help` and `lab list` answer at once.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from core.catalogue import FOLDERS, ROOT, algorithms, functions, listing, suites
from core.errors import UserError, nearest


class Verb(NamedTuple):
    """A row of VERBS: who answers depends on `by`, the thing its first word names."""

    usage: str
    help: str
    by: str  # a key of PICK
    doors: Mapping[str, str]  # package -> "module:function", or "" -> one for all


VERBS = {
    "train": Verb(
        "train ID [options]",
        "train an algorithm, all its seeds together",
        "algorithm",
        {"rl": "rl.train:main", "generative": "generative.train:main", "core": "core.fit:main"},
    ),
    "resume": Verb(
        "resume RUN",
        "continue a run from its last checkpoint",
        "run",
        {"rl": "rl.train:resume", "generative": "generative.train:resume", "core": "core.fit:resume"},
    ),
    "runs": Verb("runs", "the runs on this disk", "nothing", {"": "core.records:main"}),
    "eval": Verb(
        "eval RUN [options]",
        "evaluate what a run has learned",
        "run",
        {"rl": "rl.evaluate:main", "generative": "generative.evaluate:main", "core": "core.evaluate:main"},
    ),
    "sample": Verb(
        "sample RUN [options]",
        "draw from a generative model",
        "run",
        {"generative": "generative.evaluate:sample"},
    ),
    "solve": Verb(
        "solve ENV [options]", "the exact optimum of a known model", "nothing", {"": "rl.solve:main"}
    ),
    "compare": Verb(
        "compare [RUN ...]", "who is better, as a table; or a gate", "nothing", {"": "core.compare:main"}
    ),
    "report": Verb(
        "report [RUN ...]", "curves and tables as one HTML file", "nothing", {"": "core.report:main"}
    ),
    "dashboard": Verb(
        "dashboard", "the runs as live pages in a browser", "nothing", {"": "core.dashboard.app:main"}
    ),
    "check-env": Verb(
        "check-env ID [options]", "does an environment keep the rules", "nothing", {"": "rl.audit:main"}
    ),
    "new-env": Verb(
        "new-env NAME",
        "a small environment and its test, to begin with",
        "nothing",
        {"": "rl.new:environment"},
    ),
    "new-agent": Verb("new-agent NAME", "the same for an agent", "nothing", {"": "rl.new:agent"}),
    "sync": Verb("sync [RUN ...]", "upload what was logged offline", "nothing", {"": "core.sync:sync"}),
    "import": Verb(
        "import DIR [DIR ...]",
        "take in offline W&B runs made elsewhere",
        "nothing",
        {"": "core.importing.door:main"},
    ),
    "bench": Verb(
        "bench SUITE [options]",
        "repeat a set of experiments",
        "bench",
        {"rl": "rl.benchmark:main", "generative": "generative.benchmark:main", "core": "core.benchmark:main"},
    ),
    "list": Verb("list", "every algorithm, data set and suite", "nothing", {"": "core.cli:show"}),
    "demo": Verb("demo", "the lab end to end, in minutes", "nothing", {"": "core.demo:main"}),
}


def verbs(root: Path = ROOT) -> dict[str, Verb]:
    """The verbs that are built: with the doors whose function stands in its file."""
    found = ((name, _built(root, verb)) for name, verb in VERBS.items())
    return {name: verb for name, verb in found if verb.doors}


def _built(root: Path, verb: Verb) -> Verb:
    return verb._replace(doors={suite: door for suite, door in verb.doors.items() if _stands(root, door)})


def _stands(root: Path, door: str) -> bool:
    module, _, function = door.partition(":")
    return function in functions(root / (module.replace(".", "/") + ".py"))


# --- what a person sees


def _help(root: Path) -> str:
    built = verbs(root)
    width = max(len(verb.usage) for verb in built.values())
    lines = [f"  lab {verb.usage:{width}}   {verb.help}" for verb in built.values()]
    return "\n".join(
        [
            "Reinforcement learning and generative models: train, record, resume, compare.",
            "",
            *lines,
            "",
            "ID: see `lab list`. RUN: a path, the beginning of a run's id, a group, or `last`.",
            "`lab train ID --help` shows every option; `lab --version` the version.",
        ]
    )


def show(argv: list[str], root: Path = ROOT) -> int:
    """`lab list`."""
    if argv and argv[0] not in ("-h", "--help"):
        raise UserError(f"unexpected {argv[0]!r}; lab list takes nothing")
    print("usage: lab list" if argv else "\n".join(listing(root)).rstrip())
    return 0


def _version() -> str:
    metadata: Any = importlib.import_module("importlib.metadata")
    for entry in metadata.entry_points(group="console_scripts", name="lab"):
        if entry.value == "core.cli:main":
            return f"lab {entry.dist.version}"
    return "lab, not installed (run from its source)"


# --- from a verb to the function that answers


def _first(verb: str, argv: list[str], what: str, known: Iterable[str]) -> str:
    """The word after the verb, which must name one of what is known."""
    if argv and not argv[0].startswith("-"):
        return argv[0]
    names = ", ".join(known)
    raise UserError(f"lab {verb} needs {what} first" + (f"; one of {names}" if names else ""))


def _by_algorithm(verb: str, argv: list[str]) -> tuple[str, list[Any]]:
    known = algorithms()
    name = _first(verb, argv, "an algorithm", known)
    if name not in known:
        raise UserError(f"unknown algorithm {name!r}{nearest(name, known)}")
    return known[name].suite, [argv]


def _by_bench(verb: str, argv: list[str]) -> tuple[str, list[Any]]:
    known = suites()
    name = _first(verb, argv, "a suite", known)
    if name not in known:
        raise UserError(f"unknown suite {name!r}{nearest(name, known)}")
    return known[name][0], [argv]


def _by_run(verb: str, argv: list[str]) -> tuple[str, list[Any]]:
    """The runs are looked up here, since they say which package can read them."""
    root, rest = _root(argv)
    query = _first(verb, rest, "a run", ["a path", "the beginning of an id", "a group", "`last`"])
    records = importlib.import_module("core.records").find(root, query)
    for record in records:
        if record.run.get("suite") not in FOLDERS:
            raise UserError(f"{record.id} does not say what it is; its run.json is missing or broken")
        if "imported" in record.run:
            raise UserError(
                f"{record.id} was imported: it has numbers and no weights; lab compare shows them"
            )
    found = sorted({str(record.run["suite"]) for record in records})
    if not found:
        raise UserError(f"no run in {root} matches {query!r}; `lab runs` lists them")
    if len(found) > 1:
        raise UserError(f"{query!r} matches runs of {' and '.join(found)}; name runs of one kind")
    return found[0], [records, rest[1:]]


def _root(argv: list[str]) -> tuple[Path, list[str]]:
    """Takes `--root DIR` out of the words: where runs are looked up."""
    root, rest, words = "runs", [], iter(argv)
    for word in words:
        head, equals, tail = word.partition("=")
        if head == "--root":
            root = tail if equals else next(words, "")
        else:
            rest.append(word)
    if not root:
        raise UserError("--root needs a folder")
    return Path(root), rest


def _by_nothing(verb: str, argv: list[str]) -> tuple[str, list[Any]]:
    return "", [argv]


PICK: dict[str, Callable[[str, list[str]], tuple[str, list[Any]]]] = {
    "algorithm": _by_algorithm,
    "bench": _by_bench,
    "run": _by_run,
    "nothing": _by_nothing,
}


def dispatch(argv: list[str]) -> int:
    """Answer one command; the exit status. Raises UserError for what cannot be understood."""
    if not argv or argv[0] in ("-h", "--help"):
        print(_help(ROOT))
        return 0
    if argv[0] == "--version":
        print(_version())
        return 0
    name, rest = argv[0], argv[1:]
    verb = _built(ROOT, VERBS[name]) if name in VERBS else None  # looking at all takes a while
    if not verb or not verb.doors:
        raise UserError(f"unknown command {name!r}{nearest(name, verbs())}")
    if rest[:1] in (["-h"], ["--help"]) and verb.by != "nothing":
        print(f"usage: lab {verb.usage}\n{verb.help}")
        return 0
    suite, arguments = PICK[verb.by](name, rest)
    if suite not in verb.doors:
        raise UserError(f"lab {name} does not work for {suite}; it does for {', '.join(verb.doors)}")
    module, _, function = verb.doors[suite].partition(":")
    return int(getattr(importlib.import_module(module), function)(*arguments) or 0)


def run(door: Callable[[list[str]], int | None], argv: list[str]) -> int:
    """Call a door and turn every ending into an exit status, a person's mistake into one line on stderr."""
    try:
        status = door(argv)
        sys.stdout.flush()
        return status or 0
    except UserError as error:
        print("lab:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130
    except SystemExit as leaving:
        if isinstance(leaving.code, str):
            print(leaving.code, file=sys.stderr)
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BrokenPipeError:
        if not _reader_left():
            raise  # a worker's pipe, not `| head`
        return 141


def _reader_left() -> bool:
    """Is nobody reading our output any more? Then nothing more is written to it."""
    try:
        print(flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def main(argv: list[str] | None = None) -> int:
    """The `lab` command; the exit status."""
    for package in FOLDERS:  # ours, also where the working directory has a folder of that name
        if (ROOT / package / "__init__.py").exists():
            importlib.import_module(package)
    here = str(Path.cwd())
    if sys.path[:1] != [here]:
        sys.path.insert(0, here)  # people's own environments, before anything installed
    return run(dispatch, sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
