"""`lab bench SUITE`: networks (core/network_cells.py), and what belongs to no package: coverage of intervals
(core/simulation.py), and spine.

`lab bench spine` makes the figures of the README's first table by the commands a person would type.
"""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import config as settings_file
from core import networks_speed, simulation
from core.cells import Cell, Mark, Measure, Row, Suite, Tier, judged
from core.cli import main as lab
from core.errors import UserError
from core.network_cells import NETWORKS
from core.suites import chosen, columns, make
from core.suites import main as tiers
from core.tables import between, write_between

SUITES: dict[str, str] = {
    "spine": "q-learning, PPO and the VAE against their published marks, five seeds (three for the VAE)",
    "networks": "what networks of every kind learn against known marks: --tier smoke (minutes), table (an hour)",
    "speed-networks": "milliseconds of a pass of cells and an encoder layer, ours and torch's modules (a minute)",
    "coverage": "how often the lab's intervals hold the truth, simulated (two minutes)",
}
FIVE = "--seeds 0 1 2 3 4"
ALL = ""  # this suite has one tier
VAE = "vae-mnist --seeds 0 1 2"  # of `lab bench`


def _trained(title: str, train: str, least: float | None = None) -> Cell:
    mark = None if least is None else Mark("≥", least)
    return Cell(title, {ALL: Tier()}, train=f"{train} {FIVE}", measures=(Measure(mark=mark),))


SPINE = Suite(
    "spine",
    "core.benchmark:SPINE",
    {
        "frozenlake": _trained(
            "q-learning, FrozenLake-v1, exact value", "q-learning --env FrozenLake-v1 --steps 100000", 0.7242
        ),
        "cartpole": _trained("PPO, CartPole-v1", "ppo --env CartPole-v1 --preset zoo --steps 100000", 490.0),
        "pendulum": _trained("PPO, Pendulum-v1", "ppo --env Pendulum-v1 --preset zoo --steps 100000", -250.0),
        "lunarlander": _trained(
            "PPO, LunarLander-v3", "ppo --env LunarLander-v3 --preset zoo --steps 1000000"
        ),
        "vae": Cell(
            "VAE, MNIST, dynamic binarisation, test NLL in nats (5,000 samples)",
            {ALL: Tier()},
            figures="core.benchmark:vae",
        ),
    },
)


@dataclass(frozen=True)
class Options:
    only: tuple[str, ...] = ()  # names of cells; none: all
    jobs: int = 1  # cells made side by side, one torch thread each
    root: str = "runs/spine"  # where the cells' run folders go
    out: str = ""  # a Markdown file whose part between the marks `bench spine` is rewritten with the table
    draw: bool = False  # train nothing: the table of what is there


def main(argv: Sequence[str]) -> int:
    """``argv`` is the suite's name and its options; 1 when a mark is not reached."""
    return RUN[argv[0]](argv)


def spine(argv: Sequence[str]) -> int:
    """Train what is missing, draw the table; ``argv`` is the suite's name and its options."""
    options: Options = settings_file.parse([Options], argv[1:], prog="lab bench spine").values[0]
    root = Path(options.root)
    names = chosen(SPINE, ALL, options.only)
    if options.out:
        between(Path(options.out), "bench spine")  # or it is refused when all is made
    status = 0 if options.draw else make(SPINE, names, ALL, root, options.jobs)
    rows = {name: found for name in SPINE.cells if (found := rows_of(name, root))}
    if not rows:
        raise UserError(f"nothing is finished in {root}; leave --draw out to make it")
    drawn = table(rows)
    print("\n" + drawn)
    (root / "spine.json").write_text(json.dumps(rows, indent=2) + "\n")
    if options.out:
        write_between(Path(options.out), "bench spine", drawn)
    return max(status, int(any(row["reached"] is False for name in rows for row in rows[name])))


def rows_of(name: str, root: Path) -> list[Row]:
    """A cell's rows; the VAE's also of those seeds that are done, while others are not."""
    return judged(SPINE, name, ALL, root, taken(root) if name == "vae" else None)


def table(rows: Mapping[str, Sequence[Row]]) -> str:
    """The table as Markdown."""
    shown = ("what", "steps", "mean [95 % Student]", "every seed", "mark", "reached", "minutes")
    return columns([row for found in rows.values() for row in found], shown)


# --- the VAE, whose figures another suite keeps


def vae(folder: Path, tier: str) -> dict[str, Any]:
    """Train and evaluate the seeds that have no figures yet."""
    words = ["bench", *VAE.split(), "--root", str(folder.parent)]
    print(f"$ lab {shlex.join(words)}", flush=True)
    if status := lab(words):
        raise UserError(f"it stopped with exit status {status}; the same command goes on")
    return {"rows": taken(folder.parent)}


def taken(root: Path) -> list[Row]:
    """The VAE's row, from what `lab bench vae-mnist` keeps; its seeds train one after the other."""
    file = root / "vae-mnist.json"
    if not file.exists():
        return []
    settings, figures = list(json.loads(file.read_text()).items())[-1]
    found = [figures[seed] for seed in sorted(figures, key=int)]
    return [
        {
            "scores": [row["nll"] for row in found],
            "steps": int(settings.split(",")[0].removeprefix("steps ")),
            "minutes": sum(row["seconds"] for row in found) / 60,
            "mark": ["≤", 88.5],
        }
    ]


RUN: dict[str, Callable[[Sequence[str]], int]] = {
    "spine": spine,
    "networks": lambda argv: tiers(NETWORKS, argv[1:]),
    "speed-networks": networks_speed.main,
    "coverage": simulation.main,
}
