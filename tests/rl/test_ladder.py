"""The tabular ladder: n steps, traces, two tables, whole episodes, a model of one's own. Numbers by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from core.errors import UserError
from rl.agent import Spec, Transition
from rl.agents import double_q_learning, dyna_q, monte_carlo, n_step_sarsa, q_lambda, sarsa_lambda
from rl.dynamic_programming import optimum
from rl.planning import reached
from rl.playing import exact
from rl.tiles import Tiles
from rl.traces import update as along
from tests.rl.small_worlds import HERE, Corridor
from tests.rl.tables_by_hand import table, trained, transition

AT0 = np.array([0])


def walk(agent: object, steps: Sequence[tuple[int, int, float, int]], end: str = "terminated") -> None:
    """(state, action, reward, next state), the last one an end."""
    for k, step in enumerate(steps):
        agent.learn(transition(*step, **{end: k == len(steps) - 1}))  # type: ignore[attr-defined]


# --- n-step SARSA


def test_n_steps_by_hand() -> None:
    agent = table("n-step-sarsa", n=2)  # γ = .9, α = .5
    agent.q[0, 2] = [4.0, 6.0]
    agent.learn(transition(0, 0, 1.0, 1))
    agent.learn(transition(1, 0, 2.0, 2))
    assert not agent.q[0, :2].any()  # the action after two rewards is not known yet
    agent.learn(transition(2, 1, 3.0, 3, terminated=True))
    # G = 1 + .9·2 + .81·6 = 7.66, then 2 + .9·3 = 4.7 and 3: an end has nothing after it
    assert agent.q[0, 0, 0] == pytest.approx(3.83)
    assert agent.q[0, 1, 0] == pytest.approx(2.35)
    assert agent.q[0, 2, 1] == pytest.approx(4.5)
    agent.learn(transition(0, 1, 1.0, 1))  # a new episode: nothing of the last one is left
    assert agent.past[0][0] == [(0, 1, 1.0)]


def test_n_steps_end_at_a_time_limit_with_the_value_there() -> None:
    agent = table("n-step-sarsa", n=3, epsilon=0.0, epsilon_end=0.0)
    agent.q[0, 2] = [4.0, 6.0]
    walk(agent, [(0, 0, 1.0, 1), (1, 0, 2.0, 2)], end="truncated")
    # 1 + .9·2 + .81·6, and 2 + .9·6, the greedy action there being worth 6
    assert agent.q[0, 0, 0] == pytest.approx(3.83)
    assert agent.q[0, 1, 0] == pytest.approx(3.7)


def test_one_step_is_sarsa_to_the_bit() -> None:
    ours, theirs = (trained(name, "CliffWalking-v1", [3], 1500, **n)[0] for name, n in
                    (("n-step-sarsa", {"n": 1}), ("sarsa", {})))  # fmt: skip
    assert np.ptp(theirs.q) > 0
    assert np.array_equal(ours.q, theirs.q)


# --- traces


def test_accumulating_and_replacing_traces_by_hand() -> None:
    # Twice the same state and action, then another: γλ = .5, α = .1, every reward 1, nothing follows.
    for kind, expected in (("accumulating", (0.1, 0.235)), ("replacing", (0.1, 0.19))):
        q, e = np.zeros((2, 1)), np.zeros((2, 1))
        along(q, e, AT0, 0, 1.0, 0.0, 0.0, 0.5, 0.1, kind)
        assert q[0, 0] == pytest.approx(expected[0])
        assert e[0, 0] == 0.5
        along(q, e, AT0, 0, 1.0, 0.0, 0.0, 0.5, 0.1, kind)  # δ = .9; e = 1.5 or 1
        assert q[0, 0] == pytest.approx(expected[1])
        along(q, e, np.array([1]), 0, 1.0, 0.0, 0.0, 0.5, 0.1, kind)  # δ = 1; what is left of e: .75 or .5
        assert q[0, 0] == pytest.approx(expected[1] + 0.1 * (0.75 if kind == "accumulating" else 0.5))
        assert q[1, 0] == pytest.approx(0.1)


def online_lambda_return(
    steps: Sequence[tuple[int, float, int]], states: int, gamma: float, lam: float, alpha: float
) -> np.ndarray:
    """What true online TD(λ) is defined by: at each new step every update since the start is done anew, with λ-returns
    as far as can be seen (Sutton & Barto 2018, section 12.4, written out)."""
    weights = [np.zeros(states)]  # w after 0, 1, … steps, each made from the first weights on
    for horizon in range(1, len(steps) + 1):
        now = np.zeros(states)
        for t in range(horizon):
            returns, gain = [], 0.0
            for n in range(1, horizon - t + 1):
                gain += gamma ** (n - 1) * steps[t + n - 1][1]
                after, over = steps[t + n - 1][2], t + n == len(steps)
                # the value there as it was when that step was made
                returns.append(gain + (0.0 if over else gamma**n * weights[t + n - 1][after]))
            mixed = sum((1 - lam) * lam**n * g for n, g in enumerate(returns[:-1]))
            target = mixed + lam ** (len(returns) - 1) * returns[-1]
            now[steps[t][0]] += alpha * (target - now[steps[t][0]])
        weights.append(now)
    return weights[-1]


def test_dutch_traces_equal_the_definition_by_returns() -> None:
    steps = [(0, 1.0, 1), (1, -2.0, 0), (0, 0.5, 2), (2, 3.0, 1), (1, 1.0, 0), (0, 4.0, 3)]
    gamma, lam, alpha = 0.9, 0.7, 0.3
    q, e, foreseen = np.zeros((4, 1)), np.zeros((4, 1)), 0.0
    for t, (state, reward, after) in enumerate(steps):
        value = float(q[after, 0])
        following = 0.0 if t == len(steps) - 1 else gamma * value
        along(q, e, np.array([state]), 0, reward, following, foreseen, gamma * lam, alpha, "dutch")
        foreseen = value
    assert q[:, 0] == pytest.approx(online_lambda_return(steps, 4, gamma, lam, alpha), abs=1e-12)
    wrong, e = np.zeros((4, 1)), np.zeros((4, 1))
    for t, (state, reward, after) in enumerate(steps):
        following = 0.0 if t == len(steps) - 1 else gamma * float(wrong[after, 0])
        along(wrong, e, np.array([state]), 0, reward, following, 0.0, gamma * lam, alpha, "accumulating")
    assert abs(wrong - q).max() > 0.01  # the other kinds only come near


@pytest.mark.parametrize("name", ["sarsa-lambda", "q-lambda"])
def test_dutch_traces_go_on_where_they_were_saved(name: str) -> None:
    """Amid an episode, where the value that was to come is a part of what is known."""
    agent, other = (table(name, traces="dutch", trace=0.8) for _ in range(2))
    agent.q[0], other.q[0] = [[1.0, 2.0], [3.0, 1.0], [0.0, 5.0], [2.0, 2.0]], 0.0
    for step in ((0, 1, 1.0, 1), (1, 0, -2.0, 2)):
        agent.learn(transition(*step))
    other.load_state_dict(agent.state_dict())
    for step in ((2, 1, 4.0, 0), (0, 1, 1.0, 3)):
        for one in (agent, other):
            one.learn(transition(*step))
    assert np.array_equal(agent.q, other.q)


@pytest.mark.parametrize("kind", ["accumulating", "replacing", "dutch"])
@pytest.mark.parametrize(("ours", "theirs"), [("sarsa-lambda", "sarsa"), ("q-lambda", "q-learning")])
def test_without_lambda_they_are_the_one_step_agents(ours: str, theirs: str, kind: str) -> None:
    one = trained(ours, "CliffWalking-v1", [3], 1500, trace=0.0, traces=kind)[0]
    two = trained(theirs, "CliffWalking-v1", [3], 1500, epsilon_end=one.config.epsilon_end)[0]
    assert one.q == pytest.approx(two.q, abs=1e-12)
    assert np.ptp(two.q) > 0


def test_traces_are_forgotten_at_an_end_and_cut_where_a_step_is_not_greedy() -> None:
    agent = table("q-lambda", trace=1.0)
    agent.q[0, 1] = [0.0, 2.0]
    agent.learn(transition(0, 0, 0.0, 1))  # δ = .9·2
    assert agent.q[0, 0, 0] == pytest.approx(0.9)
    agent.learn(transition(1, 0, 8.0, 2))  # not the greedy action: the way here is cut
    assert agent.q[0, 0, 0] == pytest.approx(0.9)
    assert agent.q[0, 1, 0] == pytest.approx(4.0)
    agent.learn(
        transition(2, 1, 1.0, 3, terminated=True)
    )  # as good as any there: δ = 1 goes back to 1, not to 0
    assert agent.q[0, 1, 0] == pytest.approx(4.45)  # + .5 · .9 · 1
    assert agent.q[0, 0, 0] == pytest.approx(0.9)
    assert not agent.e.any()
    sarsa = table("sarsa-lambda", trace=1.0)
    walk(sarsa, [(0, 0, 0.0, 1), (1, 0, 8.0, 2)])
    assert sarsa.q[0, 0, 0] == pytest.approx(0.5 * 0.9 * 8)  # the step need not be greedy
    assert not sarsa.e.any()
    assert sarsa.waiting == [[None]]


# --- two tables, whole episodes


def test_each_of_two_tables_is_judged_by_the_other() -> None:
    mine, other = np.array([[0.0, 0.0], [3.0, 1.0]]), np.array([[0.0, 0.0], [5.0, 9.0]])
    # the best there by mine is action 0, which the other says is worth 5: 1 + .9·5 = 5.5; not 9, and not 3
    assert double_q_learning.update(mine, other, 0, 1, 1.0, 0.9, 1, 0, 0.5) == pytest.approx(5.5)
    assert mine[0, 1] == pytest.approx(2.75)
    assert not other[0].any()


def test_two_tables_share_the_steps_and_their_mean_acts() -> None:
    agent = table("double-q-learning")
    for _ in range(400):
        agent.learn(transition(0, 0, 1.0, 1, terminated=True))
        agent.learn(transition(0, 1, 2.0, 1, terminated=True))
    assert agent.q[0, 0] == pytest.approx([1.0, 2.0], abs=1e-6)
    assert agent.q == pytest.approx(agent.pair.mean(0))
    fresh, moved = table("double-q-learning"), []
    for _ in range(1000):
        before = fresh.pair.copy()
        fresh.learn(transition(0, 0, float(np.random.default_rng(len(moved)).normal()), 1, terminated=True))
        moved.append((fresh.pair != before).any((1, 2, 3)).tolist())
    assert [sum(which) for which in moved] == [1] * 1000  # one of them, never both
    assert np.mean([which[0] for which in moved]) == pytest.approx(0.5, abs=0.05)


def test_luck_is_not_taken_for_worth() -> None:
    """Many actions whose reward is 0 on average, ±1 by chance: Q-learning's best of them looks good, ours does not."""
    values = {}
    for name in ("q-learning", "double-q-learning"):
        agent = table(name, states=2, actions=8, lr=0.1, gamma=1.0)
        draws = np.random.default_rng(0)
        for _ in range(4000):
            agent.learn(
                transition(1, int(draws.integers(8)), float(draws.choice([-1, 1])), 0, terminated=True)
            )
            agent.learn(transition(0, 0, 0.0, 1))
        values[name] = agent.q[0, 0, 0]
    assert values["q-learning"] > 0.2
    assert abs(values["double-q-learning"]) < 0.15


