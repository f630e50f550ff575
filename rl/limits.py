"""Settings that make sense, and what is said of those that do not."""

from math import inf
from typing import Any

from core.config import Settings
from core.errors import UserError
from core.idle import Case, Idle, idle
from rl import spaces
from rl.task import Task

LIMITS: dict[str, tuple[float, float]] = {  # what a setting of this name can be, whichever agent has it
    "gamma": (0, 1), "gae_lambda": (0, 1), "rollout": (1, inf), "batch": (1, inf), "epochs": (1, inf),
    "lr": (0, inf), "lr_end": (0, inf), "clip": (0, inf), "value_weight": (0, inf), "max_grad_norm": (0, inf),
    "adam_eps": (0, inf), "rms_alpha": (0, 1), "rms_eps": (0, inf), "sde_every": (0, inf), "capacity": (1, inf),
    "learning_starts": (0, inf), "train_every": (1, inf), "gradient_steps": (-1, inf), "target_every": (1, inf),
    "tau": (0, 1), "epsilon": (0, 1), "epsilon_end": (0, 1), "exploration_fraction": (0, 1), "n_step": (1, inf),
    "alpha": (0, inf), "beta": (0, 1),
}  # fmt: skip

# They have convolutions of their own; a dueling DQN adds a hidden layer.
_PICTURES: Case = {"the observations are": ["pixels"], "dueling": [None, False]}
_TABLE: Case = {"the observations are": ["states"]}
_COUNTED: Case = {"step_size": ["mean"]}
IDLE: Idle = {  # when a setting of this name does nothing, whichever agent has it
    "alpha": [{"prioritised": [False]}],
    "beta": [{"prioritised": [False]}],
    "lr": [_COUNTED],
    "lr_end": [_COUNTED, {"lr_schedule": ["constant"]}],
    "lr_schedule": [_COUNTED],
    "outcomes": [{"planning": [0]}],
    "traces": [{"trace": [0]}],
    "grids": [_TABLE],
    "tiles": [_TABLE],
    "low": [_TABLE],
    "high": [_TABLE],
    "value_weight": [{"baseline": [False]}],
    "initial_log_std": [{"the actions are": ["Discrete"]}],
    "hidden": [_PICTURES],
    "activation": [_PICTURES],
    "eval_episodes": [{"eval_every": [0]}],
}


def unused(settings: Settings, observation_space: Any, action_space: Any) -> list[str]:
    """A line for every flag that does nothing with these settings in these spaces."""
    facts = {
        "the observations are": spaces.kind(observation_space),
        "the actions are": type(action_space).__name__,
    }
    return idle(settings, IDLE, facts)


def sensible(config: Any) -> None:
    """UserError for a setting of an agent that can mean nothing."""
    within(config, **{name: limits for name, limits in LIMITS.items() if hasattr(config, name)})
    hidden = getattr(config, "hidden", ())
    if isinstance(hidden, tuple) and min(hidden, default=1) < 1:
        raise UserError(f"--hidden is {' '.join(map(str, hidden))}; every width must be at least 1")


def bounded(config: Any, task: Task) -> None:
    """UserError for tiles on normalised observations, which the bounds of their space say nothing of."""
    if task.normalise_obs and hasattr(config, "tiles") and not (config.low and config.high):
        raise UserError("tiles need bounds, and --normalise-obs takes those there are; give --low and --high")


def within(config: Any, **limits: tuple[float, float]) -> None:
    """Refuse settings outside their limits, both ends allowed: ``within(config, tau=(0, 1))``.

    Raises:
        UserError: names the first option that is, and its limits.
    """
    for name, (least, most) in limits.items():
        value, flag = getattr(config, name), f"--{name.replace('_', '-')}"
        if not least <= value <= most:
            end = "" if most == inf else f" and at most {most:,g}"
            raise UserError(f"{flag} is {value:,}; it must be at least {least:,g}{end}")


def overtaken(config: Any, envs: int, *names: str) -> list[str]:
    """What a person should know of counts of steps that are fewer than one step of all environments takes."""
    return [
        f"--{name.replace('_', '-')} is {every}, fewer than the {envs} environments: "
        "it happens after each of their steps together"
        for name in names
        if (every := getattr(config, name)) < envs
    ]
