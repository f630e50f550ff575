"""The two convolutional networks of a DCGAN (Radford, Metz, Chintala 2016), for images of any size from 8×8.

Their weights start at N(0, 0.02), a batch norm's at N(1, 0.02). Neither runs with stacked weights.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from core.networks.cnn import Side, channels_at, geometry, halvings
from core.networks.net import Net, check_last, pick

SLOPE = 0.2  # of the critic's LeakyReLU below zero

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda channels: nn.Identity(),
    "batch": nn.BatchNorm2d,
    "layer": lambda channels: nn.GroupNorm(1, channels),  # over (C, H, W) of one sample
}


def initialise(module: nn.Module, gain: float = 1.0) -> None:
    """Weights from N(0, 0.02·gain), batch norm's from N(1, 0.02); biases zero."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02 * gain)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


class DCGenerator(Net):
    """Noise to images: a linear map to a small picture of many channels, doubled until it is large enough.

    Args:
        latent: width of the noise.
        shape: (C, H, W), H and W from 8 up (UserError otherwise).
        width: channels before the last layer; each one before has twice as many, up to 8 times.
        norm: after every layer but the last; a key of NORMS.
        gain: scale of the first weights.
    """

    def __init__(
        self, latent: int, shape: Sequence[int], width: int = 64, norm: str = "batch", gain: float = 1.0
    ) -> None:
        super().__init__()
        self.shape, build = tuple(shape), pick(NORMS, norm, "norm")
        sides = halvings(shape)
        channels = [shape[0], *(channels_at(width, i) for i in range(len(sides) - 1))]
        self.smallest = (channels[-1], *sides[-1])
        self.input = nn.Linear(latent, math.prod(self.smallest), bias=norm == "none")
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList([build(channels[-1])])
        for i, (side, smaller) in reversed(list(enumerate(pairwise(sides)))):
            kernel, stride = geometry(side)
            odd = _left_over(side, smaller)
            bias = norm == "none" or i == 0
            layer = nn.ConvTranspose2d(channels[i + 1], channels[i], kernel, stride, 1, odd, bias=bias)
            self.convolutions.append(layer)
            if i:
                self.norms.append(build(channels[i]))
        self.apply(lambda module: initialise(module, gain))

    def forward(self, noise: Tensor) -> Tensor:
        """[..., latent] → [..., C, H, W], not squashed."""
        check_last(noise, self.input.in_features)
        lead = noise.shape[:-1]
        x: Tensor = self.input(noise).reshape(math.prod(lead), *self.smallest)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = convolution(F.relu(norm(x)))
        return x.reshape(*lead, *self.shape)


class DCCritic(Net):
    """Images to a number: convolutions that halve the picture, LeakyReLU after each, then a linear map.

    Args:
        shape: (C, H, W), H and W from 8 up (UserError otherwise).
        width: channels of the first convolution; each further one has twice as many, up to 8 times.
        norm: after every convolution but the first; a key of NORMS. With ``none`` or ``layer`` an image's number
            depends on that image alone.
        gain: scale of the first weights.
    """

    def __init__(self, shape: Sequence[int], width: int = 64, norm: str = "none", gain: float = 1.0) -> None:
        super().__init__()
        self.shape, build = tuple(shape), pick(NORMS, norm, "norm")
        self.normed = norm != "none"
        self.sides, wide = halvings(shape), shape[0]
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        for i, side in enumerate(self.sides[:-1]):
            out, bias = channels_at(width, i), not self.normed or i == 0
            self.convolutions.append(nn.Conv2d(wide, out, *geometry(side), 1, bias=bias))
            self.norms.append(build(out) if i else nn.Identity())
            wide = out
        self.out = nn.Linear(wide * math.prod(self.sides[-1]), 1)
        self.apply(lambda module: initialise(module, gain))

    def forward(self, images: Tensor) -> Tensor:
        """[..., C, H, W] → [..., 1]; ValueError for images of another shape."""
        lead = images.shape[:-3]
        if tuple(images.shape[-3:]) != self.shape:
            raise ValueError(f"expected images [..., C, H, W] with {self.shape}, got {tuple(images.shape)}")
        x = images.reshape(math.prod(lead), *self.shape)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.leaky_relu(norm(convolution(x)), SLOPE)
        score: Tensor = self.out(x.flatten(1))
        return score.reshape(*lead, 1)

    def input_gradient(self, images: Tensor) -> Tensor | None:
        """∂D(x)/∂x by the chain rule written out, [N, C, H, W] → the same; None with a norm.

        Its own gradient is one ordinary backward pass: LeakyReLU's slopes are constants.
        """
        if self.normed:
            return None
        x, slopes = images, []
        for convolution in self.convolutions:
            x = convolution(x)
            slopes.append((x > 0).to(x.dtype) * (1 - SLOPE) + SLOPE)
            x = x * slopes[-1]
        gradient = self.out.weight.expand(len(x), -1).reshape(x.shape)
        places = list(zip(self.convolutions, slopes, pairwise(self.sides), strict=True))
        for convolution, slope, (side, smaller) in reversed(places):
            gradient = F.conv_transpose2d(
                gradient * slope,
                convolution.weight,
                stride=convolution.stride,
                padding=1,
                output_padding=_left_over(side, smaller),
            )
        return gradient


def _left_over(side: Side, smaller: Side) -> Side:
    """Rows and columns that halving dropped, for doubling to add: 1 where an odd axis was halved."""
    stride = geometry(side)[1]
    return (side[0] % stride[0], side[1] % stride[1])
