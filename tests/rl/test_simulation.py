"""`--vector table`: the same rule compiled, the environment's own chances, rows and resume as step by step."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.averages import Averages
from core.sessions import Cadence
from rl import simulation
from rl.agent import Spec, Transition
from rl.build import module_of
from rl.environments import Envs
from rl.planning import finite_horizon_value, policy_value
from rl.simulation import Simulation, choose
from rl.tabular import Table
from rl.task import Task
from tests.core.recorded import lines
from tests.killing import assert_equal_runs, finished, kill_and_resume, told

NEVER = Cadence(0, 0, 0)
NAMES = pytest.mark.parametrize("name", ["q-learning", "sarsa", "expected-sarsa"])


def made(
    name: str, env: str, seeds: Sequence[int], steps: int, envs: int = 1, due: Cadence = NEVER, **config: Any
) -> Simulation:  # fmt: skip
    worlds, module = Envs(Task(env=env, vector="table"), seeds, envs), module_of(name)
    spec = Spec(worlds.observation_space, worlds.action_space, tuple(seeds), envs, steps=steps)
    found = Simulation(module.AGENT(spec, module.Config(**config)), worlds, steps, due)
    found.begin()
    return found


def ran(running: Simulation, averages: Averages | None = None) -> Table:
    """To the end of its steps."""
    while running.agent.step < running.steps:
        running.advance(averages or Averages(len(running.agent.q)))
    agent: Table = running.agent
    return agent


class Fed:
    """What the simulation was given by chance, given to an agent that learns step by step."""

    def __init__(self, chance: Any) -> None:
        self.chance, self.t = chance, 0  # [step, env, 6]

    def uniform(self, envs: int, width: int) -> Any:
        """Stands in for a SARSA agent's own chance after a time limit: [1, env, 1 + action]."""
        row = np.zeros((1, envs, width), np.float32)
        row[0, :, 0] = self.chance[self.t, :, 4]
        row[0, :, 1:] = np.eye(width - 1)[[int(u * (width - 1)) for u in self.chance[self.t, :, 5]]]
        return row


