"""GoogLeNet (Szegedy et al. 2015): nine Inception modules, each four branches side by side.

The branches are 1×1 · 1×1 → 3×3 · 1×1 → 5×5 · 3×3 max pooling → 1×1, all of stride 1 and the size of their input;
their outputs are laid together along the channels. The 1×1 convolutions before the large kernels keep them narrow.
The paper's 5×5 branch is 5×5 here; torchvision's has a 3×3 kernel by mistake, which ``branch=3`` repeats.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import UserError
from core.networks.images import ImageClassifier, Side, pooled_to


class Widths(NamedTuple):
    """Channels of one module's convolutions, in the order of the paper's table."""

    one: int
    reduce3: int
    three: int
    reduce5: int
    five: int
    pooled: int

    @property
    def out(self) -> int:
        return self.one + self.three + self.five + self.pooled


MODULES = {
    "3a": Widths(64, 96, 128, 16, 32, 32),
    "3b": Widths(128, 128, 192, 32, 96, 64),
    "4a": Widths(192, 96, 208, 16, 48, 64),
    "4b": Widths(160, 112, 224, 24, 64, 64),
    "4c": Widths(128, 128, 256, 24, 64, 64),
    "4d": Widths(112, 144, 288, 32, 64, 64),
    "4e": Widths(256, 160, 320, 32, 128, 128),
    "5a": Widths(256, 160, 320, 32, 128, 128),
    "5b": Widths(384, 192, 384, 48, 128, 128),
}
POOLED_BEFORE = ("4a", "5a")
JUDGED_AFTER = ("4a", "4d")  # by the auxiliary heads


def convolution(channels: int, out: int, kernel: int, norm: bool, stride: int = 1) -> nn.Sequential:
    """Of the size of its input where the stride is 1; then batch norm if asked for, and ReLU."""
    layer = nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=not norm)
    return nn.Sequential(layer, *([nn.BatchNorm2d(out, eps=1e-3)] if norm else []), nn.ReLU())


class Inception(nn.Module):
    """Four branches, [N, channels, H, W] → [N, widths.out, H, W].

    Args:
        channels: of the input.
        widths: of the convolutions.
        branch: kernel of the "5×5" branch.
        norm: batch norm after each convolution.
    """

    def __init__(self, channels: int, widths: Widths, branch: int = 5, norm: bool = True) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pooled = widths
        self.branches = nn.ModuleList(
            [
                convolution(channels, one, 1, norm),
                nn.Sequential(convolution(channels, reduce3, 1, norm), convolution(reduce3, three, 3, norm)),
                nn.Sequential(
                    convolution(channels, reduce5, 1, norm), convolution(reduce5, five, branch, norm)
                ),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), convolution(channels, pooled, 1, norm)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class Auxiliary(nn.Module):
    """A classifier on a map in the middle: means over 4×4 places, 1×1 convolution, two linear layers."""

    def __init__(self, channels: int, classes: int, norm: bool) -> None:
        super().__init__()
        self.reduce = convolution(channels, 128, 1, norm)
        wide = 128 * 4 * 4
        self.head = nn.Sequential(nn.Linear(wide, 1024), nn.ReLU(), nn.Dropout(0.7), nn.Linear(1024, classes))

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.reduce(F.adaptive_avg_pool2d(x, 4)).flatten(1))
        return scores


class GoogLeNet(ImageClassifier):
    """For small images the stem keeps the size: the first modules see 28×28, as they do of 224×224.

    Args:
        channels, classes, size: as ImageClassifier's.
        branch: kernel of the "5×5" branch, 5 or 3.
        norm: batch norm after each convolution, and none across channels; the paper has it the other way round.
        auxiliary: two more classifiers in the middle, for training (the paper adds 0.3 of their losses).

    Dropout is torch's own module: while training it draws from torch's global generator.
    The paper says nothing of first weights; these are Glorot's, as in the Caffe model, whose biases start at 0.2.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        size: int | Side = 224,
        branch: int = 5,
        norm: bool = True,
        auxiliary: bool = False,
    ) -> None:
        super().__init__(channels, classes, size)
        if branch not in (3, 5):
            raise UserError(f"the branch's kernel is 5 (the paper) or 3 (torchvision), not {branch}")
        first = convolution(channels, 64, 3 if self.small else 7, norm, 1 if self.small else 2)
        pools = [nn.Identity() if self.small else nn.MaxPool2d(3, 2, ceil_mode=True) for _ in range(2)]
        local = [nn.Identity() if norm else nn.LocalResponseNorm(5) for _ in range(2)]
        between = (convolution(64, 64, 1, norm), convolution(64, 192, 3, norm))
        self.stem = nn.Sequential(first, pools[0], local[0], *between, local[1], pools[1])
        self.inceptions, self.judges, wide = nn.ModuleDict(), nn.ModuleDict(), 192
        for name, widths in MODULES.items():
            self.inceptions[name] = Inception(wide, widths, branch, norm)
            wide = widths.out
            if auxiliary and name in JUDGED_AFTER:
                self.judges[name] = Auxiliary(wide, classes, norm)
        self.head = nn.Sequential(nn.Dropout(0.4), nn.Linear(wide, classes))
        for part in self.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(part.weight)
                if part.bias is not None:
                    nn.init.constant_(part.bias, 0.2 if isinstance(part, nn.Conv2d) else 0.0)

    def forward(self, images: Tensor, all_heads: bool = False) -> Tensor:
        """[..., C, H, W] → logits [..., classes]; ValueError for images of another shape.

        With ``all_heads`` (for nets built with auxiliary ones; ValueError otherwise) [3, ..., classes]: the last
        head's, then those of the two in the middle.
        """
        if all_heads and not self.judges:
            raise ValueError("expected a net with auxiliary heads: build it with auxiliary=True")
        x, judged = self.stem(self.rows(images)), []
        for name, module in self.inceptions.items():
            x = module(F.max_pool2d(x, 3, 2, ceil_mode=True) if name in POOLED_BEFORE else x)
            if all_heads and name in self.judges:
                judged.append(self.judges[name](x))
        scores: Tensor = self.head(pooled_to(x, (1, 1)))
        lead = (*images.shape[:-3], self.classes)
        return torch.stack([scores, *judged]).reshape(3, *lead) if all_heads else scores.reshape(lead)
