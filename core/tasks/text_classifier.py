"""Text classifier: what a text is, told by BERT's [CLS]; from a run of `bert` that has read before, or from scratch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core import documents, labelled, losses
from core.documents import Tokens, tokens_of
from core.errors import UserError
from core.gapped import NAMES, SPECIAL, UNKNOWN, alone
from core.gradients import Metrics, Params
from core.networks.bert import BASE, Bert
from core.networks.bert import TextClassifier as Net
from core.networks.net import Array
from core.noise import Noise, State
from core.pretrained import Pretrained, agreed, pretrained
from core.rows import to_numpy
from core.schedules import schedule, warmed_up
from core.task import Batch, Examples, Parts, Rows, Spec
from core.tracking import Group

TAGS: dict[str, str] = {"data": "texts with labels"}
SIZES: dict[str, Any] = {"tokens": "words", "length": 64, "width": 64, "heads": 4, "layers": 2}
VOCABULARY = 2_000
SHOWN = 8  # texts of the table


@dataclass(frozen=True)
class Config:
    """Settings of the text classifier."""

    data: str = documents.MEETINGS  # meetings: who acts on whom; or your own: text, tab, label in a line
    start_from: str = ""  # a finished run of bert: its folder or its name; seed k goes on from its seed k
    weights: bool = True  # of that run; no: its vocabulary and sizes alone, and fresh weights
    labels: int | None = None  # labelled texts to learn from, of those not held out; None: all
    tokens: Tokens | None = None  # what a text is made of: words, characters; None: the run's, or words
    vocabulary: int | None = None  # tokens that are known, the most frequent ones; None: the run's, or 2000
    length: int | None = None  # tokens of a text at most, longer ones are cut; None: the run's, or 64
    width: int | None = None  # features of every token; None: the run's, or 64
    heads: int | None = None  # of attention; None: the run's, or 4
    layers: int | None = None  # of the encoder; None: the run's, or 2
    dropout: float = 0.0  # share of the features dropped in training
    batch: int = 16  # texts per update
    lr: float = 1e-3  # step size at its highest
    lr_end: float = 1e-5  # and at the end
    schedule: str = "linear"  # between the two: constant, linear, cosine, exponential, steps, hundredths
    warmup: float = 0.1  # share of the steps over which the step size rises from 0
    clip: float | None = 1.0  # largest norm of a seed's gradient
    decay: float = 0.01  # decoupled weight decay of kernels, as a share of lr

    def __post_init__(self) -> None:
        sizes = ("labels", "vocabulary", "width", "heads", "layers", "batch", "lr", "clip")
        for name in (name for name in sizes if getattr(self, name) is not None):
            if getattr(self, name) <= 0:
                raise UserError(f"--{name} is {getattr(self, name)}; it must be more than 0")
        for name in ("lr_end", "decay"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be 0 or more")
        for name in ("dropout", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"--{name} is {getattr(self, name)}; it lies in 0 … 1, without 1")
        if self.length is not None and self.length < 3:
            raise UserError(f"--length is {self.length}; a word and two special tokens need 3")
        if not self.weights and not self.start_from:
            raise UserError("--no-weights is for --start-from; without a run all weights are fresh already")
        schedule(self.schedule, self.lr, self.lr_end)


PRESETS: dict[str, dict[str, dict[str, Any]]] = {}


def load(config: Config) -> Examples:
    """Texts and their labels, as they stand in the file."""
    found = labelled.load(config.data)
    return Examples(found.name, found.train, found.test, labels=found.train[1].astype(str), notes=found.notes)


class TextClassifier:
    """−log p(label | text) made small; the net is BERT's trunk and one layer on its vector of the whole text."""

    def __init__(self, spec: Spec, config: Config, parts: Parts) -> None:
        self.spec, self.config, self.batch = spec, config, config.batch
        every = (parts.train, parts.validation, parts.test)
        self.classes: tuple[str, ...] = tuple(sorted({label for _, labels in every for label in labels}))
        texts, labels = parts.train
        places = np.arange(len(labels)) if config.labels is None else labelled.few(labels, config.labels)
        chosen = (texts[places], labels[places])
        run = pretrained(config.start_from, spec.seeds) if config.start_from and spec.kept is None else None
        self._kept: State = spec.kept or self._beginning(run, chosen[0])
        self.names: list[str] = self._kept["names"]
        self.train, self.validation, self.test = (
            self.rows(*part) for part in (chosen, parts.validation, parts.test)
        )
        self.net = spec.replicas(
            self._built,
            clip=config.clip,
            decay=config.decay,
        )
        self.lr: Callable[[float], float] = warmed_up(
            schedule(config.schedule, config.lr, config.lr_end), config.warmup
        )
        words = self.train[0][~np.isin(self.train[0], [SPECIAL.padding, SPECIAL.begin, SPECIAL.between])]
        self._facts = {"unknown words": f"{(words == UNKNOWN).mean():.1%} of the texts learned from"}
        if (words == UNKNOWN).all():
            raise UserError(f"none of the words of {config.data} is known to {config.start_from}")
        if run:
            self._facts |= run.facts(spec.seeds, config.weights)
        if run and config.weights:
            run.give(self.net)

    def _beginning(self, run: Pretrained | None, texts: Array) -> State:
        """Sizes and known tokens: the run's, or those that are told and the most frequent ones of the texts."""
        sizes = agreed(vars(self.config), run, SIZES)
        if sizes["width"] % sizes["heads"]:
            raise UserError(f"--width is {sizes['width']}; it must be a multiple of --heads {sizes['heads']}")
        if run is None:
            own = (tokens_of(text, sizes["tokens"])[: sizes["length"] - 2] for text in texts)
            known = documents.vocabulary(own, self.config.vocabulary or VOCABULARY)
            return sizes | {"names": [*NAMES, *known]}
        if self.config.vocabulary is not None:
            raise UserError("--vocabulary is that of the run it starts from; leave it out")
        return sizes | {"names": run.kept["names"]}

    def _built(self) -> Net:
        kept = self._kept
        width = kept["width"]
        form = replace(
            BASE,
            width=width,
            heads=kept["heads"],
            hidden=4 * width,
            layers=kept["layers"],
            spread=width**-0.5,
            dropout=self.config.dropout,
        )
        return Net(Bert(len(self.names), form, kept["length"]), len(self.classes))

    def rows(self, texts: Array, labels: Array) -> Rows:
        """Tokens [n, T] and the labels' numbers [n]."""
        table = alone(texts, self.names, self._kept["tokens"], self._kept["length"])
        return table, np.array([self.classes.index(label) for label in labels], np.int64)

    def kept(self) -> State:
        return self._kept

    def facts(self) -> dict[str, str]:
        return self._facts

    def prepared(self, batch: Batch, noise: Noise) -> Batch:
        return batch

    def loss(self, params: Params, *batch: Tensor) -> tuple[Tensor, Metrics]:
        tokens, labels = batch
        scores = self.net.apply(params, tokens, None, tokens != SPECIAL.padding)
        entropy = losses.cross_entropy(scores, labels).mean()
        return entropy, {"loss": entropy, "accuracy": (scores.argmax(-1) == labels).float().mean()}

    def read(self, tokens: Tensor) -> Tensor:
        """Scores of the classes, of texts [seed, n, T]: [seed, n, classes]."""
        found: Tensor = self.net(tokens, torch.zeros_like(tokens), tokens != SPECIAL.padding)
        return found

    def scores(self, batch: Batch) -> Metrics:
        tokens, labels = batch
        scores = self.read(tokens)
        right = (scores.argmax(-1) == labels).float().mean(-1)
        return {"loss": losses.cross_entropy(scores, labels).mean(-1), "accuracy": right}

    def guesses(self, batch: Batch) -> Tensor:
        return self.read(batch[0]).argmax(-1)

    def words(self, scores: Mapping[str, Array]) -> dict[str, Array]:
        return {}

    def look(self, group: Group, at: int) -> None:
        """The first held-out texts: what was read, its label, and what it was taken for."""
        tokens, labels = (torch.from_numpy(array[:SHOWN]).to(self.spec.device) for array in self.validation)
        given = tokens.expand(len(self.spec.seeds), *tokens.shape)
        said = to_numpy(self.read(given).argmax(-1))
        read = [" ".join(self.names[token] for token in row if token) for row in tokens.tolist()]
        names = np.array(self.classes)
        shown = {"text": np.array(read), "label": names[to_numpy(labels)]}
        group.table(at, "texts", [shown | {"taken for": names[own]} for own in said])


TASK = TextClassifier
