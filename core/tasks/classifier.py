"""Classifier: which class an image shows; fully connected, convolutional, or one of the networks of vision."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from core import image_sets, losses, regularisation
from core.augmentation import augmented, parsed
from core.clipping import By
from core.errors import UserError
from core.gradients import Metrics, Params
from core.networks.cnn import ConvEncoder
from core.networks.mlp import MLP
from core.networks.net import pick
from core.networks.vision import VISION
from core.noise import Noise
from core.optimisers import SGD, Adam, Optimiser, RMSprop
from core.replicas import Replicas
from core.schedules import schedule, warmed_up
from core.task import Batch, Examples, Parts, Spec

TAGS: dict[str, str] = {"data": "images with labels"}

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Config:
    """Settings of the classifier."""

    data: str = "digits"  # digits, mnist, fashion-mnist; a folder with a subfolder per class, or an .npz file
    data_dir: str = ""  # folder with the data set's files; empty: $LAB_DATA/<name>, then the download cache
    size: int = 0  # resize images to squares of this many pixels; 0: as they are
    channels: int = 0  # 1 grey, 3 colour; 0: as they are
    net: str = "mlp"  # mlp, conv, or a network of vision such as resnet20, vgg11-bn, densenet-bc-100
    hidden: tuple[int, ...] = (128,)  # widths of the mlp's hidden layers
    width: int = 16  # channels of conv's first convolution
    activation: str = "relu"  # of mlp and conv
    dropout: float = 0.0  # share of each hidden layer's output, in mlp and conv, that is dropped in training
    optimiser: Literal["adam", "sgd", "rmsprop"] = "adam"
    momentum: float = 0.9  # of sgd and rmsprop
    batch: int = 100  # images per update
    lr: float = 1e-3  # step size at the start
    lr_end: float = 1e-5  # and at the end
    schedule: str = "cosine"  # between the two: constant, linear, cosine, exponential, steps, hundredths
    warmup: float = 0.0  # share of the steps over which the step size rises from 0
    clip: float | None = None  # largest gradient of a seed
    clip_by: By = "global"  # what that limits: every value, the norm of every tensor, the global norm
    decay: float = 0.0  # decoupled weight decay of kernels, as a share of lr
    l1: float = 0.0  # weight of the sum of the kernels' absolute values
    l2: float = 0.0  # weight of the sum of their squares
    activity_l1: float = 0.0  # the same of the network's outputs, per image
    activity_l2: float = 0.0  # and of their squares
    smoothing: float = 0.0  # share of every label that is spread over all classes
    augment: tuple[str, ...] = ()  # what training images go through: shift=2 flip=0.5 noise=0.1

    def __post_init__(self) -> None:
        for name in ("batch", "lr", "width", *(("clip",) if self.clip is not None else ())):
            if getattr(self, name) <= 0:
                raise UserError(f"--{name} is {getattr(self, name)}; it must be more than 0")
        for name in ("lr_end", "decay", "l1", "l2", "activity_l1", "activity_l2"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be 0 or more")
        for name in ("dropout", "smoothing", "momentum", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"--{name} is {getattr(self, name)}; it lies in 0 … 1, without 1")
        if min(self.hidden, default=1) < 1:
            raise UserError(f"--hidden is {self.hidden}; every layer must be 1 or more wide")
        parsed(self.augment)
        schedule(self.schedule, self.lr, self.lr_end)


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {"digits": {"lr": 3e-3, "steps": 1_500}},
    # the recipe for CIFAR-10 of He et al. 2016, section 4.2, with the augmentation that suits these images
    "he2016": {
        "fashion-mnist": {"net": "resnet20", "optimiser": "sgd", "lr": 0.1, "lr_end": 1e-3, "schedule": "steps",
                          "l2": 5e-5, "batch": 128, "augment": ("shift=2", "flip=0.5"), "epochs": 20},
    },
}  # fmt: skip


def dropped(config: Config) -> list[nn.Module]:
    return [nn.Dropout(config.dropout)] if config.dropout else []


def mlp(config: Config, shape: Shape, classes: int) -> nn.Module:
    layers: list[nn.Module] = []
    for sizes in pairwise(widths := (math.prod(shape), *config.hidden)):
        layers += [MLP(sizes, output_activation=config.activation, initialise="he"), *dropped(config)]
    return nn.Sequential(nn.Flatten(-3), *layers, MLP((widths[-1], classes), initialise="xavier"))


def conv(config: Config, shape: Shape, classes: int) -> nn.Module:
    encoder = ConvEncoder(shape, 4 * config.width, config.width, config.activation, "he")
    return nn.Sequential(encoder, *dropped(config), MLP((4 * config.width, classes), initialise="xavier"))


def vision(config: Config, shape: Shape, classes: int) -> nn.Module:
    return VISION[config.net](shape[0], classes, (shape[1], shape[2]))


NETS: dict[str, Callable[[Config, Shape, int], nn.Module]] = {
    "mlp": mlp,
    "conv": conv,
    **dict.fromkeys(VISION, vision),
}
OPTIMISERS: dict[str, Callable[[Config], Optimiser]] = {
    "adam": lambda config: Adam(),
    "sgd": lambda config: SGD(config.momentum),
    "rmsprop": lambda config: RMSprop(momentum=config.momentum),
}


def load(config: Config) -> Examples:
    """Images and their labels; UserError where there are none."""
    found = image_sets.load(config.data, config.data_dir, config.size, config.channels)
    if found.train_labels is None or found.test_labels is None:
        raise UserError(f"{found.name} has no labels; put the images of each class into a folder of its own")
    if min(found.train_labels.min(), found.test_labels.min()) < 0:
        raise UserError(f"{found.name} has images of no class; every one must lie in a folder of its class")
    train, test = (found.train, found.train_labels), (found.test, found.test_labels)
    return Examples(found.name, train, test, labels=found.train_labels, notes=found.notes)


class Classifier:
    """−log p(class | image) made small; images enter with mean 0 and deviation 1 in every channel of the train part."""

    def __init__(self, spec: Spec, config: Config, parts: Parts) -> None:
        self.spec, self.config, self.batch = spec, config, config.batch
        self.train, self.validation, self.test = parts.train, parts.validation, parts.test
        shape = parts.train[0].shape[1:]
        classes = 1 + max(int(labels.max()) for _, labels in (parts.train, parts.validation, parts.test))
        build = pick(NETS, config.net, "network")
        self.net = Replicas(
            lambda: build(config, shape, classes),
            spec.seeds,
            name=spec.name,
            optimiser=OPTIMISERS[config.optimiser](config),
            clip=config.clip,
            clip_by=config.clip_by,
            decay=config.decay,
            device=spec.device,
            path=spec.path,
            compiled=spec.compiled,
        )
        self.kernels = regularisation.kernels(self.net.modules[0])
        self.plan = parsed(config.augment)
        self.lr = warmed_up(schedule(config.schedule, config.lr, config.lr_end), config.warmup)
        self.mean, self.deviation = (part.to(spec.device) for part in moments(parts.train[0]))

    def prepared(self, batch: Batch, noise: Noise) -> Batch:
        images, labels = batch
        return self.scaled(augmented(images.float() / 255, self.plan, noise)), labels

    def scaled(self, images: Tensor) -> Tensor:
        """Images ``[…, C, H, W]`` in [0, 1] as the network wants them."""
        return (images - self.mean) / self.deviation

    def loss(self, params: Params, *batch: Tensor) -> tuple[Tensor, Metrics]:
        images, labels = batch
        logits = self.net.apply(params, images)
        entropy = losses.cross_entropy(logits, labels, self.config.smoothing).mean()
        accuracy = (logits.argmax(-1) == labels).float().mean()
        penalty = regularisation.penalty(params, self.kernels, self.config.l1, self.config.l2)
        penalty = penalty + regularisation.activity(logits, self.config.activity_l1, self.config.activity_l2)
        return entropy + penalty, {"loss": entropy, "accuracy": accuracy, "penalty": penalty}

    def scores(self, batch: Batch) -> Metrics:
        images, labels = batch
        logits: Tensor = self.net(self.scaled(images.float() / 255))
        right = (logits.argmax(-1) == labels).float().mean(-1)
        return {"loss": losses.cross_entropy(logits, labels).mean(-1), "accuracy": right}


def moments(images: np.ndarray) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel of uint8 ``[N, C, H, W]``, as of [0, 1]: ``[C, 1, 1]``, never 0."""
    counts = np.stack([np.bincount(images[:, c].ravel(), minlength=256) for c in range(images.shape[1])])
    share, level = counts / counts.sum(1, keepdims=True), np.arange(256) / 255
    mean = share @ level
    deviation = np.sqrt(np.maximum(share @ level**2 - mean**2, 0))
    centre, scale = (torch.from_numpy(part).float()[:, None, None] for part in (mean, deviation))
    return centre, torch.where(scale > 1e-6, scale, 1.0)


TASK = Classifier
