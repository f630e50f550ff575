"""Our losses, gradients, updates and advantages beside Stable-Baselines3's own, on its rollouts and its weights."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C as TheirA2C
from stable_baselines3 import PPO as TheirPPO
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv

from core.gradients import by_tape
from rl.actor_critic import Actor, Estimated, estimated
from rl.agent import Spec, Transition
from rl.agents import a2c, ppo

STEPS, ENVS, WIDTHS, GAMMA = 64, 2, (16, 8), 0.9


class Recorder(gym.Wrapper[Any, Any, Any, Any]):
    """Keeps what really happened, before a vector environment resets over it."""

    def reset(self, **options: Any) -> Any:
        self.obs, info = super().reset(**options)
        self.seen = getattr(self, "seen", [])
        return self.obs, info

    def step(self, action: Any) -> Any:
        landed, reward, terminated, truncated, info = super().step(action)
        self.seen.append((self.obs, np.asarray(action), np.float64(reward), terminated, truncated, landed))
        self.obs = landed
        return landed, reward, terminated, truncated, info


def collected(kind: Any, env: str, limit: int, **settings: Any) -> tuple[Any, Transition]:
    """Their model with a full rollout, and the same rollout as we see it: leaves ``[T, 1, E, …]``."""
    envs = [Recorder(gym.make(env, max_episode_steps=limit)) for _ in range(ENVS)]
    vector = DummyVecEnv([lambda each=each: each for each in envs])  # type: ignore[misc]
    settings = {"n_steps": STEPS, "gamma": GAMMA, "seed": 3, "device": "cpu", **settings}
    policy = {"net_arch": list(WIDTHS), **settings.pop("policy_kwargs", {})}
    model = kind("MlpPolicy", vector, policy_kwargs=policy, **settings)
    model.set_logger(Logger(folder=None, output_formats=[]))
    _, callback = model._setup_learn(STEPS * ENVS, None)
    assert isinstance(callback, CallbackList) or callback is not None
    assert model.collect_rollouts(model.env, callback, model.rollout_buffer, STEPS)
    columns = zip(*(zip(*each.seen, strict=True) for each in envs), strict=True)  # six of two environments
    leaves = [np.stack([np.array(one) for one in column], 1)[:, None] for column in columns]
    steps = Transition(*leaves)
    actions = model.rollout_buffer.actions.reshape(STEPS, 1, ENVS, -1)  # before they were clipped
    discrete = isinstance(vector.action_space, gym.spaces.Discrete)
    return model, steps._replace(action=actions[..., 0].astype(np.int64) if discrete else actions)


def names(agent: Actor) -> dict[str, str]:
    """Our weights' names to theirs."""
    mine: dict[str, str] = {}
    for body, net in (("actor_body", "policy_net"), ("critic_body", "value_net")):
        for layer in range(len(WIDTHS)):
            mine[f"{body}.parts.1.layers.{layer}"] = f"mlp_extractor.{net}.{2 * layer}"
    ends = [name for name in agent.net.weights() if name.startswith("actor.") and name.endswith(".weight")]
    mine[ends[0].removesuffix(".weight")] = "action_net"
    mine["critic.layers.0"] = "value_net"
    found = {
        f"{ours}.{kind}": f"{theirs}.{kind}" for ours, theirs in mine.items() for kind in ("weight", "bias")
    }
    return found | {name: "log_std" for name in agent.net.weights() if name.endswith("log_std")}


def adopt(agent: Actor, model: Any) -> None:
    """Their weights into our network."""
    theirs, ours = dict(model.policy.named_parameters()), agent.net.weights()
    assert set(names(agent)) == set(ours)
    assert set(names(agent).values()) == set(theirs)
    for name, other in names(agent).items():
        ours[name][0].copy_(theirs[other].detach())