def test_returns_of_whole_episodes_by_hand() -> None:
    steps = [(0, 0, 1.0), (1, 0, 2.0), (0, 0, 3.0)]
    for first, expected in ((True, 1 + 0.5 * 2 + 0.25 * 3), (False, (3 + 2.75) / 2)):
        q, visits = np.zeros((2, 1)), np.zeros((2, 1))
        monte_carlo.update(q, visits, steps, 0.5, None, first)
        assert q[0, 0] == pytest.approx(expected)  # G₀ = 2.75, G₂ = 3
        assert q[1, 0] == pytest.approx(3.5)
        assert visits[:, 0].tolist() == [1 if first else 2, 1]
    q = np.zeros((2, 1))
    monte_carlo.update(q, np.zeros((2, 1)), steps, 0.5, 0.1, True)
    assert q[0, 0] == pytest.approx(0.275)


def test_an_episode_that_a_limit_cuts_teaches_nothing() -> None:
    agent = table("monte-carlo")
    walk(agent, [(0, 0, 1.0, 1), (1, 0, 2.0, 2)], end="truncated")
    assert not agent.q.any()
    walk(agent, [(0, 0, 1.0, 1), (1, 0, 2.0, 2)])
    assert agent.q[0, 0, 0] == pytest.approx(1 + 0.9 * 2)
    assert agent.q[0, 1, 0] == pytest.approx(2.0)
    walk(agent, [(0, 0, 0.0, 1), (1, 1, 0.0, 2)])
    assert agent.q[0, 0, 0] == pytest.approx(1.4)  # the mean of 2.8 and 0


