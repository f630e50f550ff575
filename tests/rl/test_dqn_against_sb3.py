"""Our DQN's loss and gradients are those of Stable-Baselines3 on the same batch, with the same weights."""

from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.logger import configure
from torch import Tensor

from core.gradients import by_tape
from rl.agent import Spec, Transition
from rl.agents.dqn import DQN, Config
from rl.baselines import model_of
from rl.environments import Envs
from rl.task import Task

CONFIG = Config(hidden=(32, 32), batch=64, capacity=200, learning_starts=0, lr=1e-3)


def both(config: Config) -> tuple[DQN, Any]:
    """The two with the same weights, and with the same experience of CartPole."""
    theirs: Any = model_of("sb3-dqn", config, Task(), 1, 0)
    theirs.set_logger(configure(None, []))
    envs = Envs(Task(), [0], 1)
    spec = Spec(envs.observation_space, envs.action_space, (0,), steps=1000)
    ours = DQN(spec, config)
    parameters = list(theirs.q_net.parameters())
    for mine, other in zip(ours.net.weights().values(), parameters, strict=True):
        mine[0] = other.detach()
    for mine, other in zip(ours.target.weights().values(), theirs.q_net_target.parameters(), strict=True):
        other.data.add_(0.01)  # a target that differs
        mine[0] = other.detach()
    rng, obs = np.random.default_rng(0), envs.reset()
    for _ in range(150):
        action = rng.integers(2, size=(1, 1))
        landed = envs.step(action)
        truncated = landed.truncated | (rng.random((1, 1)) < 0.1) & ~landed.terminated
        ours.replay.add(Transition(obs, action, landed.reward, landed.terminated, truncated, landed.next_obs))
        over, limit = (landed.terminated | truncated)[0], bool(truncated.item())
        theirs.replay_buffer.add(
            obs[0], landed.next_obs[0], action, landed.reward[0], over, [{"TimeLimit.truncated": limit}]
        )
        obs = landed.obs
    envs.close()
    return ours, theirs


@pytest.mark.parametrize("n_step", [1, 3])
def test_loss_gradients_and_the_step_are_those_of_stable_baselines3(
    n_step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = both(Config(**{**vars(CONFIG), "n_step": n_step}))
    places = np.random.default_rng(1).integers(150, size=64)
    batch = theirs.replay_buffer._get_samples(places)
    monkeypatch.setattr(theirs.replay_buffer, "sample", lambda *args, **kwargs: batch)
    found: list[Tensor] = []
    real = torch.nn.functional.smooth_l1_loss

    def spy(*args: Any, **kwargs: Any) -> Tensor:
        found.append(real(*args, **kwargs))
        return found[-1]

    monkeypatch.setattr(torch.nn.functional, "smooth_l1_loss", spy)
    norm = torch.nn.utils.clip_grad_norm_
    kept: list[Tensor] = []

    def watch(parameters: Any, *args: Any, **kwargs: Any) -> Any:
        parameters = list(parameters)
        kept.extend(p.grad.clone() for p in parameters if p.grad is not None)
        return norm(parameters, *args, **kwargs)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", watch)
    theirs.train(gradient_steps=1, batch_size=64)

    sample = ours.replay.at(places[None])
    following = ours.target(sample.next_obs)
    weights = {name: weight[0].clone() for name, weight in ours.net.weights().items()}
    one = type(sample)(*(leaf[0] for leaf in sample))
    loss, _ = ours.loss(weights, one, following[0])
    torch.testing.assert_close(loss, found[0].detach(), atol=1e-6, rtol=0)
    gradients, _ = by_tape(lambda views: ours.loss(views, one, following[0]), weights)
    for mine, other in zip(gradients.values(), kept, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=0)
    ours.net.step(ours.loss, sample, following, lr=CONFIG.lr)
    for mine, other in zip(ours.net.weights().values(), theirs.q_net.parameters(), strict=True):
        torch.testing.assert_close(mine[0], other.detach(), atol=1e-6, rtol=0)


def test_the_first_weights_are_drawn_alike() -> None:
    theirs: Any = model_of("sb3-dqn", Config(), Task(), 1, 0)
    envs = Envs(Task(), [0], 1)
    ours = DQN(Spec(envs.observation_space, envs.action_space, tuple(range(20))), Config())
    for mine, other in zip(ours.net.weights().values(), theirs.q_net.parameters(), strict=True):
        assert mine.shape[1:] == other.shape
        assert mine.std().item() == pytest.approx(other.std().item(), rel=0.5)
        fan_in = {64: 4, 2: 64}[other.shape[0]] if other.dim() == 1 else other.shape[1]
        if other.shape == (64,) and mine.abs().max() < 0.2:
            fan_in = 64
        assert mine.abs().max().item() == pytest.approx(fan_in**-0.5, rel=0.1)  # uniform up to 1/√fan_in