def move(model: Any, actor: float = 0.1, critic: float = 0.1) -> None:
    """Somewhat other weights than those that acted: ratios differ from one, values from what they were."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in model.policy.named_parameters():
            by = critic if "value" in name else actor
            parameter.add_(by * torch.randn(parameter.shape, generator=generator))


def spec_of(model: Any) -> Spec:
    return Spec(model.observation_space, model.action_space, (0,), ENVS)


def close(ours: Any, theirs: Any, tolerance: float = 1e-6) -> None:
    """Within the tolerance of the largest number, and of 1."""
    ours, theirs = (torch.as_tensor(np.asarray(each), dtype=torch.float64) for each in (ours, theirs))
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= tolerance * max(1.0, float(theirs.abs().max()))


def same_gradient(agent: Any, model: Any, *batch: Any) -> dict[str, torch.Tensor]:
    """Our gradient is that of their last update; our metrics."""
    adopt(agent, model)
    views = agent.net.layout.views(agent.net.matrix[0])
    gradient, metrics = by_tape(lambda params: agent.loss(params, *batch), views)
    theirs = dict(model.policy.named_parameters())
    for name, other in names(agent).items():
        close(gradient[name], theirs[other].grad)
    assert any((part != 0).any() for part in gradient.values())
    return metrics


def rows(found: Estimated) -> Estimated:
    """Of the only seed."""
    return Estimated(*(leaf[0] for leaf in found))


WORLDS = [("CartPole-v1", 0, 18), ("Pendulum-v1", 0, 9), ("Pendulum-v1", 4, 9)]  # name, sde_every, time limit


def theirs_of(sde: int) -> dict[str, Any]:
    return {"use_sde": sde > 0, "sde_sample_freq": sde or -1, "policy_kwargs": {"log_std_init": -0.5}}


@pytest.mark.parametrize(("env", "sde", "limit"), WORLDS)
@pytest.mark.parametrize("gae_lambda", [0.95, 1.0])
def test_advantages_of_a_rollout_with_ends_and_time_limits(
    env: str, sde: int, limit: int, gae_lambda: float
) -> None:
    model, steps = collected(TheirA2C, env, limit, gae_lambda=gae_lambda, **theirs_of(sde))
    assert steps.truncated.any()
    assert env == "Pendulum-v1" or steps.terminated.any()
    agent = a2c.A2C(spec_of(model), a2c.Config(hidden=WIDTHS, sde_every=sde))
    adopt(agent, model)
    found, buffer = rows(estimated(agent.net, steps, GAMMA, gae_lambda)), model.rollout_buffer
    close(found.value, buffer.values.reshape(-1))
    close(found.advantage, buffer.advantages.reshape(-1))
    close(found.target, buffer.returns.reshape(-1))
    close(agent.head.log_prob(found.out, found.action), buffer.log_probs.reshape(-1), 3e-6)


def ppo_pair(
    env: str, sde: int, limit: int, clip_value: bool, normalise: bool
) -> tuple[Any, ppo.PPO, ppo.Batch]:
    """Theirs, ours, and the whole rollout as one minibatch."""
    model, steps = collected(
        TheirPPO, env, limit, gae_lambda=0.95, batch_size=STEPS * ENVS, n_epochs=1, learning_rate=0.0, ent_coef=0.01,
        max_grad_norm=1e9, clip_range=0.2, clip_range_vf=0.2 if clip_value else None,
        normalize_advantage=normalise, **theirs_of(sde),
    )  # fmt: skip
    config = ppo.Config(hidden=WIDTHS, sde_every=sde, entropy_weight=0.01, clip_value=clip_value,
                        normalise_advantage=normalise)  # fmt: skip
    agent = ppo.PPO(spec_of(model), config)
    adopt(agent, model)
    found = rows(estimated(agent.net, steps, GAMMA, 0.95))
    log_prob = agent.head.log_prob(found.out, found.action)
    return (
        model,
        agent,
        ppo.Batch(found.obs, found.action, log_prob, found.value, found.advantage, found.target),
    )


@pytest.mark.parametrize(("env", "sde", "limit"), WORLDS)
@pytest.mark.parametrize("clip_value", [False, True])
@pytest.mark.parametrize("normalise", [False, True])
def test_the_loss_of_ppo_and_its_gradient(
    env: str, sde: int, limit: int, clip_value: bool, normalise: bool
) -> None:
    model, agent, batch = ppo_pair(env, sde, limit, clip_value, normalise)
    move(model, 0.14 if env == "CartPole-v1" else 0.1, 0.001 if clip_value else 0.1)
    model.train()
    metrics = same_gradient(agent, model, batch, torch.tensor(0.2))
    said = model.logger.name_to_value
    total, _ = agent.loss(agent.net.layout.views(agent.net.matrix[0]), batch, torch.tensor(0.2))
    close(total, said["train/loss"])
    close(metrics["loss/policy"], said["train/policy_gradient_loss"])
    close(metrics["loss/value"], said["train/value_loss"])
    close(metrics["policy/entropy"], -said["train/entropy_loss"])
    close(metrics["policy/kl"], said["train/approx_kl"])
    close(metrics["policy/clip_fraction"], said["train/clip_fraction"])
    assert 0 < metrics["policy/clip_fraction"] < 1  # the clip is at work


def test_where_values_are_clipped_ours_takes_the_worse_and_theirs_the_clipped_one() -> None:
    model, agent, batch = ppo_pair("CartPole-v1", 0, 18, clip_value=True, normalise=True)
    move(model, critic=0.3)
    model.train()
    adopt(agent, model)
    params = agent.net.layout.views(agent.net.matrix[0])
    _, metrics = agent.loss(params, batch, torch.tensor(0.2))
    value = agent.net.apply(params, batch.obs)[1]
    clipped = (batch.value + (value - batch.value).clamp(-0.2, 0.2) - batch.target) ** 2
    assert (clipped < (value - batch.target) ** 2).any()
    close(clipped.mean(), model.logger.name_to_value["train/value_loss"])
    close(torch.maximum(clipped, (value - batch.target) ** 2).mean(), metrics["loss/value"])


@pytest.mark.parametrize(("env", "sde", "limit"), WORLDS)
@pytest.mark.parametrize("normalise", [False, True])
def test_the_loss_of_a2c_and_its_gradient(env: str, sde: int, limit: int, normalise: bool) -> None:
    model, steps = collected(
        TheirA2C, env, limit, learning_rate=0.0, ent_coef=0.01, vf_coef=0.4, max_grad_norm=1e9,
        normalize_advantage=normalise, **theirs_of(sde),
    )  # fmt: skip
    config = a2c.Config(hidden=WIDTHS, sde_every=sde, entropy_weight=0.01, value_weight=0.4,
                        normalise_advantage=normalise)  # fmt: skip
    agent = a2c.A2C(spec_of(model), config)
    adopt(agent, model)
    found = rows(estimated(agent.net, steps, GAMMA, 1.0))
    move(model)
    model.train()
    batch = a2c.Batch(found.obs, found.action, found.advantage, found.target)
    metrics, said = same_gradient(agent, model, batch), model.logger.name_to_value
    close(metrics["loss/policy"], said["train/policy_loss"])
    close(metrics["loss/value"], said["train/value_loss"])
    close(metrics["policy/entropy"], -said["train/entropy_loss"])


def test_a_whole_update_of_a2c_with_its_clipping_and_rmsprop() -> None:
    model, steps = collected(TheirA2C, "CartPole-v1", 14)
    agent = a2c.A2C(spec_of(model), a2c.Config(hidden=WIDTHS))
    adopt(agent, model)
    found, before = estimated(agent.net, steps, GAMMA, 1.0), agent.net.matrix.clone()
    batch = a2c.Batch(found.obs, found.action, found.advantage, found.target)
    metrics = agent.net.step(agent.loss, batch, lr=7e-4)
    assert metrics["grad_norm"].item() > 0.5  # it is clipped
    model.train()
    theirs = dict(model.policy.named_parameters())
    for name, other in names(agent).items():
        close(agent.net.weights()[name][0], theirs[other].detach(), 2e-6)
    assert (agent.net.matrix - before).abs().max() > 1e-3
