"""DenseNet (Huang et al. 2017): inside a block every layer reads the outputs of all layers before it.

A layer is BN → ReLU → 1×1 to 4k channels → BN → ReLU → 3×3 to k channels, and its k channels are laid beside its
input; k is the growth. Between blocks a 1×1 convolution halves the channels and a mean pooling the sides ("BC").
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.networks.images import ImageClassifier, Side, he, pooled_to
from core.networks.net import pick


class Form(NamedTuple):
    """Growth k, layers of each block, whether the stem is CIFAR's."""

    growth: int
    blocks: tuple[int, ...]
    slim: bool


FORMS = {
    "121": Form(32, (6, 12, 24, 16), False),
    "169": Form(32, (6, 12, 32, 32), False),
    "bc-100": Form(12, (16, 16, 16), True),
}


def convolution(channels: int, out: int, kernel: int) -> nn.Sequential:
    """Norm and activation before the convolution, of the size of its input."""
    layer = nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), layer)


class Dense(nn.Module):
    """One layer: x → [x, F(x)] along the channels."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        narrow = convolution(channels, 4 * growth, 1)
        self.layers = nn.Sequential(narrow, convolution(4 * growth, growth, 3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.layers(x)], 1)


class DenseNet(ImageClassifier):
    """The stem is a 7×7 convolution of stride 2 and a pooling; for small images a 3×3 convolution.

    Args:
        form: a key of FORMS.
        channels, classes, size: as ImageClassifier's.

    CIFAR's form starts with a bare 3×3 convolution for every size. First weights are He's.
    """

    def __init__(self, form: str, channels: int, classes: int, size: int | Side = 224) -> None:
        super().__init__(channels, classes, size)
        growth, blocks, slim = pick(FORMS, form, "form of DenseNet")
        wide = 2 * growth
        small = slim or self.small
        kernel, stride = (3, 1) if small else (7, 2)
        layers: list[nn.Module] = [nn.Conv2d(channels, wide, kernel, stride, kernel // 2, bias=False)]
        layers += [] if slim else [nn.BatchNorm2d(wide), nn.ReLU()]
        layers += [] if small else [nn.MaxPool2d(3, 2, 1)]
        for place, count in enumerate(blocks):
            if place:
                layers += [convolution(wide, wide // 2, 1), nn.AvgPool2d(2)]
                wide //= 2
            for _ in range(count):
                layers.append(Dense(wide, growth))
                wide += growth
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(wide), nn.ReLU())
        self.out = nn.Linear(wide, classes)
        he(self)

    def logits(self, images: Tensor) -> Tensor:
        scores: Tensor = self.out(pooled_to(self.features(images), (1, 1)))
        return scores