@NAMES
@pytest.mark.parametrize(("env", "envs"), [("FrozenLake-v1", 2), ("Taxi-v4", 1), ("CliffWalking-v1", 3)])
def test_the_compiled_rule_equals_the_rule_step_by_step_on_the_same_transitions(
    name: str, env: str, envs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 1500 * envs
    running, plain = (made(name, env, [4], steps, envs, epsilon_end=0.5, initial=0.0) for _ in range(2))
    running.limit = limit = 7  # many episodes are cut
    draws, drawn = [], running.noise.uniform
    monkeypatch.setattr(running.noise, "uniform", lambda *shape: draws.append(drawn(*shape)) or draws[-1])
    place = running.episodes.place[0].copy()
    agent, table, length = plain.agent, plain.table, np.zeros(envs, np.int64)
    running.advance(Averages(1))
    chance = draws[0][0].numpy()
    agent.chance = fed = Fed(chance)
    for t in range(1500):
        fed.t, epsilon = t, agent.epsilon(agent.done)
        u = chance[t].astype(np.float64)
        action = [choose(agent.q[0], place[e], epsilon, u[e, 0], u[e, 1]) for e in range(envs)]
        k = [int((u[e, 2] >= table.bound[place[e], action[e]]).sum()) for e in range(envs)]
        at = (place, action, k)
        length += 1
        terminated, after = table.ended[at], table.successor[at]
        parts = (place, np.array(action), table.reward[at], terminated, length == limit, after)
        agent.learn(Transition(*(np.array(part)[None] for part in parts)))
        over = terminated | (length == limit)
        first = np.searchsorted(table.start, u[:, 3], side="right")
        place, length = np.where(over, first, after), np.where(over, 0, length)
    # Of equal best actions SARSA may draw another after a time limit; they are worth the same.
    assert np.array_equal(agent.q, running.agent.q)
    assert np.ptp(agent.q) > 0 or env == "FrozenLake-v1"
    assert np.array_equal(agent.waiting, running.agent.waiting)


@pytest.mark.parametrize("env", ["FrozenLake-v1", "CliffWalkingSlippery-v1", "Taxi-v4"])
def test_its_world_moves_with_the_chances_of_the_table(env: str) -> None:
    """One step from every state with a random action, many times: frequencies against P, means against R."""
    running = made("q-learning", env, [0], 1 << 20, epsilon=1.0, epsilon_end=1.0)
    model, table = running.envs.model, running.table
    assert model is not None
    states, actions = model.R.shape
    living = np.flatnonzero(model.P.sum((1, 2)) > 0)
    rounds, count, gains = (
        60_000 // len(living),
        np.zeros((states, actions, states)),
        np.zeros((states, actions)),
    )
    times = np.zeros((states, actions))
    chance = running.noise.uniform(rounds, len(living), 6).numpy()[0]
    for t in range(rounds):
        place, ended = living.copy(), np.zeros(4)
        blank = [np.zeros(len(living), np.int64) for _ in range(4)]
        waiting, gain = np.zeros(len(living), np.bool_), np.zeros(len(living))
        running.simulate(
            running.rule, True, running.agent.q[0], *table, 0, 0.9, np.zeros(1), np.ones(1),
            chance[t : t + 1], place, blank[0], gain, waiting,
            blank[1], blank[2], np.zeros(len(living)), ended,
        )  # fmt: skip
        action, on = blank[2], waiting
        np.add.at(count, (living[on], action[on], place[on]), 1)
        np.add.at(times, (living, action), 1)
        np.add.at(gains, (living[on], action[on]), gain[on])
    share = count / times[..., None].clip(min=1)
    error = np.abs(share - model.P)[living]
    assert times[living].min() > 4
    bound = 5 * np.sqrt(model.P * (1 - model.P) / times[..., None].clip(min=1))[living] + 1e-9
    assert (error <= bound).all()
    whole = np.isclose(model.P.sum(-1), 1)  # no outcome ends the episode, so that every reward was counted
    spread = np.ptp(table.reward, -1)[whole] / 2
    assert (
        np.abs(gains[whole] / times[whole] - model.R[whole]) <= 5 * spread / np.sqrt(times[whole]) + 1e-6
    ).all()


def test_episodes_begin_where_the_environment_begins_them() -> None:
    running = made("q-learning", "Taxi-v4", [0], 100, envs=30_000)
    seen = np.bincount(running.episodes.place[0], minlength=500) / 30_000
    assert running.envs.model is not None
    assert np.abs(seen - running.envs.model.start).max() < 0.003  # 300 states of 1/300 each
    assert ((seen > 0) == (running.envs.model.start > 0)).all()


def test_of_equal_actions_each_is_taken_equally_often_and_exploring_is_as_frequent_as_told() -> None:
    q, chance = np.array([[1.0, 3.0, 3.0, 0.0]]), np.random.default_rng(0).random((20_000, 2))
    taken = np.bincount([choose(q, 0, 0.2, *u) for u in chance], minlength=4) / len(chance)
    assert taken == pytest.approx([0.05, 0.45, 0.45, 0.05], abs=0.012)
    sick = np.full((1, 3), np.nan)
    assert choose(sick, 0, 0.0, 0.5, 0.9) == 0


@NAMES
def test_a_seed_alone_equals_it_in_company_to_the_bit(name: str) -> None:
    together, alone = (ran(made(name, "FrozenLake-v1", seeds, 20_000)) for seeds in ([3, 8], [8]))
    assert np.array_equal(together.q[1], alone.q[0])
    assert not np.array_equal(together.q[0], together.q[1])


def test_sarsa_learns_the_values_of_its_own_exploring_policy() -> None:
    """Q → q_π, π being ε-greedy on Q: along the cliff at γ = 1, ε = 0.1, known exactly."""
    agent = ran(made("sarsa", "CliffWalking-v1", [0], 1_000_000, gamma=1.0, epsilon=0.1, epsilon_end=0.1))
    model, greedy = Envs(Task(env="CliffWalking-v1"), [0], 1).model, agent.greedy_table()[0]
    assert model is not None
    soft = np.full((48, 4), 0.025)
    soft[np.arange(48), greedy] += 0.9
    exact = model.backup(policy_value(model, soft, 1.0), 1.0)
    assert agent.q[0, 36, 0] == pytest.approx(exact[36, 0], abs=1.0)
    assert agent.q[0, 36, 0] < -18  # exploring costs: the greedy walk alone is worth −17 at most


@NAMES
def test_it_learns_the_slippery_lake(name: str) -> None:
    """The best stationary policy is worth 0.7402 in 100 steps; one that is best while exploring, 0.7298."""
    running = made(name, "FrozenLake-v1", [0, 1], 300_000, lr=0.2, lr_end=0.005)
    for table in ran(running).greedy_table():
        assert running.envs.model is not None
        assert (
            0.72
            < running.envs.model.from_start(finite_horizon_value(running.envs.model, table, 100))
            < 0.7403
        )


def test_the_schedules_are_those_of_the_agent() -> None:
    running = made("q-learning", "FrozenLake-v1", [0], 1000, lr=0.8, lr_end=0.1)
    for turn, own in ((running.lr, running.agent.lr), (running.epsilon, running.agent.epsilon)):
        out = np.empty(250)
        running.along(turn, 100, 2, 1000, out)
        assert out == pytest.approx([own((100 + 2 * t) / 1000) for t in range(250)], rel=1e-12)


@pytest.mark.parametrize("envs", [1, 3])
def test_it_stops_wherever_something_is_due_and_exactly_at_the_end(envs: int) -> None:
    running, averages, seen = (
        made("q-learning", "FrozenLake-v1", [0], 1000, envs, Cadence(30, 70, 0)),
        Averages(1),
        [],
    )
    while running.agent.step < 1000:
        running.advance(averages)
        seen.append(running.agent.step)
    if envs == 1:
        due = {*range(30, 1001, 30), *range(70, 1001, 70), 1000}
        assert seen == sorted(due)
    else:  # as step by step: the first decision of all three at which it is due
        assert all(any(at <= step < at + 3 for step in seen) for at in range(30, 1001, 30))
        assert seen[-1] == 1002
    row = averages.flush()[0]
    assert set(row) == {"loss/td", "episode/return", "episode/length"}


def test_rows_tell_true_means() -> None:
    """A deterministic walk: γ and α play no part in returns and lengths."""
    running, averages = (
        made("q-learning", "FrozenLake-v1", [0], 5000, epsilon=1.0, epsilon_end=1.0),
        Averages(1),
    )
    ran(running, averages)
    row = averages.flush()[0]
    model = running.envs.model
    assert model is not None
    random = np.full((16, 4), 0.25)
    assert row["episode/return"] == pytest.approx(
        model.from_start(policy_value(model, random, 1.0)), abs=0.02
    )
    assert 6 < row["episode/length"] < 9.5  # 7.7 on average under random actions
    assert row["loss/td"] > 0


# --- the ordinary command

LINE = (
    "q-learning --env FrozenLake-v1 --vector table --steps 3000 --seeds 3 1 --log-every 50 --eval-every 600"
)


def test_it_records_as_step_by_step(tmp_path: Path) -> None:
    assert (
        finished(["train", *LINE.split(), "--wandb", "disabled", "--name", "it", "--quiet"], tmp_path) == 0
    ), told(tmp_path)
    run = tmp_path / "runs" / "it" / "3"
    assert json.loads((run / "run.json").read_text())["facts"]["vector"] == "table"
    rows = lines(run / "metrics.jsonl")
    assert [row["env_step"] for row in rows if "loss/td" in row] == list(range(50, 3001, 50))
    assert len([row for row in rows if "eval/regret" in row]) == 5
    assert len(list((run / "media").glob("q_table*.png"))) == 5
    assert finished(["eval", "it", "--episodes", "3"], tmp_path) == 0, told(tmp_path)


@pytest.mark.parametrize("name", [pytest.param("q-learning", marks=pytest.mark.slow), "sarsa"])
def test_killed_and_resumed_it_equals_one_that_ran_through(name: str, tmp_path: Path) -> None:
    argv = f"{name} --env FrozenLake-v1 --vector table --steps 60000 --seeds 3 1 --log-every 50".split()
    argv += ["--checkpoint-every", "2000", "--eval-every", "20000"]
    killed = kill_and_resume([*argv, "--wandb", "disabled"], tmp_path)
    assert_equal_runs(killed.cut, killed.whole)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "q-learning --env maze.py:Maze",
            "--vector table needs a known transition table; maze.py:Maze tells none",
        ),
        ("ppo --env FrozenLake-v1", "--vector table is for q-learning, sarsa and expected-sarsa"),
        ("q-learning --env FrozenLake-v1 --normalise-reward", "takes rewards as they are"),
        ("q-learning --env Taxi-v4 --env-args '{fickle_passenger: true}'", "Taxi-v4 tells none"),
        ("sb3-ppo --env CartPole-v1", "--vector table is not for sb3-ppo"),
    ],
)
def test_what_it_cannot_do_is_said_in_one_line(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "maze.py").write_text(
        "import gymnasium as gym\nclass Maze(gym.Env):\n    observation_space = action_space = gym.spaces.Discrete(3)\n"
    )
    argv = [
        word.strip("'")
        for word in line.replace("{fickle_passenger: true}", "{fickle_passenger:~true}").split()
    ]
    argv = [word.replace("~", " ") for word in argv]
    assert finished(["train", *argv, "--vector", "table", "--steps", "100"], tmp_path) == 2
    assert said in told(tmp_path)
    assert not (tmp_path / "runs").exists()


def test_where_nothing_can_be_kept_it_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    real = simulation.numba.njit

    def njit(signature: Any = None, **options: Any) -> Any:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(signature, **options)

    monkeypatch.setattr(simulation.numba, "njit", njit)
    assert simulation.compiled(lambda x: 2.0 * x, simulation.TURN.signature)(4.0) == 8.0


def test_others_do_not_load_numba() -> None:
    code = (
        "import sys, rl.train, rl.agents.ppo, rl.agents.q_learning, rl.evaluate, rl.benchmark\n"
        "assert 'numba' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
