"""A2C: its traps in numbers, its optimum where it is known, and one seed as in company."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from rl.agent import Spec
from rl.agents.a2c import A2C, PRESETS, Batch, Config
from rl.task import Task
from tests.rl.small_worlds import HERE, Corridor, Life, make

TINY = Config(hidden=(16, 16))


@pytest.mark.parametrize(("env", "sde_every"), [("CartPole-v1", 0), ("Pendulum-v1", 3), ("FrozenLake-v1", 0)])
@pytest.mark.parametrize("path", ["loop", "vmap"])
def test_a_seed_learns_the_same_to_the_bit_alone_and_in_company(env: str, sde_every: int, path: str) -> None:
    config = Config(hidden=(16, 16), sde_every=sde_every)
    together, alone = (Life(*make(A2C, Task(env=env), seeds, config, path=path)) for seeds in ([2, 5], [5]))
    assert len(together.run(48)) == len(alone.run(48)) == 9
    assert torch.equal(together.agent.net.matrix[1], alone.agent.net.matrix[0])


def test_the_paths_agree_within_rounding_after_ten_updates() -> None:
    lives = [Life(*make(A2C, Task(env="CartPole-v1"), [2, 5], TINY, path=path)) for path in ("loop", "vmap")]
    assert [len(life.run(50)) for life in lives] == [10, 10]
    difference = (lives[0].agent.net.matrix - lives[1].agent.net.matrix).abs().max()
    assert difference < 2e-6  # measured: 2e-7


def test_the_loss_of_three_rows_by_hand() -> None:
    spec = Spec(spaces.Box(-1, 1, (3,)), spaces.Discrete(2), (0,))
    agent = A2C(spec, Config(value_weight=0.5, entropy_weight=0.1))
    chance = torch.tensor([[0.5, 0.5], [0.8, 0.2], [0.3, 0.7]])
    agent.net.apply = lambda params, obs: (chance.log(), torch.tensor([1.0, 2.0, 3.0]))  # type: ignore[method-assign]
    batch = Batch(torch.zeros(3, 3), torch.tensor([0, 0, 1]), torch.tensor([1.0, 2.0, -1.0]),
                  torch.tensor([0.0, 2.0, 5.0]))  # fmt: skip
    total, metrics = agent.loss({}, batch)
    # −(1·ln .5 + 2·ln .8 − 1·ln .7)/3; value errors 1, 0, 4: 5/3
    policy = -(np.log(0.5) + 2 * np.log(0.8) - np.log(0.7)) / 3
    entropy = np.mean([-sum(p * np.log(p) for p in row) for row in ([0.5, 0.5], [0.8, 0.2], [0.3, 0.7])])
    assert metrics["loss/policy"].item() == pytest.approx(policy, abs=1e-6)
    assert metrics["loss/value"].item() == pytest.approx(5 / 3, abs=1e-6)
    assert metrics["policy/entropy"].item() == pytest.approx(entropy, abs=1e-6)
    assert total.item() == pytest.approx(policy + 0.5 * 5 / 3 - 0.1 * entropy, abs=1e-6)


def test_a_time_limit_is_not_the_end_of_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    config = Config(gamma=0.98, lr=1e-2, hidden=(16,), max_grad_norm=100.0)
    task = Task(env="small_worlds.py:Endless", max_episode_steps=8)
    life = Life(*make(A2C, task, [0], config, envs=1))
    life.run(5 * 900)
    value = life.agent.net(torch.zeros(1, 1, dtype=torch.int64), method="value").item()
    assert value == pytest.approx(
        50, abs=1
    )  # 1 / (1 − .98); an agent that despairs at the limit says under 8


def test_it_finds_the_way_through_the_corridor_and_what_it_is_worth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    config = Config(gamma=0.9, lr=5e-3, hidden=(16,), lr_schedule="linear", entropy_weight=0.01)
    steps = 5 * 500
    life = Life(*make(A2C, Task(env="small_worlds.py:Corridor"), [0, 1], config, envs=8, steps=8 * steps))
    life.run(steps)
    rooms = np.tile(np.arange(4), (2, 1))
    act, _ = life.agent.act(rooms, (), start=np.ones((2, 4), bool), explore=None)
    assert (act == 1).all()
    value = life.agent.net(torch.from_numpy(rooms), method="value")
    torch.testing.assert_close(value, torch.tensor([Corridor.optimum] * 2), atol=0.05, rtol=0)


def test_a_norm_of_nothing_means_that_gradients_are_not_clipped() -> None:
    lives = [
        Life(*make(A2C, Task(env="CartPole-v1"), [0], Config(hidden=(8,), max_grad_norm=norm)))
        for norm in (0.0, 1e9)
    ]
    for life in lives:
        life.run(20)
    assert torch.equal(*(life.agent.net.matrix for life in lives))


def test_the_learning_rate_falls_to_nothing_where_it_is_linear() -> None:
    config = Config(lr_schedule="linear", hidden=(8,))
    agent, envs = make(A2C, Task(env="CartPole-v1"), [0], config, envs=2, steps=100)
    taken: list[float] = []
    step = agent.net.step
    agent.net.step = lambda *args, lr: (taken.append(lr), step(*args, lr=lr))[1]
    Life(agent, envs).run(50)
    assert taken == pytest.approx([7e-4 * (1 - k / 10) for k in range(10)])


def test_saving_while_a_noise_matrix_is_held_and_loading_goes_on_to_the_bit() -> None:
    config = Config(rollout=8, hidden=(8,), sde_every=6)
    life, other = (Life(*make(A2C, Task(env="Pendulum-v1"), [1, 4], config)) for _ in range(2))
    life.run(21)
    for part in ("agent", "envs", "chance"):
        getattr(other, part).load_state_dict(getattr(life, part).state_dict())
    other.obs, other.memory = other.envs.obs, life.memory
    assert len(life.run(30)) == len(other.run(30)) > 0
    assert torch.equal(life.agent.net.matrix, other.agent.net.matrix)
    assert np.array_equal(life.taken[-1].action, other.taken[-1].action)


def test_the_zoos_settings_are_the_defaults_of_stable_baselines() -> None:
    assert PRESETS["zoo"]["CartPole-v1"] == {"envs": 8, "steps": 500_000}
    agent = A2C(Spec(spaces.Box(-1, 1, (3,)), spaces.Discrete(2), (0,)), Config())
    assert agent.net.optimiser == type(agent.net.optimiser)(alpha=0.99, eps=1e-5)
    assert (agent.config.rollout, agent.config.lr, agent.config.gae_lambda, agent.net.clip) == (
        5,
        7e-4,
        1.0,
        0.5,
    )
