"""The Wasserstein GAN: penalty and losses by hand, the critic's distance where it is known, and that it learns."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core.errors import UserError
from core.noise import Noise
from core.optimisers import RMSprop
from generative import losses
from generative.trainer import Spec, evaluation_noise
from generative.trainers.wgan_gp import PRESETS, WGAN, Config

CPU = torch.device("cpu")
SMALL = Config(hidden=(16, 16), latent=4, batch_size=16, critic_steps=2)
LINEAR = replace(SMALL, hidden=(), lr=0.01)
PATHS = ("loop", "vmap")


def on_points(*seeds: int, config: Config = SMALL, steps: int = 100, **more: Any) -> WGAN:
    return WGAN(Spec(seeds, (2,), torch.zeros(2), steps, **more), config)


def on_images(*seeds: int, shape: tuple[int, ...] = (1, 8, 8), config: Config = SMALL, **more: Any) -> WGAN:
    return WGAN(Spec(seeds, shape, torch.zeros(shape), 100, **more), config)


def uniform(seeds: tuple[int, ...], *shape: int) -> Tensor:
    return Noise(seeds, "test data").uniform(*shape)


def test_wasserstein_losses_by_hand() -> None:
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, -1.0])
    assert losses.wasserstein_critic(real, fake).item() == -2.5
    assert losses.wasserstein_generator(fake).item() == 0.5


def test_every_sample_is_mixed_by_a_share_of_its_own() -> None:
    real, fake = torch.full((3, 1, 2, 2), 4.0), torch.zeros(3, 1, 2, 2)
    mixed = losses.between(real, fake, torch.tensor([0.0, 0.25, 1.0]))
    assert mixed.flatten(1).tolist() == [[0.0] * 4, [1.0] * 4, [4.0] * 4]
    both = losses.between(real[None], fake[None], torch.tensor([[0.0, 0.25, 1.0]]))
    assert torch.equal(both[0], mixed)


def test_norms_are_of_one_sample_over_all_of_its_dimensions() -> None:
    gradient = torch.zeros(2, 1, 2, 2)
    gradient[0] = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    gradient[1] = 1.0
    norm = losses.gradient_norm(gradient, 3)
    assert norm.tolist() == [5.0, 2.0]
    assert losses.gradient_penalty(norm).item() == (16 + 1) / 2
    assert losses.gradient_norm(gradient[None], 3).tolist() == [[5.0, 2.0]]


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (3, 9, 8)])
@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("path", PATHS)
def test_the_penalty_of_a_linear_critic(shape: tuple[int, ...], size: int, path: Any) -> None:
    """D(x) = ⟨w, x⟩: (‖w‖ − 1)² whatever the batch, and 2λ(‖w‖ − 1) w/‖w‖ is its gradient; real = fake, so no more."""
    config = replace(LINEAR, net="mlp", penalty=3.0)
    wgan = WGAN(Spec((0, 5), shape, torch.zeros(shape), 100, path=path), config)
    w = wgan.critic.weights()["body.layers.0.weight"]
    w.copy_(Noise((0, 5), "w").normal(*w.shape[1:]))
    w, norm = w.clone().flatten(1), w.flatten(1).norm(dim=1)
    x = uniform((0, 5), size, *shape)
    found = wgan.critic.step(wgan.critic_loss, x, x, uniform((0, 5), size), lr=0.0)
    torch.testing.assert_close(found["penalty"], (norm - 1).square())
    torch.testing.assert_close(found["gradient_norm"], norm)
    torch.testing.assert_close(found["critic"], 3 * (norm - 1).square())
    gradient = wgan.critic.gradients()["body.layers.0.weight"].flatten(1)
    expected = 2 * 3 * (norm - 1)[:, None] * w / norm[:, None]
    torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=1e-5)
    assert gradient.abs().min() > 0


@pytest.mark.parametrize("net", ["mlp", "dcgan"])
@pytest.mark.parametrize("more", [{}, {"activation": "tanh", "norm": "layer"}])
def test_a_flat_critic_has_a_gradient_that_is_a_number(net: Any, more: dict[str, Any]) -> None:
    wgan = on_images(0, config=replace(SMALL, net=net, width=4, **more))
    last = [view for name, view in wgan.critic.weights().items() if name.endswith("weight")][-1]
    last.zero_()
    x = uniform((0,), 16, 1, 8, 8)
    found = wgan.critic.step(wgan.critic_loss, x, 1 - x, uniform((0,), 16), lr=1e-3)
    assert (found["gradient_norm"].item(), found["penalty"].item()) == (0.0, 1.0)
    assert wgan.critic.gradient.isfinite().all()
    assert wgan.critic.alive.all()


@pytest.mark.parametrize("net", ["mlp", "dcgan"])
@pytest.mark.parametrize("more", [{}, {"activation": "tanh", "norm": "layer"}])
def test_the_penalty_moves_the_weights_as_double_backward_does(net: Any, more: dict[str, Any]) -> None:
    """Whether the slope is written out or differentiated, its gradient is that of torch's create_graph."""
    wgan = on_images(0, config=replace(SMALL, net=net, width=4, gain=3.0, **more))
    real, fake, share = uniform((0,), 3, 8, 1, 8, 8).unbind(1)[:2] + (uniform((0,), 8),)
    wgan.critic.step(wgan.critic_loss, real, fake, share, lr=0.0)
    found = {name: view[0].clone() for name, view in wgan.critic.gradients().items()}
    module = wgan.critic.modules[0]
    leaves = {name: view[0].clone().requires_grad_(True) for name, view in wgan.critic.weights().items()}
    mixed = share[0][:, None, None, None] * real[0] + (1 - share[0])[:, None, None, None] * fake[0]
    mixed = mixed.requires_grad_(True)

    def critic(x: Tensor) -> Tensor:
        return torch.func.functional_call(module, leaves, (x,))

    (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    assert slope.requires_grad
    penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    loss = critic(fake[0]).mean() - critic(real[0]).mean() + 10 * penalty
    expected = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
    for name, gradient in zip(leaves, expected, strict=True):
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("net", ["mlp", "dcgan"])
@pytest.mark.parametrize("norm", ["none", "layer"])
def test_the_critic_judges_every_sample_by_itself(net: Any, norm: Any) -> None:
    wgan = on_images(0, shape=(1, 16, 16), config=replace(SMALL, net=net, norm=norm, width=8, gain=3.0))
    assert not any(
        isinstance(part, nn.modules.batchnorm._BatchNorm) for part in wgan.critic.modules[0].modules()
    )
    assert not list(wgan.critic.modules[0].buffers())
    x, other = uniform((0,), 2, 6, 1, 16, 16).unbind(1)
    other = torch.cat([5 * other[:, :2], x[:, 2:3], other[:, 3:]], 1)
    for training in (True, False):
        moved = wgan.critic(x, training=training)[0, 2] - wgan.critic(other, training=training)[0, 2]
        assert moved.abs().item() < 1e-6


def test_the_last_bias_stands_still_however_long_it_trains() -> None:
    """It cancels out of the loss to the bit; were it left to rounding, Adam would blow that up to a whole lr."""
    wgan = on_points(0, config=replace(SMALL, batch_size=50))
    bias = wgan.critic.weights()["body.layers.2.bias"].clone()
    for _ in range(5):
        wgan.step(uniform((0,), 100, 2))
    assert torch.equal(wgan.critic.weights()["body.layers.2.bias"], bias)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("penalty", "distance"), [(10.0, 2.0), (100.0, 2.0), (10.0, 0.5)])
