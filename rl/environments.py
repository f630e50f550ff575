"""Environments: made, seeded per episode, stepped for all seeds at once, normalised, saved and resumed.

Everything that happens at the ends of episodes is settled here, once: ``next_obs`` is where a step truly
landed, ``obs`` is what to act on next, and returns are counted from raw rewards before anything scales them.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import wrappers
from gymnasium.utils import seeding
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from numpy.typing import NDArray

from core.errors import UserError, nearest
from core.noise import States
from rl.book import Book, Ended, Step
from rl.cartpole import CartPole
from rl.known import known
from rl.loading import arguments, class_in, in_one_line, registering
from rl.normalising import Moments, RewardScale, standardise
from rl.rows import Array, AsyncRows, Bools, Origin, Rows, SeededEnv, SyncRows
from rl.spaces import kind
from rl.task import Task

__all__ = ["REBUILT", "Envs", "Step", "Task", "limit_of", "make"]

# Their reset leaves traces of the episode before, so each episode gets a new one.
REBUILT = frozenset({"BipedalWalker-v3", "BipedalWalkerHardcore-v3"})


def make(task: Task, render: bool = False) -> gym.Env[Any, Any]:
    """One environment of the task; wrapped, unseeded.

    Raises:
        UserError: no such environment, wrong arguments, or a package it needs is missing.
    """
    if (here := str(Path.cwd())) not in sys.path:  # a worker process may have lost it
        sys.path.insert(0, here)
    kwargs = arguments(task.env_args)
    if render:
        kwargs["render_mode"] = "rgb_array"
    file, _, name = task.env.rpartition(":")
    with in_one_line(task.env, kwargs, told=bool(task.env_args)):
        if file.endswith(".py"):
            env: gym.Env[Any, Any] = class_in(Path(file), name)(**kwargs)
            if task.max_episode_steps:
                env = wrappers.TimeLimit(env, task.max_episode_steps)
        else:
            limit = task.max_episode_steps or None
            env = gym.make(_registered(task.env), max_episode_steps=limit, disable_env_checker=True, **kwargs)
        return _wrapped(env, task)


def _registered(env: str) -> str:
    """The id, once it is known to exist; ``module:Id`` has its module imported first."""
    module, _, name = env.rpartition(":")
    if module or name.startswith("ALE/"):
        registering(env, module or "ale_py")
    if name not in gym.registry:
        hint = nearest(name, gym.registry)
        hint = hint if "did you mean" in hint else "; give a Gymnasium id, my_module:Env-v0 or file.py:Class"
        raise UserError(f"unknown environment {env!r}{hint}")
    return name


def _wrapped(env: gym.Env[Any, Any], task: Task) -> gym.Env[Any, Any]:
    """The views of the task, in the order they build on one another."""
    pictures = task.frame_skip > 1 or task.frame_stack > 1 or task.grey or task.resize
    if pictures and kind(env.observation_space, task.env) != "pixels":
        raise UserError(
            "--grey, --resize, --frame-skip and --frame-stack are for pictures; "
            f"{task.env} shows {env.observation_space}"
        )
    if task.frame_skip > 1:
        env = wrappers.MaxAndSkipObservation(env, skip=task.frame_skip)
    if task.resize:
        env = wrappers.ResizeObservation(env, (task.resize, task.resize))
    if task.grey:
        env = wrappers.GrayscaleObservation(env, keep_dim=False)
    if task.frame_stack > 1:
        if len(env.observation_space.shape or ()) != 2:
            raise UserError("--frame-stack needs pictures without colour; add --grey")
        env = wrappers.FrameStackObservation(env, task.frame_stack)
    return wrappers.FlattenObservation(env) if task.flatten else env


class Envs:
    """The environments of all seeds, ``envs`` each.

    Args:
        task: which environment.
        seeds: the run's seeds.
        envs: environments per seed.
        stream: what they are for; another stream sees other episodes.
        gamma: discount of the running return by which rewards are normalised.
        render: draw pictures; see ``frame``.

    Attributes:
        observation_space, action_space: of one environment.
        known: its transition table and its map, or None; model: the table to plan on, or None.
        time_limit: decisions after which the task cuts an episode, or None.
        obs, start: what the last reset, step or load left to act on, and where it begins an episode.
        notes: lines a person should see, such as a resume that is not exact.

    Raises:
        UserError: the task cannot be made, or has spaces that do not fit into arrays.
    """

    def __init__(
        self,
        task: Task,
        seeds: Sequence[int],
        envs: int,
        *,
        stream: str = "train",
        gamma: float = 0.99,
        render: bool = False,
    ) -> None:
        self.task, self.seeds, self.envs, self.stream = task, tuple(seeds), envs, stream
        self.gamma, self.render, self.notes = gamma, render, list[str]()
        self._make = partial(make, task, render)
        probe = self._make()
        self.observation_space, self.action_space = probe.observation_space, probe.action_space
        self.time_limit = limit_of(probe)
        self.known = known(probe)
        self.model = self.known and self.known.model
        probe.close()
        if task.vector == "own" and (task.env != "CartPole-v1" or task.env_args or render):
            raise UserError("--vector own is for plain CartPole-v1; use --vector sync or async")
        space = self.observation_space
        self._kind = kind(space, task.env)
        if task.normalise_obs and self._kind != "vector":
            raise UserError(f"--normalise-obs is for vectors; {task.env} shows {space}")
        self._moments = Moments(len(seeds), space.shape or ()) if task.normalise_obs else None
        self._scale = RewardScale(len(seeds), envs, gamma) if task.normalise_reward else None
        self._learning = True
        self._lead = (len(seeds), envs)
        self._book = Book(*self._lead)
        self._rows: Rows | None = None
        self._raw: Array = np.zeros(0)
        self.obs: Array = np.zeros(0)
        self.start: Bools = np.ones(self._lead, np.bool_)

    def _begin(self, origins: Sequence[Origin]) -> Rows:
        """Fresh environments at these origins."""
        self.close()
        space, rebuild = self.observation_space, self.task.env in REBUILT
        makers = [partial(SeededEnv, self._make, origin, rebuild) for origin in origins]
        if self.task.vector == "own":
            self._rows = CartPole(origins, self.time_limit or 500, _first_cartpole)
        elif self.task.vector == "async":
            made: Any = makers
            vector: Any = AsyncVectorEnv(made, copy=False, autoreset_mode=AutoresetMode.DISABLED)
            self._rows = AsyncRows(vector)
        else:
            self._rows = SyncRows(makers, space.shape or (), space.dtype)
        return self._rows

    def reset(self, episode: int | None = None) -> Array:
        """Begin the next episode everywhere, or the one of that number: observations ``[S, E, …]``.

        An evaluation that resets to episode 0 each time meets the same episodes each time.
        """
        self._book.begin(episode)
        rows = self._rows or self._begin(self._book.origins(self.seeds, self.stream))
        self._raw = rows.reset(episode=int(self._book.number[0]) if episode is not None else None)
        if self._scale is not None:
            self._scale.running[:] = 0.0
        self.obs, self.start = self.see(self._raw, learn=self._learning), np.ones(self._lead, np.bool_)
        return self.obs

    def step(self, action: Array) -> Step:
        """One decision of every environment.

        Args:
            action: ``[S, E, …]``, inside the action space (an agent's ``executed``).
        """
        assert self._rows is not None, "reset before the first step"
        lead = self._lead
        taken = action.reshape(-1, *action.shape[2:])
        landed, reward, terminated, truncated = self._rows.step(taken)
        self._book.step(taken, reward)
        done, ended, self._raw = terminated | truncated, list[Ended](), landed
        if done.any():
            ended = self._book.end(done)
            self._raw = self._rows.reset(done)
        self.obs = next_obs = self.see(self._raw, learn=self._learning)
        if ended:
            next_obs = self.see(landed)
        self.start = done.reshape(lead)
        gain = reward.reshape(lead)
        shown = gain.astype(np.float32) if self._scale is None else self._scale(gain, self.start)
        terminated, truncated = terminated.reshape(lead), truncated.reshape(lead)
        return Step(self.obs, shown, terminated, truncated, next_obs, self.start, ended)

    def see(self, raw: Array, learn: bool = False) -> Array:
        """What the agent sees of raw ``[N, …]``: pixels and states as they are, vectors as float32."""
        raw = raw.reshape(*self._lead, *raw.shape[1:])
        if self._kind != "vector":
            return raw
        if self._moments is None:
            return raw.astype(np.float32, copy=False)
        wide = raw.astype(np.float64)
        if learn:
            self._moments.update(wide)
        return standardise(wide, self._moments)

    def frozen(self, stream: str, envs: int, *, max_steps: int = 0, render: bool = False) -> "Envs":
        """Environments to evaluate in: same seeds, episodes of their own, these statistics but never changed.

        Rewards are raw. Where the task has no time limit episodes are cut after ``max_steps``. They step the
        fastest way there is, since every way gives the same numbers.
        """
        limit = self.task.max_episode_steps or (0 if self.time_limit else max_steps)
        own = self.task.env == "CartPole-v1" and not self.task.env_args and not render
        task = replace(self.task, vector="own" if own else "sync", max_episode_steps=limit)
        twin = Envs(task, self.seeds, envs, stream=stream, gamma=self.gamma, render=render)
        twin.time_limit = self.time_limit
        twin._moments, twin._scale, twin._learning = self._moments, None, False
        twin._book.recorded = False
        return twin

    def frame(self, seed_index: int = 0, env_index: int = 0) -> Any:
        """The picture ``[H, W, 3]`` of one environment made with ``render``."""
        assert self._rows is not None, "reset before the first frame"
        return self._rows.render(seed_index * self.envs + env_index)

    def state_dict(self) -> States:
        """Per seed: running episodes (numbers, actions, returns), where they stand, statistics."""
        states = self._book.state_dict()
        for k, state in enumerate(states):
            own = slice(k * self.envs, (k + 1) * self.envs)
            state["obs"] = None if self._rows is None else self._raw[own].copy()
            state["moments"] = None if self._moments is None else self._moments.state_dict()[k]
            state["scale"] = None if self._scale is None else self._scale.state_dict()[k]
        return states

    def load_statistics(self, states: States) -> None:
        """Take over the normalisers alone."""
        if self._moments is not None:
            self._moments.load_state_dict([state["moments"] for state in states])
        if self._scale is not None:
            self._scale.load_state_dict([state["scale"] for state in states])

    def load_state_dict(self, states: States) -> None:
        """Go on where ``state_dict`` was taken: fresh environments replay the running episodes.

        A row that does not arrive where it stood is told of in ``notes``; ``obs`` and ``start`` are set.

        Raises:
            UserError: the states are of another number of environments.
        """
        if (saved := len(states[0]["number"])) != self.envs:
            raise UserError(f"the checkpoint has {saved} environments per seed, not {self.envs}")
        self.load_statistics(states)
        self._book.load_state_dict(states)
        rows = self._begin(self._book.origins(self.seeds, self.stream))
        if states[0]["obs"] is None:
            return
        self._raw = rows.reset()
        stood = np.concatenate([np.asarray(state["obs"]) for state in states])
        if lost := sum(
            not np.array_equal(*pair, equal_nan=True) for pair in zip(stood, self._raw, strict=True)
        ):
            self.notes.append(
                f"{self.task.env}: {lost} of {len(stood)} environments did not return to where they stood; "
                "this run will not equal an uninterrupted one"
            )
        self.obs, self.start = self.see(self._raw), (self._book.lengths == 0).reshape(self._lead)

    def close(self) -> None:
        if self._rows is not None:
            self._rows.close()
            self._rows = None


def _first_cartpole(chance: int) -> NDArray[np.float64]:
    """The state in which Gymnasium's CartPole begins when seeded by ``chance``."""
    return seeding.np_random(chance)[0].uniform(low=-0.05, high=0.05, size=(4,))


def limit_of(env: gym.Env[Any, Any]) -> int | None:
    """After how many decisions the task cuts an episode."""
    name = "_max_episode_steps"
    return int(env.get_wrapper_attr(name)) if env.has_wrapper_attr(name) else None
