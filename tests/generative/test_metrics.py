"""The likelihood estimate against a model whose likelihood is known, probabilistic PCA; modes counted by hand."""

import math

import pytest
import torch
from torch import Tensor

from core.noise import Noise
from generative import losses
from generative.metrics import LogWeights, coverage, negative_log_likelihood

LATENT, PIXELS, SIGMA = 2, 6, 0.7


class Pca:
    """x = W z + b + 0.7 ε with z ~ N(0, 1): log p(x) is a Gaussian's; q is its posterior, 1.5 times too wide."""

    def __init__(self) -> None:
        self.w, self.b = (
            torch.randn(PIXELS, LATENT, dtype=torch.float64),
            torch.randn(PIXELS, dtype=torch.float64),
        )
        precision = torch.eye(LATENT, dtype=torch.float64) + self.w.T @ self.w / SIGMA**2
        self.covariance = torch.linalg.inv(precision)
        self.q_scale = torch.linalg.cholesky(1.5 * self.covariance)

    def draw(self, count: int) -> Tensor:
        z = torch.randn(count, LATENT, dtype=torch.float64)
        return z @ self.w.T + self.b + SIGMA * torch.randn(count, PIXELS, dtype=torch.float64)

    def exact(self, x: Tensor) -> Tensor:
        covariance = self.w @ self.w.T + SIGMA**2 * torch.eye(PIXELS, dtype=torch.float64)
        return -torch.distributions.MultivariateNormal(self.b, covariance).log_prob(x)

    def log_weights(self, noise: Noise) -> LogWeights:
        def weights(images: Tensor, samples: int) -> Tensor:
            x = images.flatten(2).double()
            mean = (x - self.b) @ self.w @ self.covariance / SIGMA**2
            q = torch.distributions.MultivariateNormal(mean[:, None], scale_tril=self.q_scale)
            drawn = noise.normal(samples, x.shape[1], LATENT).double()
            z = mean[:, None] + drawn @ self.q_scale.T
            variance = torch.full((PIXELS,), math.log(SIGMA**2), dtype=torch.float64)
            likelihood = losses.gaussian_log_density(x[:, None], z @ self.w.T + self.b, variance)
            prior = losses.gaussian_log_density(z, torch.zeros_like(z), torch.zeros_like(z))
            return likelihood + prior - q.log_prob(z)

        return weights


@pytest.fixture
def pca() -> Pca:
    return Pca()


def test_estimate_meets_the_exact_likelihood(pca: Pca) -> None:
    x = pca.draw(40)
    images = x.reshape(1, 40, 1, 2, 3).expand(2, -1, -1, -1, -1)
    found = negative_log_likelihood(pca.log_weights(Noise((0, 1), "test")), images, 5000, images_at_once=16)
    assert found.shape == (2, 40)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, pca.exact(x).expand(2, 40), atol=0.1, rtol=0)
    assert found.mean(1).tolist() == pytest.approx([pca.exact(x).mean().item()] * 2, abs=0.02)


def test_estimate_falls_towards_it_as_samples_grow(pca: Pca) -> None:
    x = pca.draw(2000)
    images = x.reshape(1, 2000, 1, 2, 3)
    means = [
        negative_log_likelihood(
            pca.log_weights(Noise((0,), "test")), images, samples, images_at_once=500
        ).mean()
        for samples in (1, 3, 30)
    ]
    assert means[0] > means[1] + 0.02 > means[2] + 0.02 > pca.exact(x).mean() - 0.01


def test_one_sample_is_the_negative_weight(pca: Pca) -> None:
    images = pca.draw(7).reshape(1, 7, 1, 2, 3)
    weights = pca.log_weights(Noise((3,), "test"))(images, 1)[:, 0]
    found = negative_log_likelihood(pca.log_weights(Noise((3,), "test")), images, 1, images_at_once=7)
    torch.testing.assert_close(found, -weights)


def test_pieces_and_a_whole_agree_and_far_weights_do_not_overflow() -> None:
    table = torch.tensor([-2000.0, -2001.0, -1999.0, -2005.0, -2000.5])

    def weights(images: Tensor, samples: int) -> Tensor:
        start = int(drawn[0])
        drawn[0] += samples
        return table[start : start + samples].reshape(1, -1, 1)

    for at_once in (1, 2, 5):
        drawn = [0]
        found = negative_log_likelihood(weights, torch.zeros(1, 1, 1, 1, 1), 5, samples_at_once=at_once)
        # −log of the mean of e^-2000 (1 + e^-1 + e + e^-5 + e^-.5)
        expected = 2000 - math.log((1 + math.exp(-1) + math.e + math.exp(-5) + math.exp(-0.5)) / 5)
        assert found.item() == pytest.approx(expected, abs=1e-9)


# --- modes of a mixture

CENTRES = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def covered(*points: tuple[float, float], sigma: float = 1.0) -> dict[str, float]:
    return {name: value.item() for name, value in coverage(torch.tensor([points]), CENTRES, sigma).items()}


def test_modes_counted_by_hand() -> None:
    """(1.8, 2.4) lies 3σ away, just too far; (1.7, 2.4) less. Shares of modes among the good: 2/4, 1/4, 1/4, 0."""
    found = covered((0.0, 0.0), (1.7, 2.4), (1.8, 2.4), (9.0, 1.0), (0.0, 12.0), (5.0, 5.0))
    # KL = ½ ln(½ / ¼) + ¼ ln(¼ / ¼) + ¼ ln(¼ / ¼) = ½ ln 2
    expected = {"modes": 3, "high_quality": 4 / 6, "reverse_kl": 0.5 * math.log(2)}
    assert found == pytest.approx(expected, abs=1e-6)


def test_sigma_decides_what_is_near() -> None:
    assert covered((0.0, 1.4), sigma=0.5) == pytest.approx(
        {"modes": 1, "high_quality": 1, "reverse_kl": math.log(4)}
    )
    far = covered((0.0, 1.6), sigma=0.5)  # nothing is good: as far from equal shares as can be
    assert far == pytest.approx({"modes": 0, "high_quality": 0, "reverse_kl": math.log(4)})


def test_all_modes_equally_often_is_no_divergence_and_seeds_are_apart() -> None:
    points = torch.stack([CENTRES + 0.5, CENTRES[:1].expand(4, 2), torch.full((4, 2), math.nan)])
    found = coverage(points, CENTRES, 1.0)
    assert found["modes"].tolist() == [4, 1, 0]
    assert found["high_quality"].tolist() == [1, 1, 0]
    assert found["reverse_kl"].tolist() == pytest.approx([0, math.log(4), math.log(4)], abs=1e-6)


def test_true_samples_are_of_high_quality_as_often_as_a_gaussian_lies_within_three_sigma() -> None:
    """In the plane that is 1 − exp(−9/2) = 98.89 %; the reverse KL of N multinomial draws is near (M − 1) / 2N."""
    owner = Noise((0,), "owner").integers(4, 40_000)[0]
    found = covered(*(CENTRES[owner] + 0.3 * Noise((0,), "test").normal(40_000, 2)[0]).tolist(), sigma=0.3)
    assert found["high_quality"] == pytest.approx(
        1 - math.exp(-4.5), abs=4 * math.sqrt(0.0111 * 0.9889 / 40_000)
    )
    assert 0 <= found["reverse_kl"] < 5 * 3 / (2 * 40_000)
