"""Variational autoencoder: encoder and decoder trained on one likelihood bound (Kingma & Welling 2014)."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from core.errors import UserError
from core.gradients import Params
from core.noise import Noise, States
from core.optimisers import Adam
from core.replicas import Replicas
from core.schedules import first_part, schedule
from generative import losses
from generative.autoencoder import build
from generative.trainer import Binarise, Metrics, Spec

TAGS: dict[str, str] = {"model": "latent variables", "likelihood": "bounded", "data": "images"}


@dataclass(frozen=True)
class Config:
    """Settings of the VAE."""

    latent: int = 20  # width of the code z
    net: Literal["mlp", "conv"] = "mlp"  # encoder and decoder: fully connected or convolutional
    hidden: tuple[int, ...] = (200, 200)  # widths of the mlp's hidden layers; the decoder mirrors them
    activation: str = "tanh"  # of the mlp's hidden layers
    batch: int = 100  # images per update
    draws: int = 1  # of z per image and update: more make the gradient less noisy
    lr: float = 2e-3  # Adam's step size at the start
    lr_end: float = 1e-5  # and at the end
    schedule: str = "linear"  # between the two: constant, linear, cosine, exponential
    eps: float = 1e-8  # Adam's epsilon
    clip: float | None = None  # largest gradient norm per seed
    beta: float = 1.0  # weight of the KL term; 1 is the bound, more than 1 the beta-VAE
    warmup: float = 0.0  # share of training in which that weight grows from 0 (Sønderby et al. 2016)
    binarise: Binarise = "none"  # grey to black and white: dynamic (a new draw each time), static (one)

    def __post_init__(self) -> None:
        for name in ("latent", "batch", "draws", "lr", "eps", *(("clip",) if self.clip is not None else ())):
            if getattr(self, name) <= 0:
                raise UserError(f"--{name} is {getattr(self, name)}; it must be more than 0")
        if min(self.hidden, default=1) < 1 or min(self.beta, self.lr_end) < 0 or not 0 <= self.warmup <= 1:
            raise UserError("--hidden is 1 or more, --beta and --lr-end 0 or more, --warmup between 0 and 1")


# The network and data of Burda et al. 2016, table 1, in 150 epochs where the paper takes 3,280.
IWAE: dict[str, Any] = {"latent": 50, "binarise": "dynamic", "draws": 5, "steps": 90_000, "lr": 4e-3}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "iwae": {"mnist": IWAE, "fashion-mnist": IWAE},
    "lab": {"digits": {"beta": 0.5}},  # sharper pictures; the bound itself suffers a little
}


class VAE:
    """q(z|x) = N(mean, variance), p(z) = N(0, 1), p(x|z) = Bernoulli: one of each per seed."""

    shown, selected, judged = "train/bound", "eval/bound", 0

    def __init__(self, spec: Spec, config: Config) -> None:
        self.spec, self.config = spec, config
        self.batch, self.binarise = config.batch, config.binarise
        self.net = Replicas(
            lambda: build(config, spec.image, spec.pixel_mean, code=2 * config.latent),
            spec.seeds,
            optimiser=Adam(eps=config.eps),
            clip=config.clip,
            device=spec.device,
            path=spec.path,
            compiled=spec.compiled,
        )
        self.weights, self.gradients = self.net.weights, self.net.gradients
        self.noise = Noise(spec.seeds, "vae", spec.device)
        self.lr = schedule(config.schedule, config.lr, config.lr_end)
        self.beta = first_part(0.0 if config.warmup else config.beta, config.beta, config.warmup)
        self.updates = 0

    def step(self, batch: Tensor) -> Metrics:
        """One update on ``[seed, batch, C, H, W]``. Metrics in nats per image: ``bound`` ≥ −log p(x)."""
        noise = self.noise.normal(self.config.draws, batch.shape[1], self.config.latent)
        done = self.updates / self.spec.steps
        beta = torch.full(batch.shape[:1], self.beta(done), device=self.net.device)
        metrics = self.net.step(self.loss, batch, noise, beta, lr=self.lr(done))
        self.updates += 1
        return {f"train/{name}": value for name, value in metrics.items()}

    def loss(self, params: Params, x: Tensor, noise: Tensor, beta: Tensor) -> tuple[Tensor, Metrics]:
        """−ELBO of one seed: x ``[B, C, H, W]``, noise ``[L, B, latent]``, beta ``[]``; eq. 10."""
        mean, log_variance = self._posterior(self.net.apply(params, {"encoder": x}))
        z = losses.reparameterise(mean, log_variance, noise)
        likelihood = losses.bernoulli_log_likelihood(self.net.apply(params, {"decoder": z}), x).mean(0)
        kl = losses.gaussian_kl(mean, log_variance)
        return -losses.elbo(likelihood, kl, beta).mean(), _bound(likelihood, kl)

    def _posterior(self, code: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = code.chunk(2, dim=-1)
        return mean, losses.clamp_log_variance(log_variance)

    def evaluate(self, images: Tensor, noise: Noise) -> Metrics:
        """The bound on held-out images ``[N, C, H, W]``, one draw of z each, in nats per image."""
        likelihoods, kls = [], []
        for x in self._of_every_seed(images).split(1000, dim=1):
            mean, log_variance = self._posterior(self.net({"encoder": x}))
            z = losses.reparameterise(mean, log_variance, noise.normal(*mean.shape[1:]))
            likelihoods.append(losses.bernoulli_log_likelihood(self.net({"decoder": z}), x))
            kls.append(losses.gaussian_kl(mean, log_variance))
        found = _bound(torch.cat(likelihoods, dim=1), torch.cat(kls, dim=1))
        return {f"eval/{name}": value for name, value in found.items()}

    def log_weights(self, images: Tensor, samples: int, noise: Noise) -> Tensor:
        """log p(x|z) + log p(z) − log q(z|x): ``[seed, B, C, H, W]`` and K to ``[seed, K, B]``."""
        mean, log_variance = (part[:, None] for part in self._posterior(self.net({"encoder": images})))
        drawn = noise.normal(samples, images.shape[1], self.config.latent)
        z = losses.reparameterise(mean, log_variance, drawn)
        logits = self.net({"decoder": z.flatten(1, 2)}).unflatten(1, z.shape[1:3])
        prior = losses.gaussian_log_density(z, torch.zeros_like(z), torch.zeros_like(z))
        posterior = losses.gaussian_log_density(z, mean, log_variance)
        return losses.bernoulli_log_likelihood(logits, images[:, None]) + prior - posterior

    def codes(self, images: Tensor) -> Tensor:
        """The posterior's mean of images ``[N, C, H, W]``: ``[seed, N, latent]``."""
        return self._posterior(self.net({"encoder": self._of_every_seed(images)}))[0]

    def generate(self, z: Tensor) -> Tensor:
        """p(x = 1 | z): ``[seed, n, latent]`` to ``[seed, n, C, H, W]``."""
        return torch.sigmoid(self.net({"decoder": z.to(self.spec.device)}))

    def sample(self, count: int, noise: Noise) -> Tensor:
        """Images ``[seed, count, C, H, W]`` of z drawn from the prior."""
        return self.generate(noise.normal(count, self.config.latent))

    def pictures(self, images: Tensor, noise: Noise) -> dict[str, Tensor]:
        """Samples, and reconstructions from the posterior's mean, each beside its original."""
        x = self._of_every_seed(images)
        pairs = torch.stack([x, self.generate(self.codes(images))], dim=2).flatten(1, 2)
        return {"samples": self.sample(64, noise), "reconstructions": pairs}

    def _of_every_seed(self, images: Tensor) -> Tensor:
        return images.expand(len(self.spec.seeds), *images.shape)

    def state_dict(self) -> States:
        parts = zip(self.net.state_dict(), self.noise.state_dict(), strict=True)
        return [{"net": net, "noise": noise, "updates": self.updates} for net, noise in parts]

    def load_state_dict(self, states: States) -> None:
        self.net.load_state_dict([state["net"] for state in states])
        self.noise.load_state_dict([state["noise"] for state in states])
        self.updates = int(states[0]["updates"])


def _bound(likelihood: Tensor, kl: Tensor) -> Metrics:
    """Means over the last axis, signs turned so that less is better: bound = reconstruction + kl."""
    mean = {"bound": kl - likelihood, "reconstruction": -likelihood, "kl": kl}
    return {name: value.mean(dim=-1) for name, value in mean.items()}


TRAINER = VAE
