"""Rows of environments stepped side by side: where an episode's chance comes from, how it is replayed.

A row is one environment of one seed. Its episode n is seeded by (run seed, stream, row, n) and nothing else:
it goes the same way in company and alone, in this process and in a worker, whoever resets it and when.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.draws import mix

Array: TypeAlias = NDArray[Any]
Bools: TypeAlias = NDArray[np.bool_]
Stepped: TypeAlias = tuple[Array, NDArray[np.float64], Bools, Bools]
"""Where the step landed ``[N, …]``, reward, terminated, truncated ``[N]``."""


@dataclass(frozen=True)
class Origin:
    """Whose row it is and where it stands.

    Attributes:
        seed, stream, row: what its episodes are seeded by.
        episode: number of the episode the first reset begins.
        actions: ``[t, …]`` taken in that episode already; the first reset replays them.
    """

    seed: int
    stream: str
    row: int
    episode: int = 0
    actions: Sequence[Any] | Array = ()

    def chance(self, episode: int) -> int:
        """The seed of one episode; 31 bits, as old environments pass it to generators that take no more."""
        return mix(self.seed, self.stream, self.row, episode) % 2**31


class Rows(Protocol):
    """Environments side by side; nothing is reset unasked."""

    def reset(self, done: Bools | None = None, episode: int | None = None) -> Array:
        """Begin the next episode (or that of this number) where ``done``, else everywhere: ``[N, …]``."""

    def step(self, action: Array) -> Stepped:
        """One decision per row."""

    def render(self, row: int) -> Any: ...

    def close(self) -> None: ...


class SeededEnv:
    """An environment whose seedless ``reset()`` is seeded by its origin and its episode number.

    It has what Gymnasium's vector classes ask of an environment, so it works below any of them.

    Args:
        make: builds the environment.
        origin: see Origin.
        rebuild: build it anew for every episode, where a reset leaves traces of the episode before.
    """

    def __init__(self, make: Callable[[], Any], origin: Origin, rebuild: bool = False) -> None:
        self.make, self.origin, self.rebuild = make, origin, rebuild
        self.env = make()
        self.episode = origin.episode
        self.replay: Sequence[Any] | Array = origin.actions
        self.fresh = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin the next episode, or ``options["episode"]``; the first time, replay what the origin says."""
        options = dict(options or {})
        self.episode = options.pop("episode", self.episode)
        if self.rebuild and not self.fresh:
            self.env.close()
            self.env = self.make()
        chance = self.origin.chance(self.episode) if seed is None else seed
        obs, info = self.env.reset(seed=chance, options=options or None)
        replay, self.replay = self.replay, ()
        for action in replay:
            obs, _, terminated, truncated, info = self.env.step(action)
            if terminated or truncated:  # not the episode it was; the caller compares and says so
                break
        self.episode, self.fresh = self.episode + 1, False
        return obs, info

    def step(self, action: Any) -> Any:
        return self.env.step(action)

    def render(self) -> Any:
        return self.env.render()

    def close(self) -> None:
        self.env.close()

    def __getattr__(self, name: str) -> Any:
        if name == "env":  # not built yet: an error in make() must not become a recursion
            raise AttributeError(name)
        return getattr(self.env, name)


class SyncRows:
    """A plain loop in this process.

    It does what Gymnasium's SyncVectorEnv does with autoreset disabled, without merging infos and copying
    results, which there cost a tenth to a third of a step and two thirds of a partial reset.
    """

    def __init__(self, makers: Sequence[Callable[[], SeededEnv]], shape: Sequence[int], dtype: Any) -> None:
        self.envs = [make() for make in makers]
        self.obs: Array = np.zeros((len(self.envs), *shape), dtype)
        self.steps: list[Callable[[Any], Any]] = []

    def reset(self, done: Bools | None = None, episode: int | None = None) -> Array:
        obs = self.obs.copy()
        options = None if episode is None else {"episode": episode}
        for row in range(len(self.envs)) if done is None else done.nonzero()[0]:
            obs[row] = self.envs[row].reset(options=options)[0]
        # The inner step, without one more call; read here, because a reset may have rebuilt the environment.
        if done is None or self.envs[0].rebuild:
            self.steps = [env.env.step for env in self.envs]
        self.obs = obs
        return obs

    def step(self, action: Array) -> Stepped:
        obs = self.obs = np.empty_like(self.obs)
        rewards, ends, cuts = [], [], []
        for row, (step, act) in enumerate(zip(self.steps, action, strict=True)):
            obs[row], reward, terminated, truncated, _ = step(act)
            rewards.append(reward)
            ends.append(terminated)
            cuts.append(truncated)
        return obs, np.array(rewards, np.float64), np.array(ends, np.bool_), np.array(cuts, np.bool_)

    def render(self, row: int) -> Any:
        return self.envs[row].render()

    def close(self) -> None:
        for env in self.envs:
            env.close()


class AsyncRows:
    """One worker process per row.

    Args:
        vector: Gymnasium's AsyncVectorEnv of SeededEnvs, with autoreset disabled.
    """

    def __init__(self, vector: Any) -> None:
        self.vector = vector

    def reset(self, done: Bools | None = None, episode: int | None = None) -> Array:
        options: dict[str, Any] = {} if episode is None else {"episode": episode}
        if done is not None:
            options["reset_mask"] = done
        return np.array(self.vector.reset(options=options)[0])

    def step(self, action: Array) -> Stepped:
        obs, reward, terminated, truncated, _ = self.vector.step(action)
        return np.array(obs), np.asarray(reward, np.float64), np.asarray(terminated), np.asarray(truncated)

    def render(self, row: int) -> Any:
        return self.vector.render()[row]

    def close(self) -> None:
        self.vector.close()
