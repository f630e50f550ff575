"""Convolutional networks: encoder and decoder of images of any size, and a torso for reinforcement learning.

Images are floats [..., C, H, W] with any leading axes. None of these run with stacked weights: their
seeds take the loop.
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from core.errors import UserError
from core.networks.net import ACTIVATIONS, Net, check_last, draw, pick

Side = tuple[int, int]
Convolution = tuple[int, Side, Side, int]  # channels out, kernel, stride, padding


class Encoder(Net):
    """Images to features: convolutions, then one linear layer, an activation after each.

    Args:
        shape: (C, H, W).
        features: size of the output, after its activation.
        convolutions: what to do in which order.
        activation, initialise: keys of ACTIVATIONS and INITIALISERS.
    """

    def __init__(
        self,
        shape: Sequence[int],
        features: int,
        convolutions: Sequence[Convolution],
        activation: str,
        initialise: str,
    ) -> None:
        super().__init__()
        self.shape, self.out_features = tuple(shape), features
        self.activation = pick(ACTIVATIONS, activation, "activation")
        self.convolutions = nn.ModuleList()
        channels, *side = shape
        for out, kernel, stride, padding in convolutions:
            self.convolutions.append(nn.Conv2d(channels, out, kernel, stride, padding))
            side = [(n + 2 * padding - k) // s + 1 for n, k, s in zip(side, kernel, stride, strict=True)]
            channels = out
        self.out = nn.Linear(channels * math.prod(side), features)
        for layer in (*self.convolutions, self.out):
            draw(layer, initialise)

    def forward(self, images: Tensor) -> Tensor:
        """[..., C, H, W] → [..., features]; ValueError for images of another shape."""
        lead = images.shape[:-3]
        if tuple(images.shape[-3:]) != self.shape:
            raise ValueError(f"expected images [..., C, H, W] with {self.shape}, got {tuple(images.shape)}")
        x = images.reshape(math.prod(lead), *self.shape)
        for convolution in self.convolutions:
            x = self.activation(convolution(x))
        return self.activation(self.out(x.flatten(1))).reshape(*lead, self.out_features)


class ConvEncoder(Encoder):
    """Images to features: convolutions of stride 2 down to a map below 8×8, then one linear layer.

    Args:
        shape: (C, H, W), H and W from 8 up (UserError otherwise).
        features: size of the output, after its activation.
        width: channels of the first convolution; each further one has twice as many, up to 8 times.
        activation, initialise: keys of ACTIVATIONS and INITIALISERS.
    """

    def __init__(
        self,
        shape: Sequence[int],
        features: int = 256,
        width: int = 32,
        activation: str = "relu",
        initialise: str = "default",
    ) -> None:
        sides = halvings(shape)[:-1]
        convolutions = [(channels_at(width, i), *geometry(side), 1) for i, side in enumerate(sides)]
        super().__init__(shape, features, convolutions, activation, initialise)


class ConvDecoder(Net):
    """Latent vectors to images: ConvEncoder's way back, ending in a 3×3 convolution that is not squashed.

    Args:
        latent: size of the input.
        shape, width, activation, initialise: as ConvEncoder's.
    """

    def __init__(
        self,
        latent: int,
        shape: Sequence[int],
        width: int = 32,
        activation: str = "relu",
        initialise: str = "default",
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.activation = pick(ACTIVATIONS, activation, "activation")
        *sides, smallest = halvings(shape)
        self.smallest = (channels_at(width, len(sides) - 1), *smallest)
        self.input = nn.Linear(latent, math.prod(self.smallest))
        self.convolutions = nn.ModuleList()
        for i, side in reversed(list(enumerate(sides))):
            kernel, stride = geometry(side)
            # where halving dropped an odd row or column, doubling adds one
            odd = tuple(n % s for n, s in zip(side, stride, strict=True))
            wide, narrow = channels_at(width, i), channels_at(width, max(i - 1, 0))
            self.convolutions.append(nn.ConvTranspose2d(wide, narrow, kernel, stride, 1, (odd[0], odd[1])))
        self.out = nn.Conv2d(width, shape[0], 3, padding=1)
        for layer in (self.input, *self.convolutions, self.out):
            draw(layer, initialise)

    def forward(self, latent: Tensor) -> Tensor:
        """[..., latent] → logits [..., C, H, W]."""
        check_last(latent, self.input.in_features)
        lead = latent.shape[:-1]
        x = self.activation(self.input(latent)).reshape(math.prod(lead), *self.smallest)
        for convolution in self.convolutions:
            x = self.activation(convolution(x))
        logits: Tensor = self.out(x)
        return logits.reshape(*lead, *self.shape)


def halvings(shape: Sequence[int]) -> list[Side]:
    """The sides from (H, W) down to the smallest map: an axis of 8 or more is halved, rounded down."""
    if len(shape) != 3 or shape[0] < 1 or min(shape[1:]) < 8:
        raise UserError(f"images must be (channels, height, width) of at least 8×8, not {tuple(shape)}")
    sides = [(shape[1], shape[2])]
    while max(sides[-1]) >= 8:
        height, width = sides[-1]
        sides.append((height // 2 if height >= 8 else height, width // 2 if width >= 8 else width))
    return sides


def geometry(side: Side) -> tuple[Side, Side]:
    """Kernel and stride that halve the axes of 8 and more and leave the others, with padding 1."""
    kernel = (4 if side[0] >= 8 else 3, 4 if side[1] >= 8 else 3)
    return kernel, (kernel[0] - 2, kernel[1] - 2)


def channels_at(width: int, index: int) -> int:
    return width * min(1 << index, 8)


# For sides from 36 up, and for any size.
NATURE: list[Convolution] = [(32, (8, 8), (4, 4), 0), (64, (4, 4), (2, 2), 0), (64, (3, 3), (1, 1), 0)]
SMALL: list[Convolution] = [(32, (3, 3), (1, 1), 1), (64, (3, 3), (2, 2), 1), (64, (3, 3), (1, 1), 1)]


class NatureCNN(Encoder):
    """Pixels to features: the convolutions of Mnih et al. (2015), or a finer stack for sides under 36.

    Args:
        shape: (C, H, W), any size.
        features: size of the output, after its activation.
        activation, initialise: keys of ACTIVATIONS and INITIALISERS.
    """

    def __init__(
        self,
        shape: Sequence[int],
        features: int = 512,
        activation: str = "relu",
        initialise: str = "orthogonal",
    ) -> None:
        if len(shape) != 3 or min(shape) < 1:
            raise UserError(f"images must be (channels, height, width), not {tuple(shape)}")
        convolutions = NATURE if min(shape[1:]) >= 36 else SMALL
        super().__init__(shape, features, convolutions, activation, initialise)
