"""What reads observations and draws actions: against torch.distributions, and by integrating over a grid."""

import math

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, Normal

from core.errors import UserError
from core.networks.net import Chain
from core.noise import Noise
from core.replicas import Replicas
from rl import spaces as ours
from rl.actor_critic import ActorCritic

BOX = spaces.Box(np.array([-1.0, -2.0]), np.array([1.0, 0.5]), dtype=np.float32)


def gaussian() -> ours.DiagonalGaussian:
    head = ours.head(BOX)
    assert isinstance(head, ours.DiagonalGaussian)
    return head


def test_the_categorical_head_is_torchs_distribution() -> None:
    head, out = ours.head(spaces.Discrete(5)), torch.randn(3, 7, 5) * 3
    action = torch.randint(5, (3, 7))
    known = Categorical(logits=out)
    torch.testing.assert_close(head.log_prob(out, action), known.log_prob(action))
    torch.testing.assert_close(head.entropy(out), known.entropy())
    assert torch.equal(head.mode(out), known.probs.argmax(-1))


def test_the_gaussian_head_is_torchs_distribution() -> None:
    head, mean, log_std = gaussian(), torch.randn(3, 7, 2), torch.randn(3, 7, 2)
    out, action = torch.cat((mean, log_std), -1), torch.randn(3, 7, 2) * 4
    known = Independent(Normal(mean, log_std.exp()), 1)
    torch.testing.assert_close(head.log_prob(out, action), known.log_prob(action))
    torch.testing.assert_close(head.entropy(out), known.entropy())
    torch.testing.assert_close(head.mode(out), mean)


def test_the_gaussian_density_integrates_to_one_beyond_the_bounds() -> None:
    head, side = gaussian(), torch.linspace(-9, 9, 601, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1)
    out = torch.tensor([0.9, -1.0, 0.3, -0.2], dtype=torch.float64)
    density = head.log_prob(out.expand(601, 601, 4), grid).exp()
    assert density.sum().item() * (18 / 600) ** 2 == pytest.approx(1, abs=1e-6)
    inside = (grid.abs() <= 1).all(-1)
    assert density[inside].sum() * (18 / 600) ** 2 < 0.6  # a density of clipped actions would hold it all


def test_samples_follow_the_distribution() -> None:
    head, noise = ours.head(spaces.Discrete(3)), Noise([0], "test")
    out = torch.tensor([0.0, math.log(2), math.log(5)])
    draws = head.sample(out, noise.gumbel(40_000, *head.noise_shape)[0])
    frequency = torch.bincount(draws, minlength=3) / len(draws)
    torch.testing.assert_close(frequency, torch.tensor([1 / 8, 2 / 8, 5 / 8]), atol=0.01, rtol=0)
    head = gaussian()
    out = torch.tensor([1.0, -3.0, 0.0, math.log(0.5)])
    drawn = head.sample(out, noise.normal(40_000, *head.noise_shape)[0])
    torch.testing.assert_close(drawn.mean(0), torch.tensor([1.0, -3.0]), atol=0.02, rtol=0)
    torch.testing.assert_close(drawn.std(0), torch.tensor([1.0, 0.5]), atol=0.02, rtol=0)


def test_the_same_noise_gives_the_same_action() -> None:
    head = ours.head(spaces.Discrete(4))
    out, noise = torch.randn(6, 4), torch.rand(6, 4)
    assert torch.equal(head.sample(out, noise), head.sample(out, noise))
    assert torch.equal(head.sample(out, torch.full((6, 4), 0.3)), head.mode(out))
    assert head.sample(out, torch.zeros(6, 4)).shape == (6,)  # a draw of exactly 0 is no NaN


def test_an_action_that_is_ruled_out_is_never_drawn_and_adds_no_entropy() -> None:
    head = ours.head(spaces.Discrete(3))
    out = torch.tensor([0.0, -math.inf, 0.0])
    assert set(head.sample(out, torch.rand(10_000, 3)).tolist()) == {0, 2}
    assert head.entropy(out).item() == pytest.approx(math.log(2))


def test_actions_are_clipped_only_where_they_are_executed() -> None:
    head = gaussian()
    action = np.array([[[3.0, -5.0], [0.2, 0.4]]])  # [seed, env, 2]
    np.testing.assert_allclose(head.executed(action)[0], [[1.0, -2.0], [0.2, 0.4]], rtol=1e-6)
    assert head.executed(action).dtype == np.float32
    assert action[0, 0].tolist() == [3.0, -5.0]


def test_discrete_spaces_may_count_from_elsewhere() -> None:
    head = ours.head(spaces.Discrete(3, start=-1))
    assert head.executed(np.array([[0, 2]])).tolist() == [[-1, 1]]
    reader, size = ours.torso(spaces.Discrete(3, start=-1), hidden=())
    assert size == 3
    assert reader(torch.tensor([[-1, 1]])).tolist() == [[[1, 0, 0], [0, 0, 1]]]


def test_a_box_action_of_two_axes_keeps_its_shape_when_executed() -> None:
    head = ours.head(spaces.Box(-1, 1, (2, 3)))
    assert head.noise_shape == (6,)
    assert head.executed(np.zeros((4, 5, 6))).shape == (4, 5, 2, 3)


