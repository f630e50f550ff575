"""Language model: what character comes next, by a small GPT or by a recurrent network that carries its state."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from core import trees
from core.errors import UserError
from core.gradients import Params
from core.networks.net import Memory, Net
from core.noise import Noise, States
from core.optimisers import Adam
from core.regularisation import matrices
from core.replicas import Replicas
from core.schedules import schedule
from generative.reader import build
from generative.texts import rows_of
from generative.trainer import Binarise, Metrics, Spec

TAGS: dict[str, str] = {"model": "next character", "likelihood": "exact", "data": "text"}
DATA = "sentences"


@dataclass(frozen=True)
class Config:
    """Settings of the language model."""

    net: Literal["gpt", "lstm", "gru"] = "gpt"  # a Transformer that reads back, or a recurrent network
    layers: int = 4  # of the Transformer, or recurrent ones in depth
    width: int = 128  # features of a character, and units of a recurrent layer
    heads: int = 4  # parts of each attention
    positions: Literal["learned", "sinusoid", "rope", "alibi"] = "learned"  # how a GPT tells places apart
    dropout: float = 0.0  # share dropped while it learns: in all of a GPT; of recurrent layers, between them
    context: int = 64  # characters of a passage: what a GPT sees, and what gradients flow back through
    batch: int = 12  # passages per update
    lr: float = 1e-3  # AdamW's step size after the warm-up
    lr_end: float = 1e-4  # and at the end
    schedule: str = "cosine"  # between the two: constant, linear, cosine, exponential
    warmup: int = 100  # updates over which the step size rises from almost nothing
    beta2: float = 0.99  # AdamW's memory of squared gradients
    decay: float = 0.1  # of all weights but biases and norms, as a share of the step size
    clip: float | None = 1.0  # largest gradient norm per seed
    characters: int = 200  # of a sample, where lines do not end it

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "context", "batch", "lr", "characters", "clip"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise UserError(f"--{name} is {value}; it must be more than 0")
        for name in ("lr_end", "warmup", "decay"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be 0 or more")
        if self.net == "gpt" and self.width % self.heads:
            raise UserError(f"--width {self.width} does not divide into --heads {self.heads}")
        paired = {"sinusoid": self.width, "rope": self.width // self.heads}.get(self.positions, 0)
        if self.net == "gpt" and paired % 2:
            raise UserError(
                f"--positions {self.positions} takes features in pairs, and --width {self.width} with --heads "
                f"{self.heads} gives it {paired}; make that even"
            )
        for name in ("beta2", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"--{name} is {getattr(self, name)}; it must be at least 0 and less than 1")


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "sentences": {"layers": 2, "width": 64, "batch": 32, "steps": 1_000, "warmup": 50, "lr": 3e-3},
        "names": {"layers": 2, "width": 64, "batch": 32, "steps": 3_000},
    },
    # karpathy/nanoGPT, README.md, "I only have a macbook", with the step sizes of config/train_shakespeare_char.py
    "nanogpt": {"shakespeare": {"steps": 2_000, "eval_every": 250}},
}


class LM:
    """A network per seed. A GPT reads passages from anywhere; a recurrent network reads the text in order, with the
    state of the passage before, through which no gradient goes (truncated back-propagation through time)."""

    def __init__(self, spec: Spec, config: Config) -> None:
        if config.net == "gpt" and spec.longest > config.context:
            raise UserError(
                f"a line has {spec.longest} characters with its end, and a gpt of --context {config.context} reads no "
                f"more than that at once; use --context {spec.longest}, --no-lines, or --net lstm"
            )
        self.spec, self.config = spec, config
        self.batch, self.length, self.follow = config.batch, config.context, config.net != "gpt"
        self.binarise: Binarise = "none"
        self.shown, self.selected, self.judged = "train/loss", "eval/loss", 0
        self.net = Replicas(
            lambda: build(config, spec.tokens, spec.newline),
            spec.seeds,
            optimiser=Adam(beta2=config.beta2),
            decay=config.decay,
            decays=matrices,
            clip=config.clip,
            device=spec.device,
            path=spec.path,
            compiled=spec.compiled,
        )
        self.weights, self.gradients = self.net.weights, self.net.gradients
        self.falling = schedule(config.schedule, config.lr, config.lr_end)
        self.state: Memory = self.fresh(config.batch) if self.follow else ()
        self.updates = 0

    def fresh(self, rows: int) -> Memory:
        """The state [seed, rows, …] before anything was read."""
        first = self.net.modules[0].get_submodule("net")
        assert isinstance(first, Net)
        seeds = len(self.spec.seeds)
        state: Memory = trees.map(
            lambda leaf: leaf.expand(seeds, *leaf.shape).clone(), first.init_state(rows)
        )
        return state

    def rate(self) -> float:
        """The step size: a straight rise, then the schedule over what is left."""
        warmup, rest = self.config.warmup, max(self.spec.steps - self.config.warmup, 1)
        rising = min((self.updates + 1) / (warmup + 1), 1.0)
        return rising * self.falling(max(self.updates - warmup, 0) / rest)

    def step(self, batch: Tensor) -> Metrics:
        """One update on passages [seed, batch, context + 1]; ``train/loss`` in nats per character."""
        metrics = self.net.step(self.loss, batch, self.state, lr=self.rate())
        self.updates += 1
        after = iter([metrics.pop(name) for name in list(metrics) if name.startswith("state")])
        self.state = trees.map(lambda _: next(after), self.state)
        return {f"train/{name}": value for name, value in metrics.items()}

    def loss(self, params: Params, passages: Tensor, state: Memory) -> tuple[Tensor, Metrics]:
        """−log p(next character) of one seed, mean over [B, T]; and the state after each passage, to go on from."""
        scores, after = self.net.apply(params, passages[:, :-1], state)
        nats = functional.cross_entropy(scores.flatten(0, 1), passages[:, 1:].flatten())
        kept = {f"state {k}": leaf for k, leaf in enumerate(trees.leaves(after))} if self.follow else {}
        return nats, {"loss": nats, **kept}

    def evaluate(self, text: Tensor, noise: Noise) -> Metrics:
        """Of every character of a text [N] after the first, read as it is learned: lines by themselves; else a GPT in
        passages of ``context``, whose first characters have little to go by, a recurrent network in some long rows."""
        total, count = torch.zeros(len(self.spec.seeds), device=text.device, dtype=torch.float64), 0
        for rows in rows_of(text, self.length, self.follow, self.spec.newline).split(64):
            state = self.fresh(len(rows)) if self.follow else ()
            for begin in range(0, rows.shape[1] - 1, self.length):
                part = rows[:, begin : begin + self.length + 1]
                scores, state = self.net(self._of_every_seed(part[:, :-1].clamp(min=0)), state)
                next_one = self._of_every_seed(part[:, 1:])
                nats = functional.cross_entropy(
                    scores.movedim(-1, 1), next_one, ignore_index=-1, reduction="none"
                )
                total += nats.double().sum((1, 2))
                count += int((part[:, 1:] >= 0).sum())
        loss = (total / max(count, 1)).float()
        return {
            "eval/loss": loss,
            "eval/bits_per_character": loss / math.log(2),
            "eval/perplexity": loss.exp(),
        }

    def sample(self, count: int, noise: Noise) -> Tensor:
        """Texts [seed, count, …] after a newline (or the first character there is): as many as told, or a line."""
        return self.write(torch.tensor([self.spec.newline or 0], device=self.spec.device), count, 0, noise)

    def write(
        self, prompt: Tensor, count: int, length: int, noise: Noise, temperature: float = 1.0
    ) -> Tensor:
        """Texts [seed, count, P + length] that go on from a prompt [P]; length 0: as many as usual."""
        length = length or (self.config.characters if self.spec.newline is None else self.spec.longest)
        uniform = noise.uniform(count, length)
        warmth = uniform.new_full((len(uniform),), temperature)
        text: Tensor = self.net(
            self._of_every_seed(prompt.expand(count, -1)), uniform, warmth, method="write"
        )
        return text

    def pictures(self, images: Tensor, noise: Noise) -> dict[str, Tensor]:
        """None: its samples are read."""
        return {}

    def _of_every_seed(self, x: Tensor) -> Tensor:
        return x.expand(len(self.spec.seeds), *x.shape)

    def state_dict(self) -> States:
        leaves = trees.leaves(self.state)
        kept = [[leaf[k].clone() for leaf in leaves] for k in range(len(self.spec.seeds))]
        return trees.states_of({"net": self.net}, updates=[self.updates] * len(kept), state=kept)

    def load_state_dict(self, states: States) -> None:
        trees.load_states({"net": self.net}, states)
        self.updates = int(states[0]["updates"])
        leaves = iter(
            [torch.stack(of).to(self.spec.device) for of in zip(*(s["state"] for s in states), strict=True)]
        )
        self.state = trees.map(lambda _: next(leaves), self.state)


TRAINER = LM
