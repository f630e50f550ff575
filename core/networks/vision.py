"""Networks that classify images, by name: ``build("resnet20", channels=1, classes=10, size=28)``."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from core.networks.alexnet import AlexNet
from core.networks.densenet import DenseNet
from core.networks.googlenet import GoogLeNet
from core.networks.images import ImageClassifier, Side
from core.networks.net import pick
from core.networks.resnet import CIFAR_DEPTHS, DEPTHS, ResNet
from core.networks.vgg import BLOCKS, VGG

Builder: TypeAlias = Callable[[int, int, int | Side], ImageClassifier]
"""(channels, classes, size) → network; size is a side of the images, or (height, width), from 28 up."""

SLIM: dict[str, Callable[..., ImageClassifier]] = {  # may also be told a width and a first stride
    **{f"resnet{depth}": partial(ResNet, depth) for depth in CIFAR_DEPTHS},
    **{f"resnet{depth}-b": partial(ResNet, depth, shortcut="B") for depth in CIFAR_DEPTHS},
}
VISION: dict[str, Builder] = {
    "alexnet": AlexNet,
    "alexnet-2012": partial(AlexNet, form="2012"),
    "alexnet-ungrouped": partial(AlexNet, form="ungrouped"),
    **{f"vgg{depth}": partial(VGG, depth) for depth in BLOCKS},
    **{f"vgg{depth}-bn": partial(VGG, depth, norm=True) for depth in BLOCKS},
    "googlenet": GoogLeNet,
    "googlenet-aux": partial(GoogLeNet, auxiliary=True),
    "googlenet-no-bn": partial(GoogLeNet, norm=False),
    "googlenet-no-bn-aux": partial(GoogLeNet, norm=False, auxiliary=True),
    "googlenet-3x3": partial(GoogLeNet, branch=3),
    "googlenet-3x3-aux": partial(GoogLeNet, branch=3, auxiliary=True),
    **{f"resnet{depth}": partial(ResNet, depth) for depth in DEPTHS},
    **SLIM,
    "densenet121": partial(DenseNet, "121"),
    "densenet169": partial(DenseNet, "169"),
    "densenet-bc-100": partial(DenseNet, "bc-100"),
}


def build(name: str, channels: int, classes: int, size: int | Side) -> ImageClassifier:
    """The network of that name, with first weights from torch's global generator.

    Raises:
        UserError: an unknown name (says the nearest), or images under 28×28.
    """
    return pick(VISION, name, "network")(channels, classes, size)
