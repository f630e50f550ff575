"""The GAN: its losses by hand, who moves when, and that it learns."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from core.errors import UserError
from core.noise import Noise
from generative import losses
from generative.data import Batches, Data, load
from generative.trainer import Spec, evaluation_noise
from generative.trainers.gan import BORDER, GAN, LOSSES, PRESETS, Config

CPU = torch.device("cpu")
DIGITS = load(Data())
SMALL = Config(hidden=(16, 16), latent=4, batch_size=16)
DC = replace(SMALL, net="dcgan", width=4)
KINDS = list(LOSSES)


def setup(*seeds: int, config: Config = SMALL, **more: Any) -> tuple[GAN, Batches]:
    spec = Spec(seeds, (1, 8, 8), torch.zeros(1, 8, 8), steps=100, **more)
    gan = GAN(spec, config)
    return gan, Batches(DIGITS.train, seeds, gan.batch, "none")


def on_points(*seeds: int, config: Config = SMALL, steps: int = 100) -> GAN:
    return GAN(Spec(seeds, (2,), torch.zeros(2), steps), config)


LOGITS = torch.tensor([0.0, math.log(3)])  # σ is 1/2 and 3/4


def test_a_critic_that_knows_nothing_pays_log_4() -> None:
    zero = torch.zeros(5)
    assert losses.cross_entropy_critic(zero, zero).item() == pytest.approx(math.log(4))


def test_cross_entropy_by_hand() -> None:
    # real: −(ln 1/2 + ln 3/4)/2 = ln(8/3)/2; fake: −(ln 1/2 + ln 1/4)/2 = ln 8 / 2
    found = losses.cross_entropy_critic(LOGITS, LOGITS).item()
    assert found == pytest.approx(0.5 * math.log(8 / 3) + 0.5 * math.log(8))
    assert losses.minimax_generator(LOGITS).item() == pytest.approx(-0.5 * math.log(8))
    assert losses.non_saturating_generator(LOGITS).item() == pytest.approx(0.5 * math.log(8 / 3))


def test_least_squares_by_hand() -> None:
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([2.0, 0.0])
    assert losses.least_squares_critic(real, fake).item() == pytest.approx(0.5 * 2 + 0.5 * 2)
    assert losses.least_squares_generator(fake).item() == pytest.approx(0.5)


def test_hinge_by_hand() -> None:
    # real 2 is far enough, 0 lacks 1, −1 lacks 2; fake −3 is far enough, 0 lacks 1, 1 lacks 2
    real, fake = torch.tensor([2.0, 0.0, -1.0]), torch.tensor([-3.0, 0.0, 1.0])
    assert losses.hinge_critic(real, fake).item() == pytest.approx(2.0)
    assert losses.wasserstein_generator(fake).item() == pytest.approx(2 / 3)


def test_sure_critics_pay_what_they_owe_and_saturate_the_minimax_generator() -> None:
    fake = torch.tensor([-200.0], requires_grad=True)
    assert losses.cross_entropy_critic(torch.tensor([-200.0]), torch.tensor([200.0])).item() == 400
    (flat,) = torch.autograd.grad(losses.minimax_generator(fake), fake)
    (steep,) = torch.autograd.grad(losses.non_saturating_generator(fake), fake)
    assert (flat.item(), steep.item()) == (0.0, -1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_signs(kind: str) -> None:
    """The critic gains when data score higher and samples lower; the generator when samples score higher."""
    critic, generator = LOSSES[kind]
    real, fake = torch.full((4,), 0.3), torch.full((4,), 0.4)
    assert critic(real + 0.1, fake) < critic(real, fake)
    assert critic(real, fake - 0.1) < critic(real, fake)
    assert generator(fake + 0.1) < generator(fake)
    assert losses.wasserstein_critic(real + 0.1, fake) < losses.wasserstein_critic(real, fake)


def test_the_best_critic_of_half_and_half_is_in_doubt() -> None:
    """Goodfellow et al. 2014, proposition 1: where data and samples are alike the least loss is log 4, at D = 1/2."""
    logits = torch.linspace(-3, 3, 61)
    costs = losses.cross_entropy_critic(logits[:, None], logits[:, None])
    assert costs.argmin().item() == 30
    assert costs.min().item() == pytest.approx(math.log(4), abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_generators_step_raises_what_the_critic_says_and_moves_nobody_else(kind: str) -> None:
    gan, batches = setup(0, config=replace(SMALL, loss=kind))
    for _ in range(3):
        gan.step(batches.next())
    noise, critic = gan.players.draw(64), gan.critic.matrix.clone()
    before = gan.critic(gan.generator(noise)).mean()
    for _ in range(5):
        gan.generator.step(gan.generator_loss, noise, gan.critic.weights(), lr=1e-3)
    assert gan.critic(gan.generator(noise)).mean() > before
    assert torch.equal(gan.critic.matrix, critic)


@pytest.mark.parametrize("config", [SMALL, DC])
def test_the_critics_step_moves_no_generator(config: Config) -> None:
    gan, batches = setup(0, 1, config=config)
    weights = gan.generator.matrix.clone()
    fake = gan.generator(gan.players.draw(16), training=True)
    assert not fake.requires_grad
    gan.critic.step(gan.critic_loss, gan.players.seen(batches.next()), fake, lr=1e-3)
    assert torch.equal(gan.generator.matrix, weights)
    assert gan.generator.gradient.abs().max() == 0
    assert gan.critic.gradient.abs().max() > 0


def test_steps_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five updates of the critic to one of the generator, each on images and noise of its own."""
    gan, batches = setup(0, config=replace(SMALL, critic_steps=5))
    seen: list[tuple[Tensor, Tensor]] = []
    inner = gan.critic.step

    def step(loss: Any, real: Tensor, fake: Tensor, **more: Any) -> Any:
        seen.append((real, fake))
        return inner(loss, real, fake, **more)

    monkeypatch.setattr(gan.critic, "step", step)
    fed = [batches.next() for _ in range(10)]
    for batch in fed:
        gan.step(batch)
    assert gan.batch == 80
    assert (len(seen), gan.critic.t.item(), gan.generator.t.item(), gan.updates) == (50, 50, 10, 10)
    assert torch.equal(torch.cat([real for real, _ in seen], 1), gan.players.seen(torch.cat(fed, 1)))
    assert len({fake.sum().item() for _, fake in seen}) == 50


