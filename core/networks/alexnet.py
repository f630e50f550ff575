"""AlexNet (Krizhevsky, Sutskever, Hinton 2012): five convolutions with ReLU, three linear layers with dropout.

Three sets of widths carry the name: the paper's, whose second, fourth and fifth convolutions were cut into two groups
for two GPUs (60,965,224 weights for 1000 classes); the same without groups (62,378,344); and the one of "One weird
trick" (Krizhevsky 2014), which most libraries ship (61,100,840). The first two normalise locally across channels
after the first two convolutions, as the paper does.
"""

import math
from typing import NamedTuple

from torch import Tensor, nn

from core.networks.convolution import size as size_of
from core.networks.images import ImageClassifier, Side, grid, pooled_to
from core.networks.net import pick


class Form(NamedTuple):
    """Channels of the convolutions, groups of the second, fourth and fifth, whether they normalise locally."""

    channels: tuple[int, int, int, int, int]
    groups: int
    local_norm: bool


FORMS = {
    "2014": Form((64, 192, 384, 256, 256), 1, False),
    "2012": Form((96, 256, 384, 384, 256), 2, True),
    "ungrouped": Form((96, 256, 384, 384, 256), 1, True),
}


class AlexNet(ImageClassifier):
    """The first convolution is 11×11 with stride 4; for small images 5×5 with stride 1.

    Args:
        channels, classes, size: as ImageClassifier's.
        form: a key of FORMS.
        hidden: width of both hidden linear layers, where nearly all weights are.

    Dropout is torch's own module: while training it draws from torch's global generator.
    As in the paper weights start at N(0, 0.01); biases at 1 in the second, fourth and fifth convolution and in the
    hidden linear layers, so that their ReLUs are open, and at 0 elsewhere.
    """

    def __init__(
        self, channels: int, classes: int, size: int | Side = 224, form: str = "2014", hidden: int = 4096
    ) -> None:
        super().__init__(channels, classes, size)
        wide, groups, local = pick(FORMS, form, "form of AlexNet")
        first = (5, 1, 2) if self.small else (11, 4, 2)
        # torch divides α by the number of channels summed, the paper does not
        norms = [nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0) for _ in range(2 * local)]
        ones, twos = norms[:1], norms[1:]
        self.features = nn.Sequential(
            *(nn.Conv2d(channels, wide[0], *first), nn.ReLU(), *ones, nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(wide[0], wide[1], 5, 1, 2, groups=groups), nn.ReLU(), *twos, nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(wide[1], wide[2], 3, 1, 1), nn.ReLU()),
            *(nn.Conv2d(wide[2], wide[3], 3, 1, 1, groups=groups), nn.ReLU()),
            *(nn.Conv2d(wide[3], wide[4], 3, 1, 1, groups=groups), nn.ReLU(), nn.MaxPool2d(3, 2)),
        )
        height, width = (self._map(n, first) for n in self.shape[1:])
        self.places = grid((height, width), 6)
        self.head = nn.Sequential(
            *(nn.Dropout(0.5), nn.Linear(wide[4] * math.prod(self.places), hidden), nn.ReLU()),
            *(nn.Dropout(0.5), nn.Linear(hidden, hidden), nn.ReLU()),
            nn.Linear(hidden, classes),
        )
        self._draw()

    @staticmethod
    def _map(n: int, first: tuple[int, int, int]) -> int:
        """Side of the last map: the first convolution and three poolings change it."""
        for geometry in (first, (3, 2, 0), (3, 2, 0), (3, 2, 0)):
            n = size_of(n, *geometry)
        return n

    def _draw(self) -> None:
        convolutions = [part for part in self.features if isinstance(part, nn.Conv2d)]
        linear = [part for part in self.head if isinstance(part, nn.Linear)]
        for layer in (*convolutions, *linear):
            nn.init.normal_(layer.get_parameter("weight"), 0.0, 0.01)
            ones = layer in (convolutions[1], convolutions[3], convolutions[4], *linear[:-1])
            nn.init.constant_(layer.get_parameter("bias"), 1.0 if ones else 0.0)

    def logits(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(pooled_to(self.features(images), self.places))
        return scores
