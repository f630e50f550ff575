"""What policy gradients share: looking past cuts but not past ends, and holding a noise matrix."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core import trees
from rl.actor_critic import estimated, explained
from rl.agent import Transition
from rl.agents import a2c, ppo
from rl.task import Task
from tests.rl.small_worlds import HERE, Life, make

EVERY = 3


class Known:
    """In the network's place: the value of an observation is the observation."""

    device = "cpu"

    def __call__(self, obs: Tensor, method: str | None = None) -> Any:
        return obs if method == "value" else (obs, obs)


def steps_of(**columns: Any) -> Transition:
    """A rollout of one environment of one seed."""
    columns = {"action": [0] * len(columns["obs"]), **columns}
    return Transition(**{name: np.array(column)[:, None, None] for name, column in columns.items()})


def test_a_target_bootstraps_from_where_the_step_landed_and_not_from_after_the_reset() -> None:
    # The first episode is cut where v = 100; after the reset v = 0. The second both ends and is cut.
    steps = steps_of(obs=np.float32([7, 0]), reward=np.float32([1, 2]), terminated=[False, True],
                     truncated=[True, True], next_obs=np.float32([100, 100]))  # fmt: skip
    for gae_lambda in (0.0, 0.9, 1.0):
        found = estimated(Known(), steps, 0.9, gae_lambda)  # type: ignore[arg-type]
        assert found.target.tolist() == [[1 + 0.9 * 100, 2]]
        assert found.advantage.tolist() == [[91 - 7, 2]]


def test_of_two_episodes_of_one_step_the_first_does_not_see_the_second() -> None:
    steps = steps_of(obs=np.float32([0, 0]), reward=np.float32([1, 100]), terminated=[True, True],
                     truncated=[False, False], next_obs=np.float32([5, 5]))  # fmt: skip
    assert estimated(Known(), steps, 0.9, 1.0).target.tolist() == [[1, 100]]  # type: ignore[arg-type]


def test_the_end_of_a_rollout_is_no_end() -> None:
    steps = steps_of(obs=np.float32([4, 6]), reward=np.float32([1, 2]), terminated=[False, False],
                     truncated=[False, False], next_obs=np.float32([6, 8]))  # fmt: skip
    found = estimated(Known(), steps, 0.5, 1.0)  # type: ignore[arg-type]
    assert found.target.tolist() == [[1 + 0.5 * 6, 2 + 0.5 * 8]]  # 2 + 4 = 6 is G₁
    # Targets 4 and 6 have variance 2, what is left, 0 and 0, has none.
    assert explained(found.advantage, found.target)["value/explained"].tolist() == [1.0]
    assert explained(torch.ones(2, 1), torch.ones(2, 1)) == {}  # one sample alone has no variance


def pendulum(seeds: list[int], envs: int = 2, **settings: Any) -> Life:
    config = a2c.Config(hidden=(8,), rollout=50, sde_every=EVERY, **settings)
    return Life(*make(a2c.A2C, Task(env="Pendulum-v1"), seeds, config, envs=envs))


def noise_of(life: Life, steps: int) -> np.ndarray:
    """The matrices of ``steps`` steps, ``[step, seed, env, …]``."""
    found = []
    for _ in range(steps):
        life.run(1)
        found.append(life.memory[0])
    return np.stack(found)


def test_a_matrix_is_held_for_some_steps_and_is_each_environments_own() -> None:
    noise = noise_of(pendulum([3, 9]), 3 * EVERY)
    assert noise.shape == (3 * EVERY, 2, 2, 8, 1)
    for t in range(1, len(noise)):
        assert np.array_equal(noise[t], noise[t - 1]) == (t % EVERY > 0)
    own = noise[0].reshape(4, -1)
    assert len(np.unique(own, axis=0)) == 4
    alone = noise_of(pendulum([9]), 3 * EVERY)
    assert np.array_equal(noise[:, 1], alone[:, 0])


def test_the_same_state_gets_the_same_action_while_the_matrix_is_held() -> None:
    life = pendulum([0])
    act = lambda memory: life.agent.act(  # noqa: E731
        life.obs, memory, start=life.envs.start, explore=life.chance
    )
    first, memory = act(life.memory)
    second, memory = act(memory)
    third, memory = act(memory)
    fourth, _ = act(memory)
    assert np.array_equal(first, second)
    assert np.array_equal(second, third)
    assert not np.array_equal(third, fourth)
    greedy, same = life.agent.act(life.obs, memory, start=life.envs.start, explore=None)
    assert same is memory
    assert not np.array_equal(greedy, fourth)


def test_what_is_remembered_is_a_tree_of_seeds_and_environments() -> None:
    life = pendulum([3, 9])
    life.run(4)
    assert all(leaf.shape[:2] == (2, 2) for leaf in trees.leaves(life.memory))
    assert life.memory[1].tolist() == [[4, 4], [4, 4]]
    plain = make(a2c.A2C, Task(env="Pendulum-v1"), [0], a2c.Config(hidden=(8,)))[0]
    assert plain.memory(3) == ()


@pytest.mark.parametrize("every", [1, 3, 7])
def test_ppos_first_minibatch_has_a_ratio_of_one_whatever_matrices_acted(every: int) -> None:
    config = ppo.Config(rollout=16, batch=32, epochs=1, hidden=(16, 16), sde_every=every)
    (metrics,) = Life(*make(ppo.PPO, Task(env="Pendulum-v1"), [0], config)).run(16)
    assert metrics["policy/kl"].item() < 1e-10
    assert metrics["policy/clip_fraction"].item() == 0


def test_ppo_with_held_noise_learns_the_same_alone_and_in_company() -> None:
    config = ppo.Config(rollout=16, batch=16, epochs=2, hidden=(16, 16), sde_every=4)
    for path in ("loop", "vmap"):
        together, alone = (
            Life(*make(ppo.PPO, Task(env="Pendulum-v1"), seeds, config, path=path)) for seeds in ([2, 5], [5])
        )
        together.run(48), alone.run(48)
        assert torch.equal(together.agent.net.matrix[1], alone.agent.net.matrix[0])


def test_it_learns_to_aim_with_noise_of_its_own_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    config = ppo.Config(rollout=32, batch=64, epochs=5, lr=1e-2, gamma=0.9, hidden=(16,), initial_log_std=-1.0,
                        lr_schedule="linear", sde_every=4)  # fmt: skip
    steps = 32 * 15
    life = Life(*make(ppo.PPO, Task(env="small_worlds.py:Aim"), [0, 1], config, envs=8, steps=8 * steps))
    life.run(steps)
    points = np.tile(np.linspace(-0.9, 0.9, 7, dtype=np.float32)[:, None], (2, 1, 1))
    act, _ = life.agent.act(points, life.memory, start=np.ones((2, 7), bool), explore=None)
    np.testing.assert_allclose(act, points, atol=0.15)


def test_first_weights_may_be_pytorchs() -> None:
    box = make(a2c.A2C, Task(env="Pendulum-v1"), [0], a2c.Config(hidden=(64,), orthogonal=False))[0]
    body = box.net.weights()["actor_body.parts.1.layers.0.weight"][0]  # [64, 3]
    bound = 1 / 3**0.5
    assert body.abs().max() <= bound + 1e-6
    assert body.abs().max() > 0.9 * bound
    last = box.net.weights()["actor.parts.0.layers.0.weight"][0]
    assert 0.8 / 8 < last.abs().max() <= 1 / 8 + 1e-6  # not a hundredth
