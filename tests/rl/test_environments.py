"""Environments: the ends of episodes, seeds, vectors, normalisation, resuming, and what people mistype."""

import importlib.util
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from core.checkpoint import load, save
from core.errors import UserError
from core.noise import States
from rl.book import Step
from rl.environments import Envs, Task, make
from rl.rows import Origin, SeededEnv

WALK = "stubborn.py:Walk"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(Path(__file__).parent / "stubborn.py", tmp_path / "stubborn.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())


def actions(envs: Envs, steps: int, seed: int = 0) -> NDArray[Any]:
    """Random ones, ``[steps, S, E, …]``."""
    space, lead = envs.action_space, (steps, len(envs.seeds), envs.envs)
    rng = np.random.default_rng(seed)
    if hasattr(space, "n"):
        return rng.integers(space.n, size=lead) + int(space.start)
    return rng.uniform(space.low, space.high, (*lead, *space.shape)).astype(space.dtype)


def walk(envs: Envs, taken: NDArray[Any]) -> list[Step]:
    return [envs.step(action) for action in taken]


def assert_same(ours: list[Step], theirs: list[Step]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        for a, b in zip(one[:6], other[:6], strict=True):
            np.testing.assert_array_equal(a, b)
        assert one.episodes == other.episodes


def test_an_episode_ends_where_it_ends() -> None:
    envs = Envs(Task("stubborn.py:Count"), [0, 1], 2)
    assert envs.reset().tolist() == [[[0], [0]]] * 2
    steps = walk(envs, actions(envs, 7))
    assert [step.obs[1, 0, 0] for step in steps] == [1, 2, 0, 1, 2, 0, 1]
    assert [step.next_obs[1, 0, 0] for step in steps] == [1, 2, 100, 1, 2, 100, 1]
    ends = [False, False, True, False, False, True, False]
    for name in ("terminated", "truncated", "start"):  # all three at once: neither end hides the other
        assert [bool(getattr(step, name)[1, 0]) for step in steps] == ends
    assert [tuple(ended) for ended in steps[2].episodes] == [(k, e, 3.0, 3) for k in (0, 1) for e in (0, 1)]
    assert [len(step.episodes) for step in steps] == [0, 0, 4, 0, 0, 4, 0]
    assert sum(step.reward.sum() for step in steps) == 7 * 4  # no step that is none


def test_a_time_limit_truncates_and_is_known() -> None:
    envs = Envs(Task("stubborn:stubborn/Count-v0"), [0], 1)
    assert envs.time_limit == 2
    envs.reset()
    last = walk(envs, actions(envs, 2))[-1]
    assert (last.terminated.item(), last.truncated.item(), last.next_obs.item()) == (False, True, 2)
    assert Envs(Task("stubborn.py:Count"), [0], 1).time_limit is None
    assert Envs(Task("stubborn.py:Count", max_episode_steps=9), [0], 1).time_limit == 9
    assert Envs(Task("CartPole-v1"), [0], 1).time_limit == 500
    assert Envs(Task("CartPole-v1", max_episode_steps=7), [0], 1).time_limit == 7


def test_environments_seeds_and_episodes_all_begin_differently() -> None:
    envs = Envs(Task("CartPole-v1"), [0, 1], 3)
    first = envs.reset()
    again = envs.reset()
    other = Envs(Task("CartPole-v1"), [0, 1], 3, stream="evaluation").reset()
    assert len(np.unique(np.concatenate([first, again, other]).reshape(-1, 4), axis=0)) == 18
    np.testing.assert_array_equal(envs.reset(episode=0), first)
    np.testing.assert_array_equal(envs.reset(), again)


@pytest.mark.parametrize("task", [Task("CartPole-v1"), Task("CartPole-v1", vector="own"), Task(WALK)])
def test_a_seed_meets_the_same_alone_and_in_company(task: Task) -> None:
    together, alone = Envs(task, [3, 8, 5], 4), Envs(task, [8], 2)
    np.testing.assert_array_equal(together.reset()[1:2, :2], alone.reset())
    for action in actions(together, 200):
        ours, theirs = together.step(action), alone.step(action[1:2, :2])
        for a, b in zip(ours[:6], theirs[:6], strict=True):
            np.testing.assert_array_equal(a[1:2, :2], b)


def test_own_cartpole_is_gymnasiums_to_the_bit() -> None:
    own, sync = Envs(Task(vector="own"), [0, 1], 16), Envs(Task(), [0, 1], 16)
    obs = own.reset()
    np.testing.assert_array_equal(obs, sync.reset())
    ends: list[tuple[int, bool, bool]] = []
    chance = np.random.default_rng(0)
    for step in range(2_500):
        # Half of the poles are balanced to the limit, the others fall.
        balance = 0.5 * obs[..., 0] + obs[..., 1] + 12 * obs[..., 2] + 2 * obs[..., 3] > 0
        action = np.where(np.arange(16) < 8, balance, chance.integers(2, size=(2, 16)) > 0).astype(np.int64)
        ours, theirs = own.step(action), sync.step(action)
        assert_same([ours], [theirs])
        obs = ours.obs
        if step % 50 == 49:  # not only what float32 shows
            inner: Any = (own._rows, sync._rows)
            states = np.stack([env.env.unwrapped.state for env in inner[1].envs], 1)
            np.testing.assert_array_equal(inner[0].state, states)
        for k, e, _, length in ours.episodes:
            ends.append((length, bool(ours.terminated[k, e]), bool(ours.truncated[k, e])))
    assert (500, False, True) in ends
    assert sum(terminated for _, terminated, _ in ends) > 500


@pytest.mark.parametrize("task", [Task("CartPole-v1"), Task(WALK, normalise_obs=True, normalise_reward=True)])
def test_workers_do_what_the_loop_does(task: Task) -> None:
    sync = Envs(task, [0, 1], 1)
    workers = Envs(Task(**{**task.__dict__, "vector": "async"}), [0, 1], 1)
    np.testing.assert_array_equal(workers.reset(), sync.reset())
    taken = actions(sync, 150)
    assert_same(walk(workers, taken), walk(sync, taken))
    fresh = Envs(workers.task, [0, 1], 1)
    fresh.load_state_dict(workers.state_dict())
    assert fresh.notes == []
    more = actions(sync, 60, seed=1)
    assert_same(walk(fresh, more), walk(sync, more))
    workers.close()
    fresh.close()


def policy(obs: NDArray[Any], discrete: bool) -> NDArray[Any]:
    """One that depends on what is seen alone."""
    if discrete:
        return (obs[:, 2] > 0).astype(np.int64)
    return np.clip(-obs[:, :1], -1, 1).astype(np.float32)


Seen = list[tuple[Any, ...]]


def transitions(vector: Any, mode: AutoresetMode, discrete: bool, steps: int = 150) -> list[Seen]:
    """Each row's (s, a, r, s', terminated, truncated) in order, as this autoreset mode shows them."""
    rows = vector.num_envs
    seen: list[Seen] = [[] for _ in range(rows)]
    obs, over = vector.reset()[0].copy(), np.zeros(rows, np.bool_)
    for _ in range(steps):
        action = policy(obs, discrete)
        after, reward, terminated, truncated, info = vector.step(action)
        after = after.copy()
        for row in range(rows):
            if mode == AutoresetMode.NEXT_STEP and over[row]:
                continue  # the row that only resets
            ended = terminated[row] or truncated[row]
            true = info["final_obs"][row] if mode == AutoresetMode.SAME_STEP and ended else after[row]
            ends = bool(terminated[row]), bool(truncated[row])
            seen[row].append(
                (obs[row].tolist(), action[row].tolist(), float(reward[row]), true.tolist(), *ends)
            )
        over, obs = terminated | truncated, after
        if mode == AutoresetMode.DISABLED and over.any():
            obs = vector.reset(options={"reset_mask": over})[0].copy()
    vector.close()
    return seen


@pytest.mark.parametrize(
    ("kind", "env"), [(SyncVectorEnv, "CartPole-v1"), (SyncVectorEnv, WALK), (AsyncVectorEnv, "CartPole-v1")]
)
def test_transitions_are_the_same_in_every_autoreset_mode(kind: Any, env: str) -> None:
    task, discrete = Task(env), env != WALK
    envs = Envs(task, [4], 2)
    obs, ours = envs.reset(), [list[Any](), list[Any]()]
    for _ in range(150):
        step = envs.step(action := policy(obs[0], discrete)[None])
        for row, seen in enumerate(ours):
            ends = bool(step.terminated[0, row]), bool(step.truncated[0, row])
            parts = obs[0, row], action[0, row], step.next_obs[0, row]
            seen.append(
                (parts[0].tolist(), parts[1].tolist(), float(step.reward[0, row]), parts[2].tolist(), *ends)
            )
        obs = step.obs
    assert sum(seen[-2] or seen[-1] for seen in ours[0]) >= 3
    for mode in AutoresetMode:
        makers = [partial(SeededEnv, partial(make, task), Origin(4, "train", row)) for row in range(2)]
        for mine, theirs in zip(
            ours, transitions(kind(makers, autoreset_mode=mode), mode, discrete), strict=True
        ):
            assert len(theirs) > 100
            for a, b in zip(mine, theirs, strict=False):  # NEXT_STEP shows fewer in as many steps
                np.testing.assert_allclose(np.hstack(a), np.hstack(b), rtol=1e-6, atol=1e-6)


def test_returns_are_raw_while_rewards_are_scaled() -> None:
    plain, scaled = Envs(Task(WALK), [0], 3), Envs(Task(WALK, normalise_reward=True), [0], 3)
    plain.reset()
    scaled.reset()
    taken = actions(plain, 200)
    ours, theirs = walk(scaled, taken), walk(plain, taken)
    assert [step.episodes for step in ours] == [step.episodes for step in theirs]
    assert sum(len(step.episodes) for step in ours) > 5
    assert not np.allclose(ours[-1].reward, theirs[-1].reward)
    row = np.array([step.reward[0, 0] for step in theirs])
    first = next(ended for step in theirs for ended in step.episodes if ended.env_index == 0)
    assert first.raw_return == pytest.approx(row[: first.length].sum(), rel=1e-5)


def test_observations_are_normalised_by_all_that_was_acted_on() -> None:
    envs, plain = Envs(Task(WALK, normalise_obs=True), [0, 1], 4), Envs(Task(WALK), [0, 1], 4)
    envs.reset()
    seen = [plain.reset()]
    for action in actions(plain, 300):
        ours, theirs = envs.step(action), plain.step(action)
        seen.append(theirs.obs)
    stack = np.stack(seen, 2).astype(np.float64).reshape(2, -1, 2)
    mean, deviation = stack.mean(1)[:, None], stack.std(1)[:, None]
    for shown, raw in ((ours.obs, theirs.obs), (ours.next_obs, theirs.next_obs)):
        np.testing.assert_allclose(shown, (raw - mean) / deviation, rtol=1e-3, atol=1e-3)
    assert ours.obs.dtype == np.float32


def test_evaluation_shares_the_statistics_and_leaves_everything_as_it_was() -> None:
    task = Task(WALK, normalise_obs=True, normalise_reward=True)
    envs, undisturbed = Envs(task, [0, 1], 2), Envs(task, [0, 1], 2)
    envs.reset()
    undisturbed.reset()
    taken = actions(envs, 100)
    walk(envs, taken)
    walk(undisturbed, taken)
    twin = envs.frozen("evaluation", 3, max_steps=20)
    assert twin.time_limit is None
    raw = Envs(Task(WALK, max_episode_steps=20), [0, 1], 3, stream="evaluation")
    before = str(envs.state_dict())
    shown, bare = twin.reset(episode=0), raw.reset()
    saved = envs.state_dict()[1]["moments"]
    expected = (bare[1].astype(np.float64) - saved["mean"]) / np.sqrt(saved["var"] + 1e-8)
    np.testing.assert_allclose(shown[1], expected, rtol=1e-4, atol=1e-5)
    ours, theirs = (walk(one, actions(raw, 40)) for one in (twin, raw))
    assert max(ended.length for step in ours for ended in step.episodes) == 20
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a.reward, b.reward)
    assert str(envs.state_dict()) == before
    more = actions(envs, 50, seed=2)
    assert_same(walk(envs, more), walk(undisturbed, more))
    walk(twin, actions(twin, 1))
    np.testing.assert_array_equal(twin.obs.shape, (2, 3, 2))


RESUMED = [
    (Task("CartPole-v1"), 170),
    (Task("CartPole-v1", vector="own"), 170),
    (Task("FrozenLake-v1"), 90),
    (Task("Pendulum-v1", normalise_obs=True, normalise_reward=True), 250),
    (Task("LunarLander-v3", normalise_reward=True), 130),
    (Task("BipedalWalker-v3"), 150),
    (Task(WALK, normalise_obs=True, normalise_reward=True), 77),
    (Task("stubborn.py:Pictures"), 25),
]


@pytest.mark.parametrize(("task", "steps"), RESUMED, ids=[f"{t.env}-{t.vector}" for t, _ in RESUMED])
def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(task: Task, steps: int, tmp_path: Path) -> None:
    if task.env in ("LunarLander-v3", "BipedalWalker-v3"):
        pytest.importorskip("Box2D")

    def reborn(states: States) -> States:
        for k, state in enumerate(states):
            save(tmp_path / f"{k}.safetensors", state)
        return [load(tmp_path / f"{k}.safetensors") for k in range(len(states))]

    envs, seeds = Envs(task, [0, 7], 2), [0, 7]
    envs.reset()
    walk(envs, actions(envs, steps))
    fresh, alone = Envs(task, seeds, 2), Envs(task, [7], 2)
    states = reborn(envs.state_dict())
    fresh.load_state_dict(states)
    alone.load_state_dict(states[1:])
    assert fresh.notes == alone.notes == []
    np.testing.assert_array_equal(fresh.obs, envs.obs)
    np.testing.assert_array_equal(fresh.start, envs.start)
    assert str(fresh.state_dict()) == str(envs.state_dict())
    more = actions(envs, steps, seed=1)
    ours = walk(envs, more)
    assert_same(walk(fresh, more), ours)
    last = walk(alone, more[:, 1:])[-1]
    np.testing.assert_array_equal(last.next_obs[0], ours[-1].next_obs[1])
    assert sum(len(step.episodes) for step in ours) > 0 or task.env == "Pendulum-v1"


def test_a_run_saved_before_its_first_step_begins_as_a_fresh_one() -> None:
    envs, fresh = Envs(Task(), [0], 2), Envs(Task(), [0], 2)
    fresh.load_state_dict(envs.state_dict())
    np.testing.assert_array_equal(fresh.reset(), envs.reset())


def test_long_episodes_are_replayed_from_their_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rl.book.ROOM", 5)
    task = Task("Pendulum-v1")  # 200 steps an episode, far more than the room
    envs, fresh = Envs(task, [0], 2), Envs(task, [0], 2)
    envs._book._room = 5
    envs.reset()
    walk(envs, actions(envs, 399))
    assert len(envs._book._actions) < 2 * 200 + 6
    fresh.load_state_dict(envs.state_dict())
    assert fresh.notes == []
    np.testing.assert_array_equal(fresh.obs, envs.obs)


def test_an_environment_that_ignores_its_seed_is_told_of() -> None:
    task = Task("stubborn.py:Forgetful")
    envs, fresh = Envs(task, [0], 2), Envs(task, [0], 2)
    envs.reset()
    walk(envs, actions(envs, 5))
    fresh.load_state_dict(envs.state_dict())
    assert len(fresh.notes) == 1
    assert "2 of 2 environments" in fresh.notes[0]
    assert "not equal" in fresh.notes[0]


def test_a_checkpoint_of_other_environments_is_refused() -> None:
    envs = Envs(Task(), [0], 2)
    envs.reset()
    with pytest.raises(UserError, match="2 environments per seed, not 3"):
        Envs(Task(), [0], 3).load_state_dict(envs.state_dict())


def test_pictures_stay_bytes_and_are_stacked() -> None:
    envs = Envs(Task("stubborn.py:Pictures"), [0], 2)
    assert (envs.reset().shape, envs.obs.dtype) == ((1, 2, 12, 10, 3), np.uint8)
    seen = Envs(Task("stubborn.py:Pictures", grey=True, frame_stack=4), [0], 2)
    assert (seen.reset().shape, seen.obs.dtype) == ((1, 2, 4, 12, 10), np.uint8)
    step = seen.step(actions(seen, 1)[0])
    np.testing.assert_array_equal(
        step.next_obs[:, :, 2], np.asarray(seen.frozen("train", 2).reset())[:, :, 3]
    )


def test_tables_are_read_and_others_have_none() -> None:
    model = Envs(Task("FrozenLake-v1", env_args="{is_slippery: false}"), [0], 1).model
    assert model is not None
    assert set(np.unique(model.P)) == {0.0, 1.0}
    assert Envs(Task("CartPole-v1"), [0], 1).model is None


def test_parts_can_be_flattened_and_frames_drawn() -> None:
    assert Envs(Task("Blackjack-v1", flatten=True), [0], 1).reset().shape == (1, 1, 32 + 11 + 2)
    twin = Envs(Task(vector="own"), [0], 2).frozen("video", 1, render=True)
    twin.reset()
    assert twin.frame().shape == (400, 600, 3)


NEEDED = {"HalfCheetah-v5": "mujoco", "ALE/Pong-v5": "ale_py"}


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (Task("cartpole"), "unknown environment 'cartpole'; did you mean 'CartPole-v1'?"),
        (Task("LunarLander-v2"), "did you mean 'LunarLander-v3'?"),
        (Task("Qqqqqq"), "give a Gymnasium id, my_module:Env-v0 or file.py:Class"),
        (Task("nowhere.at_all:Env-v0"), "nowhere.at_all cannot be imported"),
        (Task("stubborn:stubborn/Cuont-v0"), "did you mean 'stubborn/Count-v0'?"),
        (Task("absent.py:Walk"), "there is no file absent.py"),
        (Task("stubborn.py:Wolk"), "did you mean 'Walk'?"),
        (Task(WALK, env_args="{siez: 2}"), "does not take --env-args {'siez': 2}: .*siez"),
        (Task("FrozenLake-v1", env_args="{size: 5}"), "FrozenLake-v1 does not take --env-args .*'size'"),
        (Task("FrozenLake-v1", env_args="{map_name: 5x5}"), "FrozenLake-v1 refuses --env-args .*5x5"),
        (Task(env_args="{a: ["), "is not YAML"),
        (Task(env_args="5"), "is not a mapping"),
        (Task("HalfCheetah-v5"), r"pip install -e '\.\[mujoco\]'"),
        (Task("ALE/Pong-v5"), r"pip install -e '\.\[atari\]'"),
        (Task("Blackjack-v1"), "Blackjack-v1 has the observation space Tuple.*--flatten"),
        (Task("FrozenLake-v1", vector="own"), "--vector own is for plain CartPole-v1"),
        (Task("FrozenLake-v1", normalise_obs=True), "--normalise-obs is for vectors.*Discrete"),
        (Task("stubborn.py:Pictures", normalise_obs=True), "--normalise-obs is for vectors"),
        (Task("stubborn.py:Pictures", frame_stack=4), "add --grey"),
        (Task("CartPole-v1", grey=True), "are for pictures; CartPole-v1 shows Box"),
    ],
)
def test_what_cannot_be_made_is_said_in_one_line(task: Task, says: str) -> None:
    package = NEEDED.get(task.env)
    if package is not None and importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    with pytest.raises(UserError, match=says) as caught:
        Envs(task, [0], 1)
    assert "\n" not in str(caught.value)
