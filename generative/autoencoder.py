"""Encoder and decoder as one network: what autoencoders of every kind are made of."""

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.errors import UserError
from core.networks.cnn import ConvDecoder, ConvEncoder
from core.networks.mlp import MLP
from core.noise import States

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
        layers = [layer for layer in reversed(forth.layers) if isinstance(layer, nn.Linear)]
        self._layers, self.activation = tuple(layers), forth.activation  # a tuple: no weight is counted twice
        self.biases = nn.ParameterList(torch.zeros(layer.in_features) for layer in layers)

    def forward(self, z: Tensor) -> Tensor:
        """z ``[…, latent]`` → ``[…, pixels]``."""
        *hidden, last = zip(self._layers, self.biases, strict=True)
        for layer, bias in hidden:
            z = self.activation(functional.linear(z, layer.weight.mT, bias))
        return functional.linear(z, last[0].weight.mT, last[1])


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


class RunningGaussian:
    """Mean and covariance of the codes of the training images seen last, one Gaussian per seed.

    Args:
        seeds: how many.
        latent: width of a code.
        device: where codes live.
        memory: share of the newest batch, once there were 1 / memory of them; before, all count alike.
    """

    def __init__(self, seeds: int, latent: int, device: str, memory: float = 0.01) -> None:
        self.mean = torch.zeros(seeds, latent, device=device)
        self.second = torch.zeros(seeds, latent, latent, device=device)  # mean of the codes' outer products
        self.memory, self.batches = memory, 0

    def add(self, mean: Tensor, second: Tensor) -> None:
        """A batch's mean code ``[seed, latent]`` and mean outer product ``[seed, latent, latent]``."""
        self.batches += 1
        share = max(1 / self.batches, self.memory)
        self.mean = torch.lerp(self.mean, mean, share)
        self.second = torch.lerp(self.second, second, share)

    def place(self, z: Tensor) -> Tensor:
        """Standard normal ``[seed, n, latent]`` moved to this mean and covariance."""
        covariance = self.second - self.mean[:, :, None] * self.mean[:, None]
        floor = 1e-6 * torch.eye(self.mean.shape[-1], device=covariance.device)  # for units that never move
        factor = torch.linalg.cholesky_ex(
            covariance + floor
        ).L  # of a failed seed it is no number, and no error
        # seed by seed: a batched product of one seed may round otherwise than one of several
        rows = zip(self.mean, z.to(factor.device), factor, strict=True)
        return torch.stack([mean + numbers @ lower.mT for mean, numbers, lower in rows])

    def state_dict(self) -> States:
        parts = zip(self.mean, self.second, strict=True)
        return [
            {"mean": mean.clone(), "second": second.clone(), "batches": self.batches}
            for mean, second in parts
        ]

    def load_state_dict(self, states: States) -> None:
        self.mean = torch.stack([state["mean"].to(self.mean) for state in states])
        self.second = torch.stack([state["second"].to(self.second) for state in states])
        self.batches = int(states[0]["batches"])
