"""Autoencoder: a narrow code from which images can be made again; plain, denoising, sparse or contractive."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from core import trees
from core.errors import UserError
from core.gradients import Params
from core.networks.net import ACTIVATIONS
from core.noise import Noise, States
from core.optimisers import Adam
from core.replicas import Replicas
from core.schedules import schedule
from generative import losses
from generative.autoencoder import RunningGaussian, build
from generative.trainer import Binarise, Metrics, Spec

TAGS: dict[str, str] = {"model": "latent code", "likelihood": "none", "data": "images"}

Kind = Literal["plain", "denoising", "sparse", "contractive"]


@dataclass(frozen=True)
class Config:
    """Settings of the autoencoder."""

    kind: Kind = "plain"  # what is asked of the code beside the reconstruction
    latent: int = 16  # width of the code
    net: Literal["mlp", "conv"] = "mlp"  # encoder and decoder: fully connected or convolutional
    hidden: tuple[int, ...] = (200,)  # widths of the mlp's hidden layers; the decoder mirrors them
    activation: str = "tanh"  # of the mlp's hidden layers
    tied: bool | None = None  # decode by the encoder's weights transposed; None: the contractive mlp alone
    cost: Literal["bernoulli", "mse"] = "bernoulli"  # cross-entropy in nats, or squared error, per image
    corruption: Literal["mask", "gaussian"] = "mask"  # what denoising has to undo: pixels put out, or noise
    strength: float = 0.25  # the share of pixels put out, or the deviation of the noise
    rho: float = 0.05  # sparse: how active a unit of the code should be, averaged over a batch
    sparsity: float = 3.0  # sparse: weight of the divergence from that
    contraction: float = 0.1  # contractive: weight of the code's squared derivatives
    batch: int = 100  # images per update
    lr: float = 2e-3  # Adam's step size at the start
    lr_end: float = 1e-5  # and at the end
    schedule: str = "linear"  # between the two: constant, linear, cosine, exponential
    eps: float = 1e-8  # Adam's epsilon
    clip: float | None = None  # largest gradient norm per seed
    binarise: Binarise = "none"  # grey to black and white: dynamic (a new draw each time), static (one)

    def __post_init__(self) -> None:
        for name in ("latent", "batch", "lr", "eps", *(("clip",) if self.clip is not None else ())):
            if getattr(self, name) <= 0:
                raise UserError(f"--{name} is {getattr(self, name)}; it must be more than 0")
        for name in ("lr_end", "sparsity", "contraction", "strength"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be 0 or more")
        if min(self.hidden, default=1) < 1:
            raise UserError(f"--hidden is {self.hidden}; every layer must be 1 or more wide")
        if not 0 < self.rho < 1 or (self.corruption == "mask" and self.strength > 1):
            raise UserError("--rho lies between 0 and 1, and so does the --strength of --corruption mask")


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "digits": {"hidden": (64,), "latent": 8, "lr": 5e-3, "steps": 3_000},
        "mnist": {"hidden": (500, 250), "latent": 32, "lr": 1e-3, "steps": 12_000},
    },
}

# What the decoder's output means: its cost, the image it stands for, and the output that is a mean pixel.
COSTS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor], Any]] = {
    "bernoulli": (lambda output, x: -losses.bernoulli_log_likelihood(output, x), torch.sigmoid, None),
    "mse": (losses.squared_error, lambda output: output.clamp(0, 1), lambda mean: mean),
}
# The code's last activation: what is meant to be on or off lies between 0 and 1.
SQUASH = {"plain": "identity", "denoising": "identity", "sparse": "sigmoid", "contractive": "sigmoid"}


class AE:
    """An encoder and a decoder per seed. An autoencoder has no prior: ``sample`` decodes draws from a Gaussian fitted
    to the codes of what the encoder saw last in training, before the sigmoid where a code has one."""

    def __init__(self, spec: Spec, config: Config) -> None:
        self.spec, self.config = spec, config
        self.batch, self.binarise = config.batch, config.binarise
        self.shown, self.selected, self.judged = "train/loss", "eval/loss", 0
        self.cost, self.image, link = COSTS[config.cost]
        self.squash = ACTIVATIONS[SQUASH[config.kind]]
        tied = config.tied if config.tied is not None else (config.kind, config.net) == ("contractive", "mlp")
        self.net = Replicas(
            lambda: build(config, spec.image, spec.pixel_mean, code=config.latent, link=link, tied=tied),
            spec.seeds,
            optimiser=Adam(eps=config.eps),
            clip=config.clip,
            device=spec.device,
            path=spec.path,
            compiled=spec.compiled,
        )
        self.weights, self.gradients = self.net.weights, self.net.gradients
        self.noise = Noise(spec.seeds, "ae", spec.device)
        self.lr = schedule(config.schedule, config.lr, config.lr_end)
        self.seen = RunningGaussian(len(spec.seeds), config.latent, spec.device)
        self.parts: dict[str, trees.Stateful] = {"net": self.net, "noise": self.noise, "seen": self.seen}
        self.updates = 0

    def step(self, batch: Tensor) -> Metrics:
        """One update on ``[seed, batch, C, H, W]``. ``train/reconstruction`` is per image: nats, or squared error."""
        seen = self.corrupted(batch, self.noise) if self.config.kind == "denoising" else batch
        metrics = self.net.step(self.loss, batch, seen, lr=self.lr(self.updates / self.spec.steps))
        self.updates += 1
        self.seen.add(metrics.pop("mean"), metrics.pop("second"))
        return {f"train/{name}": value for name, value in metrics.items()}

    def loss(self, params: Params, x: Tensor, seen: Tensor) -> tuple[Tensor, Metrics]:
        """Cost of one seed's x ``[B, C, H, W]`` made again from ``seen``: x itself, or x corrupted."""

        def encode(images: Tensor) -> Tensor:
            code: Tensor = self.net.apply(params, {"encoder": images})
            return code

        before = encode(seen)
        code = self.squash(before)
        reconstruction = self.cost(self.net.apply(params, {"decoder": code}), x).mean()
        loss, metrics = reconstruction, {"reconstruction": reconstruction}
        if self.config.kind == "sparse":
            metrics["penalty"] = losses.sparsity(code.mean(0), self.config.rho)
            loss = loss + self.config.sparsity * metrics["penalty"]
        if self.config.kind == "contractive":
            metrics["penalty"] = losses.contraction(lambda images: self.squash(encode(images)), seen).mean()
            loss = loss + self.config.contraction * metrics["penalty"]
        fit = {"mean": before.mean(0), "second": before.mT @ before / len(before)}
        return loss, {"loss": loss, **metrics, **fit}

    def corrupted(self, images: Tensor, noise: Noise) -> Tensor:
        """Images ``[seed, n, C, H, W]`` with pixels put out, or with noise added (Vincent et al. 2008 and 2010)."""
        strength, shape = self.config.strength, images.shape[1:]
        if self.config.corruption == "mask":
            return images * (noise.uniform(*shape) >= strength)
        return images + strength * noise.normal(*shape)

    def evaluate(self, images: Tensor, noise: Noise) -> Metrics:
        """Per held-out image: ``reconstruction`` from the image, ``denoising`` from the image corrupted, whatever the
        kind; ``loss`` is the one that the kind is trained for, without a penalty."""
        clean, noisy = [], []
        for x in self._of_every_seed(images).split(1000, dim=1):
            clean.append(self.cost(self._decode(self._encode(x)), x))
            noisy.append(self.cost(self._decode(self._encode(self.corrupted(x, noise))), x))
        found = {
            "reconstruction": torch.cat(clean, dim=1).mean(1),
            "denoising": torch.cat(noisy, dim=1).mean(1),
        }
        loss = found["denoising" if self.config.kind == "denoising" else "reconstruction"]
        return {"eval/loss": loss, **{f"eval/{name}": value for name, value in found.items()}}

    def codes(self, images: Tensor) -> Tensor:
        """Codes of images ``[N, C, H, W]``, before a sigmoid: ``[seed, N, latent]``."""
        return self._encode(self._of_every_seed(images))

    def generate(self, z: Tensor) -> Tensor:
        """Images of standard normal z ``[seed, n, latent]``, moved to mean and covariance of the codes seen."""
        return self.image(self._decode(self.seen.place(z)))

    def sample(self, count: int, noise: Noise) -> Tensor:
        """Images ``[seed, count, C, H, W]`` of codes drawn from the Gaussian fitted to those of training."""
        return self.generate(noise.normal(count, self.config.latent))

    def pictures(self, images: Tensor, noise: Noise) -> dict[str, Tensor]:
        """Samples; reconstructions beside their originals; for denoising, corrupted | made again | original."""
        x = self._of_every_seed(images)
        pairs = torch.stack([x, self.image(self._decode(self._encode(x)))], dim=2).flatten(1, 2)
        found = {"samples": self.sample(64, noise), "reconstructions": pairs}
        if self.config.kind == "denoising":
            seen = self.corrupted(x, noise)
            made, edge = self.image(self._decode(self._encode(seen))), torch.ones_like(x[..., :1])
            found["denoised"] = torch.cat([seen.clamp(0, 1), edge, made, edge, x], -1)
        return found

    def _encode(self, images: Tensor) -> Tensor:
        code: Tensor = self.net({"encoder": images})
        return code

    def _decode(self, before: Tensor) -> Tensor:
        output: Tensor = self.net({"decoder": self.squash(before)})
        return output

    def _of_every_seed(self, images: Tensor) -> Tensor:
        return images.expand(len(self.spec.seeds), *images.shape)

    def state_dict(self) -> States:
        return trees.states_of(self.parts, updates=[self.updates] * len(self.spec.seeds))

    def load_state_dict(self, states: States) -> None:
        trees.load_states(self.parts, states)
        self.updates = int(states[0]["updates"])


TRAINER = AE
