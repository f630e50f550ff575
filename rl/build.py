"""From settings to an agent in its environments: what training, evaluation and loading have in common."""

import importlib
from collections.abc import Mapping
from typing import Any

from core.machine import Machine, facts_of
from rl import spaces
from rl.agent import Agent, Spec
from rl.environments import Envs

REPAYS = 10_000  # updates, over all seeds, from which compiling saves more seconds than it takes


def module_of(algorithm: str) -> Any:
    """The module of an agent's id: ``q-learning`` is rl/agents/q_learning.py."""
    return importlib.import_module(f"rl.agents.{algorithm.replace('-', '_')}")


def updates_of(algorithm: str, config: Any, envs: int, steps: int) -> int | None:
    """How many gradient steps one seed takes; None for an agent that does not say."""
    count = getattr(module_of(algorithm), "updates", None)
    return None if count is None else int(count(config, envs, -(-steps // envs) * envs))


def decide(machine: Machine, algorithm: str, config: Any, envs: Envs, steps: int) -> dict[str, Any]:
    """The facts to record and to build from."""
    images, seeds = spaces.kind(envs.observation_space) == "pixels", len(envs.seeds)
    updates = updates_of(algorithm, config, envs.envs, steps) or 0
    repays = updates * seeds >= REPAYS and not images
    facts = facts_of(machine, images=images, seeds=seeds, repays=repays)
    return {**facts, "vector": envs.task.vector}


def agent_of(algorithm: str, config: Any, envs: Envs, steps: int, facts: Mapping[str, Any]) -> Agent:
    """The agent for these environments, built as the facts say.

    Raises:
        UserError: the agent cannot serve their spaces.
    """
    spec = Spec(
        observation_space=envs.observation_space,
        action_space=envs.action_space,
        seeds=envs.seeds,
        envs=envs.envs,
        steps=steps,
        device=facts["device"],
        path=facts["path"],
        compiled=bool(facts["compile"]),
    )
    agent: Agent = module_of(algorithm).AGENT(spec, config)
    return agent
