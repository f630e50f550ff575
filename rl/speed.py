"""`lab bench speed`: how many environment steps a second, ours against Stable-Baselines3's.

PPO on CartPole-v1 with CleanRL's settings. Nothing is recorded or evaluated meanwhile.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import config as settings_file
from core import threads
from core.errors import UserError
from core.machine import Machine
from core.noise import Chance
from core.tables import markdown
from core.timing import Contender, keep, measure
from rl.agent import Transition
from rl.agents import ppo
from rl.baselines import model_of
from rl.build import agent_of, decide
from rl.environments import Envs
from rl.task import Task

ENV, PRESET = "CartPole-v1", "cleanrl"
ROLLOUT = 512  # environment steps of one seed between two updates
PARTS = ("acting", "environment", "learning", "rest")


@dataclass(frozen=True)
class Options:
    rounds: int = 7  # the median of so many is reported
    steps: int = 32_768  # environment steps of each contender in a round, over all its seeds
    seeds: int = 16  # of the contenders that train several
    root: str = "runs"  # the figures are kept in bench/speed.json there
    out: str = ""  # a Markdown file whose part between the marks `bench speed` is rewritten with the table


class Ours:
    """Our loop without its record: act, step, learn, and a clock between them."""

    def __init__(
        self, algorithm: str, config: Any, steps: int, envs: int, seeds: int, vector: Any, machine: Machine
    ) -> None:
        self.block: int = config.rollout if hasattr(config, "rollout") else config.train_every
        self.envs = Envs(Task(env=ENV, vector=vector), tuple(range(seeds)), envs, gamma=config.gamma)
        self.facts = decide(machine, algorithm, config, self.envs, steps)
        self.agent = agent_of(algorithm, config, self.envs, steps, self.facts)
        self.chance = Chance(self.envs.seeds, "acting")
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.envs.reset()
        self.memory = self.agent.memory(envs)

    def __call__(self, steps: int) -> int:
        """Whole blocks of steps, each learned from once at its end; at least one."""
        once = len(self.envs.seeds) * self.envs.envs
        rounds = max(steps // (once * self.block), 1) * self.block
        agent, envs, seconds, clock = self.agent, self.envs, self.seconds, time.perf_counter
        last = clock()
        for _ in range(rounds):
            obs = envs.obs
            action, self.memory = agent.act(obs, self.memory, start=envs.start, explore=self.chance)
            acted = clock()
            landed = envs.step(agent.executed(action))
            stepped = clock()
            ends = (landed.terminated, landed.truncated)
            agent.learn(Transition(obs, action, landed.reward, *ends, landed.next_obs))
            learned = clock()
            seconds["acting"] += acted - last
            seconds["environment"] += stepped - acted
            seconds["learning"] += learned - stepped
            last = clock()
            seconds["rest"] += last - learned
        return rounds * once


def main(argv: Sequence[str]) -> int:
    """``argv`` is the suite's name and its options."""
    options: Options = settings_file.parse([Options], argv[1:], prog="lab bench speed").values[0]
    for name in ("rounds", "steps", "seeds"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} is {getattr(options, name)}; it must be at least 1")
    threads.use(1)
    found = measure(contenders(options.seeds), options.rounds, options.steps)
    figures = {"env": ENV, "preset": PRESET, "settings": ppo.PRESETS[PRESET][ENV], "steps": options.steps}
    about = f"{PRESET}'s settings on {ENV}, one thread, {options.rounds} rounds"
    drawn = table("PPO", found, ROLLOUT)
    keep("speed", options.root, options.out, {**figures, "contenders": found}, drawn, about)
    return 0


def contenders(seeds: int) -> list[Contender]:
    """Stable-Baselines3 first: the others are compared with it."""
    preset = dict(ppo.PRESETS[PRESET][ENV])
    steps, envs = preset.pop("steps"), preset.pop("envs")
    config = ppo.Config(**preset)
    found = [rival("sb3-ppo", config, ENV, envs)]
    for name, count, vector, machine in (
        ("ours", 1, "sync", Machine()),
        ("ours, --compile off", 1, "sync", Machine(compile="off")),
        ("ours", seeds, "sync", Machine()),
        (
            "ours, fastest path (--vector own --path vmap --compile on)",
            seeds,
            "own",
            Machine(compile="on", path="vmap"),
        ),
    ):
        ours = Ours("ppo", config, steps, envs, count, vector, machine)
        found.append(Contender(name, count, ours, ours.facts, ours.seconds))
    return found


def rival(algorithm: str, config: Any, env: str, envs: int) -> Contender:
    """Stable-Baselines3's, with these settings of ours."""
    model = model_of(algorithm, config, Task(env=env), envs, 0)

    def learn(steps: int) -> int:
        before = model.num_timesteps
        model.learn(steps, reset_num_timesteps=False, log_interval=10**9)
        return model.num_timesteps - before

    return Contender("Stable-Baselines3", 1, learn, {}, {})


def table(who: str, found: Sequence[Mapping[str, Any]], steps: int) -> str:
    """The figures as Markdown; milliseconds are of so many steps of one seed."""
    header = (f"{who} by", "seeds", "steps/s, all seeds", "× Stable-Baselines3 [least, most]",
              *(f"{part}, ms in {steps} steps" for part in PARTS))  # fmt: skip
    rows = []
    for row in found:
        ratio, parts = row["ratio"], row["milliseconds"]
        rows.append(
            (
                row["name"],
                str(row["seeds"]),
                f"{row['per_second']['median']:,.0f}",
                f"{ratio['median']:.2f} [{ratio['min']:.2f}, {ratio['max']:.2f}]",
                *(f"{steps * parts[part]:.1f}" if parts else "" for part in PARTS),
            )
        )
    return markdown(header, rows, right=(1, 2, 4, 5, 6, 7))
