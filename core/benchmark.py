"""`lab bench spine`: the figures of the README's first table, made by the commands a person would type.

Finished cells are kept, stopped ones go on: the command may be interrupted and repeated at any time.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import config as settings_file
from core.cli import main as lab
from core.errors import UserError, nearest
from core.records import Record, scan
from core.statistics import student_interval
from core.tables import markdown, write_between

SUITES: dict[str, str] = {
    "spine": "q-learning, PPO and the VAE against their published marks, five seeds (three for the VAE)",
}


@dataclass(frozen=True)
class Cell:
    """One row of the table: what is trained, what is measured, and what it should reach."""

    title: str
    command: str  # of `lab train`; or of `lab bench`, where ``figures`` names its file
    at_least: float | None = None  # of the mean over seeds
    at_most: float | None = None  # neither: reported only
    figures: str = ""  # {settings: {seed: {nll, seconds, …}}}, in the root


FIVE = "--seeds 0 1 2 3 4"
CELLS: dict[str, Cell] = {
    "frozenlake": Cell(
        "q-learning, FrozenLake-v1, exact value",
        f"q-learning --env FrozenLake-v1 --steps 100000 {FIVE}",
        at_least=0.7242,
    ),
    "cartpole": Cell(
        "PPO, CartPole-v1", f"ppo --env CartPole-v1 --preset zoo --steps 100000 {FIVE}", at_least=490.0
    ),
    "pendulum": Cell(
        "PPO, Pendulum-v1", f"ppo --env Pendulum-v1 --preset zoo --steps 100000 {FIVE}", at_least=-250.0
    ),
    "lunarlander": Cell(
        "PPO, LunarLander-v3", f"ppo --env LunarLander-v3 --preset zoo --steps 1000000 {FIVE}"
    ),
    "vae": Cell(
        "VAE, MNIST, dynamic binarisation, test NLL in nats (5,000 samples)",
        "vae-mnist --seeds 0 1 2",
        at_most=88.5,
        figures="vae-mnist.json",
    ),
}


@dataclass(frozen=True)
class Options:
    only: tuple[str, ...] = ()  # names of cells; none: all
    root: str = "runs/spine"  # where the cells' run folders go
    out: str = ""  # a Markdown file whose part between the marks `bench spine` is rewritten with the table
    draw: bool = False  # train nothing: the table of what is there


def main(argv: Sequence[str]) -> int:
    """``argv`` is the suite's name and its options; 1 when a mark is not reached."""
    options: Options = settings_file.parse([Options], argv[1:], prog="lab bench spine").values[0]
    if unknown := [name for name in options.only if name not in CELLS]:
        raise UserError(f"unknown cell {unknown[0]!r}{nearest(unknown[0], CELLS)}")
    for name in () if options.draw else options.only or tuple(CELLS):
        if status := _make(name, options.root):
            return status
    rows = {name: found for name in CELLS if (found := row(name, options.root))}
    if not rows:
        raise UserError(f"nothing is finished in {options.root}; leave --draw out to make it")
    drawn = table(rows)
    print("\n" + drawn)
    Path(options.root, "spine.json").write_text(json.dumps(rows, indent=2) + "\n")
    if options.out:
        write_between(Path(options.out), "bench spine", drawn)
    return int(any(row["reached"] is False for row in rows.values()))


def _finished(name: str, root: str) -> list[Record]:
    """The records of a cell that is done, else none."""
    records = [record for record in scan(root) if record.group == name]
    return records if records and all(r.status in ("finished", "failed") for r in records) else []


def _make(name: str, root: str) -> int:
    """Begin a cell, or go on with it; nothing is left to do where it is finished."""
    cell = CELLS[name]
    if not cell.figures and _finished(name, root):
        return 0
    words = ["bench" if cell.figures else "train", *cell.command.split(), "--root", root]
    if not cell.figures:
        words = ["resume", f"{root}/{name}"] if (Path(root) / name).exists() else [*words, "--name", name]
    print(f"\n$ lab {shlex.join(words)}", flush=True)
    return lab(words)


def row(name: str, root: str) -> dict[str, Any]:
    """All of a cell's figures, every seed shown; failed seeds are counted, never dropped in silence. {}: none yet."""
    cell = CELLS[name]
    steps, scores, failed, seconds = (_kept if cell.figures else _trained)(name, root)
    if not scores:
        return {}
    mean, *ends = student_interval(scores)
    low, high = ends if len(scores) > 1 else (None, None)
    reached = None
    if cell.at_least is not None or cell.at_most is not None:
        enough = cell.at_least is None or mean >= cell.at_least
        reached = enough and failed == 0 and (cell.at_most is None or mean <= cell.at_most)
    return {
        "title": cell.title, "command": cell.command, "steps": steps, "n": len(scores), "failed": failed,
        "mean": mean, "low": low, "high": high, "seeds": scores, "at_least": cell.at_least, "at_most": cell.at_most,
        "reached": reached, "minutes": seconds / 60,
    }  # fmt: skip


def _trained(name: str, root: str) -> tuple[int, list[float], int, float]:
    """Steps, scores, failed seeds and seconds of a cell's own run."""
    records = _finished(name, root)
    done = sorted((r for r in records if r.status == "finished"), key=lambda r: r.seed)
    if not done:
        return 0, [], len(records), 0.0
    scores = [float(record.summary["final/return"]) for record in done]
    seconds = max(float(record.run["seconds"]) for record in done)
    return int(done[0].config["steps"]), scores, len(records) - len(done), seconds


def _kept(name: str, root: str) -> tuple[int, list[float], int, float]:
    """The same from the figures another suite keeps; its seeds train one after the other."""
    file = Path(root) / CELLS[name].figures
    if not file.exists():
        return 0, [], 0, 0.0
    settings, figures = list(json.loads(file.read_text()).items())[-1]
    rows = [figures[seed] for seed in sorted(figures, key=int)]
    steps = int(settings.split(",")[0].removeprefix("steps "))
    return steps, [row["nll"] for row in rows], 0, sum(row["seconds"] for row in rows)


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The table as Markdown."""
    header = ("what", "steps", "mean [95 % Student]", "every seed", "mark", "reached", "minutes")
    lines = []
    for found in rows.values():
        seeds = ", ".join(f"{score:.4g}" for score in found["seeds"])
        failed = f" ({found['failed']} failed)" if found["failed"] else ""
        marks = (("≥", found["at_least"]), ("≤", found["at_most"]))
        mark = " ".join(f"{sign} {value:g}" for sign, value in marks if value is not None) or "reported"
        reached = {None: "–", True: "yes", False: "**no**"}[found["reached"]]
        between = f" [{found['low']:.4g}, {found['high']:.4g}]" if found["n"] > 1 else ""
        interval = f"{found['mean']:.4g}{between}, n = {found['n']}"
        minutes = f"{found['minutes']:.1f}"
        lines.append(
            (found["title"], f"{found['steps']:,}", interval, seeds + failed, mark, reached, minutes)
        )
    return markdown(header, lines)
