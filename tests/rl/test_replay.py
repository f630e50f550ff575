"""The replay: where steps landed, n-step returns that stop where they must, and priorities, in numbers by hand."""

from pathlib import Path
from shutil import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.buffers import NStepReplayBuffer

from core import trees
from rl.agent import Transition
from rl.environments import Envs
from rl.priorities import Priorities
from rl.replay import Replay, parted
from rl.task import Task


def step(
    t: int, seeds: int = 1, envs: int = 1, terminated: bool = False, truncated: bool = False
) -> Transition:
    """Step t of a walk: reward 2^t, from t to t + 1; seed k and environment e stand 1000 k + 100 e further."""
    place = np.arange(seeds)[:, None] * 1000 + np.arange(envs) * 100 + t
    flags = [np.full((seeds, envs), flag) for flag in (terminated, truncated)]
    reward = np.full((seeds, envs), 2.0**t, np.float32)
    obs = np.stack([place, place], -1).astype(np.float32)
    return Transition(obs, place % 2, reward, *flags, obs + 1)


def walk(replay: Replay, steps: int, ends: dict[int, str] = {}) -> Replay:  # noqa: B006
    for t in range(steps):
        replay.add(step(t, replay.seeds, replay.envs, **dict.fromkeys(ends.get(t, "").split(), True)))
    return replay


def at(replay: Replay, *places: int) -> Any:
    return trees.map(lambda leaf: leaf[0].numpy(), replay.at(np.array([places] * replay.seeds)))


def test_a_step_that_ended_its_episode_leads_to_where_it_landed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy(Path(__file__).parent / "worlds_by_hand.py", tmp_path / "worlds.py")
    monkeypatch.chdir(tmp_path)
    envs, replay = Envs(Task(env="worlds.py:Steps"), [0, 1], 3), Replay(60, [0, 1], 3)
    obs = envs.reset()
    for _ in range(7):
        action = np.full((2, 3), 5)
        landed = envs.step(action)
        ends = (landed.terminated, landed.truncated)
        replay.add(Transition(obs, action, landed.reward, *ends, landed.next_obs))
        obs = landed.obs
    found = replay.at(np.arange(21)[None].repeat(2, 0))
    seen = [10, 11, 12, 10, 11, 12, 10]
    assert found.obs.tolist() == [[o for o in seen for _ in range(3)]] * 2
    assert found.next_obs.tolist() == [[o + 1 for o in seen for _ in range(3)]] * 2  # 13 at the end, never 10
    ends_at = [0.99, 0.99, 0.0] * 2 + [0.99]
    assert found.discount[0].tolist() == pytest.approx([d for d in ends_at for _ in range(3)])


def test_the_end_of_the_world_and_the_end_of_our_patience() -> None:
    replay = walk(
        Replay(10, [0], 1, gamma=0.5), 4, {1: "terminated", 2: "truncated", 3: "terminated truncated"}
    )
    assert at(replay, 0, 1, 2, 3).discount.tolist() == [0.5, 0, 0.5, 0]
    assert at(replay, 0, 1, 2, 3).reward.tolist() == [1, 2, 4, 8]


def test_three_steps_are_joined_and_stop_at_ends_and_at_the_newest() -> None:
    replay = walk(Replay(20, [0], 1, n_step=3, gamma=0.5), 9, {2: "terminated", 5: "truncated"})
    found = at(replay, *range(9))
    # rewards 1 2 4 | 8 16 32 / 64 128 256 .
    assert found.reward.tolist() == [
        1 + 1 + 1, 2 + 2, 4,           # to the terminal step
        8 + 8 + 8, 16 + 16, 32,        # to the truncated one
        64 + 64 + 64, 128 + 128, 256,  # to the newest
    ]  # fmt: skip
    assert found.discount.tolist() == [0, 0, 0, 0.125, 0.25, 0.5, 0.125, 0.25, 0.5]
    assert found.next_obs[:, 0].tolist() == [3, 3, 3, 6, 6, 6, 9, 9, 9]
    assert found.obs[:, 0].tolist() == list(range(9))


def test_a_full_ring_is_never_joined_across_its_head() -> None:
    replay = walk(Replay(5, [0], 1, n_step=3, gamma=0.5), 7)  # holds steps 5 6 2 3 4: the newest stands at 1
    found = at(replay, 0, 1, 2, 3, 4)
    assert found.obs[:, 0].tolist() == [5, 6, 2, 3, 4]
    assert found.next_obs[:, 0].tolist() == [7, 7, 5, 6, 7]
    assert found.discount.tolist() == [0.25, 0.5, 0.125, 0.125, 0.125]
    assert found.reward.tolist() == [32 + 32, 64, 4 + 4 + 4, 8 + 8 + 8, 16 + 16 + 16]


