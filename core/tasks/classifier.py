"""Classifier: which class an image shows; fully connected, convolutional, or one of the networks of vision."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from core import image_sets, images, losses, regularisation
from core.augmentation import augmented, parsed
from core.clipping import By
from core.confusion import by_class, confusion
from core.errors import UserError
from core.gradients import Metrics, Params
from core.idle import Idle
from core.image_sets import labelled
from core.networks.classifiers import NETS
from core.networks.net import pick
from core.networks.vision import SLIM, VISION
from core.noise import Noise
from core.optimisers import SGD, Adam, Optimiser, RMSprop
from core.rows import Array
from core.schedules import schedule, warmed_up
from core.task import Batch, Examples, Parts, Spec
from core.tracking import Group

TAGS: dict[str, str] = {"data": "images with labels"}

SHOWN = 2_000  # held-out images, at most, that are looked at class by class


@dataclass(frozen=True)
class Config:
    """Settings of the classifier."""

    data: str = "digits"  # digits, mnist, fashion-mnist; a folder with a subfolder per class, or an .npz file
    data_dir: str = ""  # folder with the data set's files; empty: $LAB_DATA/<name>, then the download cache
    size: int = 0  # resize images to squares of this many pixels; 0: as they are
    channels: int = 0  # 1 grey, 3 colour; 0: as they are
    net: str = "mlp"  # mlp, conv, a slim residual network such as resnet8, or another of vision: vgg11-bn, …
    hidden: tuple[int, ...] = (128,)  # widths of the mlp's hidden layers
    width: int = 16  # channels of the first convolution of conv and of the slim residual networks
    stride: int = 1  # of that convolution in the slim residual networks; 2 makes their work a quarter
    activation: str = "relu"  # of mlp and conv
    dropout: float = 0.0  # share of each hidden layer's output, in mlp and conv, that is dropped in training
    optimiser: Literal["adam", "sgd", "rmsprop"] = "adam"  # sgd and rmsprop with --momentum
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
        for name in ("batch", "lr", "width", "stride", *(("clip",) if self.clip is not None else ())):
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
    "lab": {
        "digits": {"lr": 3e-3, "steps": 1_500},
        # found here, by what is held out to choose by: see docs/algorithms/classifier.md
        "fashion-mnist": {"net": "resnet8-b", "width": 32, "stride": 2, "optimiser": "sgd", "lr": 0.1, "lr_end": 0.0,
                          "schedule": "linear", "warmup": 0.15, "l2": 2.5e-4, "smoothing": 0.1, "batch": 128,
                          "augment": ("flip=0.5", "shift=2"), "steps": 6_300, "eval_every": 420,
                          "monitor": "eval/accuracy", "patience": 5},
    },
    # the recipe for CIFAR-10 of He et al. 2016, section 4.2, with the augmentation that suits these images
    "he2016": {
        "fashion-mnist": {"net": "resnet20", "optimiser": "sgd", "lr": 0.1, "lr_end": 1e-3, "schedule": "steps",
                          "l2": 5e-5, "batch": 128, "augment": ("shift=2", "flip=0.5"), "epochs": 20},
    },
}  # fmt: skip


_OF_VISION = [{"net": [*VISION]}]
IDLE: Idle = {
    "hidden": [{"net": [name for name in NETS if name != "mlp"]}],
    "width": [{"net": [name for name in NETS if name not in ("conv", *SLIM)]}],
    "stride": [{"net": [name for name in NETS if name not in SLIM]}],
    "activation": _OF_VISION,
    "dropout": _OF_VISION,
    "data_dir": [{"data": ["digits"]}],
}
OPTIMISERS: dict[str, Callable[[Config], Optimiser]] = {
    "adam": lambda config: Adam(),
    "sgd": lambda config: SGD(config.momentum),
    "rmsprop": lambda config: RMSprop(momentum=config.momentum),
}


def load(config: Config) -> Examples:
    """Images and their labels; UserError where there are none."""
    found = image_sets.load(config.data, config.data_dir, config.size, config.channels)
    train, test, names = labelled(found)
    return Examples(found.name, train, test, labels=train[1], classes=names, notes=found.notes)


class Classifier:
    """−log p(class | image) made small; images enter with mean 0 and deviation 1 in every channel of the train part."""

    def __init__(self, spec: Spec, config: Config, parts: Parts) -> None:
        self.spec, self.config, self.batch = spec, config, config.batch
        self.train, self.validation, self.test = parts.train, parts.validation, parts.test
        shape = parts.train[0].shape[1:]
        self.classes, classes = parts.classes, len(parts.classes)
        build = pick(NETS, config.net, "network")
        self.net = spec.replicas(
            lambda: build(config, shape, classes),
            optimiser=OPTIMISERS[config.optimiser](config),
            clip=config.clip,
            clip_by=config.clip_by,
            decay=config.decay,
        )
        self.kernels = regularisation.kernels(self.net.modules[0])
        self.plan = parsed(config.augment)
        self.lr = warmed_up(schedule(config.schedule, config.lr, config.lr_end), config.warmup)
        self.mean, self.deviation = (
            torch.from_numpy(part).to(spec.device) for part in images.moments(parts.train[0])
        )
        self.seen = tuple(torch.from_numpy(array[:: -(-len(array) // SHOWN)]) for array in parts.validation)

    def prepared(self, batch: Batch, noise: Noise) -> Batch:
        pixels, labels = batch
        return self.scaled(augmented(pixels.float() / 255, self.plan, noise)), labels

    def scaled(self, pixels: Tensor) -> Tensor:
        """Images ``[…, C, H, W]`` in [0, 1] as the network wants them."""
        return (pixels - self.mean) / self.deviation

    def loss(self, params: Params, *batch: Tensor) -> tuple[Tensor, Metrics]:
        inputs, labels = batch
        logits = self.net.apply(params, inputs)
        entropy = losses.cross_entropy(logits, labels, self.config.smoothing).mean()
        accuracy = (logits.argmax(-1) == labels).float().mean()
        penalty = regularisation.penalty(params, self.kernels, self.config.l1, self.config.l2)
        penalty = penalty + regularisation.activity(logits, self.config.activity_l1, self.config.activity_l2)
        return entropy + penalty, {"loss": entropy, "accuracy": accuracy, "penalty": penalty}

    def scores(self, batch: Batch) -> Metrics:
        pixels, labels = batch
        logits = self.logits(pixels)
        right = (logits.argmax(-1) == labels).float().mean(-1)
        return {"loss": losses.cross_entropy(logits, labels).mean(-1), "accuracy": right}

    def logits(self, pixels: Tensor) -> Tensor:
        """Of bytes ``[seed, n, C, H, W]``: ``[seed, n, class]``."""
        logits: Tensor = self.net(self.scaled(pixels.float() / 255))
        return logits

    def guesses(self, batch: Batch) -> Tensor:
        return self.logits(batch[0]).argmax(-1)

    def look(self, group: Group, at: int) -> None:
        """Held-out images class by class: how many are recognised, and what the others are taken for."""
        rows = tuple(array.to(self.spec.device) for array in self.seen)
        counts = confusion(self, rows, len(self.spec.seeds))
        group.table(at, "classes", [by_class(own, self.classes) for own in counts])

    def words(self, scores: Mapping[str, Array]) -> dict[str, Array]:
        return {}


TASK = Classifier
