"""Convolutional networks: sizes, reach, receptive order, refusal of what does not fit."""

import pytest
import torch
from torch import nn

from core.errors import UserError
from core.networks.cnn import ConvDecoder, ConvEncoder, NatureCNN

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (2, 9, 17), (5, 8, 40), (1, 31, 15), (4, 20, 13)]


@pytest.mark.parametrize("shape", SHAPES)
def test_encoder_and_decoder_fit_every_size(shape: tuple[int, int, int]) -> None:
    encoder, decoder = ConvEncoder(shape, features=24, width=4), ConvDecoder(6, shape, width=4)
    assert encoder(torch.rand(3, *shape)).shape == (3, 24) == (3, encoder.out_features)
    assert decoder(torch.randn(3, 6)).shape == (3, *shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_pixel_is_read_and_written(shape: tuple[int, int, int]) -> None:
    """Odd rows and columns are not lost: within what the strides cover, each pixel moves the output."""
    torch.manual_seed(0)
    encoder = ConvEncoder(shape, features=32, width=8, activation="tanh")
    image = torch.rand(1, *shape, requires_grad=True)
    (gradient,) = torch.autograd.grad(encoder(image).sum(), image)
    assert (gradient != 0).all()
    decoder = ConvDecoder(6, shape, width=8, activation="tanh")
    images = decoder(torch.randn(4, 6))
    assert (images.std(0) > 0).all()


def test_maps_on_the_way_down() -> None:
    sizes = []
    encoder = ConvEncoder((1, 28, 28))
    for convolution in encoder.convolutions:
        convolution.register_forward_hook(lambda module, inputs, out: sizes.append(tuple(out.shape[1:])))
    encoder(torch.rand(1, 1, 28, 28))
    assert sizes == [(32, 14, 14), (64, 7, 7)]
    # 1·32·16 + 32, 32·64·16 + 64, 64·49·256 + 256
    assert sum(p.numel() for p in encoder.parameters()) == 544 + 32_832 + 803_072


def test_channels_stop_doubling() -> None:
    encoder = ConvEncoder((3, 256, 256), features=8, width=2)
    assert [c.out_channels for c in encoder.convolutions] == [2, 4, 8, 16, 16, 16]


@pytest.mark.parametrize("lead", [(), (0,), (2,), (2, 3)])
def test_any_leading_axes(lead: tuple[int, ...]) -> None:
    encoder, decoder = ConvEncoder((1, 8, 8), features=5), ConvDecoder(4, (1, 8, 8))
    torso = NatureCNN((1, 8, 8), features=5)
    images, latent = torch.rand(*lead, 1, 8, 8), torch.randn(*lead, 4)
    assert encoder(images).shape == torso(images).shape == (*lead, 5)
    assert decoder(latent).shape == (*lead, 1, 8, 8)
    if lead == (2, 3):
        torch.testing.assert_close(encoder(images)[1, 2], encoder(images[1, 2]), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(decoder(latent)[1, 2], decoder(latent[1, 2]), rtol=1e-5, atol=1e-6)


def test_nature_cnn_is_the_published_one() -> None:
    net = NatureCNN((4, 84, 84))
    # 4·32·64+32, 32·64·16+64, 64·64·9+64, 3136·512+512
    assert sum(p.numel() for p in net.parameters()) == 8_224 + 32_832 + 36_928 + 1_606_144
    assert net(torch.rand(2, 4, 84, 84)).shape == (2, 512) == (2, net.out_features)
    last = net.out.weight
    torch.testing.assert_close(last @ last.T, 2 * torch.eye(512), rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", [(3, 1, 1), (4, 10, 10), (3, 35, 90), (3, 36, 36), (1, 210, 160)])
def test_torso_takes_every_size(shape: tuple[int, int, int]) -> None:
    net = NatureCNN(shape, features=16)
    assert net(torch.rand(2, *shape)).shape == (2, 16)
    first = net.convolutions[0]
    assert isinstance(first, nn.Conv2d)
    assert first.kernel_size == ((8, 8) if min(shape[1:]) >= 36 else (3, 3))


def test_what_does_not_fit_is_refused() -> None:
    for small in [(1, 7, 28), (1, 28, 7), (0, 28, 28), (28, 28)]:
        with pytest.raises(UserError, match="at least 8×8"):
            ConvEncoder(small)
        with pytest.raises(UserError, match="at least 8×8"):
            ConvDecoder(3, small)
    with pytest.raises(UserError, match="channels, height, width"):
        NatureCNN((84, 84))
    with pytest.raises(ValueError, match=r"expected images"):  # channels last: as many numbers, wrongly laid
        ConvEncoder((3, 8, 8))(torch.rand(2, 8, 8, 3))
    with pytest.raises(UserError, match=r"unknown activation 'rleu'.*'relu'"):
        ConvEncoder((1, 8, 8), activation="rleu")


def test_first_weights_follow_the_global_generator() -> None:
    def weights(seed: int) -> torch.Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            nets = (ConvEncoder((1, 8, 8)), ConvDecoder(3, (1, 8, 8)), NatureCNN((1, 8, 8)))
            return torch.cat([p.flatten() for net in nets for p in net.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_seeds_take_the_loop() -> None:
    assert not ConvEncoder((1, 8, 8)).stacks
    assert not ConvDecoder(3, (1, 8, 8)).stacks
    assert not NatureCNN((1, 8, 8)).stacks


def test_every_layer_but_the_decoders_last_has_an_activation() -> None:
    encoder, decoder = ConvEncoder((1, 28, 28), features=3, width=2), ConvDecoder(3, (1, 28, 28), width=2)
    torso = NatureCNN((1, 28, 28), features=3)
    for net in (encoder, decoder, torso):
        calls: list[torch.Tensor] = []
        net.activation = lambda x, calls=calls: calls.append(x) or torch.relu(x)
        net(torch.randn(2, 3) if net is decoder else torch.rand(2, 1, 28, 28))
        assert len(calls) == 1 + len(net.convolutions)
    nn.init.constant_(decoder.out.bias, -10.0)
    assert decoder(torch.randn(4, 3)).max() < 0
    assert encoder(torch.rand(4, 1, 28, 28)).min() >= 0
