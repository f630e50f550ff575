"""REINFORCE: the policy gradient theorem in numbers, cuts, its optimum where it is known, one seed as in company."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from core.gradients import by_tape
from rl.agent import Spec, Transition
from rl.agents.reinforce import Batch, Config, Reinforce
from rl.task import Task
from tests.rl.small_worlds import HERE, Corridor, Life, make

TINY = Config(rollout=16, hidden=(16, 16))


class Table:
    """In the network's place: a logit for every state and action, and values that are as they are."""

    def __init__(self, values: list[float]) -> None:
        self.values = torch.tensor(values)

    def __call__(self, obs: Tensor, method: str) -> Tensor:
        assert method == "value"
        return self.values[obs]

    def apply(self, params: dict[str, Tensor], obs: Tensor) -> tuple[Tensor, Tensor]:
        return params["logits"][obs], self.values[obs]


def tabular(config: Config, values: list[float], envs: int = 1) -> Reinforce:
    states = spaces.Discrete(len(values))
    agent = Reinforce(Spec(states, spaces.Discrete(2), (0,), envs), config)
    agent.net = Table(values)  # type: ignore[assignment]
    return agent


def steps_of(obs: Any, action: Any, reward: Any, terminated: Any, truncated: Any, landed: Any) -> Transition:
    """A rollout of one environment of one seed."""
    columns = (obs, action, np.array(reward, np.float32), terminated, truncated, landed)
    return Transition(*(np.array(column)[:, None, None] for column in columns))


# Two states, two actions: where it leads and what it gives. An episode is over after three steps.
NEXT, REWARD, GAMMA, HORIZON = [[1, 0], [1, 0]], [[1.0, 0.5], [2.0, -1.0]], 0.7, 3
LOGITS = torch.tensor([[0.3, -0.4], [-0.2, 0.5]], dtype=torch.float64)


def episodes() -> list[tuple[Transition, Callable[[Tensor], Tensor], float]]:
    """Every episode there is from state 0: its steps, its chance under some logits, its discounted return."""
    found = []
    for actions in product((0, 1), repeat=HORIZON):
        obs, total = [0], 0.0
        for t, action in enumerate(actions):
            total += GAMMA**t * REWARD[obs[-1]][action]
            obs.append(NEXT[obs[-1]][action])
        rewards = [REWARD[state][action] for state, action in zip(obs, actions, strict=False)]
        over = [False] * (HORIZON - 1) + [True]
        steps = steps_of(obs[:-1], actions, rewards, over, [False] * HORIZON, obs[1:])
        seen, taken = torch.tensor(obs[:-1]), torch.tensor(actions)
        chance = lambda logits, s=seen, a=taken: torch.log_softmax(logits, -1)[s, a].sum().exp()  # noqa: E731
        found.append((steps, chance, total))
    return found


def finite_difference() -> Tensor:
    """∇J by moving each logit a little, J summed over every episode."""
    slope, by = torch.zeros_like(LOGITS), 1e-5
    for place in np.ndindex(2, 2):
        for sign in (1, -1):
            logits = LOGITS.clone()
            logits[place] += sign * by
            slope[place] += sign * sum(float(chance(logits)) * total for _, chance, total in episodes())
    return slope / (2 * by)


def expected_gradient(config: Config, values: list[float]) -> Tensor:
    """Ours, averaged over every episode with its chance."""
    total = torch.zeros_like(LOGITS)
    for steps, chance, _ in episodes():
        agent = tabular(config, values)
        rows = Batch(*(leaf[0] for leaf in agent._batch(steps)))
        gradient, _ = by_tape(
            lambda params, rows=rows, agent=agent: agent.loss(params, rows), {"logits": LOGITS}
        )
        total -= gradient["logits"] * float(chance(LOGITS)) * HORIZON  # the loss takes the mean over steps
    return total


THEOREM = Config(gamma=GAMMA, discount_state=True, baseline=False)


def test_the_gradient_is_that_of_the_return_by_finite_difference() -> None:
    known = finite_difference()
    assert known.abs().min() > 0.01
    torch.testing.assert_close(expected_gradient(THEOREM, [0.0, 0.0]), known, atol=1e-6, rtol=0)


def test_a_baseline_leaves_the_mean_gradient_as_it_is() -> None:
    config = Config(gamma=GAMMA, discount_state=True, value_weight=0.0)
    found = expected_gradient(config, [3.0, -5.0])
    torch.testing.assert_close(found, finite_difference(), atol=1e-6, rtol=0)


def test_without_the_power_of_gamma_it_is_another_direction() -> None:
    config = Config(gamma=GAMMA, baseline=False)
    found, known = expected_gradient(config, [0.0, 0.0]), finite_difference()
    assert (found - known).abs().max() > 0.05
    # Without discounting there is nothing to leave out.
    assert tabular(Config(gamma=1.0, discount_state=True), [0.0])._batch(
        steps_of([0, 0], [0, 1], [1, 1], [False] * 2, [False] * 2, [0, 0])
    ).weight.tolist() == [[1, 1]]  # fmt: skip


def rollout_with_every_kind_of_end() -> Transition:
    """Terminated at 1, truncated at 3, both at 4, still running at 6; state = step, landing in the next."""
    return steps_of(range(7), [0] * 7, [1, 2, 3, 4, 5, 6, 7], [t in (1, 4) for t in range(7)],
                    [t in (3, 4) for t in range(7)], range(1, 8))  # fmt: skip


