"""The training loop: every agent, every environment, every seed of a run at once."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from core import trees
from core.averages import Averages
from core.noise import Chance, States
from core.sessions import Cadence
from core.stopping import Stopped, Stopping
from core.tracking import Group
from rl.agent import Agent, Networked, Transition
from rl.environments import Envs
from rl.playing import Scores

Evaluate: TypeAlias = Callable[[int, bool, Callable[[], None]], Scores]
"""Step, whether it is the last time, and what to call now and then (it raises Stopped when someone asks to stop)
to scores ``[seed]``; must leave training as it was, also when stopped."""


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
        self.evaluated = 0  # the step of the last evaluation
        self._fresh = True  # nothing was loaded
        self._timed = (0, 0.0)  # step and seconds at the last row

    def run(self, evaluate: Evaluate) -> int:
        """Train until the steps are done, someone asks to stop or every seed failed; returns the exit code."""
        with Stopping() as stopping:
            try:
                self._begin()
                self._train(evaluate, stopping)
                return self._end(evaluate, stopping)
            except Stopped:
                self._checkpoint()
                name = self.group.path.name
                self.group.say(f"stopped at step {self.step}; lab resume {name} goes on from there")
                self.group.finish("stopped", stopping.exit_code)
                return stopping.exit_code

    def _begin(self) -> None:
        if self._fresh:
            self.envs.reset()
            self.obs, self.start = self.envs.obs, self.envs.start
            self.memory = self.agent.memory(self.envs.envs)
            self._checkpoint()  # from here on it can be resumed, whenever it is killed
        self._timed = (self.step, self.group.seconds)

    def _train(self, evaluate: Evaluate, stopping: Stopping) -> None:
        if self.evaluated < self.step < self.steps and self._due("evaluate"):  # stopped in mid-evaluation
            self._evaluate(evaluate, stopping)
        while self.step < self.steps and self.group.alive.any():
            stopping.check()
            self._advance()
            if self._due("log"):
                self._record()
            if self.step >= self.steps:  # what is left to do is _end's
                break
            if self._due("evaluate"):
                self._record()
                self._histograms()
                self._evaluate(evaluate, stopping)
            elif self._due("checkpoint"):
                self._checkpoint()

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

    def _due(self, what: str) -> bool:
        """Whether the last step crossed a multiple of that cadence."""
        every: int = getattr(self.cadence, what)
        return every > 0 and self.step // every > (self.step - self.envs.envs) // every

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

    def _evaluate(self, evaluate: Evaluate, stopping: Stopping) -> None:
        scores = evaluate(self.step, False, stopping.check)
        self.evaluated = self.step
        self.group.log(self.step, {name: value for name, value in scores.items() if value.ndim == 1})
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

    def _end(self, evaluate: Evaluate, stopping: Stopping) -> int:
        """The last evaluation; 1 if a seed failed."""
        if not self.group.alive.any():
            self.group.finish("failed", 1)
            return 1
        self._record()
        scores = evaluate(self.step, True, stopping.check)
        self._checkpoint(self._better(scores))  # before they are logged: killed here, it evaluates once more
        self.group.log(self.step, {name: value for name, value in scores.items() if value.ndim == 1})
        for k in np.flatnonzero(self.group.alive).tolist():
            final = {name.replace("eval/", "final/"): value[k].tolist() for name, value in scores.items()}
            self.group.summary(k, final)
        self.group.finish()
        return 0 if self.group.alive.all() else 1

    def _checkpoint(self, best: NDArray[np.bool_] | None = None) -> None:
        if (self.averages.broken("loss/") & self.group.alive).any():
            self._record()  # a seed that has failed keeps the checkpoint before
        flags = np.zeros(len(self.envs.seeds), np.bool_) if best is None else best
        self.group.checkpoint(self.step, self.state_dict(), best=flags.tolist())

    def state_dict(self) -> States:
        count = len(self.envs.seeds)
        memory = [trees.of_seed(self.memory, k) for k in range(count)]
        steps = {"step": [self.step] * count, "evaluated": [self.evaluated] * count}
        return trees.states_of(self.parts, memory=memory, best=self.best.tolist(), **steps)

    def load_state_dict(self, states: States) -> None:
        """Go on where ``state_dict`` was taken; the running episodes are played again up to that point."""
        trees.load_states(self.parts, states)
        self.obs, self.start = self.envs.obs, self.envs.start
        memories = [state["memory"] for state in states]
        self.memory = trees.map(lambda *rows: np.stack(rows), memories[0], *memories[1:])
        self.best = np.array([state["best"] for state in states])
        self.step, self.evaluated, self._fresh = states[0]["step"], states[0]["evaluated"], False