def test_the_distance_of_two_points(path: Any, penalty: float, distance: float) -> None:
    """Data at (d, 0), samples at 0: W₁ = d. The best critic under the penalty has slope s = 1 + d/2λ, from
    max s·d − λ(s − 1)², and reads s·d; as λ grows, d."""
    wgan = on_points(0, 3, config=replace(LINEAR, penalty=penalty), path=path)
    real = torch.tensor([distance, 0.0]).expand(2, 16, 2)
    fake, share = torch.zeros(2, 16, 2), uniform((0, 3), 16)
    for rate in torch.logspace(-1, -4, 600).tolist():
        found = wgan.critic.step(wgan.critic_loss, real, fake, share, lr=rate)
    slope = 1 + distance / (2 * penalty)
    torch.testing.assert_close(found["gradient_norm"], torch.full((2,), slope), atol=2e-3, rtol=0)
    torch.testing.assert_close(found["wasserstein"], torch.full((2,), slope * distance), atol=5e-3, rtol=0)


def test_clipping_holds_every_weight() -> None:
    config = replace(SMALL, constraint="clip", clip=0.02, optimiser="rmsprop", lr=5e-3)
    wgan = on_points(0, 1, config=config)
    assert isinstance(wgan.critic.optimiser, RMSprop)
    for _ in range(5):
        metrics = wgan.step(5 * uniform((0, 1), 32, 2))
    assert wgan.critic.matrix.abs().max().item() == pytest.approx(0.02)
    assert wgan.generator.matrix.abs().max() > 0.02
    assert "train/penalty" not in metrics
    torch.testing.assert_close(metrics["train/critic"], -metrics["train/wasserstein"])


def test_steps_are_counted() -> None:
    wgan = on_points(0, config=replace(SMALL, critic_steps=5))
    for _ in range(4):
        wgan.step(uniform((0,), 80, 2))
    assert (wgan.batch, wgan.critic.t.item(), wgan.generator.t.item(), wgan.updates) == (80, 20, 4, 4)


