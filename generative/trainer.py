"""What every generative algorithm promises: the contract between trainers and their loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from core.errors import UserError
from core.noise import Noise, States

Binarise: TypeAlias = Literal["none", "dynamic", "static"]
"""How grey images become black and white: not; by a new draw each time they are seen; by one draw for all."""

Metrics: TypeAlias = dict[str, Tensor]
"""Name to one detached value per seed, ``[seed]``."""

ImageShape: TypeAlias = tuple[int, int, int]
"""C, H, W of one image."""


@dataclass(frozen=True)
class Spec:
    """What a trainer is told beside its settings."""

    seeds: tuple[int, ...]
    shape: tuple[int, ...]  # of one example: (C, H, W) of an image, (2,) of a point, () of a character
    pixel_mean: Tensor  # [*shape]: the mean training image, in [0, 1], or the mean point; of a text 0
    steps: int  # updates the whole run makes: what schedules are measured by
    device: str = "cpu"
    path: Literal["loop", "vmap"] = "loop"
    compiled: bool = False
    tokens: int = 0  # kinds of character in a text, or in pairs of texts
    source: int = 0  # of pairs: places of the source in a row
    newline: int | None = None  # its token, where every line is an example by itself
    longest: int = 0  # characters of the longest line with its newline, there

    @property
    def image(self) -> ImageShape:
        """The shape of an image; UserError where the data are points."""
        if len(self.shape) != 3:
            raise UserError("this trainer models images, and the data are none")
        channels, height, width = self.shape
        return channels, height, width


@runtime_checkable
class Trainer(Protocol):
    """One generative model per seed, trained together.

    Images are float32 ``[C, H, W]`` in [0, 1]. A trainer whose ``TAGS["data"]`` says "points" serves those too:
    float32 ``[2]`` in data units, and what is said of images below holds of them. One whose tag says "text" is a
    Writer: its batches are passages, int64 ``[seed, batch, length + 1]``, what is held out is one text ``[N]``, and
    its samples are texts ``[seed, count, characters]``.
    """

    batch: int  # training images per seed and step
    binarise: Binarise  # how images are turned black and white before the trainer sees them
    shown: str  # the metric of ``step`` that stands beside the progress; "": none
    judged: int  # held-out images, from the first, that ``evaluate`` reads at most; 0: all it is given
    selected: str  # the score of ``evaluate`` that chooses the best checkpoint; "": the last is kept alone

    def step(self, batch: Tensor) -> Metrics:
        """One update of every seed on ``[seed, batch, C, H, W]``; ``train/*``."""
        ...

    def evaluate(self, images: Tensor, noise: Noise) -> Metrics:
        """Means over held-out images ``[N, C, H, W]``; ``eval/*``. Changes nothing, draws from ``noise``."""
        ...

    def sample(self, count: int, noise: Noise) -> Tensor:
        """New images ``[seed, count, C, H, W]``. The same noise gives the same images."""
        ...

    def pictures(self, images: Tensor, noise: Noise) -> dict[str, Tensor]:
        """What to look at while training, by name: each ``[seed, n, C, H, W]`` in [0, 1], or ``[seed, n, 2]``."""
        ...

    def weights(self) -> dict[str, Tensor]:
        """Every weight ``[seed, …]`` by name, for histograms."""
        ...

    def gradients(self) -> dict[str, Tensor]:
        """The gradients of the last step ``[seed, …]`` by name."""
        ...

    def state_dict(self) -> States: ...

    def load_state_dict(self, states: States) -> None: ...


@runtime_checkable
class LikelihoodTrainer(Trainer, Protocol):
    """A trainer whose model gives images a probability, so that its likelihood can be estimated."""

    def log_weights(self, images: Tensor, samples: int, noise: Noise) -> Tensor:
        """log p(x, z) − log q(z|x) of ``[seed, B, C, H, W]`` for K draws of z: ``[seed, K, B]``."""
        ...


@runtime_checkable
class Encoder(Trainer, Protocol):
    """A trainer whose model gives images a place in a latent space: what a map of that space is drawn from."""

    def codes(self, images: Tensor) -> Tensor:
        """Where images ``[N, C, H, W]`` lie: ``[seed, N, latent]``."""
        ...

    def generate(self, z: Tensor) -> Tensor:
        """Images ``[seed, n, C, H, W]`` of standard normal ``[seed, n, latent]``; ``sample`` draws these."""
        ...


@runtime_checkable
class Writer(Trainer, Protocol):
    """A trainer that learns of texts what comes next."""

    length: int  # characters of a passage that it reads
    follow: bool  # whether a passage goes on where the one of the last update ended

    def write(
        self, prompt: Tensor, count: int, length: int, noise: Noise, temperature: float = 1.0
    ) -> Tensor:
        """The prompt ``[n]`` and ``length`` characters after it: ``[seed, count, n + length]``; 0: its own length.

        At temperature 0 the likeliest character each time.
        """
        ...


@runtime_checkable
class Answerer(Trainer, Protocol):
    """A trainer that learns to make one text of another; its examples are pairs, int64 ``[S + T]`` (pairs.py)."""

    def answer(self, source: Tensor) -> Tensor:
        """The likeliest targets of sources ``[seed, n, S]``: ``[seed, n, T]``, until their end and on."""
        ...

    def alignment(self, rows: Tensor) -> Tensor | None:
        """How the answers to pairs ``[n, S + T]`` read their sources: ``[seed, n, T, S]``; None where nothing tells."""
        ...


def evaluation_noise(seeds: Sequence[int], purpose: str, device: torch.device) -> Noise:
    """Fresh noise that starts at the same place every time: what makes two evaluations comparable."""
    return Noise(seeds, f"evaluation {purpose}", device)
