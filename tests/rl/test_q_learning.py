"""Q-learning: its update by hand, its optimum, and one seed as in company."""

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from core.errors import UserError
from core.noise import Chance
from rl.agent import Spec, Transition
from rl.agents.q_learning import Config, QLearning
from rl.environments import Envs
from rl.planning import finite_horizon_value
from rl.task import Task


def agent(seeds: int = 1, states: int = 4, actions: int = 2, **config: object) -> QLearning:
    spec = Spec(Discrete(states), Discrete(actions), tuple(range(seeds)), steps=100)
    return QLearning(spec, Config(lr=0.5, lr_schedule="constant", gamma=0.9, **config))  # type: ignore[arg-type]


def transition(
    s: int, a: int, r: float, s2: int, terminated: bool = False, truncated: bool = False
) -> Transition:
    return Transition(*(np.array([[x]]) for x in (s, a, r, terminated, truncated, s2)))


def test_updates_by_hand() -> None:
    learner = agent()
    learner.q[0, 1] = [2.0, 4.0]
    learner.learn(transition(0, 1, 1.0, 1))  # 0 + .5 (1 + .9·4 − 0) = 2.3
    assert learner.q[0, 0].tolist() == pytest.approx([0, 2.3])
    learner.learn(
        transition(0, 1, 1.0, 1, terminated=True)
    )  # 2.3 + .5 (1 − 2.3) = 1.65: no future after an end
    assert learner.q[0, 0, 1] == pytest.approx(1.65)
    learner.learn(transition(0, 1, 1.0, 1, truncated=True))  # 1.65 + .5 (4.6 − 1.65): a time limit is no end
    assert learner.q[0, 0, 1] == pytest.approx(3.125)
    learner.learn(transition(0, 1, 1.0, 1, terminated=True, truncated=True))  # both at once: an end
    assert learner.q[0, 0, 1] == pytest.approx(2.0625)


def test_two_environments_in_the_same_state_learn_one_after_the_other() -> None:
    learner = agent()
    both = Transition(*(np.array([[x, x]]) for x in (0, 0, 1.0, True, False, 1)))
    learner.learn(both)
    assert learner.q[0, 0, 0] == pytest.approx(0.75)  # 0 → .5 → .75, not .5


def test_an_untrained_table_tries_every_action_equally() -> None:
    learner = agent(states=1, actions=3, epsilon=0.0, epsilon_end=0.0)
    chance, obs = Chance([0], "acting"), np.zeros((1, 1), np.int64)
    tried = [int(learner.act(obs, (), start=obs, explore=chance)[0][0, 0]) for _ in range(3000)]
    assert np.bincount(tried) / 3000 == pytest.approx([1 / 3] * 3, abs=0.04)


def trained(seeds: list[int], steps: int) -> QLearning:
    envs = Envs(Task(env="FrozenLake-v1"), seeds, 1)
    learner = QLearning(Spec(envs.observation_space, envs.action_space, tuple(seeds), steps=steps), Config())
    chance = Chance(seeds, "acting")
    obs = envs.reset()
    for _ in range(steps):
        action, _ = learner.act(obs, (), start=envs.start, explore=chance)
        landed = envs.step(learner.executed(action))
        ends = (landed.terminated, landed.truncated)
        learner.learn(Transition(obs, action, landed.reward, *ends, landed.next_obs))
        obs = landed.obs
    envs.close()
    return learner


def test_a_seed_learns_the_same_alone_and_in_company() -> None:
    together = trained([3, 8], 800)
    assert np.array_equal(trained([8], 800).q[0], together.q[1])
    assert not np.array_equal(together.q[0], together.q[1])


def test_it_finds_the_best_policy_of_the_deterministic_lake_and_the_slippery_one_nearly() -> None:
    envs = Envs(Task(env="FrozenLake-v1"), [0], 1)
    assert envs.model is not None
    assert envs.time_limit == 100
    values = [
        envs.model.from_start(finite_horizon_value(envs.model, table, 100))
        for table in trained([0, 1], 40_000).greedy_table()
    ]
    assert min(values) > 0.70  # the best stationary policy reaches .7402


def test_a_space_it_cannot_serve_is_named() -> None:
    with pytest.raises(UserError, match=r"q-learning needs Discrete observations, not Box"):
        QLearning(Spec(Box(-1, 1, (2,)), Discrete(2), (0,)), Config())
