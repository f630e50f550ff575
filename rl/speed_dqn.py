"""`lab bench speed-dqn`: how many environment steps a second DQN takes, ours against Stable-Baselines3's.

The zoo's settings on CartPole-v1: 128 gradient steps of 64 transitions after every 256 steps, two hidden layers of 256.
Nothing is recorded or evaluated meanwhile. Learning starts at once, so that every step measured is one that learns.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core import config as settings_file
from core import provenance, threads
from core.errors import UserError
from core.machine import Machine
from core.tables import markdown, write_between
from core.timing import Contender, measure
from rl.agents import dqn
from rl.baselines import model_of
from rl.speed import PARTS, Ours
from rl.task import Task

ENV, PRESET = "CartPole-v1", "zoo"
MARK = 2.5  # times Stable-Baselines3's steps, with one seed


@dataclass(frozen=True)
class Options:
    rounds: int = 7  # the median of so many is reported
    steps: int = 4096  # environment steps of each contender in a round, over all its seeds
    seeds: tuple[int, ...] = (5, 16)  # how many the contenders that train several train
    root: str = "runs"  # the figures are kept in bench/speed-dqn.json there
    out: str = (
        ""  # a Markdown file whose part between the marks `bench speed-dqn` is rewritten with the table
    )


def main(argv: Sequence[str]) -> int:
    """``argv`` is the suite's name and its options; 1 when the mark is not reached."""
    options: Options = settings_file.parse([Options], argv[1:], prog="lab bench speed-dqn").values[0]
    if options.rounds < 1 or options.steps < 1 or any(count < 2 for count in options.seeds):
        raise UserError("--rounds and --steps must be at least 1, and each of --seeds at least 2")
    threads.use(1)
    found = measure(contenders(options.seeds), options.rounds, options.steps)
    reached = found[1]["ratio"]["median"] >= MARK
    about = {
        "env": ENV,
        "preset": PRESET,
        "settings": dqn.PRESETS[PRESET][ENV],
        "threads": 1,
        "steps": options.steps,
        "mark": MARK,
        "reached": reached,
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "commit": provenance.git_commit(),
    }
    path = Path(options.root) / "bench" / "speed-dqn.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**about, "contenders": found}, indent=2) + "\n")
    drawn = table(found)
    print("\n" + drawn)
    print(f"\n{PRESET}'s settings on {ENV}, one thread, {options.rounds} rounds; kept in {path}")
    print(f"mark: one seed at least {MARK} times as fast: {'reached' if reached else 'not reached'}")
    if options.out:
        write_between(Path(options.out), "bench speed-dqn", drawn)
    return int(not reached)


def contenders(several: Sequence[int]) -> list[Contender]:
    """Stable-Baselines3 first: the others are compared with it; then the one that the mark is for."""
    preset = dict(dqn.PRESETS[PRESET][ENV])
    steps = preset.pop("steps")
    config = replace(dqn.Config(**preset), learning_starts=0)
    theirs = model_of("sb3-dqn", config, Task(env=ENV), 1, 0)

    def learn(steps: int) -> int:
        before = theirs.num_timesteps
        theirs.learn(steps, reset_num_timesteps=False, log_interval=10**9)
        return theirs.num_timesteps - before

    found = [Contender("Stable-Baselines3", 1, learn, {}, {})]
    compiled = Machine(compile="on")
    ways: list[tuple[str, int, Machine]] = [
        ("ours", 1, compiled),
        ("ours, --compile off", 1, Machine(compile="off")),
        *(("ours", count, compiled) for count in several),
    ]
    for name, count, machine in ways:
        ours = Ours("dqn", config, steps, 1, count, "sync", machine)
        found.append(Contender(name, count, ours, ours.facts, ours.seconds))
    return found


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """The figures as Markdown."""
    header = ("DQN by", "seeds", "steps/s, all seeds", "× Stable-Baselines3 [least, most]",
              *(f"{part}, ms in 256 steps" for part in PARTS))  # fmt: skip
    rows = []
    for row in found:
        ratio, parts = row["ratio"], row["milliseconds"]
        rows.append(
            (
                row["name"],
                str(row["seeds"]),
                f"{row['per_second']['median']:,.0f}",
                f"{ratio['median']:.2f} [{ratio['min']:.2f}, {ratio['max']:.2f}]",
                *(f"{256 * parts[part]:.1f}" if parts else "" for part in PARTS),
            )
        )
    return markdown(header, rows, right=(1, 2, 4, 5, 6, 7))
