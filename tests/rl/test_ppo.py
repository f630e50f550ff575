"""PPO: its traps in numbers, its optimum on worlds that are solved by hand, and one seed as in company."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

from core.noise import Chance
from rl.agent import Spec, Transition
from rl.agents.ppo import PPO, Batch, Config, updates
from rl.environments import Envs
from rl.task import Task

TINY = Config(rollout=16, batch=32, epochs=2, hidden=(16, 16))


def make(task: Task, seeds: list[int], config: Config, envs: int = 2, path: str = "loop") -> tuple[PPO, Envs]:
    made = Envs(task, seeds, envs, gamma=config.gamma)
    spaces = (made.observation_space, made.action_space)
    return PPO(Spec(*spaces, tuple(seeds), envs, steps=10_000, path=path), config), made  # type: ignore[arg-type]


def train(agent: PPO, envs: Envs, steps: int) -> list[dict[str, torch.Tensor]]:
    chance, found = Chance(envs.seeds, "acting"), []
    obs = envs.reset()
    for _ in range(steps):
        action, _ = agent.act(obs, (), start=envs.start, explore=chance)
        landed = envs.step(agent.executed(action))
        ends = (landed.terminated, landed.truncated)
        found.append(agent.learn(Transition(obs, action, landed.reward, *ends, landed.next_obs)))
        obs = landed.obs
    envs.close()
    return [metrics for metrics in found if metrics]


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1"])
@pytest.mark.parametrize("path", ["loop", "vmap"])
def test_a_seed_learns_the_same_to_the_bit_alone_and_in_company(env: str, path: str) -> None:
    together = make(Task(env=env), [2, 5], TINY, path=path)
    alone = make(Task(env=env), [5], TINY, path=path)
    train(*together, 48), train(*alone, 48)
    assert torch.equal(together[0].net.matrix[1], alone[0].net.matrix[0])


def test_the_paths_agree_within_rounding_after_ten_updates() -> None:
    agents = [make(Task(env="CartPole-v1"), [2, 5], TINY, path=path) for path in ("loop", "vmap")]
    found = [train(agent, envs, 16 * 5) for agent, envs in agents]
    assert len(found[0]) * updates(TINY, 2, 32) == 10
    difference = (agents[0][0].net.matrix - agents[1][0].net.matrix).abs().max()
    assert difference < 1e-6  # measured: 3e-8


def test_the_first_minibatch_has_a_ratio_of_one() -> None:
    config = Config(rollout=16, batch=32, epochs=1, hidden=(16, 16))
    (metrics,) = train(*make(Task(env="Pendulum-v1"), [0], config), 16)
    assert metrics["policy/kl"].item() < 1e-12
    assert metrics["policy/clip_fraction"].item() == 0


def test_it_starts_indifferent_and_with_the_usual_scales() -> None:
    agent, envs = make(Task(env="CartPole-v1"), [0], TINY)
    out, _ = agent.net(torch.from_numpy(envs.reset()))
    assert agent.head.entropy(out).mean().item() == pytest.approx(np.log(2), rel=0.01)
    weights = agent.net.weights()
    last = {
        name: value for name, value in weights.items() if name.endswith("weight") and value.shape[1] in (1, 2)
    }
    norms = sorted(value[0].norm(dim=-1).max().item() for value in last.values())
    assert norms == pytest.approx([0.01, 1.0], rel=1e-4)  # orthogonal rows: their norm is the gain


def test_the_loss_of_three_rows_by_hand() -> None:
    spec = Spec(gym.spaces.Box(-1, 1, (3,)), gym.spaces.Discrete(2), (0,))
    agent = PPO(spec, Config(value_weight=0.5, entropy_weight=0.1, normalise_advantage=False))
    logits = torch.log(torch.tensor([[0.5, 0.5], [0.8, 0.2], [0.3, 0.7]]))
    values = torch.tensor([1.0, 2.0, 3.0])
    agent.net.apply = lambda params, obs: (logits, values)  # type: ignore[method-assign]
    old = torch.log(torch.tensor([0.5, 0.5, 0.7]))
    batch = Batch(torch.zeros(3, 3), torch.tensor([0, 0, 1]), old, values, torch.tensor([1.0, 2.0, -1.0]),
                  torch.tensor([0.0, 2.0, 5.0]))  # fmt: skip
    total, metrics = agent.loss({}, batch, torch.tensor(0.2))
    # ρ = 1, 1.6, 1: −(1·1 + 1.2·2 − 1·1)/3 = −.8; value errors 1, 0, 4: 5/3
    entropy = np.mean([-sum(p * np.log(p) for p in row) for row in ([0.5, 0.5], [0.8, 0.2], [0.3, 0.7])])
    assert metrics["loss/policy"].item() == pytest.approx(-0.8, abs=1e-6)
    assert metrics["loss/value"].item() == pytest.approx(5 / 3, abs=1e-6)
    assert metrics["policy/entropy"].item() == pytest.approx(entropy, abs=1e-6)
    assert metrics["policy/clip_fraction"].item() == pytest.approx(1 / 3)
    assert total.item() == pytest.approx(-0.8 + 0.5 * 5 / 3 - 0.1 * entropy, abs=1e-6)


def test_a_minibatch_of_one_has_a_finite_loss() -> None:
    config = Config(rollout=3, batch=2, epochs=1, hidden=(8,))  # 3 transitions: the last minibatch is one
    (metrics,) = train(*make(Task(env="CartPole-v1"), [0], config, envs=1), 3)
    assert all(value.isfinite().all() for value in metrics.values())


def test_a_time_limit_is_not_the_end_of_the_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "endless.py").write_text(ENDLESS)
    monkeypatch.chdir(tmp_path)
    config = Config(rollout=64, batch=64, epochs=20, gamma=0.98, lr=1e-2, hidden=(16,), max_grad_norm=100.0)
    agent, envs = make(Task(env="endless.py:Endless", max_episode_steps=8), [0], config, envs=1)
    train(agent, envs, 64 * 60)
    value = agent.net(torch.zeros(1, 1, dtype=torch.int64), method="value").item()
    assert value == pytest.approx(
        50, abs=1
    )  # 1 / (1 − .98); an agent that despairs at the limit says under 8


ENDLESS = """
import gymnasium as gym

class Endless(gym.Env):
    observation_space, action_space = gym.spaces.Discrete(1), gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return 0, 1.0, False, False, {}
"""


def test_saving_in_mid_rollout_and_loading_goes_on_to_the_bit() -> None:
    agent, envs = make(Task(env="CartPole-v1"), [1, 4], TINY)
    train(agent, envs, 23)
    again, _ = make(Task(env="CartPole-v1"), [1, 4], TINY)
    again.load_state_dict(agent.state_dict())
    one, two = (train(a, make(Task(env="CartPole-v1"), [1, 4], TINY)[1], 41) for a in (agent, again))
    assert torch.equal(agent.net.matrix, again.net.matrix)
    assert [m["loss/policy"].tolist() for m in one] == [m["loss/policy"].tolist() for m in two]
