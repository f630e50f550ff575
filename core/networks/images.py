"""What networks that classify images share: which images they take, and where small ones need another start."""

import math

import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import UserError
from core.networks.net import Net

Side = tuple[int, int]
SMALLEST = 28  # pixels of a side
LARGE = 64  # from here on a network starts as published, for 224 pixels; below, without its first strides


class ImageClassifier(Net):
    """Images to one number for each class. A subclass writes `logits`.

    Args:
        channels: of the images, any number.
        classes: how many numbers come out.
        size: side of the images, or (height, width); 28 and up (UserError otherwise).

    Published for 224 pixels, these networks divide the sides by 32. For images with a side under 64 the first layers
    keep the size (a *small* stem), so that a map of more than one pixel is left to the last layers.
    They do not stack: seeds take the loop.
    """

    def __init__(self, channels: int, classes: int, size: int | Side) -> None:
        super().__init__()
        sides = (size, size) if isinstance(size, int) else tuple(size)
        if len(sides) != 2 or min(sides) < SMALLEST:
            raise UserError(
                f"these networks take images of at least {SMALLEST}×{SMALLEST} pixels, not {size}"
            )
        if channels < 1 or classes < 1:
            raise UserError(f"expected at least 1 channel and 1 class, not {channels} and {classes}")
        self.shape, self.classes = (channels, *sides), classes
        self.small = min(sides) < LARGE

    def logits(self, images: Tensor) -> Tensor:
        """[N, C, H, W] → [N, classes]."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """[..., C, H, W] → logits [..., classes]; ValueError for images of another shape."""
        x = self.rows(images)
        return self.logits(x).reshape(*images.shape[:-3], self.classes)

    def rows(self, images: Tensor) -> Tensor:
        """[..., C, H, W] → [N, C, H, W]."""
        if tuple(images.shape[-3:]) != self.shape:
            raise ValueError(f"expected images [..., C, H, W] with {self.shape}, got {tuple(images.shape)}")
        return images.reshape(math.prod(images.shape[:-3]), *self.shape)


def he(module: nn.Module) -> None:
    """He's first weights for all convolutions, N(0, 2/fan out); a last linear layer keeps the scale, N(0, 1/fan in).

    Biases start at zero. Fan out as in the authors' code (He et al. 2015 allow either). From the global generator.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(part, nn.Linear):
            nn.init.kaiming_normal_(part.weight, nonlinearity="linear")
        if isinstance(part, nn.Conv2d | nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)


def grid(side: Side, most: int) -> Side:
    """What a linear layer should see of a map: ``most``×``most`` places, or the map where that is smaller."""
    return (min(side[0], most), min(side[1], most))


def pooled_to(x: Tensor, places: Side) -> Tensor:
    """Means over a grid of places, laid end to end: [N, C, H, W] → [N, C·h·w]."""
    return F.adaptive_avg_pool2d(x, places).flatten(1)