def test_returns_go_on_beyond_a_cut_with_the_value_and_end_at_an_end() -> None:
    values = [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]
    agent = tabular(Config(gamma=0.5, discount_state=True), values)
    batch = agent._batch(rollout_with_every_kind_of_end())
    # 1: 2. 0: 1 + .5·2. 3: 4 + .5·40. 2: 3 + .5·24. 4: 5, it ended. 6: 7 + .5·70. 5: 6 + .5·42
    assert batch.target.tolist() == [[2, 2, 15, 24, 5, 27, 42]]
    assert batch.advantage.tolist() == [[2, -8, -5, -6, -35, -23, -18]]
    assert batch.weight.tolist() == [[1, 0.5, 1, 0.5, 1, 1, 0.5]]
    assert agent.age.tolist() == [[2]]  # the last episode goes on in the next rollout
    assert agent._batch(rollout_with_every_kind_of_end()).weight.tolist()[0][:2] == [0.25, 0.125]


def test_without_a_baseline_returns_stop_at_a_cut() -> None:
    agent = tabular(Config(gamma=0.5, baseline=False), [100.0] * 8)
    batch = agent._batch(rollout_with_every_kind_of_end())
    assert batch.target.tolist() == [[2, 2, 5, 4, 5, 9.5, 7]]
    assert torch.equal(batch.advantage, batch.target)
    assert batch.weight.tolist() == [[1] * 7]


@pytest.mark.parametrize(("env", "sde_every"), [("CartPole-v1", 0), ("Pendulum-v1", 3), ("FrozenLake-v1", 0)])
@pytest.mark.parametrize("path", ["loop", "vmap"])
@pytest.mark.parametrize("baseline", [False, True])
def test_a_seed_learns_the_same_to_the_bit_alone_and_in_company(
    env: str, sde_every: int, path: str, baseline: bool
) -> None:
    config = Config(rollout=16, hidden=(16, 16), sde_every=sde_every, baseline=baseline, discount_state=True)
    together, alone = (
        Life(*make(Reinforce, Task(env=env), seeds, config, path=path)) for seeds in ([2, 5], [5])
    )
    assert len(together.run(64)) == len(alone.run(64)) == 4
    assert torch.equal(together.agent.net.matrix[1], alone.agent.net.matrix[0])
    assert np.array_equal(together.agent.age[1], alone.agent.age[0])
    assert env == "Pendulum-v1" or not np.array_equal(
        *together.agent.age
    )  # their episodes ended at other times


def test_the_paths_agree_within_rounding_after_four_updates() -> None:
    task = Task(env="CartPole-v1")
    lives = [Life(*make(Reinforce, task, [2, 5], TINY, path=path)) for path in ("loop", "vmap")]
    assert [len(life.run(64)) for life in lives] == [4, 4]
    assert (lives[0].agent.net.matrix - lives[1].agent.net.matrix).abs().max() < 1e-5


def test_a_time_limit_is_not_the_end_of_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    config = Config(gamma=0.98, rollout=16, lr=1e-1, hidden=(16,), max_grad_norm=1000.0)
    task = Task(env="small_worlds.py:Endless", max_episode_steps=8)
    life = Life(*make(Reinforce, task, [0], config, envs=1, steps=16 * 250))
    life.run(16 * 250)
    value = life.agent.net(torch.zeros(1, 1, dtype=torch.int64), method="value").item()
    assert value == pytest.approx(50, abs=1)  # 1 / (1 − .98)


@pytest.mark.parametrize("baseline", [False, True])
def test_it_finds_the_way_through_the_corridor(baseline: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    config = Config(gamma=0.9, rollout=32, lr=2e-2, hidden=(16,), entropy_weight=0.01, baseline=baseline)
    steps = 32 * 60
    world = Task(env="small_worlds.py:Corridor")
    life = Life(*make(Reinforce, world, [0, 1], config, envs=8, steps=8 * steps))
    metrics = life.run(steps)
    rooms = np.tile(np.arange(4), (2, 1))
    act, _ = life.agent.act(rooms, (), start=np.ones((2, 4), bool), explore=None)
    assert (act == 1).all()
    value = life.agent.net(torch.from_numpy(rooms), method="value")
    if baseline:
        torch.testing.assert_close(value, torch.tensor([Corridor.optimum] * 2), atol=0.05, rtol=0)
        assert (metrics[-1]["value/explained"] > 0.5).all()
    else:
        assert "loss/value" not in metrics[-1]


def test_saving_in_mid_episode_and_loading_goes_on_to_the_bit() -> None:
    config = Config(rollout=16, hidden=(8,), discount_state=True)
    life, other = (Life(*make(Reinforce, Task(env="CartPole-v1"), [1, 4], config)) for _ in range(2))
    life.run(39)
    assert life.agent.age.any()
    for part in ("agent", "envs", "chance"):
        getattr(other, part).load_state_dict(getattr(life, part).state_dict())
    other.obs = other.envs.obs
    assert len(life.run(30)) == len(other.run(30)) > 0
    assert torch.equal(life.agent.net.matrix, other.agent.net.matrix)
    assert np.array_equal(life.agent.age, other.agent.age)
