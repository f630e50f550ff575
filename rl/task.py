"""The options that say which environment, and how it is seen."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Task:
    """Which environment, and how it is seen."""

    env: str = "CartPole-v1"  # a Gymnasium id, my_module:Env-v0, or file.py:Class
    env_args: str = ""  # arguments of the environment as YAML, e.g. '{is_slippery: false}'
    max_episode_steps: int = 0  # decisions after which an episode is cut; 0: as registered
    normalise_obs: bool = False  # observations by their running mean and deviation, per seed
    normalise_reward: bool = False  # rewards by the running deviation of the discounted return, per seed
    vector: Literal["sync", "async", "own", "table"] = "sync"  # or processes, CartPole in numpy, a table
    flatten: bool = False  # observations of several parts as one vector
    grey: bool = False  # pictures without colour
    resize: int = 0  # side of the pictures; 0: as they are
    frame_skip: int = 1  # pictures: each decision holds for so many frames
    frame_stack: int = 1  # pictures: how many the agent sees at once
