"""The whole contract between an agent, its environments and the loop."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from core.noise import Chance, States
from core.replicas import Replicas

Array: TypeAlias = NDArray[Any]
Memory: TypeAlias = Any  # a tree of arrays [seed, env, …]; () for agents that remember nothing
Metrics: TypeAlias = dict[str, Tensor]  # name to [seed]


class Transition(NamedTuple):
    """One step of every environment of every seed; every leaf is ``[seed, env, …]``."""

    obs: Array  # what was acted on
    action: Array  # as the agent chose it, before clipping to bounds
    reward: Array  # float, normalised if asked for
    terminated: Array  # bool: the world ended
    truncated: Array  # bool: we stopped watching
    next_obs: Array  # where the step truly landed, never an observation after a reset


@dataclass(frozen=True)
class Spec:
    """What an agent is built for."""

    observation_space: Any  # of one environment
    action_space: Any
    seeds: tuple[int, ...]
    envs: int = 1  # environments per seed
    steps: int = 0  # agent decisions of one seed over the whole training; schedules count in them
    device: str = "cpu"
    path: Literal["loop", "vmap"] = "loop"
    compiled: bool = False


class Policy(Protocol):
    def memory(self, envs: int) -> Memory:
        """What is remembered at the start of an episode, for ``envs`` environments of every seed."""
        ...

    def act(
        self, obs: Array, memory: Memory, *, start: Array, explore: Chance | None
    ) -> tuple[Array, Memory]:
        """Choose actions.

        Args:
            obs: ``[seed, env, …]``.
            memory: what the last call returned.
            start: bool ``[seed, env]``, true where ``obs`` begins an episode: forget before reading it.
            explore: the chance to explore by; None acts greedily.

        Returns:
            Actions ``[seed, env, …]`` and the new memory.
        """
        ...

    def executed(self, action: Array) -> Array:
        """The action as the environment takes it (clipped into its bounds, say)."""
        ...


class Agent(Policy, Protocol):
    """Tables, value networks and policy gradients: the same verbs."""

    def learn(self, transition: Transition) -> Metrics:
        """Take in one step of every environment; ``{}`` when it was only remembered."""
        ...

    def state_dict(self) -> States: ...

    def load_state_dict(self, states: States) -> None: ...


@runtime_checkable
class Networked(Protocol):
    """An agent with networks, by name: their weights and last gradients are recorded as histograms."""

    nets: dict[str, Replicas]


@runtime_checkable
class Tabular(Protocol):
    """An agent that is a table over states: on a known model its greedy policy is evaluated exactly."""

    def greedy_table(self) -> NDArray[np.int64]:
        """The greedy action in every state, ``[seed, state]``."""
        ...
