"""What is trained here: an agent in its environments, every seed of a run at once. core/training.py does the rest."""

import numpy as np

from core import trees
from core.averages import Averages
from core.noise import Chance, States
from core.tracking import Group
from rl.agent import Agent, Networked, Transition
from rl.drawing import Drawing
from rl.environments import Envs
from rl.maps import ground
from rl.tabular import Table


class Tables:
    """An agent's tables as pictures and as numbers, if it keeps any."""

    def __init__(self, agent: Agent, envs: Envs) -> None:
        self.agent, self.envs, self.drawing = agent, envs, None  # type: Agent, Envs, Drawing | None

    def look(self, group: Group, at: int) -> None:
        """One picture per seed, as ``q_table``, and its numbers, as ``q``."""
        if isinstance(self.agent, Table):
            self.drawing = self.drawing or Drawing(self.envs.known, self.agent.config.gamma)
            group.images(at, "q_table", self.drawing(self.agent.q))
            group.maps(at, "q", self.agent.q, ground(self.drawing))


class Interaction:
    """An agent in its environments, and everything that must be saved to go on exactly.

    A step is one decision of one seed's agent, in one of its environments.
    """

    scale, shown, selected, done = 1, "episode/return", "eval/return", False

    def __init__(self, agent: Agent, envs: Envs) -> None:
        self.agent, self.envs, self.stride = agent, envs, envs.envs
        self.tables = Tables(agent, envs)
        self.chance = Chance(envs.seeds, "acting")
        self.parts: dict[str, trees.Stateful] = {"agent": agent, "envs": envs, "chance": self.chance}

    def begin(self) -> None:
        """Reset the environments."""
        self.envs.reset()
        self.obs, self.start = self.envs.obs, self.envs.start
        self.memory = self.agent.memory(self.envs.envs)

    def advance(self, averages: Averages) -> None:
        """One decision in every environment of every seed, and what is learnt from it."""
        action, memory = self.agent.act(self.obs, self.memory, start=self.start, explore=self.chance)
        landed = self.envs.step(self.agent.executed(action))
        transition = Transition(
            self.obs, action, landed.reward, landed.terminated, landed.truncated, landed.next_obs
        )
        averages.add(self.agent.learn(transition))
        for k, _, episode_return, length in landed.episodes:
            averages.add_one(k, "episode/return", episode_return)
            averages.add_one(k, "episode/length", length)
        self.obs, self.start, self.memory = landed.obs, landed.start, memory

    def look(self, group: Group, at: int) -> None:
        """Histograms of the agent's networks, its tables as pictures and numbers."""
        self.tables.look(group, at)
        for net_name, net in self.agent.nets.items() if isinstance(self.agent, Networked) else ():
            found = {f"weights/{net_name}.{name}": value for name, value in net.weights().items()}
            found |= {f"gradients/{net_name}.{name}": value for name, value in net.gradients().items()}
            group.histograms(at, found)

    def state_dict(self) -> States:
        memory = [trees.of_seed(self.memory, k) for k in range(len(self.envs.seeds))]
        return trees.states_of(self.parts, memory=memory)

    def load_state_dict(self, states: States) -> None:
        """Go on where ``state_dict`` was taken; the running episodes are played again up to that point."""
        trees.load_states(self.parts, states)
        self.obs, self.start = self.envs.obs, self.envs.start
        memories = [state["memory"] for state in states]
        self.memory = trees.map(lambda *rows: np.stack(rows), memories[0], *memories[1:])
