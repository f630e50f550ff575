"""`lab bench speed-dqn`: how many environment steps a second DQN takes, ours against Stable-Baselines3's.

The zoo's settings on CartPole-v1: 128 gradient steps of 64 transitions after every 256 steps, two hidden layers of 256.
Nothing is recorded or evaluated meanwhile. Learning starts at once, so that every step measured is one that learns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core import config as settings_file
from core import threads
from core.errors import UserError
from core.machine import Machine
from core.timing import Contender, keep, measure
from rl.agents import dqn
from rl.speed import Ours, rival, table

ENV, PRESET = "CartPole-v1", "zoo"
MARK = 2.5  # times Stable-Baselines3's steps, with one seed


@dataclass(frozen=True)
class Options:
    rounds: int = 7  # the median of so many is reported
    steps: int = 4096  # environment steps of each contender in a round, over all its seeds
    seeds: tuple[int, ...] = (5, 16)  # how many the contenders that train several train
    root: str = "runs"  # the figures are kept in bench/speed-dqn.json there
    out: str = ""  # a Markdown file whose part between the marks `bench speed-dqn` is rewritten


def main(argv: Sequence[str]) -> int:
    """``argv`` is the suite's name and its options; 1 when the mark is not reached."""
    options: Options = settings_file.parse([Options], argv[1:], prog="lab bench speed-dqn").values[0]
    if options.rounds < 1 or options.steps < 1 or any(count < 2 for count in options.seeds):
        raise UserError("--rounds and --steps must be at least 1, and each of --seeds at least 2")
    threads.use(1)
    found = measure(contenders(options.seeds), options.rounds, options.steps)
    reached = found[1]["ratio"]["median"] >= MARK
    figures = {"env": ENV, "preset": PRESET, "settings": dqn.PRESETS[PRESET][ENV], "steps": options.steps}
    about = f"{PRESET}'s settings on {ENV}, one thread, {options.rounds} rounds"
    verdict = f"mark: one seed at least {MARK} times as fast: {'reached' if reached else 'not reached'}"
    drawn = table("DQN", found, dqn.PRESETS[PRESET][ENV]["train_every"])
    figures |= {"mark": MARK, "reached": reached, "contenders": found}
    keep("speed-dqn", options.root, options.out, figures, drawn, f"{about}; {verdict}")
    return int(not reached)


def contenders(several: Sequence[int]) -> list[Contender]:
    """Stable-Baselines3 first: the others are compared with it; then the one that the mark is for."""
    preset = dict(dqn.PRESETS[PRESET][ENV])
    steps = preset.pop("steps")
    config = replace(dqn.Config(**preset), learning_starts=0)
    found = [rival("sb3-dqn", config, ENV, 1)]
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
