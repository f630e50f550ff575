"""Wasserstein GAN: the critic measures a distance, held to slopes of one by a penalty (Gulrajani et al. 2017)."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from core.errors import UserError
from core.gradients import Params
from core.noise import Noise, States
from core.optimisers import Adam, Optimiser, RMSprop
from core.schedules import schedule
from generative import losses
from generative.adversarial import JUDGED, Players, mean_of
from generative.trainer import Binarise, Metrics, Spec

TAGS: dict[str, str] = {"model": "two players", "likelihood": "none", "data": "images, points"}


@dataclass(frozen=True)
class Config:
    """Settings of the Wasserstein GAN."""

    constraint: Literal["penalty", "clip"] = "penalty"  # on slopes (Gulrajani), on weights (Arjovsky 2017)
    penalty: float = 10.0  # weight of the gradient penalty, lambda
    clip: float = 0.01  # largest weight of the critic under --constraint clip
    critic_steps: int = 5  # updates of the critic per update of the generator, a fresh batch each
    net: Literal["auto", "mlp", "dcgan"] = "auto"  # of both; auto: dcgan for images above 8x8
    latent: int = 64  # width of the noise z
    hidden: tuple[int, ...] = (256, 256)  # widths of each mlp's hidden layers
    activation: str = "leaky-relu"  # of the mlps' hidden layers
    width: int = 64  # of the dcgan: channels where the picture is largest
    norm: Literal["none", "layer"] = "none"  # of the dcgan's critic; the penalty is per sample: no batch norm
    norm_generator: Literal["batch", "layer", "none"] = "batch"  # of the dcgan's generator
    gain: float = 1.0  # scale of all first weights
    batch_size: int = 64  # training images per update of the critic
    optimiser: Literal["adam", "rmsprop"] = "adam"  # of both players
    lr: float = 1e-4  # its step size at the start
    lr_critic: float | None = None  # of the critic; None: the same
    lr_end: float = 0.0  # share of both that is left at the end, where the schedule is not constant
    schedule: str = "constant"  # of both: constant, linear, cosine, exponential
    beta1: float = 0.0  # Adam's decay of the mean
    beta2: float = 0.9  # Adam's decay of the square
    binarise: Binarise = "none"  # grey to black and white: dynamic (a new draw each time), static (one)

    def __post_init__(self) -> None:
        rates = ("lr", *(("lr_critic",) if self.lr_critic is not None else ()))
        for name in ("latent", "width", "gain", "batch_size", "critic_steps", "penalty", "clip", *rates):
            if not getattr(self, name) > 0:
                raise UserError(
                    f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be more than 0"
                )
        if min(self.hidden, default=1) < 1 or not 0 <= self.beta1 < 1 or not 0 < self.beta2 < 1:
            raise UserError("--hidden is 1 or more, --beta1 and --beta2 between 0 and 1")
        if not 0 <= self.lr_end <= 1:
            raise UserError(f"--lr-end is {self.lr_end}; it is the share of --lr left at the end, 0 to 1")


# The authors' gan_mnist.py and gan_toy.py; they differ from the paper, whose algorithm 1 the defaults are.
MNIST: dict[str, Any] = {
    "batch_size": 50,
    "beta1": 0.5,
    "latent": 128,
    "norm_generator": "none",
    "steps": 200_000,
}
TOY: dict[str, Any] = {
    "batch_size": 256,
    "beta1": 0.5,
    "penalty": 0.1,
    "latent": 2,
    "hidden": (512, 512, 512),
    "activation": "relu",
    "steps": 100_000,
}

CLIP: dict[str, Any] = {
    "constraint": "clip",
    "optimiser": "rmsprop",
    "lr": 5e-5,
}  # Arjovsky et al. 2017, alg. 1
# For minutes on one core, where the authors took hours on a GPU: half the channels, twice the rate.
SHORT: dict[str, Any] = {"width": 32, "lr": 2e-4, "beta1": 0.5, "steps": 2_500}
MIXTURE: dict[str, Any] = {"penalty": 0.1, "critic_steps": 3, "lr": 2e-3, "beta1": 0.5, "schedule": "linear",
                           "latent": 2, "hidden": (64, 64, 64), "activation": "relu", "steps": 10_000}  # fmt: skip

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "digits": {"steps": 700, "lr": 1e-3, "beta1": 0.5},
        **dict.fromkeys(("mnist", "fashion-mnist"), SHORT),
        **dict.fromkeys(("ring", "grid", "swiss-roll"), MIXTURE),
    },
    "paper": {"mnist": {}, "fashion-mnist": {}},
    "official": {
        **dict.fromkeys(("mnist", "fashion-mnist"), MNIST),
        **dict.fromkeys(("ring-wgan-gp", "grid-wgan-gp", "swiss-roll"), TOY),
    },
    "clip": dict.fromkeys(("digits", "mnist", "fashion-mnist", "ring", "grid", "swiss-roll"), CLIP),
}


class WGAN:
    """A generator and a critic per seed; the critic's two means are as far apart as data and samples."""

    shown, selected, judged = "train/wasserstein", "", JUDGED

    def __init__(self, spec: Spec, config: Config) -> None:
        self.spec, self.config = spec, config
        self.batch, self.binarise = config.batch_size * config.critic_steps, config.binarise
        optimiser: Optimiser = Adam(config.beta1, config.beta2) if config.optimiser == "adam" else RMSprop()
        norms = (config.norm_generator, config.norm)
        self.players = players = Players(spec, config, (optimiser, optimiser), norms)
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
            share = self.players.shares.uniform(size)
            found.append(self.critic.step(self.critic_loss, real, fake, share, lr=rate))
            if self.config.constraint == "clip":
                self.critic.matrix.clamp_(-self.config.clip, self.config.clip)
        metrics = mean_of(found)
        metrics["critic_grad_norm"] = metrics.pop("grad_norm")
        found_by_generator = self.generator.step(
            self.generator_loss, self.players.draw(size), self.critic.weights(), lr=scale * self.config.lr
        )
        self.updates += 1
        return {f"train/{name}": value for name, value in (metrics | found_by_generator).items()}

    def critic_loss(
        self, params: Params, real: Tensor, fake: Tensor, share: Tensor
    ) -> tuple[Tensor, Metrics]:
        """E D(fake) − E D(real) + λ E(‖∇D(x̂)‖ − 1)², x̂ = ε·real + (1 − ε)·fake: one seed's; ε ``[B]``; alg. 1."""
        on_real, on_fake = self.critic.apply(params, real), self.critic.apply(params, fake)
        loss = losses.wasserstein_critic(on_real, on_fake)
        metrics = {"wasserstein": -loss}
        if self.config.constraint == "penalty":
            slope = self.critic.apply(params, losses.between(real, fake, share), True)
            norm = losses.gradient_norm(slope, len(self.spec.shape))
            penalty = losses.gradient_penalty(norm)
            metrics |= {"penalty": penalty, "gradient_norm": norm.mean()}
            loss = loss + self.config.penalty * penalty
        return loss, {"critic": loss, **metrics}

    def generator_loss(self, params: Params, noise: Tensor, critic: Params) -> tuple[Tensor, Metrics]:
        """−E D(G(z)), one seed's, for ``[B, latent]``: the critic judges and stays as it is."""
        loss = losses.wasserstein_generator(self.critic.apply(critic, self.generator.apply(params, noise)))
        return loss, {"generator": loss}

    def evaluate(self, images: Tensor, noise: Noise) -> Metrics:
        """The distance by this critic of held-out data ``[N, *shape]`` to as many samples, and its slope between."""
        on_real, on_fake, real, fake = self.players.judged(images, noise)
        found = {"wasserstein": on_real - on_fake, "real": on_real, "fake": on_fake}
        x = losses.between(real, fake, noise.uniform(real.shape[1]))
        slopes = torch.cat([self.critic(part, method="slope") for part in x.split(1000, dim=1)], dim=1)
        found["gradient_norm"] = losses.gradient_norm(slopes, len(self.spec.shape))
        found = {name: value.mean(-1) for name, value in found.items()}
        return {f"eval/{name}": value for name, value in found.items()}

    def state_dict(self) -> States:
        return self.players.state_dict(self.updates)

    def load_state_dict(self, states: States) -> None:
        self.updates = self.players.load_state_dict(states)


TRAINER = WGAN
