"""What tables share: the policy, schedules, saving, numbering, and what they refuse."""

from dataclasses import fields

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from core.errors import UserError
from core.noise import Chance
from rl.agent import Spec
from rl.build import module_of
from rl.tabular import Settings
from rl.train import read
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


@NAMES
def test_settings_stand_once_for_all_tables_and_each_one_is_told_by_help(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [field.name for field in fields(module_of(name).Config)]
    assert own == [field.name for field in fields(Settings)]
    assert set(module_of(name).Config.__annotations__) == {"epsilon_end"}  # all that a rule has of its own
    with pytest.raises(SystemExit):
        read(name, module_of(name), ["--help"])
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"{name} options" in shown
    for line in (
        "--gamma FLOAT discount (default: 0.99)",
        "--lr FLOAT step size α at the start (default: 0.5)",
        "constant, linear, cosine, exponential (default: exponential)",
        "and at the end, on a straight line",
        "--initial FLOAT every value before anything was learned (default: 0.0)",
    ):
        assert line in shown
