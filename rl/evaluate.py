"""`lab eval RUN`, and `load`: what a run has learned, for people and for Python."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from core import config as settings_file
from core import threads
from core.draws import mix
from core.errors import UserError
from core.noise import Chance
from core.records import Record, find
from core.sessions import saved_of
from core.statistics import student_interval
from core.tables import number, text
from rl.agent import Agent, Tabular
from rl.build import agent_of
from rl.environments import Envs, make
from rl.filming import film
from rl.playing import Played, Scores, Solo, exact, trial
from rl.train import settings_of

Which = Literal["last", "best"]

EXACT = {"eval/return": "exact value", "eval/regret": "regret", "eval/q_distance": "max |Q − Q*|"}


@dataclass(frozen=True)
class Options:
    episodes: int = 100  # of each seed, greedy; and as many with actions drawn from the policy
    checkpoint: Which = "last"  # last, or best: the one with the best evaluation
    max_steps: int | None = None  # an episode is cut here; None: where the run's own evaluations cut it
    seed: int = 0  # another one, other episodes
    video: bool = False  # film one greedy episode of the first seed, as media/eval.mp4 in its folder


class Player:
    """One seed's trained policy, for one environment at a time.

    Args:
        record: the run.
        checkpoint: the last one, or the best.

    Attributes:
        seed: of the run; step: where in training the checkpoint was taken.
        agent, envs: what it was trained with, one environment wide, its normalisation as it was saved.

    Raises:
        UserError: no whole checkpoint, or not a run that can be rebuilt.
    """

    def __init__(self, record: Record, checkpoint: Which = "last") -> None:
        if record.suite != "rl":
            raise UserError(f"{record.id} is no run of reinforcement learning; see `lab runs`")
        self.record, self.seed = record, record.seed
        self.step, state = saved_of(record, checkpoint)
        self.task, self.options, _, config = settings_of(record).values
        self.envs = Envs(self.task, [self.seed], 1, gamma=getattr(config, "gamma", 0.99))
        self.envs.load_statistics([state["envs"]])
        self.agent: Agent = self._built(config)
        self.agent.load_state_dict([state["agent"]])
        self.chance = Chance([self.seed], "playing")
        self.solo = Solo(self.agent, self.envs)

    def _built(self, config: Any) -> Any:
        """The agent without its weights; a guest cannot learn."""
        algorithm, facts = self.record.algorithm, {**self.record.run["facts"], "compile": False}
        if algorithm.startswith("sb3-"):
            return importlib.import_module("rl.baselines").policy_of(algorithm, config, self.task, self.seed)
        if facts["device"] != "cpu" and not torch.cuda.is_available():
            facts["device"] = "cpu"
        return agent_of(algorithm, config, self.envs, self.options.steps, facts)

    def reset(self) -> None:
        """An episode begins: what was remembered is forgotten."""
        self.solo.reset()

    def act(self, obs: Any, *, explore: bool = False) -> Any:
        """The action for one observation, as ``env.step`` takes it.

        Args:
            obs: as the environment gives it (that of ``environment()``, which is gymnasium's own unless the run
                asked for wrappers such as --flatten); it is normalised here.
            explore: draw from the policy instead of taking its best action.

        Raises:
            ValueError: an observation of another shape.
        """
        return self.solo.act(obs, self.chance if explore else None)

    def environment(self, render: bool = False) -> Any:
        """A new environment of the kind it was trained in; with ``render`` its ``render()`` gives pictures."""
        return make(self.task, render)


def load(query: str | Path = "last", root: str | Path = "runs", checkpoint: Which = "last") -> Player:
    """A trained policy: ``agent = load("last"); action = agent.act(obs)``.

    Args:
        query: a path, the beginning of an id, ``last``, or a group, of which the first seed is taken.
        root: where runs are looked up.
        checkpoint: the last one, or the best.

    Raises:
        UserError: no such run, or it has no checkpoint.
    """
    return Player(find(root, str(query))[0], checkpoint)


class Assessed(NamedTuple):
    """How one seed did; of a table on a known model also exactly, ``{}`` for others."""

    greedy: Played
    stochastic: Played
    exact: Scores


def assess(player: Player, *, episodes: int, max_steps: int | None, seed: int) -> Assessed:
    """Fresh episodes, greedy and drawn from the policy: the same ones for the same ``seed``."""
    cut = max_steps or player.options.eval_max_steps

    def played(explore: bool) -> Played:
        stream = f"lab eval {seed}{' exploring' if explore else ''}"
        return trial(
            player.agent, player.envs, episodes=episodes, max_steps=cut, stream=stream, explore=explore
        )

    agent, known = player.agent, player.envs.model is not None
    exactly = exact(agent, player.envs, cut) if known and isinstance(agent, Tabular) else {}
    return Assessed(played(explore=False), played(explore=True), exactly)


def main(records: Sequence[Record], argv: Sequence[str]) -> int:
    """`lab eval RUN`: a table of the seeds, and their mean with its interval."""
    options: Options = settings_file.parse([Options], argv, prog="lab eval RUN").values[0]
    for name in ("episodes", "max_steps"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')} is {value}; it must be at least 1")
    players = [Player(record, options.checkpoint) for record in records]
    threads.use(int(records[0].run["facts"].get("threads", 1)))
    found = [
        assess(player, episodes=options.episodes, max_steps=options.max_steps, seed=options.seed)
        for player in players
    ]
    print(f"{records[0].group}: {options.episodes} episodes of each seed, {options.checkpoint} checkpoint")
    print("\n".join(table(players, found)))
    if options.video:
        path, frames = film_of(players[0], options.seed, options.max_steps)
        print(f"{path}: {frames} frames of seed {players[0].seed}")
    return 0


def table(players: Sequence[Player], found: Sequence[Assessed]) -> list[str]:
    """One line per seed, and under it the mean over those that did not fail."""
    header = ["seed", "step", "greedy return", "stochastic", "length", "capped"]
    header += [EXACT[name] for name in found[0].exact]
    rows = []
    for player, (greedy, stochastic, exactly) in zip(players, found, strict=True):
        spread = greedy.returns.std(ddof=1) if greedy.returns.size > 1 else 0.0
        failed = " (failed)" if player.record.status == "failed" else ""
        rows.append(
            [
                f"{player.seed}{failed}",
                f"{player.step:,}",
                f"{number(float(greedy.returns.mean()))} ± {number(float(spread))}",
                number(float(stochastic.returns.mean())),
                number(float(greedy.lengths.mean())),
                str(int(greedy.capped.sum() + stochastic.capped.sum())),
                *(number(float(value[0])) for value in exactly.values()),
            ]
        )
    lines = text(header, rows, right=range(1, len(header))).splitlines()
    pairs = zip(players, found, strict=True)
    sound = [assessed for player, assessed in pairs if player.record.status != "failed"]
    if sound:
        lines.append(_overall("greedy return", [float(each.greedy.returns.mean()) for each in sound]))
    if sound and sound[0].exact:
        lines.append(_overall("exact value", [float(each.exact["eval/return"][0]) for each in sound]))
    return lines


def _overall(what: str, values: Sequence[float]) -> str:
    mean, low, high = student_interval(values)
    interval = f" [{number(low)}, {number(high)}], 95 % Student interval" if len(values) > 1 else ""
    return f"{what}, mean over seeds: {number(mean)}{interval}, n = {len(values)}"


def film_of(player: Player, seed: int, max_steps: int | None = None) -> tuple[Path, int]:
    """One greedy episode as media/eval.mp4 in the run's folder; the file, and how many frames it has."""
    path = player.record.path / "media" / "eval.mp4"
    chance, limit = mix(player.seed, "film", seed) % 2**31, max_steps or player.options.eval_max_steps
    return path, film(path, player.task, player.solo, seed=chance, limit=limit)
