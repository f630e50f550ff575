"""Networks that tell the class of an image, as settings say: fully connected, convolutional, or of vision."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Protocol, TypeAlias

from torch import nn

from core.networks.cnn import ConvEncoder
from core.networks.mlp import MLP
from core.networks.vision import SLIM, VISION

Shape: TypeAlias = tuple[int, ...]


class Form(Protocol):
    """The settings a network is made by."""

    @property
    def net(self) -> str:
        """A key of NETS."""
        ...

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the mlp's hidden layers."""
        ...

    @property
    def width(self) -> int:
        """Channels of the first convolution of conv and of the slim residual networks."""
        ...

    @property
    def stride(self) -> int:
        """Of that convolution in the slim residual networks."""
        ...

    @property
    def activation(self) -> str:
        """Of mlp and conv."""
        ...

    @property
    def dropout(self) -> float:
        """Share of each hidden layer's output, in mlp and conv, that is dropped in training."""
        ...


def dropped(form: Form) -> list[nn.Module]:
    """A layer of dropout, where there is any."""
    return [nn.Dropout(form.dropout)] if form.dropout else []


def mlp(form: Form, shape: Shape, classes: int) -> nn.Module:
    """Fully connected layers over all pixels."""
    layers: list[nn.Module] = []
    for sizes in pairwise(widths := (math.prod(shape), *form.hidden)):
        layers += [MLP(sizes, output_activation=form.activation, initialise="he"), *dropped(form)]
    return nn.Sequential(nn.Flatten(-3), *layers, MLP((widths[-1], classes), initialise="xavier"))


def conv(form: Form, shape: Shape, classes: int) -> nn.Module:
    """Convolutions of stride 2 down to a small map, then one hidden layer."""
    encoder = ConvEncoder(shape, 4 * form.width, form.width, form.activation, "he")
    return nn.Sequential(encoder, *dropped(form), MLP((4 * form.width, classes), initialise="xavier"))


def vision(form: Form, shape: Shape, classes: int) -> nn.Module:
    """A network of VISION as it was published."""
    return VISION[form.net](shape[0], classes, (shape[1], shape[2]))


def slim(form: Form, shape: Shape, classes: int) -> nn.Module:
    """A residual network of CIFAR's depths, as wide as it is told to be."""
    return SLIM[form.net](shape[0], classes, shape[1:], width=form.width, stride=form.stride)


NETS: dict[str, Callable[[Form, Shape, int], nn.Module]] = {
    "mlp": mlp,
    "conv": conv,
    **dict.fromkeys(VISION, vision),
    **dict.fromkeys(SLIM, slim),
}
