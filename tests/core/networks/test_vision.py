"""The image networks: published counts, sizes from 28×28, what is particular to each family."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from core.errors import UserError
from core.networks.alexnet import AlexNet
from core.networks.densenet import Dense
from core.networks.googlenet import MODULES, GoogLeNet, Inception, Widths
from core.networks.resnet import SHORTCUTS, Block, Bottleneck, Padded, ResNet
from core.networks.vgg import VGG
from core.networks.vision import VISION, build
from core.noise import Noise
from core.replicas import Replicas

COUNTS = {
    "alexnet": 61_100_840,
    "alexnet-2012": 60_965_224,
    "alexnet-ungrouped": 62_378_344,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg11-bn": 132_868_840,
    "vgg13-bn": 133_053_736,
    "vgg16-bn": 138_365_992,
    "vgg19-bn": 143_678_248,
    "googlenet": 7_005_832,
    "googlenet-aux": 13_385_816,
    "googlenet-no-bn": 6_998_552,
    "googlenet-no-bn-aux": 13_378_280,
    "googlenet-3x3": 6_624_904,
    "googlenet-3x3-aux": 13_004_888,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "densenet121": 7_978_856,
    "densenet169": 14_149_480,
}
CIFAR_COUNTS = {  # 32 pixels, 10 classes
    "resnet8": 75_290,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet8-b": 78_042,
    "resnet20-b": 272_474,
    "resnet32-b": 466_906,
    "resnet44-b": 661_338,
    "resnet56-b": 855_770,
    "densenet-bc-100": 769_162,
}
QUICK = {
    "alexnet",
    "alexnet-2012",
    "vgg11",
    "googlenet-aux",
    "resnet18",
    "resnet50",
    "resnet20",
    "resnet20-b",
}
QUICK |= {"densenet-bc-100"}
EVERY = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in VISION]


def size_of(net: nn.Module) -> int:
    return sum(weight.numel() for weight in net.parameters())


@pytest.mark.parametrize("name", VISION)
def test_counts_are_the_published_ones(name: str) -> None:
    classes, side, expected = (1000, 224, COUNTS[name]) if name in COUNTS else (10, 32, CIFAR_COUNTS[name])
    with torch.device("meta"):
        assert size_of(build(name, 3, classes, side)) == expected


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64)])
def test_small_images_go_forward_and_backward(name: str, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    net = build(name, shape[0], 10, shape[1:])
    images, all_heads = torch.randn(2, *shape), name.endswith("-aux")
    scores = net(images, True) if all_heads else net(images)
    assert scores.shape == ((3, 2, 10) if all_heads else (2, 10))
    assert 1e-5 < scores.std() < 10
    F.cross_entropy(
        scores.reshape(-1, 10), torch.tensor([1, 2] * (len(scores.reshape(-1, 10)) // 2))
    ).backward()
    for weight_name, weight in net.named_parameters():
        assert weight.grad is not None, weight_name
        assert weight.grad.isfinite().all(), weight_name
        assert weight.grad.abs().max() > 0, weight_name


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "googlenet", "resnet18", "densenet-bc-100"])
@pytest.mark.parametrize("size", [(28, 45), (65, 70)])
def test_odd_sizes_channels_and_leading_axes(name: str, size: tuple[int, int]) -> None:
    net = build(name, 2, 3, size).eval()
    images = torch.randn(1, 2, 2, *size)
    with torch.no_grad():
        scores = net(images)
        assert scores.shape == (1, 2, 3)
        torch.testing.assert_close(net(images[0, 1]), scores[0, 1], rtol=1e-4, atol=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match=r"unknown network 'resnet21'.*'resnet2?"):
        build("resnet21", 1, 10, 28)
    with pytest.raises(UserError, match=r"at least 28×28 pixels, not \(28, 27\)"):
        build("resnet20", 1, 10, (28, 27))
    with pytest.raises(UserError, match="not 0 and 10"):
        build("resnet20", 0, 10, 28)
    with pytest.raises(UserError, match=r"VGG has 11, 13, 16, 19 layers, not 12"):
        VGG(12, 1, 10)
    with pytest.raises(UserError, match="layers, not 19"):
        ResNet(19, 1, 10)
    with pytest.raises(UserError, match=r"unknown shortcut 'C'"):
        ResNet(20, 1, 10, 28, "C")
    net = build("resnet20", 3, 10, 32)
    for shape in [(2, 1, 32, 32), (2, 3, 28, 32), (3, 32), (2, 32, 32, 3)]:
        with pytest.raises(ValueError, match=r"expected images \[..., C, H, W\] with \(3, 32, 32\), got \("):
            net(torch.zeros(shape))
    with pytest.raises(ValueError, match="auxiliary=True"):
        GoogLeNet(1, 10, 28)(torch.zeros(1, 1, 28, 28), True)


def test_none_stacks_and_first_weights_follow_the_global_generator() -> None:
    def weights(seed: int) -> torch.Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = build("resnet20", 1, 10, 28)
            assert not net.stacks
            return torch.cat([p.flatten() for p in net.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_zero_gamma_makes_each_block_the_identity() -> None:
    x = torch.randn(2, 64, 6, 6).relu()
    for depth, kind in ((18, Block), (50, Bottleneck)):
        net = ResNet(depth, 1, 10, 28, zero_gamma=True)
        wide = x.repeat(1, kind.growth, 1, 1)
        assert torch.equal(net.blocks[1](wide), wide)
        assert not torch.equal(ResNet(depth, 1, 10, 28).blocks[1](wide), wide)


def test_shortcuts_by_hand() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    padded = SHORTCUTS["A"](1, 3, 2)
    assert isinstance(padded, Padded)
    assert not [*padded.parameters()]
    assert padded(x).tolist() == [[[[0, 2], [8, 10]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]]
    projected = SHORTCUTS["B"](1, 3, 2)
    assert size_of(projected) == 3 + 2 * 3
    assert projected(x).shape == (1, 3, 2, 2)


def test_resnet_starts_as_he_says_and_passes_the_scale_on() -> None:
    torch.manual_seed(0)
    net = ResNet(18, 3, 10, 32)
    weight = net.blocks[0].residue[0].weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)
    assert net.out.weight.std().item() == pytest.approx(math.sqrt(1 / 512), rel=0.05)
    assert net.out.bias.abs().max() == 0


def test_inception_lays_four_branches_side_by_side() -> None:
    module = Inception(3, Widths(2, 4, 3, 5, 1, 2), norm=False)
    x = torch.randn(2, 3, 7, 9)
    y = module(x)
    assert y.shape == (2, 2 + 3 + 1 + 2, 7, 9)
    one, three, five, pooled = module.branches
    torch.testing.assert_close(y[:, :2], one(x))
    torch.testing.assert_close(y[:, 6:], pooled[1](F.max_pool2d(x, 3, 1, 1)))
    assert three[1][0].kernel_size == (3, 3)
    assert five[1][0].kernel_size == (5, 5)
    assert Inception(3, Widths(2, 4, 3, 5, 1, 2), 3).branches[2][1][0].kernel_size == (3, 3)
    assert [widths.out for widths in MODULES.values()] == [256, 480, 512, 512, 512, 528, 832, 832, 1024]


def test_a_dense_layer_adds_its_growth_beside_its_input() -> None:
    layer = Dense(5, 3)
    x = torch.randn(2, 5, 4, 4)
    y = layer(x)
    assert y.shape == (2, 8, 4, 4)
    assert torch.equal(y[:, :5], x)


def test_alexnet_normalises_across_channels_as_the_paper_does() -> None:
    """b = a/(2 + 10⁻⁴ Σ a²)^0.75 over five neighbours: for seven channels of 100, the middle one has 2 + 5 = 7."""
    first = next(
        part for part in AlexNet(1, 2, 28, "2012", 4).features if isinstance(part, nn.LocalResponseNorm)
    )
    y = first(torch.full((1, 7, 1, 1), 100.0)).flatten()
    assert y[3].item() == pytest.approx(100 / 7**0.75, rel=1e-5)
    assert y[0].item() == pytest.approx(100 / 5**0.75, rel=1e-5)
    assert not any(isinstance(part, nn.LocalResponseNorm) for part in AlexNet(1, 2, 28).features)
    biases = [
        part.bias.mean().item()
        for part in AlexNet(1, 2, 28, hidden=4).features
        if isinstance(part, nn.Conv2d)
    ]
    assert biases == [0, 1, 0, 1, 1]


def test_seeds_learn_alone_what_they_learn_together_and_go_on_exactly() -> None:
    def made(seeds: list[int], net: str) -> tuple[Replicas, Noise]:
        return Replicas(lambda: build(net, 1, 3, 28), seeds), Noise(seeds, "images")

    def train(net: Replicas, data: Noise, steps: int) -> torch.Tensor:
        for _ in range(steps):
            net.step(
                lambda params, x: (net.apply(params, x).square().mean(), {}),
                data.normal(4, 1, 28, 28),
                lr=0.01,
            )
        return net.matrix.clone()

    together = made([3, 5], "resnet20")
    end = train(*together, 3)
    alone = made([5], "resnet20")
    assert torch.equal(train(*alone, 3)[0], end[1])
    x = torch.ones(1, 2, 1, 28, 28)
    assert torch.equal(alone[0](x)[0], together[0](x.expand(2, -1, -1, -1, -1))[1])  # running statistics too
    first, second = made([3, 5], "resnet20"), made([3, 5], "resnet20")
    train(*first, 1)
    for ours, theirs in zip(second, first, strict=True):
        ours.load_state_dict(theirs.state_dict())
    assert torch.equal(train(*second, 2), end)


@pytest.mark.slow
def test_a_small_resnet_learns_to_tell_stripes_apart() -> None:
    torch.manual_seed(0)
    net = build("resnet20", 1, 2, 28)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    stripes = (torch.arange(28) % 4 < 2).float().expand(28, 28)
    for step in range(30):
        labels = torch.arange(16) % 2
        noise = torch.randn(16, 28, 28, generator=torch.Generator().manual_seed(step))
        images = torch.stack([stripes if label else stripes.T for label in labels]) + noise
        optimiser.zero_grad()
        loss = F.cross_entropy(net(images[:, None]), labels)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.1


def test_the_layout_in_memory_changes_no_number_and_width_and_stride_are_as_told() -> None:
    torch.manual_seed(0)
    net = ResNet(8, 3, 10, 28, shortcut="B", width=4, stride=2).eval()
    images = torch.randn(5, 3, 28, 28)
    x = net.stem(images)
    assert x.shape == (5, 4, 14, 14)
    plain = net.out(net.blocks(x.contiguous()).mean((2, 3)))
    torch.testing.assert_close(net(images), plain, rtol=1e-5, atol=1e-6)
    assert [block.residue[0].out_channels for block in net.blocks] == [4, 8, 16]
