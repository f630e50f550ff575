"""What the lab holds, read from its source without importing any of it.

An algorithm is there because its file is: `rl/agents/q_learning.py` is `q-learning`, described by the first
line of its docstring and its literal TAGS. Data sets, suites and baselines are literal dicts of
name -> description.
"""

import ast
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent  # the folder of the three packages

FOLDERS = {"rl": "agents", "generative": "trainers", "core": "tasks"}  # package -> where its algorithms live


class Algorithm(NamedTuple):
    """What the source of an algorithm says about itself."""

    id: str
    suite: str  # the package that trains it
    description: str  # first line of the docstring
    tags: Mapping[str, str]


def _literals(tree: ast.Module) -> dict[str, Any]:
    """The module's constants that are written out, by name."""
    found: dict[str, Any] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
                try:
                    found[target.id] = ast.literal_eval(node.value)
                except (ValueError, TypeError):
                    continue  # computed: none of our business
    return found


def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except FileNotFoundError:
        return ast.Module([], [])
    except SyntaxError as error:
        broken = f"does not parse: line {error.lineno}, {error.msg}"
        return ast.Module([ast.Expr(ast.Constant(broken))], [])


def table(path: Path, name: str) -> dict[str, str]:
    """A module constant of that name that is a dict of strings, or {}."""
    value = _literals(_tree(path)).get(name)
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def algorithms(root: Path = ROOT) -> dict[str, Algorithm]:
    """Every algorithm by id: one per file, and Stable-Baselines3's as rl/baselines.py lists them."""
    found: dict[str, Algorithm] = {}
    for suite, folder in FOLDERS.items():
        for path in sorted((root / suite / folder).glob("[!_]*.py")):
            tree = _tree(path)
            words = (ast.get_docstring(tree) or "").splitlines()[:1]
            tags = _literals(tree).get("TAGS")
            name = path.stem.replace("_", "-")
            found[name] = Algorithm(name, suite, "".join(words), tags if isinstance(tags, dict) else {})
    for name, description in table(root / "rl" / "baselines.py", "BASELINES").items():
        found[name] = Algorithm(name, "rl", description, {})
    return found


def suites(root: Path = ROOT) -> dict[str, tuple[str, str]]:
    """Every benchmark suite: name -> (package, description)."""
    return {
        name: (package, description)
        for package in FOLDERS
        for name, description in table(root / package / "benchmark.py", "SUITES").items()
    }


def functions(path: Path) -> set[str]:
    """The names of a module's functions; none where there is no file."""
    return {node.name for node in _tree(path).body if isinstance(node, ast.FunctionDef)}


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "   ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def listing(root: Path = ROOT) -> Iterable[str]:
    """The blocks of `lab list`: a heading, then a table; what does not exist is left out."""
    known = algorithms(root)
    baselines = table(root / "rl" / "baselines.py", "BASELINES")
    for suite, title in FOLDERS.items():
        rows = [known[name] for name in known if known[name].suite == suite and name not in baselines]
        keys = list(dict.fromkeys(key for row in rows for key in row.tags))
        cells = [[row.id, *(str(row.tags.get(key, "-")) for key in keys), row.description] for row in rows]
        header = [["id", *keys, ""]] if keys else []
        yield from [title, *_columns([*header, *cells]), ""] if rows else []
    others = {
        "baselines, by Stable-Baselines3": baselines,
        "data sets": {
            name: text
            for path in ("generative/data.py", "core/data_sets.py")
            for name, text in table(root / path, "DATASETS").items()
        },
        "suites, for lab bench": {name: text for name, (_, text) in suites(root).items()},
    }
    for title, entries in others.items():
        yield from [title, *_columns(list(entries.items())), ""] if entries else []
