"""`lab new-env NAME` and `lab new-agent NAME`: a small one that works, with its test, to be changed into one's own."""

import importlib.util
import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template

from core.catalogue import ROOT, algorithms
from core.errors import UserError

TEMPLATES = Path(__file__).parent / "templates"


def environment(argv: Sequence[str]) -> int:
    """`lab new-env NAME`, in the working directory."""
    names = named(argv, "new-env", "maze")
    module = names["module"]
    files = {Path(f"{module}.py"): "env", Path(f"test_{module}.py"): "env_test"}
    absent(files)
    if importlib.util.find_spec(module):
        raise UserError(
            f"{module} is a Python package already, which a file {module}.py would hide; take another name"
        )
    write(files, names)
    print("try")
    print(f"  lab train q-learning --env {module}.py:{names['Class']} --max-episode-steps 100 --steps 5000")
    print(f"  python -m pytest test_{module}.py")
    return 0


def agent(argv: Sequence[str]) -> int:
    """`lab new-agent NAME`, among the lab's own; its test and its page go with theirs where these are."""
    names = named(argv, "new-agent", "hill-climbing")
    if names["id"] in algorithms():
        raise UserError(f"there is an algorithm {names['id']} already; take another name")
    module, tests, pages = names["module"], ROOT / "tests" / "rl", ROOT / "docs" / "algorithms"
    test = (tests if tests.is_dir() else Path()) / f"test_{module}.py"
    files = {ROOT / "rl" / "agents" / f"{module}.py": "agent", test: "agent_test"}
    if pages.is_dir():
        files[pages / f"{names['id']}.md"] = "agent_page"
    write(files, names)
    print("try")
    print(f"  lab train {names['id']} --env CartPole-v1 --steps 5000 --seeds 0 1 2")
    print(f"  python -m pytest {shown(test)}")
    if pages.is_dir():
        print(f"and give its page a line in {shown(pages / 'README.md')}")
    return 0


def named(argv: Sequence[str], verb: str, example: str) -> Mapping[str, str]:
    """The name in all its forms; UserError for none, for several, or for one that Python does not take."""
    if len(argv) != 1 or argv[0].startswith("-"):
        raise UserError(f"lab {verb} takes one name, such as lab {verb} {example}")
    name = argv[0].removesuffix(".py")
    module = name.replace("-", "_").lower()
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([-_][A-Za-z0-9]+)*", name) or keyword.iskeyword(module):
        raise UserError(f"{argv[0]!r} cannot be a name; take letters, digits and hyphens, such as {example}")
    words = module.replace("_", " ")
    capital = "".join(word[:1].upper() + word[1:] for word in re.split("[-_]", name))
    forms = {"module": module, "id": module.replace("_", "-"), "words": words}
    return {**forms, "Words": words.capitalize(), "Class": capital}


def absent(files: Iterable[Path]) -> None:
    """UserError where one of the files is there."""
    for path in files:
        if path.exists():
            raise UserError(f"{shown(path)} is there already, and is left as it is; take another name")


def write(files: Mapping[Path, str], names: Mapping[str, str]) -> None:
    """All of the files or, where one of them is there, none: UserError."""
    absent(files)
    for path, template in files.items():
        path.write_text(
            Template((TEMPLATES / f"{template}.txt").read_text("utf-8")).substitute(names), "utf-8"
        )
    print("wrote " + ", ".join(map(shown, files)))


def shown(path: Path) -> str:
    """A path as short as it can be said."""
    whole = path.resolve()
    return str(whole.relative_to(Path.cwd())) if whole.is_relative_to(Path.cwd()) else str(whole)