# --- a model of one's own


def test_what_was_seen_is_practised() -> None:
    agent = table("dyna-q", planning=50)
    agent.learn(transition(0, 0, 0.0, 1))
    agent.learn(transition(1, 1, 1.0, 2, terminated=True))
    # One real step to the end and fifty in thought: both values are where a hundred real steps would have brought them.
    assert agent.q[0, 1, 1] == pytest.approx(1.0, abs=1e-3)
    assert agent.q[0, 0, 0] == pytest.approx(0.9, abs=1e-2)
    plain = table("dyna-q", planning=0)
    walk(plain, [(0, 0, 0.0, 1), (1, 1, 1.0, 2)])
    assert plain.q[0, 1, 1] == 0.5
    assert plain.q[0, 0, 0] == 0.0


def test_the_model_keeps_a_fair_sample_of_what_happened() -> None:
    agent = table("dyna-q", planning=0, outcomes=4, states=12)
    kept = np.zeros(12)
    for _ in range(600):
        model = dyna_q.Model(12, 2, 4)
        for k in range(12):
            agent.learn(transition(0, 0, float(k), k))  # for its random numbers
            now = dyna_q.Moment(0, 0, float(k), k, False, False, 0.0, 0.0, np.zeros(1, np.float32))
            model.remember(now, float(agent.chance.uniform(1, 1)[0, 0, 0]))
        kept[model.successor[0, 0]] += 1
    assert kept / 600 == pytest.approx(np.full(12, 1 / 3), abs=0.07)
    assert model.tries[0, 0] == 12
    assert model.known == 1
    last = dyna_q.Model(12, 2, 1)
    for k in range(5):
        last.remember(now._replace(reward=float(k)), 0.99)
    assert last.imagine(0.5, 0.99)[2] == 4.0  # of one the newest: the book's model