@pytest.mark.parametrize("steps", [23, 64, 90])
@pytest.mark.parametrize("n_step", [1, 3, 5])
def test_n_step_returns_equal_those_of_stable_baselines3(steps: int, n_step: int) -> None:
    space, rng = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32), np.random.default_rng(steps)
    theirs = NStepReplayBuffer(64, space, gym.spaces.Discrete(9), n_steps=n_step, gamma=0.9, device="cpu")
    ours = Replay(64, [0], 1, n_step=n_step, gamma=0.9)
    for _ in range(steps):
        obs, next_obs = rng.normal(size=(2, 1, 1, 2)).astype(np.float32)
        action, reward = rng.integers(9, size=(1, 1)), rng.normal(size=(1, 1)).astype(np.float32)
        terminated, truncated = rng.random((2, 1, 1)) < 0.15
        ours.add(Transition(obs, action, reward, terminated, truncated, next_obs))
        limit = bool(truncated.item() and not terminated.item())
        over = (terminated | truncated)[0]
        theirs.add(obs[0], next_obs[0], action, reward[0], over, [{"TimeLimit.truncated": limit}])
    places = np.arange(min(steps, 64))
    found, known = ours.at(places[None]), theirs._get_samples(places)
    torch.testing.assert_close(found.reward[0], known.rewards[:, 0], atol=1e-6, rtol=0)
    assert known.discounts is not None
    torch.testing.assert_close(
        found.discount[0], (known.discounts * (1 - known.dones))[:, 0], atol=1e-6, rtol=0
    )
    assert torch.equal(found.next_obs[0], known.next_observations)
    assert torch.equal(found.obs[0], known.observations)


def test_the_oldest_are_forgotten_and_all_others_drawn_equally_often() -> None:
    replay = walk(Replay(8, [0, 1], 2), 9)  # four rows of two environments: steps 5 … 8
    assert len(replay) == 8
    drawn = replay.sample(40_000).obs[..., 0]
    for k in range(2):
        values, counts = drawn[k].unique(return_counts=True)
        assert values.tolist() == [1000 * k + 100 * e + t for e in range(2) for t in (5, 6, 7, 8)]
        assert counts.numpy() / 40_000 == pytest.approx(np.full(8, 1 / 8), abs=0.01)


@pytest.mark.parametrize("alpha", [None, 0.6])
def test_a_seed_draws_the_same_alone_and_in_company(alpha: float | None) -> None:
    def drawn(seeds: list[int]) -> Any:
        replay = Replay(7, seeds, 1, n_step=2, alpha=alpha)
        for t in range(11):  # every seed walks as seed 5 does alone
            one = step(t)
            replay.add(Transition(*(leaf.repeat(len(seeds), 0) for leaf in one)))
        found = []
        for turn in range(4):
            if alpha is None:
                found.append(replay.sample(6))
            else:
                sample, places = replay.sample_by_priority(6, 0.5)
                replay.prioritise(places, sample.obs[..., 0] * (turn + 1))
                found.append(sample)
        return found

    together, alone = drawn([3, 5]), drawn([5])
    for one, two in zip(together, alone, strict=True):
        assert all(torch.equal(a[1], b[0]) for a, b in zip(one, two, strict=True))
    assert any(not torch.equal(sample.obs[0], sample.obs[1]) for sample in together)


@pytest.mark.parametrize("steps", [0, 3, 8, 13])
@pytest.mark.parametrize("alpha", [None, 0.6])
def test_saved_and_loaded_it_goes_on_to_the_bit(steps: int, alpha: float | None) -> None:
    make = lambda: Replay(16, [0, 1], 2, n_step=3, alpha=alpha)  # noqa: E731
    draw = lambda replay: replay.sample(9) if alpha is None else replay.sample_by_priority(9, 0.5)[0]  # noqa: E731
    replay, other = walk(make(), steps), make()
    if steps and alpha is not None:
        replay.prioritise(replay.sample_by_priority(5, 0.5)[1], torch.arange(10.0).reshape(2, 5))
    states = replay.state_dict()
    assert all(len(leaf) == min(steps, 8) for state in states for leaf in state["steps"])  # what is filled
    other.load_state_dict(states)
    for t in range(steps, steps + 12):
        replay.add(step(t, 2, 2)), other.add(step(t, 2, 2))
        assert all(torch.equal(a, b) for a, b in zip(draw(replay), draw(other), strict=True))


def test_pictures_stay_bytes() -> None:
    replay, picture = Replay(4, [0], 1), np.full((1, 1, 3, 8, 8), 200, np.uint8)
    number, flag = np.zeros((1, 1)), np.zeros((1, 1), np.bool_)
    replay.add(Transition(picture, number.astype(np.int64), number, flag, flag, picture))
    assert replay.sample(5).obs.dtype == torch.uint8
    assert replay.sample(5).next_obs.shape == (1, 5, 3, 8, 8)


def test_parts_of_a_draw_keep_their_order() -> None:
    leaf = torch.arange(2 * 6).reshape(2, 6)
    assert parted(leaf, 3).tolist() == [[[0, 1], [6, 7]], [[2, 3], [8, 9]], [[4, 5], [10, 11]]]


