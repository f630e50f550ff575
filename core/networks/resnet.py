"""Residual networks (He et al. 2016): H(x) = x + F(x), so that a block has to learn only what it changes.

Where F changes the shape, the shortcut cannot be x itself. Option A takes every other pixel and fills the new channels
with zeros, without weights; option B takes a 1×1 convolution with batch norm. The nets for 224 pixels (18 to 152
layers) use B; the slim ones for CIFAR (20 to 56: 6n + 2 layers of 16, 32, 64 channels) were published with A.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import UserError
from core.networks.images import ImageClassifier, Side, he, pooled_to
from core.networks.net import pick


class Padded(nn.Module):
    """Shortcut A: every stride-th pixel, zeros for the channels that are new."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.stride, self.new = stride, out - channels

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))


def projected(channels: int, out: int, stride: int) -> nn.Module:
    """Shortcut B: a 1×1 convolution, then batch norm."""
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))


Shortcut: TypeAlias = Callable[[int, int, int], nn.Module]  # of channels in, channels out, stride
SHORTCUTS: dict[str, Shortcut] = {"A": Padded, "B": projected}


class Block(nn.Module):
    """relu(x + F(x)).

    Args:
        channels: of the input.
        width: of the convolutions.
        stride: of the one that may halve the map.
        shortcut: an entry of SHORTCUTS, for where shapes change.
    """

    growth = 1  # channels out of it, in widths

    def __init__(self, channels: int, width: int, stride: int, shortcut: Shortcut) -> None:
        super().__init__()
        self.residue = self.layers(channels, width, stride)
        out = width * self.growth
        same = stride == 1 and channels == out
        self.shortcut = nn.Identity() if same else shortcut(channels, out, stride)

    @staticmethod
    def layers(channels: int, width: int, stride: int) -> nn.Sequential:
        """F: two 3×3 convolutions."""
        return nn.Sequential(
            *(nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.residue(x))


class Bottleneck(Block):
    """A block whose 3×3 convolution stands between two 1×1 that narrow and widen fourfold.

    The stride is the 3×3 convolution's, as everywhere today; in the paper it is the first 1×1's.
    """

    growth = 4

    @staticmethod
    def layers(channels: int, width: int, stride: int) -> nn.Sequential:
        return nn.Sequential(
            *(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.Conv2d(width, width * 4, 1, bias=False), nn.BatchNorm2d(width * 4)),
        )


DEPTHS: dict[int, tuple[type[Block], tuple[int, ...]]] = {
    18: (Block, (2, 2, 2, 2)),
    34: (Block, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}
CIFAR_DEPTHS = (8, 20, 32, 44, 56)  # 8 is not in the paper, but of its rule


class ResNet(ImageClassifier):
    """A stem, stages of blocks, the mean over all places, a linear layer.

    Args:
        depth: layers with weights: a key of DEPTHS or one of CIFAR_DEPTHS.
        channels, classes, size: as ImageClassifier's.
        shortcut: A or B; None for what was published with this depth.
        width: channels of the first stage; None for what was published: 16 in CIFAR's depths, 64 in the others.
        stride: of the first convolution; None for what was published. With 2 a small net costs a quarter.
        zero_gamma: the last batch norm of each block starts at γ = 0: with an unchanged shape the block passes on
            what it gets (Goyal et al. 2017).

    The stem is a 7×7 convolution of stride 2 and a pooling; a 3×3 convolution for small images and CIFAR's depths.
    First weights are He's.
    """

    def __init__(
        self,
        depth: int,
        channels: int,
        classes: int,
        size: int | Side = 224,
        shortcut: str | None = None,
        zero_gamma: bool = False,
        width: int | None = None,
        stride: int | None = None,
    ) -> None:
        super().__init__(channels, classes, size)
        if depth not in (*DEPTHS, *CIFAR_DEPTHS):
            raise UserError(f"ResNet has {', '.join(map(str, (*DEPTHS, *CIFAR_DEPTHS)))} layers, not {depth}")
        slim = depth in CIFAR_DEPTHS
        wide = width or (16 if slim else 64)
        kind, counts = (Block, ((depth - 2) // 6,) * 3) if slim else DEPTHS[depth]
        way = pick(SHORTCUTS, shortcut or ("A" if slim else "B"), "shortcut")
        small = slim or self.small
        kernel, usual = (3, 1) if small else (7, 2)
        first = nn.Conv2d(channels, wide, kernel, stride or usual, kernel // 2, bias=False)
        pool = [] if small else [nn.MaxPool2d(3, 2, 1)]
        self.stem = nn.Sequential(first, nn.BatchNorm2d(wide), nn.ReLU(), *pool)
        blocks: list[nn.Module] = []
        widths = [wide, *(wide * kind.growth << stage for stage in range(len(counts)))]
        for stage, (count, (before, after)) in enumerate(zip(counts, pairwise(widths), strict=True)):
            for place in range(count):
                halving = 2 if stage and not place else 1
                blocks.append(kind(after if place else before, wide << stage, halving, way))
        self.blocks = nn.Sequential(*blocks)
        self.out = nn.Linear(widths[-1], classes)
        he(self)
        if zero_gamma:
            for block in blocks:
                assert isinstance(block, Block)
                nn.init.zeros_(block.residue[-1].get_parameter("weight"))

    def logits(self, images: Tensor) -> Tensor:
        stem = self.stem(images).contiguous(memory_format=torch.channels_last)  # a quarter faster on CPUs
        scores: Tensor = self.out(pooled_to(self.blocks(stem), (1, 1)))
        return scores
