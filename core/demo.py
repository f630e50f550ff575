"""`lab demo`: the lab end to end, in minutes – train, compare, report – by the commands a person would type."""

import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core import comparison
from core import config as settings_file
from core.cli import main as lab
from core.records import Record, scan


@dataclass(frozen=True)
class Options:
    root: str = "runs"  # folder that holds the runs
    out: str = ""  # the report; empty: report.html in the root


@dataclass(frozen=True)
class Part:
    """A command of the demo, and what it has to show."""

    command: str
    least: float | None = None  # of `value`'s mean over seeds; more is better
    best: bool = False  # of its evaluations the best counts, not the last

    @property
    def algorithm(self) -> str:
        return self.command.split()[0]

    def value(self, record: Record) -> float:
        """The return of an evaluation: the last, or the best."""
        kept = record.summary["best"]["eval/return"]["value"] if self.best else record.summary["final/return"]
        return float(kept)


PARTS = (
    Part("q-learning --env FrozenLake-v1 --steps 100000 --vector table --seeds 0 1 2 3 4", 0.65),
    Part("ppo --env CartPole-v1 --steps 50000 --seeds 0 1 2 3 4", 400.0),
    Part("dqn --env CartPole-v1 --steps 40000 --seeds 0 1 2", 400.0, best=True),
    Part("sb3-ppo --env CartPole-v1 --steps 50000 --seeds 0 1 2"),
    Part("vae --data digits --steps 2000 --seeds 0 1 2"),
    Part("wgan-gp --data digits --seeds 0 1 2"),
)


def main(argv: Sequence[str]) -> int:
    """Run every part, compare what this demo made, and say in words what it showed; 1 when a part fell short."""
    options: Options = settings_file.parse([Options], argv, prog="lab demo").values[0]
    out = options.out or str(Path(options.root) / "report.html")
    began, stamp = time.monotonic(), time.strftime("%Y%m%d-%H%M%S")
    groups = []
    for number, part in enumerate(PARTS, 1):
        groups.append(f"demo-{stamp}-{part.algorithm}")
        words = ["train", *part.command.split(), "--root", options.root, "--name", groups[-1]]
        print(f"\n[{number}/{len(PARTS)}] $ lab {shlex.join(words)}", flush=True)
        status = subprocess.call([sys.executable, "-m", "core.cli", *words])
        if status:
            return status
    for words in (
        ["compare", *groups, "--root", options.root],
        ["report", *groups, "--root", options.root, "--out", out],
    ):
        print(f"\n$ lab {shlex.join(words)}", flush=True)
        if status := lab(words):
            return status
    records = [record for record in scan(options.root) if record.group in groups]
    short = [
        line for part, group in zip(PARTS, groups, strict=True) if (line := _short(part, group, records))
    ]
    print()
    for line in short or _verdict(records):
        print(line)
    print(f"\n{time.monotonic() - began:.0f} s in all. Next:")
    print(f"  open {out}                      the curves and pictures, one file, no server")
    dashboard = "lab dashboard" + (f" --root {shlex.quote(options.root)}" if options.root != "runs" else "")
    print(f"  {dashboard:43} the same, live, with every run in it")
    print("  lab list                                    every algorithm, environment suite and data set")
    print("  lab train ppo --env Acrobot-v1 --seeds 0 1 2 3 4")
    print("  lab train vae --data PATH/TO/IMAGES         a folder of your own images")
    print(f"  lab eval {groups[1]} --video")
    return int(bool(short))


def _short(part: Part, group: str, records: Sequence[Record]) -> str:
    """A line about a part that did not show what it must; empty when it did."""
    if part.least is None:
        return ""
    found = [part.value(record) for record in records if record.group == group]
    mean = sum(found) / len(found) if found else float("nan")
    if mean >= part.least:
        return ""
    which = "best" if part.best else "last"
    return f"{part.algorithm}: its {which} evaluation is {mean:.3g} on average, and should be at least {part.least}"


def _verdict(records: Sequence[Record]) -> list[str]:
    """What the demo showed, task by task."""
    return [f"{contest.task}: {contest.verdict}" for contest in comparison.contests(records)]
