"""Translation: one text of another, by a recurrent encoder and decoder, a Transformer, or a GPT that goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from core import trees
from core.errors import UserError
from core.gradients import Params
from core.networks.recurrent import CELLS
from core.networks.seq2seq import delayed
from core.noise import Noise, States
from core.optimisers import Adam
from core.replicas import Replicas
from core.schedules import schedule
from generative.answering import Answering, build
from generative.pairs import BEGIN, FIRST, PADDING
from generative.trainer import Binarise, Metrics, Spec

TAGS: dict[str, str] = {"model": "next character", "likelihood": "exact", "data": "pairs"}
DATA = "addition"


@dataclass(frozen=True)
class Config:
    """Settings of the translator."""

    net: Literal["gru", "lstm", "transformer", "gpt"] = "gru"  # what reads and writes; gpt: a decoder alone
    attention: Literal["none", "additive", "dot"] = "additive"  # plain; Bahdanau's; Luong's with products
    reverse: bool = False  # read the source from its end
    layers: int = 2  # of each side of a Transformer, or of a GPT
    heads: int = 4  # parts of its attention
    dropout: float = 0.0  # share of its features dropped while it learns
    width: int = 128  # features of a character, and units of a cell
    batch: int = 64  # pairs per update
    lr: float = 2e-3  # AdamW's step size at the start
    lr_end: float = 1e-5  # and at the end
    schedule: str = "cosine"  # between the two: constant, linear, cosine, exponential
    decay: float = 0.0  # of the weights but biases, norms and embeddings, as a share of the step size
    clip: float | None = 1.0  # largest gradient norm per seed

    def __post_init__(self) -> None:
        for name in ("layers", "heads", "width", "batch", "lr", "clip"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise UserError(f"--{name} is {value}; it must be more than 0")
        for name in ("lr_end", "decay"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be 0 or more")
        if not 0 <= self.dropout < 1:
            raise UserError(f"--dropout is {self.dropout}; it must be at least 0 and less than 1")
        if self.net in ("transformer", "gpt") and self.width % self.heads:
            raise UserError(f"--width {self.width} does not divide into --heads {self.heads}")
        if self.net == "transformer" and self.width % 2:
            raise UserError(f"--width {self.width} is odd; places are told by sines and cosines in pairs")


NANO: dict[str, Any] = {"net": "gpt", "layers": 3, "heads": 3, "width": 48}  # minGPT's gpt-nano
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "dates": {"steps": 800, "eval_every": 100},
        "addition": {"steps": 8_000},
        "addition-2": {"net": "lstm", "attention": "none", "reverse": True, "steps": 5_000},  # Keras' network
        "sort": {**NANO, "steps": 1_000},
        "sort-10": {**NANO, "steps": 4_000},
        "reversal": {"reverse": True, "width": 64, "lr": 4e-3, "steps": 1_000, "eval_every": 100},
    },
}


class Translate:
    """An encoder and a decoder per seed. A row is a source of ``spec.source`` places and its target (pairs.py)."""

    def __init__(self, spec: Spec, config: Config) -> None:
        self.spec, self.config, self.batch = spec, config, config.batch
        self.binarise: Binarise = "none"
        self.shown, self.selected, self.judged = "train/loss", "eval/exact", 0
        self.aligns = config.net in CELLS and config.attention != "none"
        self.net = Replicas(
            self.build,
            spec.seeds,
            optimiser=Adam(),
            decay=config.decay,
            clip=config.clip,
            device=spec.device,
            path=spec.path,
            compiled=spec.compiled,
        )
        self.weights, self.gradients = self.net.weights, self.net.gradients
        self.lr: Callable[[float], float] = schedule(config.schedule, config.lr, config.lr_end)
        self.updates = 0

    def build(self) -> Answering:
        """The network that the settings name."""
        return build(self.config, self.spec.tokens + FIRST, self.spec.shape[0])

    def parted(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Rows [..., S + T] as source [..., S] and target [..., T]."""
        return rows[..., : self.spec.source], rows[..., self.spec.source :]

    def step(self, batch: Tensor) -> Metrics:
        """One update on pairs [seed, batch, S + T]; ``train/loss`` in nats per character of the target."""
        metrics = self.net.step(self.loss, batch, lr=self.lr(self.updates / self.spec.steps))
        self.updates += 1
        return {f"train/{name}": value for name, value in metrics.items()}

    def loss(self, params: Params, rows: Tensor) -> tuple[Tensor, Metrics]:
        """−log p(next character of the target | source, those before it), mean over the characters of [B, S + T]."""
        source, target = self.parted(rows)
        scores = self.net.apply(params, source, delayed(target, BEGIN))
        nats = functional.cross_entropy(scores.flatten(0, 1), target.flatten(), ignore_index=PADDING)
        return nats, {"loss": nats}

    def evaluate(self, rows: Tensor, noise: Noise) -> Metrics:
        """Of held-out pairs [N, S + T]: ``exact``, the share answered without a mistake; ``loss`` given the target."""
        nats, right, count = [], [], 0
        for part in rows.split(500):
            source, target = self.parted(self._of_every_seed(part))
            scores = self.net(source, delayed(target, BEGIN)).movedim(-1, 1)
            lost = functional.cross_entropy(scores, target, ignore_index=PADDING, reduction="none")
            nats.append(lost.double().sum((1, 2)))
            right.append(((self.answer(source) == target) | (target == PADDING)).all(-1).double().sum(1))
            count += int((target[0] != PADDING).sum())
        exact = torch.stack(right).sum(0) / len(rows)
        return {"eval/loss": (torch.stack(nats).sum(0) / count).float(), "eval/exact": exact.float()}

    def answer(self, source: Tensor) -> Tensor:
        """Targets [seed, n, T] that the networks give to sources [seed, n, S], until their end and on."""
        room = source.new_zeros(*source.shape[:-1], self.spec.shape[0] - self.spec.source)
        found: Tensor = self.net(source, room, method="answer")
        return found

    def alignment(self, rows: Tensor) -> Tensor | None:
        """How the answers [seed, n, T] to pairs [n, S + T] read: [seed, n, T, S]; None without one attention."""
        if not self.aligns:
            return None
        source, _ = self.parted(self._of_every_seed(rows))
        weights: Tensor = self.net(source, delayed(self.answer(source), BEGIN), method="alignment")
        return weights

    def sample(self, count: int, noise: Noise) -> Tensor:
        """UserError: it answers, and draws nothing by itself."""
        raise UserError("a translator makes one text of another: give it one with --prompt")

    def pictures(self, images: Tensor, noise: Noise) -> dict[str, Tensor]:
        """None: alignments are drawn with their characters."""
        return {}

    def _of_every_seed(self, x: Tensor) -> Tensor:
        return x.expand(len(self.spec.seeds), *x.shape)

    def state_dict(self) -> States:
        return trees.states_of({"net": self.net}, updates=[self.updates] * len(self.spec.seeds))

    def load_state_dict(self, states: States) -> None:
        trees.load_states({"net": self.net}, states)
        self.updates = int(states[0]["updates"])


TRAINER = Translate