@pytest.mark.parametrize("space", [spaces.Discrete(4), BOX])
def test_heads_are_vmapped_and_differentiated(space: spaces.Space[object]) -> None:
    head = ours.head(space)
    net = head.layer(8)
    out = net(torch.randn(3, 6, 8))

    def one(out: Tensor, noise: Tensor) -> Tensor:
        return head.log_prob(out, head.sample(out, noise)) + head.entropy(out)

    noise = torch.rand(3, 6, *head.noise_shape)
    torch.testing.assert_close(torch.vmap(one)(out, noise), one(out, noise))
    gradient = torch.func.grad(lambda out: one(out, noise).sum())(out)
    assert gradient.isfinite().all()
    assert (gradient != 0).any()


def test_first_policies_are_nearly_uniform_and_of_unit_deviation() -> None:
    torso, size = ours.torso(spaces.Box(-1, 1, (4,)))
    head = ours.head(spaces.Discrete(6))
    out = Chain(torso, head.layer(size))(torch.randn(50, 4))
    assert head.entropy(out).mean().item() == pytest.approx(math.log(6), rel=0.01)
    out = Chain(torso, gaussian().layer(size))(torch.randn(50, 4))
    assert out[:, 2:].tolist() == [[0.0, 0.0]] * 50
    assert out[:, :2].abs().max() < 0.1


@pytest.mark.parametrize(
    ("space", "obs"),
    [
        (spaces.Discrete(7, start=2), torch.randint(2, 9, (2, 3))),
        (spaces.Box(-1, 1, (4,)), torch.randn(2, 3, 4)),
        (spaces.Box(-1, 1, (2, 3), dtype=np.float64), torch.randn(2, 3, 2, 3)),
        (spaces.Box(-1, 1, ()), torch.randn(2, 3)),
    ],
)
@pytest.mark.parametrize("action_space", [spaces.Discrete(3), BOX])
def test_networks_of_all_seeds_in_one_call_equal_each_alone(
    space: spaces.Space[object], action_space: spaces.Space[object], obs: Tensor
) -> None:
    head = ours.head(action_space)

    def build() -> nn.Module:
        torso, size = ours.torso(space, (16, 8))
        return Chain(torso, head.layer(size))

    nets = Replicas(build, [4, 5], path="vmap")
    assert nets._stacked is not None
    alone = torch.stack([module(part) for module, part in zip(nets.modules, obs, strict=True)])
    torch.testing.assert_close(nets(obs), alone)
    assert alone.shape == (2, 3, 3 if isinstance(action_space, spaces.Discrete) else 4)


@pytest.mark.parametrize(
    ("shape", "channels_first"),
    [((40, 36, 3), (3, 40, 36)), ((4, 84, 84), (4, 84, 84)), ((7, 7, 3), (3, 7, 7)), ((40, 50), (1, 40, 50))],
)
def test_pictures_are_read_with_their_channels_wherever_they_are(
    shape: tuple[int, ...], channels_first: tuple[int, ...]
) -> None:
    space = spaces.Box(0, 255, shape, np.uint8)
    torso, size = ours.torso(space, features=32)
    pixels = torch.randint(256, (2, 3, *shape), dtype=torch.uint8)
    read = torso.parts[0](pixels)
    assert tuple(read.shape) == (2, 3, *channels_first)
    assert read.dtype == torch.float32
    assert read.max() <= 1.0
    first = pixels if len(shape) == 3 and channels_first == shape else None
    if len(shape) == 3 and first is None:
        first = pixels.movedim(-1, 2)
    if first is not None:
        torch.testing.assert_close(read, first / 255)
    assert size == 32
    assert torso(pixels).shape == (2, 3, 32)


@pytest.mark.parametrize("space", [spaces.MultiBinary(3), spaces.Dict({"a": spaces.Discrete(2)})])
def test_spaces_that_cannot_be_served_are_named(space: spaces.Space[object]) -> None:
    name = type(space).__name__
    with pytest.raises(UserError, match=name):
        ours.torso(space)
    with pytest.raises(UserError, match=f"{name}.*ppo"):
        ours.head(space)
    with pytest.raises(UserError, match=f"q-learning needs Discrete observations, not {name}.*ppo"):
        ours.count(space, "q-learning", "observations")


@pytest.mark.parametrize("action", [spaces.Discrete(4), BOX])
@pytest.mark.parametrize("obs", [spaces.Box(-1, 1, (2, 3)), spaces.Discrete(5), spaces.Discrete(5, start=2)])
def test_the_numpy_form_of_a_policy_is_the_policy(
    obs: spaces.Space[np.ndarray], action: spaces.Space[object]
) -> None:
    head = ours.head(action)
    nets = Replicas(lambda: ActorCritic(obs, head, (8, 8), "tanh"), [0, 1])
    seen = np.array([[obs.sample() for _ in range(6)] for _ in range(2)])
    out = nets.act(seen, "policy")
    torch.testing.assert_close(torch.from_numpy(out), nets(torch.from_numpy(seen), method="policy"))
    noise = getattr(Noise([0, 1], "n"), head.noise)(6, *head.noise_shape)
    for chosen, same in (
        (head.sample(out, noise.numpy()), head.sample(torch.from_numpy(out), noise)),
        (head.mode(out), head.mode(torch.from_numpy(out))),
    ):
        assert isinstance(chosen, np.ndarray)
        torch.testing.assert_close(torch.from_numpy(chosen), same)
    assert nets._arrays["policy"] is not None