def test_draws_follow_the_priorities() -> None:
    priorities = Priorities(10, 2, alpha=0.5, floor=0.0)
    priorities.add(range(10))
    errors = np.array([np.arange(1, 11), np.arange(10, 0, -1)], np.float32)
    priorities.update(np.arange(10)[None].repeat(2, 0), -errors)  # |δ|
    uniform = np.random.default_rng(0).random((2, 50_000))
    drawn = priorities.draw(uniform)
    for k in range(2):
        expected = np.sqrt(errors[k]) / np.sqrt(errors[k]).sum() * 50_000
        chi_square = ((np.bincount(drawn[k], minlength=10) - expected) ** 2 / expected).sum()
        assert chi_square < 27.9  # the 0.1 % point with 9 degrees of freedom
    edges = priorities.draw(np.array([[0.0, 1.0 - 2**-53], [0.0, 1.0]]))
    assert edges.tolist() == [[0, 9], [0, 9]]


def test_the_exponent_acts_when_priorities_are_set() -> None:
    priorities = Priorities(4, 1, alpha=0.5, floor=1.0)
    priorities.add([0, 1])
    priorities.update(np.array([[0, 1]]), np.array([[8.0, 15.0]]))
    assert priorities.powers.reshape(-1).tolist() == [3, 4, 0, 0]
    assert priorities.draw(np.array([[3 / 7 - 1e-9, 3 / 7 + 1e-9]])).tolist() == [[0, 1]]


def test_what_is_new_is_worth_as_much_as_the_best() -> None:
    priorities = Priorities(9, 1, alpha=1.0, floor=0.0)
    priorities.add([0, 1])
    assert priorities.powers.reshape(-1)[:2].tolist() == [1, 1]
    priorities.update(np.array([[0, 1]]), np.array([[100.0, 1.0]]))
    priorities.add([2])
    assert priorities.powers.reshape(-1)[:3].tolist() == [100, 1, 100]
    priorities.update(np.array([[0, 2]]), np.array([[2.0, 3.0]]))
    priorities.add([3])
    assert priorities.powers.reshape(-1)[3] == 3  # the best there is, not the best there ever was


def test_weights_take_the_bias_back_and_forget_an_overwritten_least() -> None:
    priorities = Priorities(4, 1, alpha=1.0, floor=0.0)
    priorities.add(range(4))
    places, errors = np.arange(4)[None], np.array([[1.0, 2.0, 4.0, 8.0]])
    priorities.update(places, errors)
    # N P(i) = 4 p / 15; (N P)^−1 = 15/4, 15/8, …; over the largest: 1, 1/2, 1/4, 1/8
    assert priorities.weights(places, 1.0).tolist() == [[1, 0.5, 0.25, 0.125]]
    assert priorities.weights(places, 0.5)[0].tolist() == pytest.approx([1, 2**-0.5, 0.5, 8**-0.5])
    assert priorities.weights(places, 0.0).tolist() == [[1, 1, 1, 1]]
    # Σ P(i) w_i x_i is the plain mean, up to a factor, when β is 1
    values, drawn = np.array([3.0, -1.0, 7.0, 5.0]), errors[0] / 15
    weighted = drawn * priorities.weights(places, 1.0)[0]
    assert (weighted * values).sum() / weighted.sum() == pytest.approx(values.mean())
    priorities.update(np.array([[0]]), np.array([[16.0]]))  # the least is overwritten: now 2 is
    assert priorities.weights(places, 1.0).tolist() == [[0.125, 1, 0.5, 0.25]]


def test_a_seed_whose_errors_are_no_numbers_leaves_the_others_alone() -> None:
    priorities = Priorities(4, 2, alpha=1.0)
    priorities.add(range(4))
    priorities.update(np.arange(4)[None].repeat(2, 0), np.array([[1.0, np.nan, 1, 1], [1.0, 1, 1, 1]]))
    drawn = priorities.draw(np.array([[0.1, 0.6], [0.1, 0.6]]))
    assert drawn[1].tolist() == [0, 2]
    assert ((drawn >= 0) & (drawn < 4)).all()


def test_many_places_at_once_are_worth_what_they_are_one_by_one() -> None:
    at_once, singly = Priorities(30, 2, alpha=0.6), Priorities(30, 2, alpha=0.6)
    places, errors = np.tile(np.arange(20), (2, 1)), np.linspace(0.1, 3.0, 40).reshape(2, 20)
    at_once.update(places, errors)
    for k in range(20):
        singly.update(places[:, k : k + 1], errors[:, k : k + 1])
    for name in ("powers", "sums", "most", "least"):
        assert np.array_equal(getattr(at_once, name), getattr(singly, name)), name


def test_what_lay_in_memory_before_is_never_read() -> None:
    replay = Replay(10, [0], 1, gamma=0.5, n_step=3)
    replay.add(step(0))
    replay._steps.reward[1:] = np.nan  # what np.empty may find
    walked = walk(replay, 0)
    walked.add(step(1))
    found = at(walked, 0, 1)
    assert found.reward.tolist() == [1 + 0.5 * 2, 2]  # two steps are there, and one
    assert np.isfinite(found.reward).all()
