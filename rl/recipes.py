"""What each algorithm of Stable-Baselines3 is told: our names for its settings, and its names for what it logs."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch import nn

from core.errors import UserError
from core.networks.net import pick
from core.schedules import schedule
from rl.agents import a2c, dqn, ppo

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU, "gelu": nn.GELU, "silu": nn.SiLU, "leaky-relu": nn.LeakyReLU,
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """How one algorithm of Stable-Baselines3 is made from our settings, and what it logs under which of our names.

    ``Config`` and ``PRESETS`` are those of our agent of the same name, so that both train with the same numbers.
    """

    model: type[OnPolicyAlgorithm] | type[OffPolicyAlgorithm]
    Config: type[Any]
    PRESETS: Mapping[str, Mapping[str, dict[str, Any]]]
    arguments: Callable[
        [Any, int, bool], dict[str, Any]
    ]  # of settings, environments, whether it sees pictures
    metrics: Mapping[str, tuple[str, int]]  # its name to ours, and the sign


def gradient_arguments(config: a2c.Config | ppo.Config, pixels: bool) -> dict[str, Any]:
    """What the policy gradients have in common."""
    return {
        "learning_rate": over_what_is_left(config.lr_schedule, config.lr),
        "n_steps": config.rollout,
        "gamma": config.gamma,
        "gae_lambda": config.gae_lambda,
        "vf_coef": config.value_weight,
        "ent_coef": config.entropy_weight,
        "normalize_advantage": config.normalise_advantage,
        "max_grad_norm": config.max_grad_norm or math.inf,
        "use_sde": config.sde_every > 0,
        "sde_sample_freq": config.sde_every or -1,
        "policy_kwargs": {
            **network(config, pixels),
            "log_std_init": config.initial_log_std,
            "ortho_init": config.orthogonal,
        },
    }


def a2c_arguments(config: a2c.Config, envs: int, pixels: bool) -> dict[str, Any]:
    """A2C's settings."""
    told = gradient_arguments(config, pixels)
    rms = {"alpha": config.rms_alpha, "eps": config.rms_eps, "weight_decay": 0}
    optimiser = {"optimizer_class": torch.optim.RMSprop, "optimizer_kwargs": rms}
    return {**told, "policy_kwargs": {**told["policy_kwargs"], **optimiser}}


def ppo_arguments(config: ppo.Config, envs: int, pixels: bool) -> dict[str, Any]:
    """PPO's settings."""
    told = gradient_arguments(config, pixels)
    clip = over_what_is_left(config.clip_schedule, config.clip)
    return {
        **told,
        "clip_range": clip,
        "clip_range_vf": clip if config.clip_value else None,
        "batch_size": config.batch,
        "n_epochs": config.epochs,
        "policy_kwargs": {**told["policy_kwargs"], "optimizer_kwargs": {"eps": config.adam_eps}},
    }


def dqn_arguments(config: dqn.Config, envs: int, pixels: bool) -> dict[str, Any]:
    """DQN's settings.

    Raises:
        UserError: ours has a switch on that theirs has not.
    """
    for name, only in {"double": False, "dueling": False, "prioritised": False, "loss": "huber"}.items():
        if (value := getattr(config, name)) != only:
            flag = name if value is True else f"{name} {value}"
            raise UserError(f"--{flag} is not for sb3-dqn; leave it out")
    return {
        "learning_rate": config.lr,
        "buffer_size": config.capacity,
        "learning_starts": config.learning_starts,
        "batch_size": config.batch,
        "tau": config.tau,
        "gamma": config.gamma,
        "train_freq": -(-config.train_every // envs),  # theirs counts steps of all environments as one
        "gradient_steps": config.gradient_steps,
        "n_steps": config.n_step,
        "target_update_interval": config.target_every,
        "exploration_fraction": config.exploration_fraction,
        "exploration_initial_eps": config.epsilon,
        "exploration_final_eps": config.epsilon_end,
        "max_grad_norm": config.max_grad_norm or math.inf,
        "policy_kwargs": network(config, pixels),
    }


def network(config: a2c.Config | dqn.Config | ppo.Config, pixels: bool) -> dict[str, Any]:
    """The hidden layers; pictures go through their own convolutions and on to the heads."""
    return {
        "net_arch": [] if pixels else list(config.hidden),
        "activation_fn": pick(ACTIVATIONS, config.activation, "activation"),
    }


def over_what_is_left(name: str, start: float) -> Callable[[float], float]:
    """One of our schedules as theirs, which are told what is left, from 1 to 0."""
    value = schedule(name, start)
    return lambda left: value(1 - left)


POLICY_GRADIENT = {
    "train/value_loss": ("loss/value", 1),
    "train/entropy_loss": ("policy/entropy", -1),
    "train/explained_variance": ("value/explained", 1),
}

RECIPES: dict[str, Recipe] = {
    "sb3-a2c": Recipe(
        A2C,
        a2c.Config,
        a2c.PRESETS,
        a2c_arguments,
        {**POLICY_GRADIENT, "train/policy_loss": ("loss/policy", 1)},
    ),
    "sb3-dqn": Recipe(
        DQN,
        dqn.Config,
        dqn.PRESETS,
        dqn_arguments,
        {"train/loss": ("loss/td", 1), "rollout/exploration_rate": ("policy/epsilon", 1)},
    ),
    "sb3-ppo": Recipe(
        PPO,
        ppo.Config,
        ppo.PRESETS,
        ppo_arguments,
        {
            **POLICY_GRADIENT,
            "train/policy_gradient_loss": ("loss/policy", 1),
            "train/approx_kl": ("policy/kl", 1),
            "train/clip_fraction": ("policy/clip_fraction", 1),
        },
    ),
}
