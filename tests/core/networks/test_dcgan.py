"""The two networks of a DCGAN: sizes, first weights, norms, and the critic's input gradient."""

import pytest
import torch
from torch import nn
from torch.func import grad

from core.errors import UserError
from core.networks.dcgan import NORMS, DCCritic, DCGenerator
from core.networks.mlp import MLP

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 9, 17), (2, 8, 40), (1, 31, 15)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("norm", NORMS)
def test_both_fit_every_size(shape: tuple[int, int, int], norm: str) -> None:
    generator, critic = DCGenerator(5, shape, 4, norm), DCCritic(shape, 4, norm)
    assert generator(torch.randn(3, 5)).shape == (3, *shape)
    assert generator(torch.randn(2, 3, 5)).shape == (2, 3, *shape)
    assert critic(torch.randn(3, *shape)).shape == (3, 1)
    assert critic(torch.randn(2, 3, *shape)).shape == (2, 3, 1)


def test_sizes_below_eight_are_refused() -> None:
    for build in (lambda: DCGenerator(5, (1, 7, 8)), lambda: DCCritic((1, 8, 7))):
        with pytest.raises(UserError, match="8×8"):
            build()


def test_the_maps_of_the_original_for_64_pixels() -> None:
    """Radford et al., figure 1: four doublings to 64×64; batch norm on all layers but the borders."""
    generator, critic = DCGenerator(100, (3, 64, 64), 64), DCCritic((3, 64, 64), 64, "batch")
    assert generator.smallest == (512, 4, 4)
    assert [(c.in_channels, c.out_channels) for c in generator.convolutions] == [
        (512, 256), (256, 128), (128, 64), (64, 3)
    ]  # fmt: skip
    assert [norm.num_features for norm in generator.norms] == [512, 256, 128, 64]
    assert [(c.in_channels, c.out_channels) for c in critic.convolutions] == [
        (3, 64), (64, 128), (128, 256), (256, 512)
    ]  # fmt: skip
    assert isinstance(critic.norms[0], nn.Identity)
    assert [norm.num_features for norm in critic.norms[1:]] == [128, 256, 512]


def test_first_weights() -> None:
    torch.manual_seed(0)
    for net in (DCGenerator(100, (1, 32, 32), 64), DCCritic((1, 32, 32), 64, "batch")):
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.15)
                assert module.weight.mean().item() == pytest.approx(0, abs=0.003)
                assert module.bias is None or module.bias.abs().max() == 0
            elif isinstance(module, nn.BatchNorm2d):
                assert module.weight.mean().item() == pytest.approx(1, abs=0.01)
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.3)
                assert module.eps <= 1e-3  # its second argument is eps, not momentum
    wide = DCCritic((1, 32, 32), 64, gain=5.0)
    assert wide.convolutions[1].weight.std().item() == pytest.approx(0.1, rel=0.15)


@pytest.mark.parametrize(("norm", "alone"), [("none", True), ("layer", True), ("batch", False)])
def test_who_else_is_in_the_batch(norm: str, alone: bool) -> None:
    """Without batch norm what the critic says of an image does not depend on the others."""
    torch.manual_seed(0)
    critic = DCCritic((1, 28, 28), 8, norm, gain=3.0).train()
    x, other = torch.randn(6, 1, 28, 28), 3 * torch.randn(6, 1, 28, 28)
    other[2] = x[2]
    moved = (critic(x)[2] - critic(other)[2]).abs().item()
    assert moved < 1e-6 if alone else moved > 1e-3


def test_layer_norm_is_over_the_whole_sample() -> None:
    """Of (C, H, W) at once: mean 0 and variance 1 of each sample, and a permuted batch is a permuted output."""
    norm = NORMS["layer"](4)
    x = 5 + 3 * torch.randn(6, 4, 7, 7)
    y = norm(x).flatten(1)
    torch.testing.assert_close(y.mean(1), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(1, correction=0), torch.ones(6), atol=1e-4, rtol=0)
    critic, order = DCCritic((1, 28, 28), 8, "layer"), torch.tensor([3, 0, 5, 1, 4, 2])
    images = torch.randn(6, 1, 28, 28)
    torch.testing.assert_close(critic(images[order]), critic(images)[order])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_input_gradient_of_convolutions_is_autograds(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(1)
    critic, x = DCCritic(shape, 4, gain=10.0), torch.randn(5, *shape)
    expected = grad(lambda images: critic(images).sum())(x)
    assert expected.abs().max() > 1e-2
    found = critic.input_gradient(x)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_norms_have_no_closed_form(norm: str) -> None:
    assert DCCritic((1, 8, 8), 4, norm).input_gradient(torch.randn(2, 1, 8, 8)) is None


@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "identity"])
def test_the_input_gradient_of_layers_and_its_own_gradient_are_autograds(activation: str) -> None:
    torch.manual_seed(2)
    net, x = MLP((3, 16, 8, 1), activation, initialise="default"), torch.randn(9, 3)

    def penalty(slope: torch.Tensor) -> list[torch.Tensor]:
        loss = (slope.norm(dim=1) - 1).square().mean()
        return list(
            torch.autograd.grad(loss, list(net.parameters()), allow_unused=True, materialize_grads=True)
        )

    x.requires_grad_(True)
    (expected,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    found = net.input_gradient(x.detach())
    assert found is not None
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    for mine, theirs in zip(penalty(found), penalty(expected), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-5)


def test_where_the_slope_is_no_constant_there_is_no_closed_form() -> None:
    x = torch.randn(2, 3)
    assert MLP((3, 4, 1), "tanh").input_gradient(x) is None
    assert MLP((3, 4, 1), "relu", layer_norm=True).input_gradient(x) is None
    assert MLP((3, 4, 1), "relu", output_activation="tanh").input_gradient(x) is None