def test_rates_are_each_players_own_and_fall_as_scheduled() -> None:
    wgan = on_points(0, config=replace(SMALL, lr=0.1, lr_critic=0.4, schedule="linear", lr_end=0.5))
    found: dict[str, list[float]] = {"generator": [], "critic": []}
    for name, rates in found.items():
        net = getattr(wgan, name)

        def step(loss: Any, *batch: Any, lr: float, rates: Any = rates, inner: Any = net.step) -> Any:
            rates.append(lr)
            return inner(loss, *batch, lr=lr)

        net.step = step
    for _ in range(50):
        wgan.step(uniform((0,), 32, 2))
    assert found["generator"][0] == pytest.approx(0.1)
    assert found["critic"][:2] == pytest.approx([0.4, 0.4])
    assert found["generator"][-1] == pytest.approx(0.1 * (1 - 0.5 * 49 / 100))
    assert found["critic"][-1] == pytest.approx(0.4 * (1 - 0.5 * 49 / 100))


def test_evaluation_tells_the_critics_distance() -> None:
    wgan = on_points(0, 1, config=LINEAR)
    test = torch.tensor([[3.0, 0.0], [1.0, 2.0]])
    wgan.generator.matrix.zero_()  # all samples at 0
    w = wgan.critic.weights()["body.layers.0.weight"][:, 0]
    scores = wgan.evaluate(test, evaluation_noise((0, 1), "figures", CPU))
    torch.testing.assert_close(scores["eval/wasserstein"], w @ torch.tensor([2.0, 1.0]))
    torch.testing.assert_close(scores["eval/gradient_norm"], w.norm(dim=1))


def test_paths_agree_within_rounding() -> None:
    wgans = [on_points(0, 1, path=path) for path in PATHS]
    for wgan in wgans:
        for _ in range(10):
            wgan.step(uniform((0, 1), 32, 2))
    for name in ("generator", "critic"):
        difference = (getattr(wgans[0], name).matrix - getattr(wgans[1], name).matrix).abs().max().item()
        assert difference < 1e-5  # ten updates move weights by about 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("net", "path"), [("mlp", "loop"), ("mlp", "vmap"), ("dcgan", "loop"), ("differentiated", "loop")]
)
def test_compiled_it_learns_the_same(net: str, path: Any) -> None:
    """Nothing is differentiated twice behind the compiler's back: the slope is an ordinary part of the loss."""
    torch._dynamo.reset()  # or it keeps to eight compiled forms of one function, and runs the ninth as it is
    kind: dict[str, Any] = {"net": net} if net != "differentiated" else {"net": "mlp", "activation": "tanh"}
    config = replace(SMALL, width=4, norm_generator="none", **kind)
    wgans = [on_images(0, 1, config=config, path=path, compiled=compiled) for compiled in (False, True)]
    for wgan in wgans:
        for _ in range(4):
            wgan.step(uniform((0, 1), 32, 1, 8, 8))
        assert (wgan.generator.compiled, wgan.critic.compiled) == (wgan is wgans[1],) * 2
    for name in ("generator", "critic"):
        difference = (getattr(wgans[0], name).matrix - getattr(wgans[1], name).matrix).abs().max().item()
        assert difference < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("constraint", ["penalty", "clip"])
def test_it_learns_a_gaussian(constraint: Any) -> None:
    mean, deviation = torch.tensor([1.0, -1.0]), torch.tensor([0.5, 1.0])
    config = Config(
        hidden=(64, 64), latent=2, batch_size=128, penalty=0.1, lr=5e-4, lr_critic=3e-3, schedule="linear"
    )
    if constraint == "clip":
        config = replace(config, constraint="clip", clip=0.1, optimiser="rmsprop", lr=5e-4, lr_critic=None)
    wgan, data = on_points(0, 1, config=config, steps=400), Noise((0, 1), "target")
    for _ in range(400):
        wgan.step(mean + deviation * data.normal(5 * 128, 2))
    samples = wgan.sample(5000, Noise((0, 1), "test"))
    torch.testing.assert_close(samples.mean(1), mean.expand(2, 2), atol=0.2, rtol=0)
    if constraint == "penalty":  # clipped weights draw functions too simple to see the spread
        torch.testing.assert_close(samples.std(1), deviation.expand(2, 2), atol=0.15, rtol=0)


@pytest.mark.parametrize(
    "wrong", [{"penalty": 0.0}, {"clip": 0.0}, {"beta2": 1.0}, {"lr": math.nan}, {"lr_end": -1.0}]
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong)).replace("_", "-")):
        replace(SMALL, **wrong)


def test_every_preset_builds_a_config() -> None:
    for preset in PRESETS.values():
        for settings in preset.values():
            Config(**{name: value for name, value in settings.items() if name != "steps"})
