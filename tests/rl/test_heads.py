"""State-dependent noise: its density against sampling and by integration, and what it must not teach."""

import math

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor
from torch.distributions import Independent, Normal

from core.errors import UserError
from core.noise import Noise
from core.replicas import Replicas
from rl import spaces as ours
from rl.actor_critic import ActorCritic
from rl.heads import StateDependentGaussian

BOX = spaces.Box(np.array([-1.0, -2.0], np.float32), np.array([1.0, 0.5], np.float32))
FEATURES = 3


def gsde() -> StateDependentGaussian:
    head = ours.head(BOX, noise_features=FEATURES)
    assert isinstance(head, StateDependentGaussian)
    return head


def out_of(mean: list[float], features: list[float], std: list[list[float]]) -> Tensor:
    """As ``Loadings`` would give it."""
    loadings = torch.tensor(features)[:, None] * torch.tensor(std)
    return torch.cat((torch.tensor(mean), loadings.flatten()))


# Variances: 1·.25 + 4·.01 + 0 = .29 and 1·1 + 4·.04 + 0 = 1.16
OUT = out_of([0.5, -1.0], [1.0, -2.0, 0.0], [[0.5, 1.0], [0.1, 0.2], [9.0, 9.0]])
KNOWN = Independent(Normal(torch.tensor([0.5, -1.0]), torch.tensor([0.29, 1.16]).sqrt()), 1)


def test_its_variance_by_hand() -> None:
    action = torch.tensor([0.2, 1.5])
    torch.testing.assert_close(gsde().log_prob(OUT, action), KNOWN.log_prob(action), atol=1e-5, rtol=0)
    torch.testing.assert_close(gsde().entropy(OUT), KNOWN.entropy(), atol=1e-5, rtol=0)
    assert gsde().mode(OUT).tolist() == [0.5, -1.0]


def test_its_density_integrates_to_one() -> None:
    side = torch.linspace(-8, 8, 601, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1)
    density = gsde().log_prob(OUT.double().expand(601, 601, -1), grid).exp()
    assert density.sum().item() * (16 / 600) ** 2 == pytest.approx(1, abs=1e-6)


def test_samples_over_many_matrices_follow_the_density() -> None:
    head = gsde()
    drawn = head.sample(OUT, Noise([0], "test").normal(40_000, *head.noise_shape)[0])
    torch.testing.assert_close(drawn.mean(0), KNOWN.mean, atol=0.02, rtol=0)
    torch.testing.assert_close(drawn.std(0), KNOWN.stddev, atol=0.02, rtol=0)
    assert abs(float(torch.corrcoef(drawn.T)[0, 1])) < 0.02


def test_with_the_matrix_held_the_noise_is_linear_in_the_features() -> None:
    head, std = gsde(), [[0.5, 1.0], [0.1, 0.2], [0.3, 0.3]]
    matrix = Noise([0], "test").normal(*head.noise_shape)[0]
    one, two = [1.0, -2.0, 0.5], [0.3, 0.1, -1.0]
    both = [2 * a + b for a, b in zip(one, two, strict=True)]
    noise = [head.sample(out_of([0.0, 0.0], features, std), matrix) for features in (one, two, both)]
    torch.testing.assert_close(2 * noise[0] + noise[1], noise[2])
    assert torch.equal(
        noise[0], head.sample(out_of([0.0, 0.0], one, std), matrix)
    )  # the same state, the same noise


def test_without_any_features_the_density_is_still_finite() -> None:
    out = torch.zeros(2 + 2 * FEATURES, requires_grad=True)
    log_prob = gsde().log_prob(out, torch.zeros(2))
    log_prob.backward()
    assert log_prob.isfinite()
    assert out.grad is not None
    assert out.grad.isfinite().all()


def test_the_noise_does_not_teach_the_features() -> None:
    layer = gsde().layer(FEATURES)
    features = torch.tensor([0.4, -0.3, 0.9], requires_grad=True)
    out = layer(features)
    gsde().entropy(out).backward()  # depends on the variance alone
    assert features.grad is None or not features.grad.any()
    assert layer.log_std.grad.abs().min() > 0
    torch.testing.assert_close(out[2:], features.detach().repeat_interleave(2))  # σ begins at e⁰


def test_it_is_vmapped_and_differentiated() -> None:
    head = gsde()
    out = head.layer(FEATURES)(torch.randn(4, 6, FEATURES))

    def one(out: Tensor, noise: Tensor) -> Tensor:
        return head.log_prob(out, head.sample(out, noise)) + head.entropy(out)

    noise = torch.rand(4, 6, *head.noise_shape)
    torch.testing.assert_close(torch.vmap(one)(out, noise), one(out, noise))
    assert torch.func.grad(lambda out: one(out, noise).sum())(out).isfinite().all()


@pytest.mark.parametrize("obs", [spaces.Box(-1, 1, (2, 3)), spaces.Discrete(5, start=2)])
def test_every_form_of_its_network_is_the_network(obs: spaces.Space[np.ndarray]) -> None:
    head = ours.head(BOX, noise_features=8, initial_log_std=-0.7)
    build = lambda: ActorCritic(obs, head, (8, 8), "tanh", orthogonal=False)  # noqa: E731
    loop, vmap = Replicas(build, [0, 1]), Replicas(build, [0, 1], path="vmap")
    assert vmap._stacked is not None
    seen = np.array([[obs.sample() for _ in range(6)] for _ in range(2)])
    quick, slow = loop.act(seen, "policy"), loop(torch.from_numpy(seen), method="policy")
    np.testing.assert_allclose(quick, slow.numpy(), atol=1e-6)
    torch.testing.assert_close(vmap(torch.from_numpy(seen), method="policy"), slow)
    assert quick.shape == (2, 6, 2 + 8 * 2)
    noise = np.random.default_rng(0).normal(size=(2, 6, 8, 2)).astype(np.float32)
    torch.testing.assert_close(torch.from_numpy(head.sample(quick, noise)),
                               head.sample(slow, torch.from_numpy(noise)), atol=1e-5, rtol=0)  # fmt: skip


def test_width_says_how_many_features_a_torso_gives() -> None:
    for space, hidden in (
        (spaces.Box(-1, 1, (2, 3)), ()), (spaces.Discrete(7), ()), (spaces.Discrete(7), (4, 5)),
        (spaces.Box(0, 255, (36, 36, 3), np.uint8), (64,)),
    ):  # fmt: skip
        torso, size = ours.torso(space, hidden)
        seen = torch.from_numpy(np.array([space.sample()]))
        assert torso(seen).shape[-1] == size == ours.width(space, hidden)


def test_it_is_not_for_discrete_actions() -> None:
    with pytest.raises(UserError, match=r"Discrete.*--sde-every 0"):
        ours.head(spaces.Discrete(2), noise_features=4)


def test_its_entropy_at_the_start_is_that_of_unit_deviations_over_the_features() -> None:
    layer, head = gsde().layer(FEATURES), gsde()
    features = torch.tensor([1.0, 1.0, 1.0])
    expected = 2 * 0.5 * math.log(2 * math.pi * math.e * 3)  # each variance is 3
    assert head.entropy(layer(features)).item() == pytest.approx(expected, abs=1e-5)
