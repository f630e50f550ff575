"""Two players, a generator and a critic of each seed: their networks, and what every trainer of two does with them."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.func import grad

from core import trees
from core.errors import UserError
from core.networks.dcgan import DCCritic, DCGenerator
from core.networks.mlp import MLP
from core.networks.net import pick
from core.noise import Noise, States
from core.optimisers import Optimiser
from core.replicas import Replicas
from generative.trainer import Spec

JUDGED = 2_000  # held-out examples, from the first, at each evaluation: more take longer than they tell
SMALL = 8  # pixels of a side up to which --net auto is an mlp
SHOWN = {3: 64, 1: 1_000}  # samples in the picture of an evaluation: images, points


class Widths(Protocol):
    """The settings that say what the two networks are."""

    @property
    def net(self) -> Literal["auto", "mlp", "dcgan"]: ...

    @property
    def latent(self) -> int: ...  # width of the noise

    @property
    def hidden(self) -> tuple[int, ...]: ...  # of both mlps

    @property
    def activation(self) -> str: ...  # of both mlps

    @property
    def width(self) -> int: ...  # of a DCGAN

    @property
    def gain(self) -> float: ...  # of all first weights


class Generator(nn.Module):
    """Noise ``[…, latent]`` to samples ``[…, *shape]``: images through tanh in (−1, 1), points as they come."""

    def __init__(self, body: nn.Module, shape: Sequence[int]) -> None:
        super().__init__()
        self.body, self.shape, self.squash = body, tuple(shape), len(shape) == 3
        self.stacks = getattr(body, "stacks", False)

    def forward(self, noise: Tensor) -> Tensor:
        x: Tensor = self.body(noise)
        x = x if x.shape[-len(self.shape) :] == self.shape else x.unflatten(-1, self.shape)
        return torch.tanh(x) if self.squash else x


class Critic(nn.Module):
    """Samples ``[…, *shape]`` to numbers ``[…]``."""

    def __init__(self, body: MLP | DCCritic, shape: Sequence[int]) -> None:
        super().__init__()
        self.body, self.shape = body, tuple(shape)
        self.flat = isinstance(body, MLP)
        self.stacks = body.stacks

    def forward(self, x: Tensor, slope: bool = False) -> Tensor:
        """D(x), ``[…]``; or its ``slope``."""
        if slope:
            return self.slope(x)
        score: Tensor = self.body(self._flat(x))
        return score.squeeze(-1)

    def slope(self, x: Tensor) -> Tensor:
        """∂D(x)/∂x, ``[…, *shape]``. For bodies without batch norm: there a number depends on its own sample alone,
        and the gradient of their sum is that of each."""
        x = self._flat(x)
        slope = self.body.input_gradient(x)
        if slope is None:
            slope = grad(lambda samples: self.body(samples).sum())(x)
        return slope.unflatten(-1, self.shape) if self.flat else slope

    def _flat(self, x: Tensor) -> Tensor:
        return x.flatten(-len(self.shape)) if self.flat else x


def build_generator(widths: Widths, shape: Sequence[int], norm: str) -> Generator:
    """``norm``: of a DCGAN's hidden layers."""
    if _kind(widths.net, shape) == "dcgan":
        return Generator(DCGenerator(widths.latent, shape, widths.width, norm, widths.gain), shape)
    sizes = (widths.latent, *widths.hidden, math.prod(shape))
    return Generator(_mlp(sizes, widths), shape)


def build_critic(widths: Widths, shape: Sequence[int], norm: str) -> Critic:
    """``norm``: of a DCGAN's hidden layers."""
    if _kind(widths.net, shape) == "dcgan":
        return Critic(DCCritic(shape, widths.width, norm, widths.gain), shape)
    return Critic(_mlp((math.prod(shape), *widths.hidden, 1), widths), shape)


BUILD: tuple[Callable[[Widths, Sequence[int], str], nn.Module], ...] = (build_generator, build_critic)


def _mlp(sizes: Sequence[int], widths: Widths) -> MLP:
    return MLP(sizes, widths.activation, initialise="default", gain=widths.gain, gain_out=widths.gain)


