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
    command: str
    metric: str = "final/return"
    at_least: float | None = None  # of the mean over seeds; None: reported only


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
}


@dataclass(frozen=True)
class Options:
    only: tuple[str, ...] = ()  # names of cells; none: all
    root: str = "runs/spine"  # where the cells' run folders go
    out: str = ""  # a Markdown file whose part between the marks `bench spine` is rewritten with the table


def main(argv: Sequence[str]) -> int:
    """``argv`` is the suite's name and its options; 1 when a mark is not reached."""
    options: Options = settings_file.parse([Options], argv[1:], prog="lab bench spine").values[0]
    if unknown := [name for name in options.only if name not in CELLS]:
        raise UserError(f"unknown cell {unknown[0]!r}{nearest(unknown[0], CELLS)}")
    for name in options.only or tuple(CELLS):
        if not _finished(name, options.root) and (status := _train(name, options.root)):
            return status
    rows = {name: row(name, records) for name in CELLS if (records := _finished(name, options.root))}
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


def _train(name: str, root: str) -> int:
    """Begin a cell, or go on with it."""
    begun = (Path(root) / name).exists()
    words = ["resume", f"{root}/{name}"] if begun else [
        "train", *CELLS[name].command.split(), "--root", root, "--name", name
    ]  # fmt: skip
    print(f"\n$ lab {shlex.join(words)}", flush=True)
    return lab(words)


def row(name: str, records: Sequence[Record]) -> dict[str, Any]:
    """All of a cell's figures, every seed shown; failed seeds are counted, never dropped in silence."""
    cell = CELLS[name]
    done = sorted((r for r in records if r.status == "finished"), key=lambda r: r.seed)
    scores = [float(record.summary[cell.metric]) for record in done]
    mean, low, high = student_interval(scores)
    failed = len(records) - len(done)
    reached = None if cell.at_least is None else failed == 0 and mean >= cell.at_least
    return {
        "title": cell.title, "command": cell.command, "steps": int(done[0].config["steps"]), "n": len(done),
        "failed": failed, "mean": mean, "low": low, "high": high, "seeds": scores, "mark": cell.at_least,
        "reached": reached, "minutes": max(float(r.run["seconds"]) for r in done) / 60,
    }  # fmt: skip


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The table as Markdown."""
    header = ("what", "steps", "mean [95 % Student]", "every seed", "mark", "reached", "minutes")
    lines = []
    for found in rows.values():
        seeds = ", ".join(f"{score:.4g}" for score in found["seeds"])
        failed = f" ({found['failed']} failed)" if found["failed"] else ""
        mark = "reported" if found["mark"] is None else f"≥ {found['mark']:g}"
        reached = {None: "–", True: "yes", False: "**no**"}[found["reached"]]
        interval = f"{found['mean']:.4g} [{found['low']:.4g}, {found['high']:.4g}]"
        minutes = f"{found['minutes']:.1f}"
        lines.append(
            (found["title"], f"{found['steps']:,}", interval, seeds + failed, mark, reached, minutes)
        )
    return markdown(header, lines)
