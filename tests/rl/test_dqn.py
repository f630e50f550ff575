"""DQN: its traps in numbers, its switches alone and in company, and the optimum of worlds that are solved by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from core.errors import UserError
from core.gradients import by_tape
from core.noise import Chance
from rl.agent import Spec, Transition
from rl.agents.dqn import DQN, PRESETS, Config, updates
from rl.environments import Envs
from rl.losses import dueling_values, huber, squared, value_of_choice
from rl.q_network import QNetwork
from rl.replay import Sample
from rl.task import Task

TINY = Config(hidden=(16, 16), batch=5, learning_starts=10, gradient_steps=3, target_every=7, capacity=60)
SWITCHES: dict[str, dict[str, Any]] = {
    "plain": {},
    "double": {"double": True},
    "dueling": {"dueling": True},
    "n-step": {"n_step": 3},
    "prioritised": {"prioritised": True},
    "all": {"double": True, "dueling": True, "n_step": 3, "prioritised": True, "tau": 0.3},
}
EVERY = pytest.mark.parametrize("switch", SWITCHES)


def make(
    task: Task, seeds: list[int], config: Config, envs: int = 1, path: str = "loop", steps: int = 1000
) -> tuple[DQN, Envs]:
    made = Envs(task, seeds, envs, gamma=config.gamma)
    spaces = (made.observation_space, made.action_space)
    return DQN(Spec(*spaces, tuple(seeds), envs, steps=steps, path=path), config), made  # type: ignore[arg-type]


def train(agent: DQN, envs: Envs, steps: int, chance: Chance | None = None) -> list[dict[str, torch.Tensor]]:
    chance, found = chance or Chance(envs.seeds, "acting"), []
    obs = envs.reset()
    for _ in range(steps):
        action, _ = agent.act(obs, (), start=envs.start, explore=chance)
        landed = envs.step(agent.executed(action))
        ends = (landed.terminated, landed.truncated)
        found.append(agent.learn(Transition(obs, action, landed.reward, *ends, landed.next_obs)))
        obs = landed.obs
    envs.close()
    return [metrics for metrics in found if metrics]


def by_table(config: Config, online: torch.Tensor) -> DQN:
    """A DQN whose network answers ``online``, whatever it sees."""
    agent = DQN(Spec(gym.spaces.Discrete(2), gym.spaces.Discrete(2), (0,)), config)
    agent.net.apply = lambda params, obs: online  # type: ignore[method-assign]
    return agent


def sample(reward: list[float], discount: list[float], action: list[int], weight: list[float]) -> Sample:
    state = torch.zeros(len(reward), dtype=torch.int64)
    numbers = (torch.tensor(action), torch.tensor(reward), torch.tensor(discount))
    return Sample(state, *numbers, state, torch.tensor(weight))


def test_huber_is_no_steeper_than_one_and_equals_half_a_square_near_zero() -> None:
    error = torch.tensor([-3.0, -1.0, 0.5, 100.0], requires_grad=True)
    found = huber(error)
    assert found.tolist() == [2.5, 0.5, 0.125, 99.5]
    found.sum().backward()
    assert error.grad is not None
    assert error.grad.tolist() == [-1, -1, 0.5, 1]
    assert squared(error.detach()).tolist() == [9, 1, 0.25, 10_000]
    assert torch.allclose(found, torch.nn.functional.smooth_l1_loss(error, error * 0, reduction="none"))


def test_the_loss_of_two_rows_by_hand() -> None:
    online, following = torch.tensor([[1.0, 2.0], [0.0, 5.0]]), torch.tensor([[10.0, 3.0], [4.0, 6.0]])
    batch = sample([1.0, 2.0], [0.5, 0.0], [0, 1], [1.0, 0.5])
    total, metrics = by_table(Config(), online).loss({}, batch, following)
    # δ = 1 + .5·10 − 1 = 5; 2 + 0 − 5 = −3. Huber 4.5, 2.5, weighted 4.5, 1.25
    assert metrics["error"].tolist() == [5, -3]
    assert total.item() == pytest.approx((4.5 + 1.25) / 2)
    assert metrics["loss/td"].item() == total.item()
    assert metrics["value/q"].item() == 3  # of the actions taken: 1 and 5
    total, _ = by_table(Config(loss="mse"), online).loss({}, batch, following)
    assert total.item() == pytest.approx((25 + 4.5) / 2)


def test_double_lets_the_learning_network_choose_and_the_target_value() -> None:
    online, following = torch.tensor([[0.0, 1.0]]), torch.tensor([[10.0, 3.0]])
    batch = sample([0.0], [1.0], [0], [1.0])
    plain = by_table(Config(), online).loss({}, batch, following)[1]
    double = by_table(Config(double=True), online).loss({}, batch, following)[1]
    assert plain["error"].item() == 10
    assert double["error"].item() == 3  # swapped it would be 0: online's value of the target's choice
    assert value_of_choice(following, online).tolist() == [3]


def test_the_target_has_no_gradient() -> None:
    agent = DQN(Spec(gym.spaces.Discrete(3), gym.spaces.Discrete(2), (0,)), Config(double=True, hidden=()))
    batch = Sample(*(leaf[0] for leaf in _one_step(0, 1)))  # from state 0 to state 1
    following = torch.tensor([[1.0, 2.0]], requires_grad=True)
    weights = {name: weight[0] for name, weight in agent.net.weights().items()}
    gradients, _ = by_tape(lambda views: agent.loss(views, batch, following), weights)
    weight = gradients["advantage.layers.0.weight"]  # [action, state]
    assert weight[:, 0].abs().sum() > 0
    assert weight[:, 1:].abs().sum() == 0  # the successor's values were not moved


def _one_step(state: int, successor: int) -> Sample:
    one = torch.ones(1, 1)
    states = [torch.full((1, 1), s, dtype=torch.int64) for s in (state, successor)]
    return Sample(states[0], torch.zeros(1, 1, dtype=torch.int64), one, one, states[1], one)


def test_dueling_values_have_the_state_value_as_their_mean() -> None:
    value, advantage = torch.tensor([[2.0], [-1.0]]), torch.tensor([[1.0, 3.0, 5.0], [7.0, 7.0, 7.0]])
    assert dueling_values(value, advantage).tolist() == [[0, 2, 4], [-1, -1, -1]]
    assert dueling_values(value.numpy(), advantage.numpy()).tolist() == [[0, 2, 4], [-1, -1, -1]]
    net = QNetwork(gym.spaces.Box(-1, 1, (3,)), 4, (8, 8), dueling=True)
    obs = torch.linspace(-1, 1, 15).reshape(5, 3)
    assert net.value is not None
    torch.testing.assert_close(net(obs).mean(-1, keepdim=True), net.value(net.body(obs)))


@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("space", [gym.spaces.Box(-1, 1, (3,)), gym.spaces.Discrete(5, start=2)])
def test_it_acts_in_numpy_on_the_values_it_learns(dueling: bool, space: Any) -> None:
    agent = DQN(Spec(space, gym.spaces.Discrete(4), (0, 1)), Config(dueling=dueling, hidden=(8, 8)))
    obs = np.stack([np.stack([space.sample()] * 3)] * 2)
    in_torch = agent.net(torch.from_numpy(obs))
    assert np.allclose(agent.net.act(obs, "forward"), in_torch, atol=1e-6)
    assert in_torch.shape == (2, 3, 4)


@pytest.mark.parametrize("dueling", [False, True])
def test_pixels_are_valued_too(dueling: bool) -> None:
    space = gym.spaces.Box(0, 255, (2, 36, 36), np.uint8)
    agent = DQN(Spec(space, gym.spaces.Discrete(3), (0,)), replace(TINY, dueling=dueling, learning_starts=0))
    picture, flag = np.full((1, 1, 2, 36, 36), 7, np.uint8), np.zeros((1, 1), np.bool_)
    numbers = (np.zeros((1, 1), np.int64), np.ones((1, 1), np.float32))
    found = [agent.learn(Transition(picture, *numbers, flag, flag, picture)) for _ in range(8)]
    assert [bool(metrics) for metrics in found] == [False, False, False, True] * 2
    assert agent.act(picture, (), start=flag, explore=None)[0].shape == (1, 1)


@pytest.mark.parametrize("envs", [1, 3])
def test_the_target_is_the_network_of_the_last_multiple(envs: int) -> None:
    config = replace(TINY, learning_starts=0, train_every=1, target_every=10)
    agent, made = make(Task(), [0], config, envs)
    obs, chance, kept = made.reset(), Chance([0], "acting"), agent.net.matrix.clone()
    for turn in range(1, 30):
        before = agent.net.matrix.clone()
        action, _ = agent.act(obs, (), start=made.start, explore=chance)
        landed = made.step(action)
        agent.learn(
            Transition(obs, action, landed.reward, landed.terminated, landed.truncated, landed.next_obs)
        )
        obs = landed.obs
        if turn * envs // 10 > (turn - 1) * envs // 10:
            kept = before  # as the network was at that step, before it learned again
        assert torch.equal(agent.target.matrix, kept)
        assert not torch.equal(agent.net.matrix, before)
    made.close()


def test_a_share_of_the_network_goes_into_the_target() -> None:
    agent, envs = make(Task(), [0], replace(TINY, learning_starts=0, train_every=1, target_every=2, tau=0.25))
    first = agent.net.matrix.clone()
    train(agent, envs, 1)
    second = agent.net.matrix.clone()
    train(agent, make(Task(), [0], TINY)[1], 1)
    torch.testing.assert_close(agent.target.matrix, 0.75 * first + 0.25 * second)


def test_more_environments_than_steps_between_copies_are_told_of() -> None:
    assert make(Task(), [0], replace(TINY, target_every=4), envs=4)[0].notes == []
    (note,) = make(Task(), [0], replace(TINY, target_every=3), envs=4)[0].notes
    assert "--target-every is 3, fewer than the 4 environments" in note


@pytest.mark.parametrize(
    ("envs", "times", "due"), [(1, 2, [14, 16, 18, 20]), (4, 2, [16, 20, 24]), (3, -1, [15, 18, 21])]
)
def test_it_learns_when_and_as_often_as_it_should(envs: int, times: int, due: list[int]) -> None:
    config = replace(TINY, learning_starts=12, train_every=2, gradient_steps=times)
    agent, made = make(Task(), [0], config, envs)
    learned, took = [], []
    for _ in range(-(-21 // envs)):
        before = float(agent.net.t)
        if train(agent, made, 1):
            learned.append(agent.step)
            took.append(float(agent.net.t) - before)
    assert learned == due
    assert set(took) == {float(times) if times > 0 else float(envs)}


def test_how_many_updates_a_run_takes() -> None:
    zoo = {
        task: Config(**{k: v for k, v in preset.items() if k != "steps"})
        for task, preset in PRESETS["zoo"].items()
    }
    assert updates(zoo["CartPole-v1"], 1, 50_000) == 192 * 128  # at 1024, 1280, …, 49,920
    assert updates(zoo["LunarLander-v3"], 1, 100_000) == 100_000
    assert updates(zoo["LunarLander-v3"], 8, 100_000) == 100_000
    assert updates(TINY, 1, 5) == 0
    late = Config(learning_starts=1000, train_every=256)
    assert [updates(late, 1, steps) for steps in (1023, 1024, 1100)] == [0, 1, 1]


def test_epsilon_depends_on_the_steps_alone() -> None:
    config = replace(TINY, epsilon=1.0, epsilon_end=0.1, exploration_fraction=0.5, learning_starts=0)
    whole, first = (make(Task(), [0], config, steps=40)[0] for _ in range(2))
    seen = []
    for at in range(40):
        whole.step = at
        seen.append(whole.epsilon)
    assert seen[:21:5] == pytest.approx([1.0, 0.775, 0.55, 0.325, 0.1])
    assert seen[20:] == pytest.approx([0.1] * 20)
    train(first, make(Task(), [0], config)[1], 13)
    resumed = make(Task(), [0], config, steps=40)[0]
    resumed.load_state_dict(first.state_dict())
    assert resumed.epsilon == seen[13]
    assert make(Task(), [0], replace(config, learning_starts=9))[0].epsilon == 1.0


def test_epsilon_one_draws_every_action_equally_often() -> None:
    agent, envs = make(Task(env="Acrobot-v1"), [0], replace(TINY, epsilon_end=1.0))
    obs, chance = envs.reset(), Chance([0], "acting")
    drawn = [agent.act(obs, (), start=envs.start, explore=chance)[0].item() for _ in range(6000)]
    assert np.bincount(drawn) / 6000 == pytest.approx([1 / 3] * 3, abs=0.02)


def test_the_correction_of_priorities_is_whole_at_the_end() -> None:
    agent, _ = make(Task(), [0], replace(TINY, prioritised=True, beta=0.4), steps=100)
    found = []
    for at in (0, 50, 100):
        agent.step = at
        found.append(agent.beta(agent.done))
    assert found == pytest.approx([0.4, 0.7, 1.0])


def test_a_new_transition_is_drawn_first() -> None:
    agent, envs = make(Task(), [0], replace(TINY, prioritised=True, gradient_steps=1, train_every=1))
    train(agent, envs, 40)
    agent.replay.prioritise(np.arange(40)[None], torch.full((1, 40), 1e-3))
    agent.replay.prioritise(np.array([[0]]), torch.full((1, 1), 1e3))
    train(agent, make(Task(), [0], TINY)[1], 1)  # place 40 is worth as much as place 0, and half of all draws
    agent.replay._known = agent.replay.added
    assert agent.replay.priorities is not None
    assert agent.replay.priorities.powers.reshape(-1)[40] < 1e3**0.6  # it was drawn, and given its own error


@EVERY
@pytest.mark.parametrize("path", ["loop", "vmap"])
def test_a_seed_learns_the_same_to_the_bit_alone_and_in_company(switch: str, path: str) -> None:
    config = replace(TINY, **SWITCHES[switch])
    together, alone = make(Task(), [2, 5], config, 2, path), make(Task(), [5], config, 2, path)
    train(*together, 48), train(*alone, 48)
    assert torch.equal(together[0].net.matrix[1], alone[0].net.matrix[0])
    assert torch.equal(together[0].target.matrix[1], alone[0].target.matrix[0])
    assert not torch.equal(together[0].net.matrix[0], together[0].net.matrix[1])


@EVERY
def test_the_paths_agree_within_rounding(switch: str) -> None:
    config = replace(TINY, **SWITCHES[switch])
    agents = [make(Task(), [2, 5], config, 1, path) for path in ("loop", "vmap")]
    for agent, envs in agents:
        train(agent, envs, 24)
    assert (agents[0][0].net.matrix - agents[1][0].net.matrix).abs().max() < 1e-5


@EVERY
def test_saved_and_loaded_it_goes_on_to_the_bit(switch: str) -> None:
    config = replace(TINY, **SWITCHES[switch])
    agent, envs = make(Task(), [1, 4], config, 2)
    train(agent, envs, 45)  # the ring of 30 rows is full
    again, _ = make(Task(), [1, 4], config, 2)
    again.load_state_dict(agent.state_dict())
    one, two = (train(a, make(Task(), [1, 4], config, 2)[1], 27) for a in (agent, again))
    assert torch.equal(agent.net.matrix, again.net.matrix)
    assert [m["loss/td"].tolist() for m in one] == [m["loss/td"].tolist() for m in two]


def test_each_switch_changes_what_is_learned() -> None:
    found = {}
    for switch in ("plain", "double", "n-step", "prioritised"):
        agent, envs = make(Task(), [1], replace(TINY, target_every=50, **SWITCHES[switch]))
        train(agent, envs, 300)
        found[switch] = agent.net.matrix
    names = list(found)
    assert not any(torch.equal(found[a], found[b]) for i, a in enumerate(names) for b in names[:i])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"batch": 61}, "--batch is 61; it must be at least 1 and at most 60"),
        ({"gradient_steps": 0}, "--gradient-steps is 0"),
        ({"train_every": 0}, "--train-every is 0"),
        ({"tau": 1.5}, "--tau is 1.5; it must be at least 0 and at most 1"),
        ({"n_step": 0}, "--n-step is 0; it must be at least 1"),
        ({"capacity": 1, "batch": 1}, "--capacity is 1; it must be at least 2"),
        ({"loss": "hubber"}, "did you mean 'huber'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as error:
        make(Task(), [0], replace(TINY, **wrong), envs=2)
    assert said in str(error.value)


def test_continuous_actions_are_refused() -> None:
    with pytest.raises(UserError, match="dqn needs Discrete actions"):
        make(Task(env="Pendulum-v1"), [0], TINY)


LEARNER = Config(gamma=0.9, lr=0.02, batch=32, learning_starts=50, target_every=40, hidden=(), capacity=2000,
                 exploration_fraction=1.0, epsilon_end=0.5)  # fmt: skip
CORRIDOR = """
import gymnasium as gym

