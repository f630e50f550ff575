"""Sequence: what has to be remembered, out of a sequence; every recurrent cell and a causal Transformer, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core import losses, puzzles
from core.errors import UserError, nearest
from core.gradient_flow import drawn, of_last_layer
from core.gradients import Metrics, Params
from core.idle import Idle
from core.networks.mlp import MLP
from core.networks.net import Array
from core.networks.positions import POSITIONS
from core.networks.readers import READERS, TRANSFORMER, answering, reader
from core.networks.recurrent import CELLS
from core.networks.sequences import VecToSeq, deep
from core.noise import Noise
from core.places import accuracies, mean_where
from core.schedules import schedule, warmed_up
from core.task import Batch, Examples, Parts, Spec
from core.tracking import Group
from core.truncation import InPieces

TAGS: dict[str, str] = {"data": "sequences that ask for a memory"}
SHOWN = 4  # sequences whose gradients are followed


@dataclass(frozen=True)
class Config:
    """Settings of learning sequences."""

    data: str = "adding"  # adding, copy, copy-tcn, parity, digits or strings
    length: int | None = None  # steps, or for copying the lag; None: 100, 20, 20, 40 for those that take one
    net: str = "lstm"  # what reads them: any cell of core/networks/recurrent.py; or transformer
    width: int = 64  # features of a layer
    layers: int = 1  # of them
    heads: int = 4  # of attention, for the transformer
    positions: str = "sinusoid"  # how the transformer knows them
    forget_bias: float = 1.0  # where the forget gates of lstm begin: more for longer lags
    dropout: float = 0.0  # share of the features dropped between two layers
    tbptt: int = 0  # steps after which back-propagation is cut off, for copy, copy-tcn, parity; 0: never
    batch: int = 64  # sequences per update
    lr: float = 3e-3  # step size at its highest
    lr_end: float = 1e-5  # and at the end
    schedule: str = "cosine"  # between the two: constant, linear, cosine, exponential, steps, hundredths
    warmup: float = 0.0  # share of the steps over which the step size rises from 0
    clip: float | None = 1.0  # largest norm of a seed's gradient
    decay: float = 0.0  # decoupled weight decay of kernels, as a share of lr

    def __post_init__(self) -> None:
        known = puzzles.puzzle(self.data)
        sizes = ("width", "layers", "heads", "batch", "lr", *(("clip",) if self.clip is not None else ()))
        for name in sizes:
            if getattr(self, name) <= 0:
                raise UserError(f"--{name} is {getattr(self, name)}; it must be more than 0")
        for name in ("lr_end", "decay", "tbptt"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be 0 or more")
        for name in ("dropout", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"--{name} is {getattr(self, name)}; it lies in 0 … 1, without 1")
        if self.net not in READERS:
            raise UserError(f"unknown network {self.net!r}{nearest(self.net, READERS)}")
        if self.net == TRANSFORMER:
            self._check_transformer()
        if self.tbptt and not known.every:
            raise UserError(
                f"--tbptt is {self.tbptt}, but {self.data} asks at the end alone, and no gradient would reach what is "
                "to be remembered; copy, copy-tcn and parity, which ask at every step, take it"
            )
        puzzles.length_of(self.data, self.length)
        schedule(self.schedule, self.lr, self.lr_end)

    def _check_transformer(self) -> None:
        if self.data == "strings":
            raise UserError(
                "--net transformer reads sequences, and strings is a vector; name a recurrent cell"
            )
        if self.width % self.heads:
            raise UserError(f"--width is {self.width}; it must be a multiple of --heads {self.heads}")
        if self.positions == "learned" or self.positions not in POSITIONS:
            free = [
                name for name in POSITIONS if name != "learned"
            ]  # its table would end where training does
            raise UserError(f"--positions is {self.positions!r}; it is one of {', '.join(free)}")
        pairs = {"sinusoid": 2, "rope": 2 * self.heads}.get(self.positions, 1)
        if self.width % pairs:
            raise UserError(
                f"--width is {self.width}; for --positions {self.positions} it must be a multiple of {pairs}"
            )


IDLE: Idle = {
    **{name: [{"net": CELLS}] for name in ("heads", "positions")},
    "forget_bias": [{"net": [name for name in READERS if name != "lstm"]}, {"data": ["strings"]}],
    "dropout": [{"net": CELLS, "layers": [1]}],
}
FAST: dict[str, Any] = {"batch": 32, "lr": 1e-2, "steps": 2_000, "eval_every": 200, "compile": "off"}
LONG: dict[str, Any] = {**FAST, "steps": 6_000, "eval_every": 600}
COPY: dict[str, Any] = {**LONG, "width": 128, "lr": 5e-3, "forget_bias": 4.0}
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "adding": {**FAST, "width": 32, "steps": 3_000},
        "copy": COPY,
        "copy-tcn": COPY,
        "parity": {**FAST, "width": 16, "batch": 64},
        "digits": FAST,
        "strings": {**LONG, "width": 192, "batch": 64, "lr": 3e-3},
    }
}


def load(config: Config) -> Examples:
    return puzzles.load(config.data, config.length)


def build(config: Config) -> nn.Module:
    """What is read [..., T, features] → what is said at every place [..., places, outputs]."""
    known, width = puzzles.puzzle(config.data), config.width
    if config.data == "strings":  # the picture becomes a vector, which is read at every place of the answer
        eye = MLP((known.features, 2 * width, width), activation="relu", initialise="he")
        body = deep(config.net, width, width, config.layers, config.dropout)
        says = VecToSeq(body, answering(width, known.classes), max(puzzles.STRINGS))
        return nn.Sequential(nn.Flatten(-2), eye, says)
    more = (config.layers, config.dropout, config.heads, config.positions, config.forget_bias)
    return InPieces(reader(config.net, known.features, width, known.classes or 1, *more), config.tbptt)


class Sequence:
    """The error at the places that are asked for, a mean over each sequence's own, made small."""

    def __init__(self, spec: Spec, config: Config, parts: Parts) -> None:
        self.spec, self.config, self.batch = spec, config, config.batch
        self.puzzle = puzzles.puzzle(config.data)
        self.train, self.validation, self.test = parts.train, parts.validation, parts.test
        self.net = spec.replicas(
            lambda: build(config),
            clip=config.clip,
            decay=config.decay,
        )
        self.lr: Callable[[float], float] = warmed_up(
            schedule(config.schedule, config.lr, config.lr_end), config.warmup
        )

    def prepared(self, batch: Batch, noise: Noise) -> Batch:
        return batch

    def error(self, said: Tensor, answers: Tensor, asked: Tensor) -> Tensor:
        """Of each sequence, the mean over places asked for: squared error, or cross-entropy in nats; ``[…]``."""
        if self.puzzle.classes:
            each = losses.cross_entropy(said, answers.long())
        else:
            each = losses.mean_squared_error(said, answers.unsqueeze(-1))
        return mean_where(asked, each)

    def loss(self, params: Params, *batch: Tensor) -> tuple[Tensor, Metrics]:
        read, answers, asked = batch
        error = self.error(self.net.apply(params, read.float()), answers, asked).mean()
        return error, {"loss": error}

    def scores(self, batch: Batch) -> Metrics:
        read, answers, asked = batch
        said = self.net(read.float())
        found = {"loss": self.error(said, answers, asked).mean(-1)}
        if self.puzzle.classes:
            told = accuracies(said.argmax(-1) == answers.long(), asked, self.puzzle.scored)
            several = (
                self.puzzle.every or self.config.data == "strings"
            )  # of one answer all three are the same
            found |= told if several else {"accuracy": told["accuracy"]}
        if self.puzzle.baseline is not None:
            steps = puzzles.length_of(self.config.data, self.config.length)
            found["baseline_loss"] = torch.full_like(found["loss"], self.puzzle.baseline(steps))
        return found

    def words(self, scores: Mapping[str, Array]) -> dict[str, Array]:
        return {}

    def look(self, group: Group, at: int) -> None:
        """How much of the last step's gradient reaches each step before, in the last layer; a curve."""
        if self.config.net == TRANSFORMER or self.config.data == "strings":
            return
        read = torch.from_numpy(self.validation[0][:SHOWN]).to(self.spec.device).float()
        bodies: list[Any] = [module.get_submodule("net.body") for module in self.net.modules]
        pictures = [[drawn({self.config.net: of_last_layer(body, read)})] for body in bodies]
        group.images(at, "gradient_flow", np.array(pictures))


TASK = Sequence
