"""Running statistics: by hand, against one pass over everything, and against Stable-Baselines3's."""

import numpy as np
import pytest
from stable_baselines3.common.running_mean_std import RunningMeanStd

from rl.normalising import CLIP, FIRST_COUNT, Moments, RewardScale, standardise


def test_a_batch_is_merged_by_hand() -> None:
    moments = Moments(1)
    moments.update(np.array([[1.0, 3.0]]))  # mean 2, variance 1, against a prior of mean 0, variance 1
    weight = FIRST_COUNT / (2 + FIRST_COUNT)
    assert moments.mean[0] == pytest.approx(2 * (1 - weight), rel=1e-12)
    assert moments.var[0] == pytest.approx(1 + 4 * weight * (1 - weight), rel=1e-12)
    moments.update(np.array([[6.0, 10.0]]))  # all four: mean 5, variance (16 + 4 + 1 + 25) / 4
    assert moments.mean[0] == pytest.approx(5, abs=1e-3)
    assert moments.var[0] == pytest.approx(11.5, abs=1e-2)
    assert moments.count[0] == pytest.approx(4 + FIRST_COUNT)


def test_statistics_equal_those_of_stable_baselines3() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = Moments(1, (3,)), RunningMeanStd(shape=(3,))
    for size in (1, 4, 7):
        batch = rng.normal(5, 3, (size, 3))
        ours.update(batch[None])
        theirs.update(batch)
    np.testing.assert_allclose(ours.mean[0], theirs.mean, rtol=1e-13)
    np.testing.assert_allclose(ours.var[0], theirs.var, rtol=1e-13)
    assert ours.count[0] == theirs.count


@pytest.mark.parametrize("shape", [(), (1,), (3,), (17,)])
@pytest.mark.parametrize("envs", [1, 4, 16, 37])
def test_a_seed_has_the_same_statistics_alone_and_in_company(shape: tuple[int, ...], envs: int) -> None:
    rng = np.random.default_rng(1)
    together, alone = Moments(3, shape), Moments(1, shape)
    for _ in range(3):
        batch = rng.normal(size=(3, envs, *shape))
        together.update(batch)
        alone.update(batch[1:2])
    np.testing.assert_array_equal(together.mean[1], alone.mean[0])
    np.testing.assert_array_equal(together.var[1], alone.var[0])
    seen = rng.normal(size=(3, envs, *shape))
    np.testing.assert_array_equal(standardise(seen, together)[1], standardise(seen[1:2], alone)[0])


def test_values_are_centred_scaled_and_clipped() -> None:
    moments = Moments(1)
    moments.mean, moments.var = np.array([2.0]), np.array([4.0])
    shown = standardise(np.array([[2.0, 6.0, 1e6, -1e6]]), moments)
    assert shown.dtype == np.float32
    np.testing.assert_allclose(shown[0], [0, 2, CLIP, -CLIP], rtol=1e-6)


def test_rewards_are_divided_by_the_deviation_of_the_running_return() -> None:
    scale = RewardScale(1, 1, gamma=0.5)
    first = scale(np.array([[4.0]]), np.array([[False]]))
    # one return of 4 against the prior of mean 0, variance 1
    weight = FIRST_COUNT / (1 + FIRST_COUNT)
    variance = weight + 16 * weight * (1 - weight)
    assert first[0, 0] == pytest.approx(min(4 / variance**0.5, CLIP), rel=1e-6)
    scale(np.array([[1.0]]), np.array([[True]]))  # running return ½ · 4 + 1 = 3; then the episode is over
    assert scale.moments.mean[0] == pytest.approx(3.5, abs=1e-3)
    assert scale.running.tolist() == [[0.0]]
    last = scale(np.array([[1.0]]), np.array([[False]]))  # returns 4, 3, 1: variance 14/9, mean 8/3
    assert scale.running.tolist() == [[1.0]]
    assert last[0, 0] == pytest.approx((9 / 14) ** 0.5, abs=1e-3)


def test_saved_statistics_come_back_in_place() -> None:
    scale = RewardScale(2, 3, gamma=0.9)
    scale(np.arange(6.0).reshape(2, 3), np.zeros((2, 3), np.bool_))
    copy = RewardScale(2, 3, gamma=0.9)
    shared = copy.moments
    copy.load_state_dict(scale.state_dict())
    np.testing.assert_array_equal(shared.var, scale.moments.var)
    np.testing.assert_array_equal(copy.running, scale.running)
    scale(np.ones((2, 3)), np.zeros((2, 3), np.bool_))
    assert (shared.var != scale.moments.var).any()
