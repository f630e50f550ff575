"""Encoder and decoder as one network: what autoencoders of every kind are made of."""

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.errors import UserError
from core.networks.cnn import ConvDecoder, ConvEncoder
from core.networks.mlp import MLP

Shape: TypeAlias = tuple[int, int, int]  # C, H, W


class Widths(Protocol):
    """The settings that say how large the two networks are."""

    @property
    def latent(self) -> int: ...  # width of the code that the decoder reads

    @property
    def net(self) -> Literal["mlp", "conv"]: ...

    @property
    def hidden(self) -> tuple[int, ...]: ...  # of the mlp's encoder; its decoder mirrors them

    @property
    def activation(self) -> str: ...  # of the mlp's hidden layers


class Autoencoder(nn.Module):
    """Both networks as one module with one optimiser: ``net({"encoder": x})``, ``net({"decoder": z})``."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, shape: Shape, flat: bool) -> None:
        super().__init__()
        self.encoder, self.decoder, self.shape, self.flat = encoder, decoder, shape, flat

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Images ``[…, C, H, W]`` to ``[…, code]``; codes ``[…, latent]`` to outputs ``[…, C, H, W]``."""
        if "encoder" in inputs:
            x = inputs["encoder"]
            code: Tensor = self.encoder(x.flatten(-3) if self.flat else x)
            return code
        output: Tensor = self.decoder(inputs["decoder"])
        return output.unflatten(-1, self.shape) if self.flat else output


class Transposed(nn.Module):
    """The way back through an mlp by its own weights transposed, with biases of its own."""

    def __init__(self, forth: MLP) -> None:
        super().__init__()
        self._forth = (forth,)  # in a tuple, so that its weights are not counted twice
        self.biases = nn.ParameterList(torch.zeros(layer.weight.shape[1]) for layer in reversed(forth.layers))

    def forward(self, z: Tensor) -> Tensor:
        """z ``[…, latent]`` → ``[…, pixels]``."""
        (forth,) = self._forth
        last = len(self.biases) - 1
        for place, (layer, bias) in enumerate(zip(reversed(forth.layers), self.biases, strict=True)):
            z = functional.linear(z, layer.weight.mT, bias)
            z = z if place == last else forth.activation(z)
        return z


def mlp(widths: Widths, shape: Shape, code: int, tied: bool) -> Autoencoder:
    pixels = shape[0] * shape[1] * shape[2]
    encoder = MLP((pixels, *widths.hidden, code), widths.activation, initialise="xavier")
    if tied:
        return Autoencoder(encoder, Transposed(encoder), shape, flat=True)
    decoder = MLP((widths.latent, *reversed(widths.hidden), pixels), widths.activation, initialise="xavier")
    return Autoencoder(encoder, decoder, shape, flat=True)


def conv(widths: Widths, shape: Shape, code: int, tied: bool) -> Autoencoder:
    if tied:
        raise UserError("--tied on is for --net mlp; convolutions have decoders of their own")
    features = ConvEncoder(shape)
    encoder = nn.Sequential(features, nn.Linear(features.out_features, code))
    return Autoencoder(encoder, ConvDecoder(widths.latent, shape), shape, flat=False)


NETS: dict[str, Callable[[Widths, Shape, int, bool], Autoencoder]] = {"mlp": mlp, "conv": conv}


def build(
    widths: Widths,
    shape: Shape,
    pixel_mean: Tensor,
    *,
    code: int,
    link: Callable[[Tensor], Tensor] | None = None,
    tied: bool = False,
) -> Autoencoder:
    """The network; its output bias starts at the mean training image, as Burda et al. 2016 do.

    Args:
        widths: a trainer's settings.
        shape: (C, H, W).
        pixel_mean: ``[C, H, W]`` in [0, 1].
        code: numbers the encoder gives per image, e.g. mean and log-variance of every latent.
        link: from a mean pixel to the output that means it; None: its logit.
        tied: the decoder takes the encoder's weights, transposed (mlp alone).
    """
    net = NETS[widths.net](widths, shape, code, tied)
    bias = [weight for weight in net.decoder.parameters() if weight.dim() == 1][-1]
    mean = pixel_mean.cpu()
    mean = mean.flatten() if bias.numel() == mean.numel() else mean.mean(dim=(1, 2))
    with torch.no_grad():
        bias.copy_(torch.logit(mean, eps=1e-3) if link is None else link(mean))
    return net
