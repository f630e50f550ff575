"""Lives of random actions in an environment, to be lived again and compared."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, TypeAlias

import numpy as np

from core.draws import mix

Life: TypeAlias = list[
    tuple[Any, float, bool, bool]
]  # (observation, reward, terminated, truncated); first the reset


def live(env: Any, seed: int, steps: int, before: Callable[[], None] = lambda: None) -> Life:
    """A life of random actions, by seed alone; after an end the next episode, with its own seed."""
    actions = drawn_from(env, seed)
    life: Life = []
    episode = 0
    over = True
    for _ in range(steps):
        before()
        if over:
            obs, _ = env.reset(seed=mix(seed, "episode", episode) % 2**31)
            life.append((kept(obs), 0.0, False, False))
            episode += 1
        obs, reward, terminated, truncated, _ = env.step(actions.sample())
        over = bool(terminated or truncated)
        life.append((kept(obs), float(reward), bool(terminated), bool(truncated)))
    env.close()
    return life


def drawn_from(env: Any, seed: int) -> Any:
    """Actions of its own, also where a class has one space for all."""
    actions = deepcopy(env.action_space)
    actions.seed(mix(seed, "actions") % 2**31)
    return actions


def kept(obs: Any) -> Any:
    """A copy, since some environments give out the array they go on writing into."""
    if isinstance(obs, dict):
        return {key: kept(part) for key, part in obs.items()}
    return tuple(map(kept, obs)) if isinstance(obs, tuple) else np.copy(obs)


def differ(one: Life, two: Life) -> int | None:
    """The first place where two lives are not the same, or None."""
    for place, (a, b) in enumerate(zip(one, two, strict=True)):
        if a[1:] != b[1:] or not same(a[0], b[0]):
            return place
    return None


def same(one: Any, two: Any) -> bool:
    if isinstance(one, dict):
        return all(same(one[key], two[key]) for key in one)
    if isinstance(one, tuple):
        return all(map(same, one, two))
    return bool(np.array_equal(one, two, equal_nan=np.issubdtype(np.asarray(one).dtype, np.floating)))
