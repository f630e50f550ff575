"""SARSA: the action that is truly taken, numbers by hand, the safe way along the cliff."""

import numpy as np
import pytest

from core.noise import Chance
from rl.agents.sarsa import update
from rl.planning import policy_value
from tests.rl.tables_by_hand import table, trained, transition


def test_the_rule_by_hand() -> None:
    q = np.array([[1.0, 0.0], [4.0, 2.0]])
    # δ = 1 + .9·Q(1, 1) − Q(0, 0) = 1 + 1.8 − 1; the better action there is none of its business
    assert update(q, 0, 0, 1.0, 0.9, 1, 1, 0.3, 0.5) == pytest.approx(1.8)
    assert q.tolist() == [[pytest.approx(1.9), 0.0], [4.0, 2.0]]
    assert update(q, 1, 0, 3.0, 0.0, 0, 0, 0.3, 0.5) == pytest.approx(-1.0)  # an end: δ = 3 − 4
    assert q[1, 0] == pytest.approx(3.5)


def test_a_transition_waits_for_the_action_that_is_taken_next() -> None:
    agent = table("sarsa")
    agent.q[0, 1] = [2.0, 4.0]
    found = agent.learn(transition(0, 1, 1.0, 1))
    assert agent.q[0, 0, 1] == 0.0  # nothing is known yet
    assert found["loss/td"].tolist() == [0.0]
    found = agent.learn(transition(1, 0, 0.5, 2))  # a' was 0: 0 + .5 (1 + .9·2 − 0) = 1.4
    assert agent.q[0, 0, 1] == pytest.approx(1.4)
    assert found["loss/td"].tolist() == [pytest.approx(2.8)]
    found = agent.learn(transition(2, 1, 7.0, 3, terminated=True))  # both: 2 + .5 (.5 + .9·0 − 2), then .5·7
    assert agent.q[0, 1, 0] == pytest.approx(1.25)
    assert agent.q[0, 2, 1] == pytest.approx(3.5)
    assert found["loss/td"].tolist() == [pytest.approx(8.5)]
    agent.learn(transition(0, 0, 1.0, 1))  # a new episode: the one before has nothing left to say
    assert agent.q[0, 2, 1] == pytest.approx(3.5)


def test_the_next_action_is_valued_before_it_is_learnt_from() -> None:
    agent = table("sarsa")
    agent.q[0, 0] = [0.0, 2.0]
    agent.learn(transition(0, 0, 0.0, 0))
    agent.learn(transition(0, 1, 8.0, 1, terminated=True))
    assert agent.q[0, 0, 0] == pytest.approx(0.9)  # .5 · .9 · 2, with Q(0, 1) as it was, not 5
    assert agent.q[0, 0, 1] == pytest.approx(5.0)


def test_after_a_time_limit_the_action_is_drawn_as_it_would_have_been() -> None:
    agent = table("sarsa", epsilon=0.0, epsilon_end=0.0)
    agent.q[0, 1] = [2.0, 4.0]
    agent.learn(transition(0, 0, 1.0, 1, truncated=True))
    assert agent.q[0, 0, 0] == pytest.approx(2.3)  # .5 (1 + .9·4): greedy there, since ε = 0, and no end
    assert not agent.waiting.any()
    both = table("sarsa")
    both.q[0, 1] = [2.0, 4.0]
    both.learn(transition(0, 0, 1.0, 1, terminated=True, truncated=True))
    assert both.q[0, 0, 0] == pytest.approx(0.5)
    agent, drawn = table("sarsa", epsilon=0.5, epsilon_end=0.5), []
    for _ in range(2000):  # the greedy action has probability .75
        agent.q[0] = [[0, 0], [2, 4], [0, 0], [0, 0]]
        agent.learn(transition(0, 0, 0.0, 1, truncated=True))
        drawn.append(agent.q[0, 0, 0] > 1.0)
    assert np.mean(drawn) == pytest.approx(0.75, abs=0.03)


def test_what_waits_is_saved() -> None:
    agent, other = table("sarsa"), table("sarsa")
    agent.q[0, 1] = [2.0, 4.0]
    agent.learn(transition(0, 1, 1.0, 1))
    other.load_state_dict(agent.state_dict())
    for each in (agent, other):
        each.learn(transition(1, 0, 0.5, 2))
    assert other.q[0, 0, 1] == agent.q[0, 0, 1] == pytest.approx(1.4)


def test_a_seed_learns_the_same_alone_and_in_company() -> None:
    together, alone = (trained("sarsa", "FrozenLake-v1", seeds, 1500)[0] for seeds in ([3, 8], [8]))
    assert np.array_equal(together.q[1], alone.q[0])
    assert not np.array_equal(together.q[0], together.q[1])


def test_along_the_cliff_it_keeps_away() -> None:
    agent, envs = trained("sarsa", "CliffWalking-v1", [0], 12_000, gamma=1.0, epsilon=0.1, epsilon_end=0.1)
    assert envs.model is not None
    value = policy_value(envs.model, agent.greedy_table()[0], 1.0)[36]
    assert -17 <= value <= -15  # a row or two above the shortest way, which is worth −13


def test_an_untrained_table_tries_every_action_equally() -> None:
    agent = table("sarsa", states=1, actions=3, epsilon=0.0, epsilon_end=0.0)
    chance, obs = Chance([0], "acting"), np.zeros((1, 1), np.int64)
    tried = [int(agent.act(obs, (), start=obs, explore=chance)[0][0, 0]) for _ in range(3000)]
    assert np.bincount(tried) / 3000 == pytest.approx([1 / 3] * 3, abs=0.04)
