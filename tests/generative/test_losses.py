"""Losses against numbers worked by hand, in nats per image."""

import math

import pytest
import torch

from generative import losses


def test_a_decoder_that_knows_nothing_costs_784_bits_an_image() -> None:
    x = (torch.rand(3, 1, 28, 28) < 0.5).float()
    likelihood = losses.bernoulli_log_likelihood(torch.zeros(3, 1, 28, 28), x)
    torch.testing.assert_close(likelihood, torch.full((3,), -784 * math.log(2)))
    assert likelihood[0].item() == pytest.approx(-543.427, abs=1e-3)


def test_likelihood_of_two_pixels_by_hand() -> None:
    # logits 0 and ln 3 are p = 1/2 and 3/4; x = (1, 0): ln 1/2 + ln 1/4 = −ln 8
    logits = torch.tensor([0.0, math.log(3)]).reshape(1, 1, 1, 2)
    x = torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2)
    assert losses.bernoulli_log_likelihood(logits, x).item() == pytest.approx(-math.log(8))


def test_twice_the_pixels_cost_twice_as_much() -> None:
    logits, x = torch.randn(2, 1, 4, 4), torch.rand(2, 1, 4, 4)
    once = losses.bernoulli_log_likelihood(logits, x)
    twice = losses.bernoulli_log_likelihood(torch.cat([logits, logits], 2), torch.cat([x, x], 2))
    torch.testing.assert_close(twice, 2 * once)


@pytest.mark.parametrize(("logit", "x", "cost"), [(200, 0, 200), (200, 1, 0), (-200, 1, 200), (-200, 0, 0)])
def test_sure_decoders_pay_what_they_owe(logit: float, x: float, cost: float) -> None:
    logits = torch.full((1, 1, 1), float(logit), requires_grad=True)
    loss = -losses.bernoulli_log_likelihood(logits, torch.full((1, 1, 1), float(x)))
    assert loss.item() == pytest.approx(cost, abs=1e-6)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient.item() == pytest.approx((1.0 if logit > 0 else 0.0) - x, abs=1e-6)


def test_kl_is_torchs_summed_over_the_code() -> None:
    mean, log_variance = torch.randn(5, 7), torch.randn(5, 7)
    normal = torch.distributions.Normal
    q, p = normal(mean, (log_variance / 2).exp()), normal(torch.zeros(5, 7), torch.ones(5, 7))
    expected = torch.distributions.kl_divergence(q, p).sum(1)
    torch.testing.assert_close(losses.gaussian_kl(mean, log_variance), expected, rtol=1e-6, atol=1e-6)


def test_kl_by_hand() -> None:
    # mean 2, variance e: (4 + e − 1 − 1) / 2
    kl = losses.gaussian_kl(torch.tensor([[2.0]]), torch.tensor([[1.0]]))
    assert kl.item() == pytest.approx((2 + math.e) / 2)
    assert losses.gaussian_kl(torch.zeros(1, 9), torch.zeros(1, 9)).item() == 0


def test_density_is_torchs() -> None:
    z, mean, log_variance = torch.randn(3, 5, 4), torch.randn(5, 4), torch.randn(5, 4)
    expected = torch.distributions.Normal(mean, (log_variance / 2).exp()).log_prob(z).sum(-1)
    torch.testing.assert_close(losses.gaussian_log_density(z, mean, log_variance), expected)


def test_log_variance_is_held_and_its_gradient_lives_inside() -> None:
    raw = torch.tensor([-1e4, -30.0, 0.5, 20.0, 1e4], requires_grad=True)
    held = losses.clamp_log_variance(raw)
    assert held.tolist() == [-30.0, -30.0, 0.5, 20.0, 20.0]
    (gradient,) = torch.autograd.grad(held.sum(), raw)
    assert gradient.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


def test_reparameterised_draws_by_hand() -> None:
    # variance 4 is log-variance ln 4: z = 1 + 2 · 3
    z = losses.reparameterise(torch.tensor(1.0), torch.tensor(math.log(4)), torch.tensor(3.0))
    assert z.item() == pytest.approx(7.0)


def test_beta_weighs_the_kl_alone() -> None:
    assert losses.elbo(torch.tensor(-10.0), torch.tensor(3.0)).item() == -13
    assert losses.elbo(torch.tensor(-10.0), torch.tensor(3.0), 4.0).item() == -22


def test_importance_weighted_bound_by_hand() -> None:
    # weights 1 and 3: log of their mean 2, not the mean of their logs
    weights = torch.tensor([[0.0], [math.log(3)]])
    assert losses.importance_weighted_bound(weights, dim=0).item() == pytest.approx(math.log(2))
    assert losses.importance_weighted_bound(weights[1:], dim=0).item() == pytest.approx(math.log(3))
