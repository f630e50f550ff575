"""GAN: a generator learns to fool a critic, the critic not to be fooled (Goodfellow et al. 2014)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from core.errors import UserError
from core.gradients import Params
from core.networks.net import pick
from core.noise import Noise, States
from core.optimisers import Adam
from core.schedules import schedule
from generative import losses
from generative.adversarial import JUDGED, Players, mean_of
from generative.trainer import Binarise, Metrics, Spec

TAGS: dict[str, str] = {"model": "two players", "likelihood": "none", "data": "images, points"}

Pair = tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]

# loss -> (of the critic, of the generator)
LOSSES: dict[str, Pair] = {
    "minimax": (losses.cross_entropy_critic, losses.minimax_generator),
    "non-saturating": (losses.cross_entropy_critic, losses.non_saturating_generator),
    "least-squares": (losses.least_squares_critic, losses.least_squares_generator),
    "hinge": (losses.hinge_critic, losses.wasserstein_generator),
}
# The number that parts what the critic takes for real from what it takes for made.
BORDER: dict[str, float] = {"minimax": 0.0, "non-saturating": 0.0, "least-squares": 0.5, "hinge": 0.0}


@dataclass(frozen=True)
class Config:
    """Settings of the GAN."""

    loss: Literal["minimax", "non-saturating", "least-squares", "hinge"] = "non-saturating"  # of both players
    net: Literal["auto", "mlp", "dcgan"] = "auto"  # of both; auto: dcgan for images above 8x8
    latent: int = 64  # width of the noise z
    hidden: tuple[int, ...] = (256, 256)  # widths of each mlp's hidden layers
    activation: str = "leaky-relu"  # of the mlps' hidden layers
    width: int = 64  # of the dcgan: channels where the picture is largest
    norm: Literal["batch", "layer", "none"] = "batch"  # of the dcgan's hidden layers
    gain: float = 1.0  # scale of all first weights
    batch_size: int = 64  # training images per update of the critic
    critic_steps: int = 1  # updates of the critic per update of the generator, a fresh batch each
    lr: float = 2e-4  # Adam's step size at the start
    lr_critic: float | None = None  # of the critic; None: the same (two rates: Heusel et al. 2017)
    lr_end: float = 0.0  # share of both that is left at the end, where the schedule is not constant
    schedule: str = "constant"  # of both: constant, linear, cosine, exponential
    beta1: float = 0.5  # Adam's decay of the mean
    beta2: float = 0.999  # Adam's decay of the square
    binarise: Binarise = "none"  # grey to black and white: dynamic (a new draw each time), static (one)

    def __post_init__(self) -> None:
        rates = ("lr", *(("lr_critic",) if self.lr_critic is not None else ()))
        for name in ("latent", "width", "gain", "batch_size", "critic_steps", *rates):
            if not getattr(self, name) > 0:
                raise UserError(
                    f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be more than 0"
                )
        if min(self.hidden, default=1) < 1 or not 0 <= self.beta1 < 1 or not 0 < self.beta2 < 1:
            raise UserError("--hidden is 1 or more, --beta1 and --beta2 between 0 and 1")
        if not 0 <= self.lr_end <= 1:
            raise UserError(f"--lr-end is {self.lr_end}; it is the share of --lr left at the end, 0 to 1")


# Radford, Metz, Chintala 2016, section 4, with a quarter of their 128 channels: 28x28 pixels, not 64x64.
DCGAN: dict[str, Any] = {"net": "dcgan", "latent": 100, "width": 32, "steps": 6_000}
# The optimiser and widths of Lin et al. 2018 for these points (their nets also have batch norm and maxout).
PACGAN: dict[str, Any] = {"lr": 1e-4, "beta1": 0.8, "batch_size": 100, "latent": 2, "hidden": (400, 400, 400)}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {"digits": {"steps": 6_000}},
    "dcgan": {"mnist": DCGAN, "fashion-mnist": DCGAN},
    "pacgan": {"ring": PACGAN, "grid": PACGAN},
}


class GAN:
    """A generator and a critic per seed; the critic says how likely data and samples are to be data."""

    shown, selected, judged = "train/generator", "", JUDGED

    def __init__(self, spec: Spec, config: Config) -> None:
        self.spec, self.config = spec, config
        self.batch, self.binarise = config.batch_size * config.critic_steps, config.binarise
        self.of_critic, self.of_generator = pick(LOSSES, config.loss, "loss")
        adam = Adam(config.beta1, config.beta2)
        self.players = players = Players(spec, config, (adam, adam), (config.norm, config.norm))
        self.generator, self.critic = players.generator, players.critic
        self.sample, self.pictures = players.sample, players.pictures
        self.weights, self.gradients = players.weights, players.gradients
        self.scale = schedule(config.schedule, 1.0, config.lr_end)
        self.updates = 0

    def step(self, batch: Tensor) -> Metrics:
        """``critic_steps`` updates of the critic, then one of the generator; ``[seed, batch, *shape]``."""
        size, scale = self.config.batch_size, self.scale(self.updates / self.spec.steps)
        rate = scale * (self.config.lr_critic or self.config.lr)
        found = []
        for real in self.players.seen(batch).split(size, dim=1):
            fake = self.generator(self.players.draw(size), training=True)
            found.append(self.critic.step(self.critic_loss, real, fake, lr=rate))
        metrics = mean_of(found)
        metrics["critic_grad_norm"] = metrics.pop("grad_norm")
        found_by_generator = self.generator.step(
            self.generator_loss, self.players.draw(size), self.critic.weights(), lr=scale * self.config.lr
        )
        self.updates += 1
        return {f"train/{name}": value for name, value in (metrics | found_by_generator).items()}

    def critic_loss(self, params: Params, real: Tensor, fake: Tensor) -> tuple[Tensor, Metrics]:
        """One seed's, for ``[B, *shape]`` each: two passes, because batch norm is to see them apart."""
        on_real, on_fake = self.critic.apply(params, real), self.critic.apply(params, fake)
        loss = self.of_critic(on_real, on_fake)
        return loss, {"critic": loss, **self._told(on_real, on_fake)}

    def generator_loss(self, params: Params, noise: Tensor, critic: Params) -> tuple[Tensor, Metrics]:
        """One seed's, for ``[B, latent]``: the critic judges and stays as it is."""
        loss = self.of_generator(self.critic.apply(critic, self.generator.apply(params, noise)))
        return loss, {"generator": loss}

    def _told(self, real: Tensor, fake: Tensor) -> Metrics:
        """What the critic says on average, and how often it is right: ``[…, B]`` → ``[…]``."""
        border = BORDER[self.config.loss]
        right = (real > border).float().mean(-1) + (fake <= border).float().mean(-1)
        return {"real": real.mean(-1), "fake": fake.mean(-1), "accuracy": right / 2}

    def evaluate(self, images: Tensor, noise: Noise) -> Metrics:
        """What the critics say of held-out data ``[N, *shape]`` and of as many samples."""
        real, fake, *_ = self.players.judged(images, noise)
        found = {"critic": self.of_critic(real, fake), **self._told(real, fake)}
        if self.of_critic is losses.cross_entropy_critic:
            probability = {"real_probability": torch.sigmoid(real), "fake_probability": torch.sigmoid(fake)}
            found |= {name: value.mean(-1) for name, value in probability.items()}
        return {f"eval/{name}": value for name, value in found.items()}

    def state_dict(self) -> States:
        return self.players.state_dict(self.updates)

    def load_state_dict(self, states: States) -> None:
        self.updates = self.players.load_state_dict(states)


TRAINER = GAN
