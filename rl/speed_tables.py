"""`lab bench speed-tables`: Q-learning's steps a second, in the environment and on its transition table.

The same rule and settings, one seed, one thread. Nothing is recorded or evaluated meanwhile.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core import config as settings_file
from core import threads
from core.averages import Averages
from core.errors import UserError
from core.sessions import Cadence
from core.tables import markdown
from core.timing import Contender, keep, measure
from rl.agent import Spec
from rl.agents import q_learning
from rl.environments import Envs
from rl.loop import Interaction
from rl.simulation import Simulation
from rl.task import Task

ENVS = ("FrozenLake-v1", "CliffWalking-v1", "Taxi-v4")
STEPWISE = 200  # times fewer steps of the slow contender in a round


@dataclass(frozen=True)
class Options:
    rounds: int = 7  # the median of so many is reported
    steps: int = 4_000_000  # of the table path in a round; the step-by-step loop takes a 200th of them
    root: str = "runs"  # the figures are kept in bench/speed-tables.json there
    out: str = ""  # a Markdown file whose part between the marks `bench speed-tables` is rewritten


def main(argv: Sequence[str]) -> int:
    """``argv`` is the suite's name and its options."""
    options: Options = settings_file.parse([Options], argv[1:], prog="lab bench speed-tables").values[0]
    for name in ("rounds", "steps"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} is {getattr(options, name)}; it must be at least 1")
    threads.use(1)
    found = {}
    for env in ENVS:
        print(f"{env}: step by step, on the table", flush=True)
        found[env] = measure(contenders(env), options.rounds, options.steps)
    figures = {"settings": asdict(q_learning.Config()), "steps": options.steps, "contenders": found}
    about = f"q-learning, one seed, one thread, {options.rounds} rounds"
    keep("speed-tables", options.root, options.out, figures, table(found), about)
    return 0


def contenders(env: str) -> list[Contender]:
    """The loop that serves any environment first: the table is compared with it."""
    return [
        contender("step by step", env, "sync", STEPWISE),
        contender("on the table", env, "table", 1),
    ]


def contender(name: str, env: str, vector: Any, share: int) -> Contender:
    """Trains on for a ``share``-th of the steps it is asked for, without a record."""
    envs, config, horizon = Envs(Task(env=env, vector=vector), (0,), 1), q_learning.Config(), 10**9
    agent = q_learning.AGENT(Spec(envs.observation_space, envs.action_space, (0,), steps=horizon), config)
    never = Cadence(0, 0, 0)
    learning: Any = Simulation(agent, envs, horizon, never) if vector == "table" else Interaction(agent, envs)
    averages, seconds = Averages(1), {"processor": 0.0}
    learning.begin()

    def run(steps: int) -> int:
        before, began = agent.step, time.process_time()
        while agent.step - before < max(steps // share, 1):
            learning.advance(averages)
        averages.flush()
        seconds["processor"] += time.process_time() - began
        return agent.step - before

    return Contender(name, 1, run, {"vector": vector}, seconds)


def table(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The figures as Markdown."""
    rows = []
    for env, (stepwise, compiled) in found.items():
        speeds = [f"{row['per_second']['median']:,.0f}" for row in (stepwise, compiled)]
        span = f"{compiled['per_second']['min']:,.0f} – {compiled['per_second']['max']:,.0f}"
        own = f"{1e3 / compiled['milliseconds']['processor']:,.0f}"
        rows.append((env, *speeds, span, f"{compiled['ratio']['median']:,.0f}", own))
    header = ("q-learning", "step by step, steps/s", "on the table, steps/s", "least – most", "×",
              "steps per second of the processor")  # fmt: skip
    return markdown(header, rows, right=(1, 2, 3, 4, 5))
