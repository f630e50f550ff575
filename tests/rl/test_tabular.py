"""What tables share: the policy, schedules, saving, numbering, and what they refuse."""

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from core.errors import UserError
from core.noise import Chance
from rl.agent import Spec
from rl.build import module_of
from tests.rl.tables_by_hand import table, transition

NAMES = pytest.mark.parametrize("name", ["q-learning", "sarsa", "expected-sarsa"])


@NAMES
def test_it_explores_as_often_as_epsilon_says_and_less_and_less(name: str) -> None:
    agent = table(name, states=1, epsilon=1.0, epsilon_end=0.0)
    agent.q[0, 0] = [0.0, 1.0]
    chance, obs = Chance([0], "acting"), np.zeros((1, 1), np.int64)
    for step, share in ((0, 0.5), (50, 0.25), (100, 0.0)):  # ε = 1, .5, 0: half of it takes the other action
        agent.step = step
        taken = [int(agent.act(obs, (), start=obs, explore=chance)[0][0, 0]) for _ in range(3000)]
        assert np.mean(np.array(taken) == 0) == pytest.approx(share, abs=0.03)
    assert agent.act(obs, (), start=obs, explore=None)[0].tolist() == [[1]]


@NAMES
def test_the_step_size_follows_its_schedule(name: str) -> None:
    agent = module_of(name).AGENT(
        Spec(Discrete(2), Discrete(1), (0,), steps=4), module_of(name).Config(lr=0.8, lr_end=0.2)
    )
    for _ in range(2):
        agent.learn(transition(0, 0, 1.0, 1, terminated=True))
    # α = .8, then .8·(.25)^(1/4) = .56569: 0 → .8 → .8 + .56569·.2
    assert agent.q[0, 0, 0] == pytest.approx(0.913137, abs=1e-6)


@NAMES
def test_states_and_actions_may_be_numbered_from_anywhere(name: str) -> None:
    spec = Spec(Discrete(3, start=10), Discrete(2, start=5), (0,), steps=10)
    agent = module_of(name).AGENT(spec, module_of(name).Config(lr=1.0))
    agent.learn(transition(12, 1, 3.0, 10, terminated=True))
    assert agent.q[0, 2].tolist() == [0.0, 3.0]
    action, _ = agent.act(np.array([[12]]), (), start=np.ones((1, 1), np.bool_), explore=None)
    assert agent.executed(action).tolist() == [[6]]


@NAMES
def test_each_seed_has_its_own_table(name: str) -> None:
    agent = table(name, seeds=2)
    parts = [[[0], [1]], [[0], [1]], [[1.0], [2.0]], [[True], [True]], [[False], [False]], [[2], [2]]]
    agent.learn(transition(0, 0, 0.0, 0)._make(np.array(part) for part in parts))
    assert agent.q[0].nonzero()[0].tolist() == [0]
    assert agent.q[1, 1].tolist() == [0.0, 1.0]
    assert agent.greedy_table().tolist() == [[0, 0, 0, 0], [0, 1, 0, 0]]


@NAMES
def test_a_space_it_cannot_serve_is_named(name: str) -> None:
    with pytest.raises(UserError, match=rf"{name} needs Discrete observations, not Box"):
        module_of(name).AGENT(Spec(Box(-1, 1, (2,)), Discrete(2), (0,)), module_of(name).Config())
