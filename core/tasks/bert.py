"""BERT: an encoder that learns to read by filling gaps, and by telling which sentence follows which."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core import documents, losses
from core.documents import STORIES, Tokens, tokens_of
from core.errors import UserError
from core.gapped import SPECIAL, Texts, bigram, room_of
from core.gradients import Metrics, Params
from core.networks.bert import BASE, Bert, Pretraining, pretraining_loss
from core.networks.net import Array
from core.noise import Noise, State
from core.schedules import schedule, warmed_up
from core.task import Batch, Examples, Parts, Spec
from core.tracking import Group

TAGS: dict[str, str] = {"data": "sentences in documents"}
TEST = 0.1  # share of the pairs, the last ones, that is kept for the end
FEWEST = 20  # pairs
SHOWN = 8  # texts of the table
PIECE = 100  # texts that are scored at once: every place of them has a score for every token


@dataclass(frozen=True)
class Config:
    """Settings of BERT."""

    data: str = STORIES  # stories, which need no file, or your own text: a sentence a line
    documents: int = 0  # that are read, from the first; 0: all
    tokens: Tokens = "words"  # what a sentence is made of
    vocabulary: int = 2_000  # tokens that are known, the most frequent ones of those trained on
    length: int = 64  # tokens of two sentences at most; longer sentences are cut
    width: int = 64  # features of every token
    heads: int = 4  # of attention
    layers: int = 2  # of the encoder
    dropout: float = 0.0  # share of the features dropped in training
    gaps: float = 0.15  # share of the words to be guessed
    batch: int = 32  # pairs of sentences per update
    lr: float = 1e-3  # step size at its highest
    lr_end: float = 1e-5  # and at the end
    schedule: str = "linear"  # between the two: constant, linear, cosine, exponential, steps, hundredths
    warmup: float = 0.1  # share of the steps over which the step size rises from 0
    clip: float | None = 1.0  # largest norm of a seed's gradient
    decay: float = 0.01  # decoupled weight decay of kernels, as a share of lr

    def __post_init__(self) -> None:
        sizes = ("vocabulary", "width", "heads", "layers", "batch", "lr")
        for name in (*sizes, *(("clip",) if self.clip is not None else ())):
            if getattr(self, name) <= 0:
                raise UserError(f"--{name} is {getattr(self, name)}; it must be more than 0")
        for name in ("lr_end", "decay"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be 0 or more")
        for name in ("dropout", "warmup", "gaps"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"--{name} is {getattr(self, name)}; it lies in 0 … 1, without 1")
        if self.documents < 0:
            raise UserError(f"--documents is {self.documents}; 0 is all, 1 or more is a number")
        if self.length < 5:
            raise UserError(f"--length is {self.length}; two words and three special tokens need 5")
        if self.width % self.heads:
            raise UserError(f"--width is {self.width}; it must be a multiple of --heads {self.heads}")
        schedule(self.schedule, self.lr, self.lr_end)


PRESETS: dict[str, dict[str, dict[str, Any]]] = {"lab": {STORIES: {"lr": 2e-3, "steps": 5_000}}}


def load(config: Config) -> Examples:
    """Neighbours as they stand in the text; the last TEST of them are for the end."""
    name, found = documents.load(config.data, config.documents)
    if len(found) < FEWEST:
        some = (
            f"the first {config.documents} documents of {config.data} have"
            if config.documents
            else f"{config.data} has"
        )
        raise UserError(
            f"{some} {len(found)} pairs of sentences that follow one another; at least {FEWEST} are "
            "wanted: a sentence in every line, an empty line between documents"
        )
    columns = [np.array(column, object) for column in zip(*found, strict=True)]
    last = len(found) - max(round(TEST * len(found)), 1)
    train, test = (tuple(column[part] for column in columns) for part in (slice(last), slice(last, None)))
    room, all_of = room_of(config.length), [sentence for pair in found for sentence in pair]
    cut = sum(len(tokens_of(sentence, config.tokens)) > room for sentence in all_of)
    note = f"{cut / len(all_of):.1%} of the sentences are cut to {room} {config.tokens}; --length is for both"
    return Examples(name, train, test, ordered=True, notes=(note,) if cut else ())


class BERT:
    """Both losses added, in nats. In training gaps and wrong second sentences are drawn anew every time."""

    def __init__(self, spec: Spec, config: Config, parts: Parts) -> None:
        self.spec, self.config, self.batch = spec, config, config.batch
        self.texts = Texts(config.tokens, config.length, config.vocabulary, config.gaps, parts.train)
        self.train, self.validation, self.test = (
            self.texts.rows(name, getattr(parts, name)) for name in ("train", "validation", "test")
        )
        if spec.kept is not None and spec.kept["names"] != self.texts.names:
            raise UserError(f"{config.data} has other words than when this run began; it must stay as it was")
        form = replace(
            BASE,
            width=config.width,
            heads=config.heads,
            hidden=4 * config.width,
            layers=config.layers,
            spread=config.width**-0.5,
            dropout=config.dropout,
        )
        self.net = spec.replicas(
            lambda: Pretraining(Bert(len(self.texts.names), form, self.texts.length)),
            clip=config.clip,
            decay=config.decay,
        )
        self.lr: Callable[[float], float] = warmed_up(
            schedule(config.schedule, config.lr, config.lr_end), config.warmup
        )

    def kept(self) -> State:
        """What core/pretrained.py gives to others."""
        config = self.config
        sizes = {"width": config.width, "heads": config.heads, "layers": config.layers}
        return {"names": self.texts.names, "tokens": config.tokens, "length": self.texts.length, **sizes}

    def facts(self) -> dict[str, str]:
        return {}

    def prepared(self, batch: Batch, noise: Noise) -> Batch:
        first, second, tokens = batch[:3]
        count, length = tokens.shape[1:]
        uniform = noise.uniform(3, count, length).movedim(1, 0)
        return self.texts.made(first, second, second.roll(1, 1), noise.uniform(count) < 0.5, uniform)

    def loss(self, params: Params, *batch: Tensor) -> tuple[Tensor, Metrics]:
        tokens, segments, seen, chosen, label = batch
        gaps, follows = self.net.apply(params, seen, segments, seen != SPECIAL.padding)
        mlm, nsp = pretraining_loss(gaps, follows, tokens, chosen, label)
        return mlm + nsp, {"loss": mlm + nsp, "mlm_loss": mlm, "nsp_loss": nsp}

    def scores(self, batch: Batch) -> Metrics:
        pieces = [self.of_each(piece) for piece in zip(*(a.split(PIECE, 1) for a in batch[2:]), strict=True)]
        return {name: torch.cat([piece[name] for piece in pieces], 1).mean(1) for name in pieces[0]}

    def of_each(self, batch: Batch) -> Metrics:
        """Scores of every text [seed, n]: of its gaps the mean."""
        tokens, segments, seen, chosen, label = batch
        gaps, follows = self.net(seen, segments, seen != SPECIAL.padding)
        count = chosen.sum(-1).clamp(min=1)
        mlm = torch.where(chosen, losses.cross_entropy(gaps, tokens), 0.0).sum(-1) / count
        nsp = losses.cross_entropy(follows, label)
        right = ((gaps.argmax(-1) == tokens) & chosen).sum(-1) / count
        told = (follows.argmax(-1) == label).float()
        found = {"loss": mlm + nsp, "mlm_loss": mlm, "nsp_loss": nsp}
        return found | {"mlm_accuracy": right, "nsp_accuracy": told}

    def words(self, scores: Mapping[str, Array]) -> dict[str, Array]:
        """What a bigram of the text trained on makes of the same gaps."""
        train, test = (tuple(map(torch.from_numpy, part[2:])) for part in (self.train, self.test))
        said = bigram(train[0], test[0], test[3])
        return {"eval/test_bigram_accuracy": np.full(len(self.spec.seeds), said)}

    def look(self, group: Group, at: int) -> None:
        """The first held-out texts: what was read, and what was guessed for each gap of what stood there."""
        rows = [torch.from_numpy(array[:SHOWN]).to(self.spec.device) for array in self.validation[2:]]
        tokens, segments, seen, chosen, _ = (
            array.expand(len(self.spec.seeds), *array.shape) for array in rows
        )
        gaps, follows = self.net(seen, segments, seen != SPECIAL.padding)
        guess, told = gaps.argmax(-1), follows.argmax(-1)
        tables = []
        for k in range(len(self.spec.seeds)):
            read = [self.texts.text(own) for own in seen[k]]
            were, guesses = (
                [self.texts.text(x[k, i][chosen[k, i]]) for i in range(len(read))] for x in (tokens, guess)
            )
            says = ["no" if wrong else "yes" for wrong in told[k].tolist()]
            tables.append({"text": read, "hidden": were, "guessed": guesses, "said to follow": says})
        group.table(at, "gaps", [{n: np.array(c) for n, c in table.items()} for table in tables])


TASK = BERT
