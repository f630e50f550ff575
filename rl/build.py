"""From settings to an agent in its environments: what training, evaluation and loading have in common."""

import importlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from core.errors import UserError, nearest
from rl import spaces
from rl.agent import Agent, Spec
from rl.environments import Envs

NO_PRESET = "none"
REPAYS = 10_000  # updates, over all seeds, from which compiling saves more seconds than it takes


@dataclass(frozen=True)
class Machine:
    """Where and how the numbers are computed; recorded with a run, so that it resumes the same way."""

    device: str = "auto"  # cpu, cuda, cuda:N; auto: a GPU for images where there is one, else the CPU
    compile: Literal["auto", "on", "off"] = "auto"  # auto: when the run is long enough to repay it
    path: Literal["auto", "loop", "vmap"] = "auto"  # auto: loop for one seed and for conv nets, else vmap
    threads: int = 1  # of torch; small networks are often slower with two


def module_of(algorithm: str) -> Any:
    """The module of an agent's id: ``q-learning`` is rl/agents/q_learning.py."""
    return importlib.import_module(f"rl.agents.{algorithm.replace('-', '_')}")


def preset_of(module: Any, preset: str, env: str) -> tuple[dict[str, Any], str]:
    """The settings a preset has for an environment, and the preset's name; ``auto`` takes the first that knows it.

    Raises:
        UserError: no preset of that name, or it does not know the environment.
    """
    presets: Mapping[str, Mapping[str, dict[str, Any]]] = module.PRESETS
    if preset == NO_PRESET:
        return {}, ""
    if preset == "auto":
        for name, known in presets.items():
            if env in known:
                return dict(known[env]), name
        return {}, ""
    if preset not in presets:
        raise UserError(f"unknown preset {preset!r}{nearest(preset, [*presets, 'auto', NO_PRESET])}")
    if env not in presets[preset]:
        known_envs = ", ".join(sorted(presets[preset]))
        raise UserError(f"preset {preset!r} has no settings for {env}; it knows {known_envs}")
    return dict(presets[preset][env]), preset


def decide(machine: Machine, algorithm: str, config: Any, envs: Envs, steps: int) -> dict[str, Any]:
    """Turn every ``auto`` into what it means for this run: the facts to record and to build from."""
    images, seeds = spaces.kind(envs.observation_space) == "pixels", len(envs.seeds)
    device = machine.device
    if device == "auto":
        device = "cuda" if images and torch.cuda.is_available() else "cpu"
    if device != "cpu" and not torch.cuda.is_available():
        raise UserError(f"--device {device}: this torch sees no GPU; use --device cpu")
    path = machine.path if machine.path != "auto" else "vmap" if seeds > 1 and not images else "loop"
    updates = getattr(module_of(algorithm), "updates", lambda *_: 0)(config, envs.envs, steps)
    compiler = shutil.which("g++") or shutil.which("c++")
    if machine.compile == "on" and device == "cpu" and not compiler:
        raise UserError("--compile on needs a C++ compiler (g++) on the PATH; use --compile off")
    worth = updates * seeds >= REPAYS and not images and bool(compiler or device != "cpu")
    compiled = machine.compile == "on" or (machine.compile == "auto" and worth)
    return {
        "device": device,
        "path": path,
        "compile": compiled,
        "threads": machine.threads,
        "vector": envs.task.vector,
    }


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