@pytest.mark.parametrize("config", [SMALL, DC])
def test_images_go_to_the_networks_range_and_back(config: Config) -> None:
    gan, batches = setup(0, config=config)
    images = batches.next()
    seen = gan.players.seen(images)
    assert (seen.min(), seen.max()) == (-1, 1)
    torch.testing.assert_close((seen + 1) / 2, images)
    assert torch.equal(torch.round((seen + 1) / 2 * 255), torch.round(images * 255))
    gan.generator.matrix.mul_(1e3)  # whatever the weights
    samples = gan.sample(50, Noise((0,), "test"))
    assert samples.min() >= 0
    assert samples.max() <= 1
    for wrong in (images * 255, images - 0.5):
        with pytest.raises(AssertionError, match="images are in"):
            gan.step(wrong)
    points = torch.tensor([[[-7.0, 9.0]]])
    assert on_points(0).players.seen(points) is points


def test_looking_moves_no_batch_norm() -> None:
    gan, batches = setup(0, config=DC)
    gan.step(batches.next())
    nets = (gan.generator.modules[0], gan.critic.modules[0])
    means = [buffer.clone() for net in nets for buffer in net.buffers()]
    test = torch.from_numpy(DIGITS.test[:40] / 255).float()
    first = gan.sample(20, evaluation_noise((0,), "pictures", CPU))
    gan.evaluate(test, evaluation_noise((0,), "figures", CPU))
    assert all(
        torch.equal(a, b) for a, b in zip(means, (b for net in nets for b in net.buffers()), strict=True)
    )
    assert torch.equal(first, gan.sample(20, evaluation_noise((0,), "pictures", CPU)))
    few = gan.sample(5, evaluation_noise((0,), "pictures", CPU))
    gan.step(batches.next())
    assert not torch.equal(means[0], next(iter(nets[0].buffers())))
    assert few.shape == (1, 5, 1, 8, 8)