def _kind(net: str, shape: Sequence[int]) -> str:
    """What ``auto`` means: convolutions for images that are not small."""
    if net == "dcgan" and len(shape) != 3:
        raise UserError("--net dcgan is for images; points take --net mlp")
    images = {
        "auto": "dcgan" if len(shape) == 3 and max(shape[1:]) > SMALL else "mlp",
        "mlp": "mlp",
        "dcgan": "dcgan",
    }
    return pick(images, net, "net")


class Players:
    """The generators and critics of all seeds, each with its own optimiser, and the noise they play with.

    Args:
        spec: what the trainer was told.
        widths: its settings.
        optimisers: of generator and critic.
        norms: of a DCGAN's generator and critic: none, batch or layer.
    """

    def __init__(
        self, spec: Spec, widths: Widths, optimisers: tuple[Optimiser, Optimiser], norms: tuple[str, str]
    ) -> None:
        self.shape, self.latent = spec.shape, widths.latent
        self.generator, self.critic = (
            Replicas(
                partial(make, widths, spec.shape, norm),
                spec.seeds,
                name=name,
                optimiser=optimiser,
                device=spec.device,
                path=spec.path,
                compiled=spec.compiled,
            )
            for name, make, norm, optimiser in zip(
                ("generator", "critic"), BUILD, norms, optimisers, strict=True
            )
        )
        self.noise = Noise(spec.seeds, "generator", spec.device)
        self.shares = Noise(spec.seeds, "between", spec.device)
        self.parts: dict[str, trees.Stateful] = {
            name: getattr(self, name) for name in ("generator", "critic", "noise", "shares")
        }

    def draw(self, count: int) -> Tensor:
        """Noise for training: ``[seed, count, latent]``."""
        return self.noise.normal(count, self.latent)

    def seen(self, data: Tensor) -> Tensor:
        """Data as the networks see them: images of [0, 1] in [−1, 1] as the generator's, points as they are."""
        if len(self.shape) != 3:
            return data
        low, high = data.aminmax()
        assert 0 <= low <= high <= 1, f"images are in [0, 1], these in [{low}, {high}]"
        return 2 * data - 1

    def judged(self, data: Tensor, noise: Noise) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the critics say of the first held-out data and of as many samples, and both of these.

        Returns:
            Numbers of data and samples ``[seed, N]``, data and samples as the networks see them ``[seed, N, *shape]``.
        """
        data = self.seen(data[:JUDGED])
        real = data.expand(len(self.critic.seeds), *data.shape)
        fake = self.generator(noise.normal(len(data), self.latent))
        return self._numbers(real), self._numbers(fake), real, fake

    def _numbers(self, x: Tensor) -> Tensor:
        return torch.cat([self.critic(part) for part in x.split(1000, dim=1)], dim=1)

    def sample(self, count: int, noise: Noise) -> Tensor:
        """New data ``[seed, count, *shape]``: images in [0, 1]."""
        z = noise.normal(count, self.latent)
        x = torch.cat([self.generator(part) for part in z.split(1000, dim=1)], dim=1)
        return (x + 1) / 2 if len(self.shape) == 3 else x

    def pictures(self, images: Tensor, noise: Noise) -> dict[str, Tensor]:
        """Samples."""
        return {"samples": self.sample(SHOWN[len(self.shape)], noise)}

    def weights(self) -> dict[str, Tensor]:
        """Both players' weights ``[seed, …]``, under their names."""
        return {f"{name}.{key}": value for name, net in self._nets for key, value in net.weights().items()}

    def gradients(self) -> dict[str, Tensor]:
        """Both players' last gradients ``[seed, …]``, under their names."""
        return {f"{name}.{key}": value for name, net in self._nets for key, value in net.gradients().items()}

    @property
    def _nets(self) -> tuple[tuple[str, Replicas], ...]:
        return ("generator", self.generator), ("critic", self.critic)

    def state_dict(self, updates: int) -> States:
        return trees.states_of(self.parts, updates=[updates] * len(self.critic.seeds))

    def load_state_dict(self, states: States) -> int:
        """Restore what ``state_dict`` gave; returns the updates made."""
        trees.load_states(self.parts, states)
        return int(states[0]["updates"])


def mean_of(found: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of several updates' metrics; what was not finite once stays so."""
    return {name: torch.stack([metrics[name] for metrics in found]).mean(0) for name in found[0]}