# --- tiles


def test_tiles_by_hand() -> None:
    # Two grids of 2 × 2 over the unit square: tiles are ½ wide, the second grid is shifted by ½ · (½, ½).
    tiles = Tiles(Box(0, 1, (2,)), 2, 2)
    assert tiles.count == 2 * 9
    found = tiles(np.array([[0.1, 0.1], [0.3, 0.1], [0.6, 0.9], [1.0, 1.0], [9.0, -9.0]]))
    # first grid: row · 3 + column by halves; second: 9 + the same after adding half a tile, that is a quarter
    assert found.tolist() == [[0, 9], [0, 12], [4, 14], [8, 17], [6, 15]]
    near, far = tiles(np.array([0.3, 0.3])), tiles(np.array([0.45, 0.3]))
    assert len(set(near.tolist()) & set(far.tolist())) == 2  # so near that nothing tells them apart


def test_a_matrix_a_number_and_integers_are_vectors_to_tiles() -> None:
    flat, square = Tiles(Box(0, 1, (4,)), 2, 2), Tiles(Box(0, 1, (2, 2)), 2, 2)
    seen = np.array([[[0.1, 0.9], [0.3, 0.6]]] * 3)
    assert np.array_equal(square(seen), flat(seen.reshape(3, 4)))
    assert Tiles(Box(0, 1, ()), 2, 2)(np.array([[0.1, 0.9]])).tolist() == [[[0, 3], [1, 5]]]
    whole = Box(0, 9, (2,), np.int64)
    agent = sarsa_lambda.AGENT(Spec(whole, Discrete(2), (0,)), sarsa_lambda.Config())
    assert agent.states(np.array([[[3, 4]]])).shape == (1, 1, 8)