def test_what_is_told_of_a_critic_that_is_always_right() -> None:
    for kind, border in BORDER.items():
        gan = on_points(0, config=replace(SMALL, loss=kind))
        told = gan._told(torch.full((1, 8), border + 1), torch.full((1, 8), border - 1))
        assert {name: value.item() for name, value in told.items()} == {
            "real": border + 1, "fake": border - 1, "accuracy": 1.0
        }  # fmt: skip
        assert gan._told(torch.full((1, 8), border - 1), torch.full((1, 8), border + 1))["accuracy"] == 0


def test_a_seed_that_fails_says_so_at_once() -> None:
    """In the second of three updates of its critic: the mean of the three is no number."""
    gan, batches = setup(0, 1, config=replace(SMALL, critic_steps=3))
    batch = batches.next()
    found, inner = [], gan.critic.step

    def step(loss: Any, real: Tensor, fake: Tensor, **more: Any) -> Any:
        found.append(1)
        real = torch.cat([real[:1], real[1:] * (math.nan if len(found) == 2 else 1)])
        return inner(loss, real, fake, **more)

    gan.critic.step = step  # type: ignore[method-assign]
    metrics = gan.step(batch)
    assert metrics["train/critic"].isfinite().tolist() == [True, False]
    assert gan.critic.alive.tolist() == [True, False]


# With one rate and one update each the players circle the target; a quicker critic makes them stay.
GAUSSIAN = Config(
    hidden=(32, 32), latent=2, batch_size=128, critic_steps=2, lr=5e-4, lr_critic=2e-3, beta1=0.0, beta2=0.99,
    schedule="linear",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_a_gaussian(kind: str) -> None:
    mean, deviation = torch.tensor([1.0, -1.0]), torch.tensor([0.5, 1.0])
    config = replace(GAUSSIAN, loss=kind)
    gan, data = on_points(0, 1, config=config, steps=800), Noise((0, 1), "target")
    for _ in range(800):
        gan.step(mean + deviation * data.normal(gan.batch, 2))
    samples = gan.sample(5000, Noise((0, 1), "test"))
    torch.testing.assert_close(samples.mean(1), mean.expand(2, 2), atol=0.2, rtol=0)
    torch.testing.assert_close(samples.std(1), deviation.expand(2, 2), atol=0.2, rtol=0)
    test = mean + deviation * data.normal(4000, 2)[0]
    scores = gan.evaluate(test, evaluation_noise((0, 1), "figures", CPU))
    assert all(scores["eval/accuracy"] < 0.65)  # the critic is left guessing
    if kind in ("minimax", "non-saturating"):
        torch.testing.assert_close(scores["eval/critic"], torch.full((2,), math.log(4)), atol=0.1, rtol=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lr": 0.0},
        {"lr_critic": 0.0},
        {"critic_steps": 0},
        {"hidden": (0,)},
        {"beta1": 1.0},
        {"batch_size": 0},
        {"lr_end": -1.0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong)).replace("_", "-")):
        replace(SMALL, **wrong)


def test_points_take_no_convolutions() -> None:
    with pytest.raises(UserError, match="--net mlp"):
        on_points(0, config=DC)


def test_every_preset_builds_a_config() -> None:
    for preset in PRESETS.values():
        for settings in preset.values():
            Config(**{name: value for name, value in settings.items() if name != "steps"})
