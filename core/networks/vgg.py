"""VGG (Simonyan & Zisserman 2015): 3×3 convolutions alone, two or more before each of five poolings.

Two 3×3 convolutions see as much as one 5×5, with fewer weights and one more ReLU. Channels double after each pooling.
"""

import math

from torch import Tensor, nn

from core.errors import UserError
from core.networks.images import ImageClassifier, Side, grid, pooled_to

BLOCKS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions before each pooling, by the number of layers with weights."""
CHANNELS = (64, 128, 256, 512, 512)


class VGG(ImageClassifier):
    """No small stem is needed: poolings round up, so every size from 28 leaves a map.

    Args:
        depth: layers with weights, a key of BLOCKS.
        channels, classes, size: as ImageClassifier's.
        norm: batch norm after each convolution.
        hidden: width of both hidden linear layers, where nearly all weights are.

    The first linear layer sees a grid of 7×7 places, or the map where that is smaller (1×1 for 28 pixels).
    Dropout is torch's own module: while training it draws from torch's global generator.
    Weights start as Glorot & Bengio's, with which the paper's footnote trains all depths at once; biases at zero.
    """

    def __init__(
        self,
        depth: int,
        channels: int,
        classes: int,
        size: int | Side = 224,
        norm: bool = False,
        hidden: int = 4096,
    ) -> None:
        super().__init__(channels, classes, size)
        if depth not in BLOCKS:
            raise UserError(f"VGG has {', '.join(map(str, BLOCKS))} layers, not {depth}")
        layers: list[nn.Module] = []
        for count, wide in zip(BLOCKS[depth], CHANNELS, strict=True):
            for _ in range(count):
                norms = [nn.BatchNorm2d(wide)] if norm else []
                layers += [nn.Conv2d(channels, wide, 3, padding=1), *norms, nn.ReLU()]
                channels = wide
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        self.features = nn.Sequential(*layers)
        _, height, width = self.shape
        self.places = grid((-(-height // 32), -(-width // 32)), 7)
        self.head = nn.Sequential(
            *(nn.Linear(channels * math.prod(self.places), hidden), nn.ReLU(), nn.Dropout(0.5)),
            *(nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(0.5)),
            nn.Linear(hidden, classes),
        )
        for part in self.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(part.weight)
                assert part.bias is not None
                nn.init.zeros_(part.bias)

    def logits(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(pooled_to(self.features(images), self.places))
        return scores
