"""Encoder and decoder as one network."""

from typing import Any

import pytest
import torch

from core.noise import Noise
from core.replicas import Replicas
from generative.autoencoder import RunningGaussian, build
from generative.trainers.vae import Config

SHAPE = (1, 8, 8)
MEAN = torch.linspace(0.1, 0.9, 64).reshape(SHAPE)


def settings(**more: Any) -> Config:
    return Config(latent=3, hidden=(7, 5), **more)


@pytest.mark.parametrize("net", ["mlp", "conv"])
def test_images_become_codes_and_codes_become_images(net: Any) -> None:
    made = build(settings(net=net), SHAPE, MEAN, code=6)
    assert made({"encoder": torch.rand(4, *SHAPE)}).shape == (4, 6)
    assert made({"decoder": torch.zeros(2, 4, 3)}).shape == (2, 4, *SHAPE)


def test_the_output_starts_at_the_mean_image() -> None:
    at_nought = {"decoder": torch.zeros(1, 3)}
    made = build(settings(), SHAPE, MEAN, code=6)
    torch.testing.assert_close(torch.sigmoid(made(at_nought))[0], MEAN)
    straight = build(settings(), SHAPE, MEAN, code=3, link=lambda mean: mean)
    torch.testing.assert_close(straight(at_nought)[0], MEAN)
    tied = build(settings(), SHAPE, MEAN, code=3, tied=True)
    torch.testing.assert_close(torch.sigmoid(tied(at_nought))[0], MEAN)


def test_tied_weights_are_the_encoders_transposed() -> None:
    made = build(settings(activation="identity"), SHAPE, MEAN, code=3, link=lambda mean: mean, tied=True)
    names = {name for name, _ in made.named_parameters()}
    assert names == {
        *(f"encoder.layers.{k}.{part}" for k in range(3) for part in ("weight", "bias")),
        *(f"decoder.biases.{k}" for k in range(3)),
    }
    first, second, third = (made.get_parameter(f"encoder.layers.{k}.weight") for k in range(3))
    z = torch.randn(4, 3)
    expected = (z @ third @ second @ first).reshape(4, *SHAPE) + MEAN
    torch.testing.assert_close(made({"decoder": z}), expected)


def test_tied_weights_follow_those_a_loss_is_given_and_those_that_are_trained() -> None:
    net = Replicas(lambda: build(settings(), SHAPE, MEAN, code=3, tied=True), (0, 1))
    z = torch.randn(4, 3)
    params = {name: value[0] for name, value in net.weights().items()}
    doubled = {name: value * 2 if name.endswith("weight") else value for name, value in params.items()}
    assert not torch.equal(net.apply(params, {"decoder": z}), net.apply(doubled, {"decoder": z}))
    before = net({"decoder": z.expand(2, 4, 3)})
    assert not torch.equal(before[0], before[1])
    net.weights()["encoder.layers.2.weight"][1] *= 2
    after = net({"decoder": z.expand(2, 4, 3)})
    assert torch.equal(after[0], before[0])
    assert not torch.equal(after[1], before[1])


def test_a_running_gaussian_is_the_mean_of_all_batches_at_first_and_forgets_later() -> None:
    running = RunningGaussian(1, 1, "cpu", memory=0.25)
    for value in (1.0, 2.0, 6.0, 7.0):
        running.add(torch.tensor([[value]]), torch.tensor([[[value**2]]]))
    assert running.mean.item() == pytest.approx(4.0)
    assert running.second.item() == pytest.approx(22.5)  # variance 6.5
    placed = running.place(torch.tensor([[[0.0], [1.0], [-2.0]]]))
    assert placed.flatten().tolist() == pytest.approx([4.0, 4 + 6.5**0.5, 4 - 2 * 6.5**0.5], abs=1e-5)
    running.add(torch.tensor([[8.0]]), torch.tensor([[[64.0]]]))
    assert running.mean.item() == pytest.approx(0.75 * 4 + 0.25 * 8)


def test_a_running_gaussian_has_the_covariance_of_what_it_was_given() -> None:
    running = RunningGaussian(2, 2, "cpu")
    codes = Noise((0, 1), "codes").normal(300, 2) @ torch.tensor([[2.0, 1.0], [0.0, 0.5]]) + 3
    for batch in codes.split(100, dim=1):
        running.add(batch.mean(1), batch.mT @ batch / 100)
    placed = running.place(Noise((0, 1), "z").normal(100_000, 2))
    for k in range(2):
        torch.testing.assert_close(placed[k].mean(0), codes[k].mean(0), atol=0.02, rtol=0)
        torch.testing.assert_close(
            placed[k].T.cov(correction=0), codes[k].T.cov(correction=0), atol=0.05, rtol=0.03
        )


def test_units_that_never_move_and_seeds_that_failed_do_no_harm() -> None:
    running = RunningGaussian(2, 2, "cpu")
    mean = torch.tensor([[1.0, 2.0], [float("nan"), 0.0]])
    running.add(mean, mean[:, :, None] * mean[:, None])
    placed = running.place(torch.zeros(2, 3, 2))
    torch.testing.assert_close(placed[0], torch.tensor([1.0, 2.0]).expand(3, 2))
    assert not placed[1].isfinite().any()
