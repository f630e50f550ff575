"""The pages about algorithms: none is missing, each has its equation, its source and a command the parser takes."""

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.catalogue import ROOT, Algorithm, algorithms, suites
from core.cli import VERBS
from core.errors import UserError
from core.fit import read as read_task
from generative.train import read as read_trainer
from rl.recipes import RECIPES
from rl.train import read as read_agent

PAGES = ROOT / "docs" / "algorithms"
KNOWN = algorithms()
EQUATION = re.compile(r"^(?: {4,}|\$\$).*(?:=|←|∝|≤).*$", flags=re.M)
YEAR = re.compile(r"\b(?:19|20)\d\d\b")


def page(name: str) -> Path:
    return PAGES / ("sb3.md" if name.startswith("sb3-") else f"{name}.md")


def commands(text: str) -> Iterator[list[str]]:
    """The words of every `lab` command: lines of bash blocks, and code within a sentence."""
    every = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.M | re.S)
    blocks = [block for kind, block in every if kind in ("", "bash")]
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    for line in [*lines, *re.findall(r"`(lab [^`]+)`", plain)]:
        words = shlex.split(line, comments=True)
        if words[:1] == ["lab"]:
            yield words[1:]


def refusal(words: list[str]) -> str:
    """Why the parser would not take a command; "" where it would."""
    verb, *rest = words
    if verb not in VERBS:
        return f"there is no verb {verb}"
    if verb == "bench" and rest[:1] and rest[0] not in suites():
        return f"there is no suite {rest[0]}"
    if verb != "train" or not rest or rest[0].isupper():  # what stands for a name
        return ""
    name, *flags = rest
    try:
        if name not in KNOWN:
            return f"there is no algorithm {name}"
        _read(KNOWN[name], flags)
    except UserError as error:
        return str(error)
    return ""


def _read(algorithm: Algorithm, flags: list[str]) -> None:
    name = algorithm.id
    if name in RECIPES:
        read_agent(name, RECIPES[name], flags)
    elif algorithm.suite == "core":
        read_task(name, flags)
    elif algorithm.suite == "rl":
        read_agent(name, importlib.import_module(f"rl.agents.{name.replace('-', '_')}"), flags)
    else:
        read_trainer(name, importlib.import_module(f"generative.trainers.{name.replace('-', '_')}"), flags)


@pytest.mark.parametrize("name", KNOWN)
def test_every_algorithm_has_its_page(name: str) -> None:
    path = page(name)
    assert path.is_file(), f"write {path.relative_to(ROOT)}"
    text = path.read_text()
    if not name.startswith("sb3-"):  # the equations are those of our agents
        assert EQUATION.search(text), "no equation in a block of its own"
    assert YEAR.search(text), "no source with its year"
    trained = {page(words[1]) for words in commands(text) if words[0] == "train" and len(words) > 1}
    assert path in trained, f"no `lab train {name} …`"


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.md")), ids=lambda path: path.name)
def test_every_command_is_understood_and_every_link_leads_somewhere(path: Path) -> None:
    text = path.read_text()
    assert {shlex.join(words): why for words in commands(text) if (why := refusal(words))} == {}
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (path.parent / link).exists()] == []


def test_the_index_names_every_page_once() -> None:
    links = re.findall(r"\]\((\w[\w-]*\.md)\)", (PAGES / "README.md").read_text())
    assert sorted(links) == sorted({page(name).name for name in KNOWN})


def test_a_command_that_is_wrong_is_seen() -> None:
    text = "a `lab train ppo --env X-v1 --lrr 1` b\n```bash\nlab train pop --steps 1  # no\nlab runs\n```\n"
    text += (
        "`lab trian ppo`, `lab bench nothing`, `lab train ID`, `lab eval RUN`, `lab train sb3-ppo --envs 4`\n"
    )
    found = [(words[:2], refusal(words)) for words in commands(text)]
    assert [why for _, why in found if not why] == [""] * 4
    assert [why for _, why in found if why] == [
        "there is no algorithm pop",
        "unknown option --lrr; did you mean --lr?",
        "there is no verb trian",
        "there is no suite nothing",
    ]