def test_a_value_of_tiles_moves_by_the_step_size_once() -> None:
    spec = Spec(Box(0, 1, (2,)), Discrete(2), (0,), steps=10)
    agent = sarsa_lambda.AGENT(spec, sarsa_lambda.Config(lr=0.5, lr_end=0.5, initial=2.0, grids=4))
    here = np.array([[[0.2, 0.7]]], np.float32)
    assert agent.values(agent.states(here))[0, 0] == pytest.approx([2, 2])
    agent.learn(transition(0, 1, 6.0, 0, terminated=True)._replace(obs=here, next_obs=here))
    assert agent.values(agent.states(here))[0, 0] == pytest.approx([2, 4])  # half the way, whatever the grids


@pytest.mark.parametrize(
    ("space", "config", "line"),
    [
        (Box(-np.inf, np.inf, (2,)), {}, "tiles need bounds, and part 0"),
        (Box(0, 1, (9,)), {}, "tiles are too many"),
        (Box(0, 1, (2,)), {"low": (0.0, 1.0), "high": (1.0, 1.0)}, "--high must be above --low; for part 1"),
        (Box(0, 1, (2,)), {"low": (0.0,)}, "--low and --high need 2 numbers each"),
        (Box(0, 255, (4, 4, 3), np.uint8), {}, "sarsa-lambda needs Discrete observations"),
    ],
)
def test_what_cannot_be_tiled_is_said(space: Box, config: dict[str, object], line: str) -> None:
    with pytest.raises(UserError, match=line):
        sarsa_lambda.AGENT(Spec(space, Discrete(2), (0,)), sarsa_lambda.Config(**config))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (lambda: n_step_sarsa.Config(n=0), "--n is 0"),
        (lambda: q_lambda.Config(trace=1.5), "--trace is 1.5"),
        (lambda: q_lambda.Config(tiles=0), "--tiles is 0"),
        (lambda: dyna_q.Config(planning=-1), "--planning is -1"),
        (lambda: dyna_q.Config(outcomes=0), "--outcomes is 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(config: object, line: str) -> None:
    with pytest.raises(UserError, match=line):
        config()  # type: ignore[operator]


# --- what holds for several of them

LADDER = ["double-q-learning", "n-step-sarsa", "monte-carlo", "dyna-q", "sarsa-lambda", "q-lambda"]


@pytest.mark.parametrize("name", [name for name in LADDER if name != "monte-carlo"])
@pytest.mark.parametrize(("end", "worth"), [("truncated", 1 + 0.9 * 4), ("terminated", 1.0)])
def test_a_time_limit_is_no_end(name: str, end: str, worth: float) -> None:
    agent = table(name, **({"planning": 3} if name == "dyna-q" else {}))
    agent.q[0, 1] = 4.0
    if isinstance(agent, double_q_learning.DoubleQLearning):
        agent.pair[:] = agent.q
    for _ in range(60):
        agent.learn(transition(0, 0, 1.0, 1, **{end: True}))
    assert agent.q[0, 0, 0] == pytest.approx(worth)
    assert (agent.q[0, 1] == 4).all()


@pytest.mark.parametrize(
    "name", [name for name in LADDER if name != "double-q-learning"]
)  # each has a coin of its own
def test_episodes_side_by_side_do_not_mix(name: str) -> None:
    """Two environments of one seed, each in states of its own, learn what two agents with one each do."""
    config = {"dyna-q": {"planning": 0}, "n-step-sarsa": {"n": 2}, "sarsa-lambda": {"traces": "dutch"}}.get(
        name, {}
    )
    ways = [
        [(0, 0, 1.0, 1, 0), (1, 0, 2.0, 2, 0), (2, 0, 3.0, 0, 1), (0, 0, 4.0, 1, 0), (1, 0, 5.0, 0, 1)],
        [(3, 1, -1.0, 4, 0), (4, 1, 7.0, 3, 1), (3, 1, 6.0, 4, 0), (4, 1, 0.5, 5, 0), (5, 1, 9.0, 3, 1)],
    ]
    both, alone = table(name, 6, envs=2, **config), [table(name, 6, **config) for _ in ways]
    for steps in zip(*ways, strict=True):
        pair = [transition(*step[:4], terminated=bool(step[4])) for step in steps]
        both.learn(Transition(*(np.concatenate(parts, 1) for parts in zip(*pair, strict=True))))
        for agent, one in zip(alone, pair, strict=True):
            agent.learn(one)
    assert np.array_equal(both.q, alone[0].q + alone[1].q)
    assert all(agent.q.any() for agent in alone)


# --- what they learn


@pytest.mark.parametrize("name", LADDER)
def test_it_finds_the_best_way_and_what_it_is_worth(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    on_policy = name in ("n-step-sarsa", "monte-carlo", "sarsa-lambda")
    config = {
        "lr": 0.2,
        "lr_end": 0.02,
        "epsilon": 0.5,
        "epsilon_end": 0.02 if on_policy else 0.3,
        "gamma": 0.9,
    }
    if name == "monte-carlo":  # or it would remember what the first, random policies earned
        config |= {"step_size": "lr"}
    agent, _ = trained(name, "small_worlds.py:Corridor", [0, 1], 8000, **config)
    assert agent.greedy_table().tolist() == [[1, 1, 1, 1]] * 2
    for q in agent.q:
        assert q[:, 0] == pytest.approx(np.full(4, 0.2), abs=0.02)  # to leave is worth 0.2 everywhere
        assert q[:, 1] == pytest.approx(Corridor.optimum, abs=0.12 if on_policy else 0.02)


def test_the_distance_to_the_best_table_is_recorded() -> None:
    agent, envs = trained("dyna-q", "CliffWalking-v1", [0], 4000, gamma=1.0, planning=30, lr_end=0.5)
    found = exact(agent, envs, 100)
    assert found["eval/regret"].tolist() == [0.0]
    best = optimum(envs.model, 1.0)
    assert best is not None
    reach = reached(envs.model.P, envs.model.start > 0)
    assert found["eval/q_distance"][0] == np.abs(agent.q[0] - best.q)[reach].max()
    agent.q[0] = best.q
    assert exact(agent, envs, 100)["eval/q_distance"].tolist() == [0.0]
    agent.q[0, 36, 1] -= 7  # at the start
    assert exact(agent, envs, 100)["eval/q_distance"].tolist() == [7.0]


def test_where_one_can_be_paid_for_ever_there_is_no_distance_to_the_best(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(HERE)
    agent, envs = trained("q-learning", "small_worlds.py:Paid", [0], 50)
    found = exact(agent, envs, 100)
    assert found["eval/return"].tolist() == [100.0]
    assert "eval/regret" not in found
    assert "eval/q_distance" in found  # below γ = 1 the best is worth 1 / (1 − γ)
