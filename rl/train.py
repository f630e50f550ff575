"""`lab train AGENT` and `lab resume RUN`: from what was typed to a finished record."""

import importlib
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from core import config as settings_file
from core import threads
from core.cli import run as from_shell
from core.config import Settings
from core.destination import WandB
from core.doors import opened, trained
from core.errors import UserError
from core.machine import Machine
from core.noise import States
from core.presets import preset_of
from core.records import Record
from core.sessions import Again, begun, cadence, check, resumable
from core.tracking import Group
from core.training import Check
from rl.agent import Agent, Policy
from rl.build import agent_of, decide, module_of, updates_of
from rl.environments import Envs
from rl.filming import Filming, quarterly
from rl.limits import bounded, sensible, unused
from rl.loop import Interaction
from rl.playing import Scores, scores
from rl.task import Task


@dataclass(frozen=True)
class Options:
    steps: int = 100_000  # decisions of one seed over the whole training
    seeds: tuple[int, ...] = (0, 1, 2)  # all trained together, in this process
    envs: int = 1  # environments per seed
    preset: str = "auto"  # settings known to work: zoo, cleanrl, none; auto: the first that knows the task
    eval_every: int | None = None  # decisions between evaluations; None: 20 per run; 0: never
    eval_episodes: int = 20  # episodes of one evaluation
    final_episodes: int = 100  # episodes of the evaluation at the end
    eval_max_steps: int = 10_000  # an evaluation episode without a time limit is cut here
    log_every: int | None = None  # decisions between rows of metrics; None: 400 rows per run
    checkpoint_every: int | None = None  # decisions between checkpoints; None: at every evaluation
    root: str = "runs"  # where run folders go
    name: str | None = None  # the group's folder; None: made of algorithm, environment, settings and time
    resume: Literal["never", "auto"] = "never"  # auto: go on with the newest run of these settings, if any
    video: bool = False  # film an episode: every seed's at the end, the first one's at each quarter before
    quiet: bool = False  # no progress


SECTIONS = (Task, Options, Machine, WandB)


def main(argv: list[str]) -> int:
    """``argv`` is the agent's id and its options."""
    algorithm, flags = argv[0], argv[1:]
    if algorithm.startswith("sb3-"):
        return int(importlib.import_module("rl.baselines").main(argv))
    module = module_of(algorithm)
    settings = read(algorithm, module, flags)
    task, options, machine, wandb, config = settings.values
    check(options, "envs", "eval_episodes", "final_episodes", "eval_max_steps")
    if options.resume == "auto" and (folder := begun(algorithm, settings, options)):
        return proceed(folder, Again(**asdict(wandb), quiet=options.quiet))
    envs = Envs(task, options.seeds, options.envs, gamma=getattr(config, "gamma", 0.99))
    facts = decide(machine, algorithm, config, envs, options.steps)
    threads.use(machine.threads)
    learning = learning_of(agent_of(algorithm, config, envs, options.steps, facts), envs, options)
    notes = unused(settings, envs.observation_space, envs.action_space)
    group = opened("rl", "env_step", task.env, argv, settings, options, wandb, facts, notes)
    if updates_of(algorithm, config, envs.envs, options.steps) == 0:
        group.say(f"--steps {options.steps:,} end before the first update: nothing will be learned")
    return run(learning, group, options)


def described(algorithm: str) -> Any:
    """What holds the Config and the PRESETS of an algorithm, ours or Stable-Baselines3's."""
    if algorithm.startswith("sb3-"):
        return importlib.import_module("rl.recipes").RECIPES[algorithm]
    return module_of(algorithm)


def read(algorithm: str, module: Any, flags: list[str]) -> Settings:
    """The settings: defaults, then the preset for the environment, then --config, then flags."""
    parse = partial(
        settings_file.parse,
        (*SECTIONS, module.Config),
        flags,
        ignored=("algorithm",),
        prog=f"lab train {algorithm}",
        description=(module.__doc__ or "").split("\n")[0],
    )
    task, options = parse().values[:2]
    preset, name = preset_of(module.PRESETS, options.preset, task.env)
    settings = parse(preset=preset, preset_name=name)
    sensible(settings.values[-1])
    bounded(settings.values[-1], settings.values[0])
    return settings


def learning_of(agent: Agent, envs: Envs, options: Options) -> Any:
    """The agent in its environments, step by step or on their transition table: a core.training.Learning."""
    if envs.task.vector == "table":  # numba takes a while to load
        simulation = importlib.import_module("rl.simulation").Simulation
        return simulation(agent, envs, options.steps, cadence(options))
    return Interaction(agent, envs)


def run(learning: Any, group: Group, options: Options, resumed: States | None = None) -> int:
    """Train what ``learning_of`` made, from the start or from ``resumed``; the record is closed at any rate."""
    agent, envs = learning.agent, learning.envs
    try:
        evaluate = partial(evaluated, agent, envs, options, filming(group, options))
        notes = [*envs.notes, *getattr(agent, "notes", ())]
        return trained(learning, evaluate, group, options, resumed, notes)
    finally:
        envs.close()


def filming(group: Group, options: Options) -> Filming | None:
    """What films, if it was asked for."""
    due = quarterly(options.steps, options.envs, cadence(options).evaluate)
    return Filming(group, due, options.eval_max_steps) if options.video else None


def evaluated(
    policy: Policy, envs: Envs, options: Options, film: Filming | None, step: int, last: bool, check: Check
) -> Scores:
    """The scores at one point of training, and a film when it is due; at the last with more episodes."""
    found = scores(
        policy,
        envs,
        episodes=options.final_episodes if last else options.eval_episodes,
        max_steps=options.eval_max_steps,
        stream="eval-last" if last else f"eval-{step}",
        check=check,
    )
    if film is not None:
        film(policy, envs, step, last, check)
    return found


def resume(records: Sequence[Record], argv: Sequence[str]) -> int:
    """`lab resume RUN`: go on with the unfinished seeds of the group that ``records`` belong to."""
    options: Again = settings_file.parse([Again], argv).values[0]
    return proceed(records[0].path.parent, options)


def settings_of(record: Record) -> Settings:
    """The settings a run was made with."""
    sections = (Task, Options, Machine, described(record.algorithm).Config)
    file = str(record.path / "config.yaml")
    return settings_file.parse(sections, ["--config", file], ignored=("algorithm",))


def proceed(folder: Path, again: Again) -> int:
    """Go on from the newest checkpoint, computed as before: the run itself says how."""
    if not (runs := resumable(folder)):
        return 0
    algorithm, facts = runs[0].algorithm, runs[0].run["facts"]
    if algorithm.startswith("sb3-"):
        raise UserError(f"{folder.name}: runs of Stable-Baselines3 cannot be resumed; train it anew")
    task, options, _, config = settings_of(runs[0]).values
    seeds = tuple(record.seed for record in runs)
    step, states = Group.restore(folder, seeds)
    threads.use(facts["threads"])
    envs = Envs(task, seeds, options.envs, gamma=getattr(config, "gamma", 0.99))
    learning = learning_of(agent_of(algorithm, config, envs, options.steps, facts), envs, options)
    group = Group.reopen(
        folder, seeds, step=step, wandb=again, command=["lab", "resume", folder.name], quiet=again.quiet
    )
    return run(learning, group, replace(options, seeds=seeds), states)


if __name__ == "__main__":
    sys.exit(from_shell(main, sys.argv[1:]))
