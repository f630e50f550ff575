"""Expected SARSA: the mean over the policy that acts, by hand; without exploring it is Q-learning."""

import numpy as np
import pytest

from rl.agents.expected_sarsa import update
from tests.rl.tables_by_hand import table, trained, transition


def test_the_rule_by_hand() -> None:
    q = np.array([[1.0, 0.0], [4.0, 2.0]])
    # π = (.9, .1) at ε = .2: 3.8; δ = 1 + .9·3.8 − 1
    assert update(q, 0, 0, 1.0, 0.9, 1, -1, 0.2, 0.5) == pytest.approx(3.42)
    assert q[0, 0] == pytest.approx(2.71)
    assert update(q, 1, 1, 3.0, 0.0, 0, -1, 0.2, 0.5) == pytest.approx(1.0)  # an end: δ = 3 − 2
    assert q[1].tolist() == [4.0, pytest.approx(2.5)]


@pytest.mark.parametrize("values", [[4.0, 4.0, 1.0], [2.0, 2.0, 2.0], [0.0, 5.0, 0.0]])
def test_of_several_best_actions_each_has_its_share(values: list[float]) -> None:
    """The policy that acts breaks ties at random: π(a) = ε/3 + (1 − ε)/ties for the best."""
    q = np.array([[0.0, 0.0, 0.0], values])
    best = q[1] == q[1].max()
    policy = 0.3 / 3 + 0.7 * best / best.sum()
    assert policy.sum() == pytest.approx(1.0)
    assert update(q, 0, 2, 1.0, 0.5, 1, -1, 0.3, 1.0) == pytest.approx(1.0 + 0.5 * policy @ q[1])


def test_a_time_limit_is_no_end() -> None:
    agent = table("expected-sarsa", epsilon=0.5, epsilon_end=0.5)
    agent.q[0, 1] = [2.0, 4.0]
    agent.learn(transition(0, 0, 1.0, 1, truncated=True))  # .5 (1 + .9 (.75·4 + .25·2))
    assert agent.q[0, 0, 0] == pytest.approx(2.075)
    agent.learn(transition(0, 1, 1.0, 1, terminated=True, truncated=True))
    assert agent.q[0, 0, 1] == pytest.approx(0.5)


def test_without_exploring_it_is_q_learning_to_the_bit() -> None:
    chance = np.random.default_rng(0)
    pair = [table(name, 6, 4, epsilon=0.0, epsilon_end=0.0) for name in ("expected-sarsa", "q-learning")]
    for _ in range(2000):
        s, a, s2, r = chance.integers(6), chance.integers(4), chance.integers(6), chance.normal()
        ends = chance.random(2) < 0.1
        for agent in pair:
            agent.learn(transition(int(s), int(a), float(r), int(s2), bool(ends[0]), bool(ends[1])))
    assert np.array_equal(pair[0].q, pair[1].q)
    assert np.ptp(pair[0].q) > 1


def test_a_seed_learns_the_same_alone_and_in_company() -> None:
    together, alone = (trained("expected-sarsa", "FrozenLake-v1", seeds, 800)[0] for seeds in ([3, 8], [8]))
    assert np.array_equal(together.q[1], alone.q[0])
