"""The likelihood estimate against a model whose likelihood is known: probabilistic PCA."""

import math

import pytest
import torch
from torch import Tensor

from core.noise import Noise
from generative import losses
from generative.metrics import LogWeights, negative_log_likelihood

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