class Corridor(gym.Env):
    observation_space, action_space = gym.spaces.Discrete(5), gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return self.at, {}

    def step(self, action):
        self.at = max(self.at - 1, 0) if action == 0 else self.at + 1
        return self.at, float(self.at == 4), self.at == 4, False, {}
"""


@pytest.mark.parametrize("switch", [name for name in SWITCHES if name != "all"])
def test_it_finds_the_optimum_of_a_corridor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    (tmp_path / "corridor.py").write_text(CORRIDOR)
    monkeypatch.chdir(tmp_path)
    agent, envs = make(
        Task(env="corridor.py:Corridor"), [3], replace(LEARNER, **SWITCHES[switch]), 4, steps=4000
    )
    train(agent, envs, 1000)
    values = agent.net(torch.arange(4).reshape(1, 4))[0]
    assert values.argmax(-1).tolist() == [1] * 4
    if switch in ("plain", "double", "prioritised"):  # longer returns hold the explorer's own missteps
        right, left = [0.9**3, 0.9**2, 0.9, 1.0], [0.9**4, 0.9**4, 0.9**3, 0.9**2]
        assert values[:, 1].tolist() == pytest.approx(right, abs=0.03)
        assert values[:, 0].tolist() == pytest.approx(left, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("switch", SWITCHES)
def test_it_finds_the_shortest_way_over_the_lake_that_is_not_slippery(switch: str) -> None:
    often = {
        "tau": 1.0,
        "lr": 0.003 if "prioritised" in SWITCHES[switch] else 0.01,
        "capacity": 5000,
        "gradient_steps": -1,
    }
    config = replace(LEARNER, **SWITCHES[switch] | often | {"epsilon_end": 0.1, "exploration_fraction": 0.6})
    if config.dueling:
        config = replace(config, hidden=(32,))
    task = Task(env="FrozenLake-v1", env_args="{is_slippery: false}")
    agent, envs = make(task, [3], config, envs=4, steps=16_000)
    train(agent, envs, 4000)
    values = agent.net(torch.arange(16).reshape(1, 16))[0]
    state, path = 0, [0]
    moves = {0: -1, 1: 4, 2: 1, 3: -4}
    while state != 15 and len(path) < 20:
        state += moves[int(values[state].argmax())]
        path.append(state)
    assert len(path) == 7  # the shortest way has six steps


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


@pytest.mark.parametrize(
    ("gamma", "n_step", "steps"),
    [(0.9, 1, 900), (0.9, 3, 500), pytest.param(0.98, 1, 5000, marks=pytest.mark.slow)],
)
def test_a_time_limit_is_not_the_end_of_the_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gamma: float, n_step: int, steps: int
) -> None:
    (tmp_path / "endless.py").write_text(ENDLESS)
    monkeypatch.chdir(tmp_path)
    config = Config(gamma=gamma, lr=0.3, learning_starts=8, train_every=8, gradient_steps=4, target_every=8,
                    hidden=(), n_step=n_step, loss="mse", max_grad_norm=0.0)  # fmt: skip
    agent, envs = make(Task(env="endless.py:Endless", max_episode_steps=8), [0], config)
    train(agent, envs, steps)
    value = agent.net(torch.zeros(1, 1, dtype=torch.int64)).max().item()
    # one that despairs at the limit says under (1 − γ^8) / (1 − γ)
    assert value == pytest.approx(1 / (1 - gamma), abs=0.02 / (1 - gamma))
