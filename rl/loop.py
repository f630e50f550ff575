"""The training loop: every agent, every environment, every seed of a run at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from core import trees
from core.averages import Averages
from core.noise import Chance, States
from core.stopping import Stopping
from core.tracking import Group
from rl.agent import Agent, Networked, Transition
from rl.environments import Envs
from rl.playing import Scores

Evaluate: TypeAlias = Callable[[int, bool], Scores]
"""Step, and whether it is the last time, to scores ``[seed]``; must leave training as it was."""


@dataclass(frozen=True)
class Cadence:
    """How often, in environment steps of one seed; 0 is never."""

    log: int
    evaluate: int
    checkpoint: int


class Training:
    """An agent in its environments, and everything that must be saved to go on exactly."""

    def __init__(self, agent: Agent, envs: Envs, group: Group, steps: int, cadence: Cadence) -> None:
        self.agent, self.envs, self.group, self.steps, self.cadence = agent, envs, group, steps, cadence
        self.chance = Chance(envs.seeds, "acting")
        self.averages = Averages(len(envs.seeds))
        self.parts: dict[str, trees.Stateful] = {
            "agent": agent,
            "envs": envs,
            "chance": self.chance,
            "averages": self.averages,
        }
        self.best = np.full(len(envs.seeds), -np.inf)
        self.step = 0  # environment steps of one seed so far
        self._timed = (0, 0.0)  # step and seconds at the last row

    def run(self, evaluate: Evaluate) -> int:
        """Train until the steps are done, someone asks to stop or every seed failed; returns the exit code."""
        self._begin()
        with Stopping() as stopping:
            while self.step < self.steps and not stopping.asked and self.group.alive.any():
                self._advance()
                due = self._due()
                if due("log"):
                    self._record()
                if due("evaluate") and self.step < self.steps:  # the last one is _end's
                    self._record()
                    self._evaluate(evaluate)
                if due("checkpoint") and self.step < self.steps:
                    self._checkpoint()
            if stopping.asked:
                self._checkpoint()
                self.group.say(
                    f"stopped at step {self.step}; lab resume {self.group.path.name} goes on from there"
                )
                self.group.finish("stopped", stopping.exit_code)
                return stopping.exit_code
        return self._end(evaluate)

    def _begin(self) -> None:
        rows = (len(self.envs.seeds), self.envs.envs)
        if self.step == 0:
            self.obs, self.start = self.envs.reset(), np.ones(rows, np.bool_)
            self.memory = self.agent.memory(self.envs.envs)
        self._timed = (self.step, self.group.seconds)

    def _advance(self) -> None:
        """One decision of every environment of every seed."""
        action, memory = self.agent.act(self.obs, self.memory, start=self.start, explore=self.chance)
        landed = self.envs.step(self.agent.executed(action))
        transition = Transition(
            self.obs, action, landed.reward, landed.terminated, landed.truncated, landed.next_obs
        )
        self.averages.add(self.agent.learn(transition))
        for k, _, episode_return, length in landed.episodes:
            self.averages.add_one(k, "episode/return", episode_return)
            self.averages.add_one(k, "episode/length", length)
        self.obs, self.start, self.memory = landed.obs, landed.start, memory
        self.step += self.envs.envs

    def _due(self) -> Callable[[str], bool]:
        """Whether the last step crossed a multiple of that cadence."""
        before = self.step - self.envs.envs

        def due(what: str) -> bool:
            every: int = getattr(self.cadence, what)
            return every > 0 and self.step // every > before // every

        return due

    def _record(self) -> None:
        """Write what gathered since the last row."""
        rows = self.averages.flush()
        if not any(rows):
            return
        step, seconds = self._timed
        self._timed = (self.step, self.group.seconds)
        speed = (self.step - step) / max(self._timed[1] - seconds, 1e-9)
        self.group.rows(self.step, [{**row, "time/steps_per_second": speed} if row else {} for row in rows])
        returns = [row["episode/return"] for row in rows if "episode/return" in row]
        self.group.progress(self.step, self.steps, float(np.mean(returns)) if returns else None)

    def _evaluate(self, evaluate: Evaluate) -> None:
        scores = evaluate(self.step, False)
        self.group.log(self.step, {name: value for name, value in scores.items() if value.ndim == 1})
        self._histograms()
        self._checkpoint(self._better(scores))

    def _better(self, scores: Scores) -> NDArray[np.bool_]:
        """Which seeds were never this good before."""
        better = np.asarray(scores["eval/return"] > self.best)
        self.best = np.maximum(self.best, scores["eval/return"])
        return better

    def _histograms(self) -> None:
        for net_name, net in self.agent.nets.items() if isinstance(self.agent, Networked) else ():
            found = {f"weights/{net_name}.{name}": value for name, value in net.weights().items()}
            found |= {f"gradients/{net_name}.{name}": value for name, value in net.gradients().items()}
            self.group.histograms(self.step, found)

    def _end(self, evaluate: Evaluate) -> int:
        if not self.group.alive.any():
            self.group.finish("failed", 1)
            return 1
        self._record()
        scores = evaluate(self.step, True)
        self.group.log(self.step, {name: value for name, value in scores.items() if value.ndim == 1})
        self._checkpoint(self._better(scores))
        for k in range(len(self.envs.seeds)):
            final = {name.replace("eval/", "final/"): value[k].tolist() for name, value in scores.items()}
            self.group.summary(k, final)
        self.group.finish()
        return 0

    def _checkpoint(self, best: NDArray[np.bool_] | None = None) -> None:
        flags = np.zeros(len(self.envs.seeds), np.bool_) if best is None else best
        self.group.checkpoint(self.step, self.state_dict(), best=flags.tolist())

    def state_dict(self) -> States:
        count = len(self.envs.seeds)
        memory = [trees.of_seed(self.memory, k) for k in range(count)]
        return trees.states_of(self.parts, memory=memory, best=self.best.tolist(), step=[self.step] * count)

    def load_state_dict(self, states: States) -> None:
        """Go on where ``state_dict`` was taken; the running episodes are played again up to that point."""
        trees.load_states(self.parts, states)
        self.obs, self.start = self.envs.obs, self.envs.start
        memories = [state["memory"] for state in states]
        self.memory = trees.map(lambda *rows: np.stack(rows), memories[0], *memories[1:])
        self.best, self.step = np.array([state["best"] for state in states]), states[0]["step"]
